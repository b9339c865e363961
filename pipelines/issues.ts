// zod's findings in the words of the product: what is wrong, where, and what was probably meant.
import { z } from 'zod';
import { suggest } from './diagnostics.ts';
import type { Path } from './source.ts';

/** One finding; `part` says whether the key or the value is to be pointed at. Values are never quoted: they may be secrets. */
export interface Issue {
  path: Path;
  part: 'key' | 'value';
  message: string;
}

type ZodIssue = z.core.$ZodIssue;

/** The findings of an error that a schema threw on `input`; undefined when it is no such error. Paths are relative to the input. */
export function issuesOf(error: unknown, schema: unknown, input: unknown): Issue[] | undefined {
  if (!(error instanceof z.ZodError)) return undefined;
  return error.issues.flatMap((issue) => translate(issue, [], { schema, input }));
}

interface Parsed {
  schema: unknown;
  input: unknown;
}

function translate(issue: ZodIssue, above: Path, parsed: Parsed): Issue[] {
  const path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(parsed.schema, path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        part: 'key' as const,
        message: `unknown key "${key}"${inside(path)}${suggest(key, known) || listed(known)}`,
      }));
    }
    case 'invalid_type':
      return [isMissing(parsed.input, path) ? missing(path) : wrong(path, kindMessage(issue))];
    case 'invalid_value':
      return [
        isMissing(parsed.input, path) ? missing(path) : wrong(path, `must be ${choices(issue.values, parsed, path)}`),
      ];
    case 'invalid_union':
      return isMissing(parsed.input, path) ? [missing(path)] : union(issue, path, parsed);
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({
        path,
        part: 'key' as const,
        message: `the name "${String(path.at(-1))}" cannot be used: ${message}`,
      }));
    case 'too_small':
      return [
        wrong(
          path,
          issue.origin === 'number' || issue.origin === 'int'
            ? `must be at least ${String(issue.minimum)}`
            : 'must not be empty',
        ),
      ];
    case 'too_big':
      return [wrong(path, `must be at most ${String(issue.maximum)}`)];
    default:
      return [wrong(path, issue.message)];
  }
}

/** A schema's own words go before ours. */
function kindMessage(issue: z.core.$ZodIssueInvalidType): string {
  return issue.message.startsWith('Invalid input')
    ? `must be ${kinds[issue.expected] ?? issue.expected}`
    : issue.message;
}

const kinds: Partial<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map of names',
  array: 'a list',
};

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const step of path) value = (value as Record<string | number, unknown> | null | undefined)?.[step];
  return value;
}

function isMissing(input: unknown, path: Path): boolean {
  return path.length > 0 && valueAt(input, path) === undefined;
}

function missing(path: Path): Issue {
  return { path, part: 'key', message: `"${String(path.at(-1))}" is missing${inside(path.slice(0, -1))}` };
}

function wrong(path: Path, message: string): Issue {
  return { path, part: 'value', message: path.length === 0 ? message : `${name(path)}: ${message}` };
}

function name(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

function inside(path: Path): string {
  return path.length === 0 ? '' : ` in ${name(path)}`;
}

function listed(known: readonly string[]): string {
  return known.length === 0 ? '' : `; there are ${known.join(', ')}`;
}

function choices(values: readonly unknown[], { input }: Parsed, path: Path): string {
  const texts = values.map(String);
  const written = valueAt(input, path);
  const list = texts.length === 1 ? texts[0]! : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)!}`;
  return list + (typeof written === 'string' ? suggest(written, texts) : '');
}

/** The findings of the one alternative that is of the right kind; what the union says of itself when none or several are. */
function union(issue: z.core.$ZodIssueInvalidUnion, path: Path, parsed: Parsed): Issue[] {
  const near = issue.errors.filter((errors) => !isOther(errors));
  if (near.length === 1) return near[0]!.flatMap((error) => translate(error, path, parsed));
  return [wrong(path, issue.message === 'Invalid input' ? 'is not of the right form' : `must be ${issue.message}`)];
}

/** Whether the alternative was not meant at all: the value is of another kind. */
function isKindIssue(error: ZodIssue): boolean {
  if (error.code === 'invalid_union') return error.errors.every((errors) => isOther(errors));
  return ['invalid_type', 'invalid_value', 'invalid_format', 'custom'].includes(error.code);
}

function isOther(errors: readonly ZodIssue[]): boolean {
  return errors.some((error) => error.path.length === 0 && isKindIssue(error));
}

/** The keys that an object schema knows at a path; through records, lists, unions and wrappers. */
export function keysAt(schema: unknown, path: Path): string[] {
  const [step, ...rest] = path;
  const keys = new Set<string>();
  for (const object of objectsOf(schema)) {
    if (object instanceof z.ZodObject) {
      const shape = object.shape as Record<string, unknown>;
      if (step === undefined) Object.keys(shape).forEach((key) => keys.add(key));
      else if (Object.hasOwn(shape, step)) keysAt(shape[step], rest).forEach((key) => keys.add(key));
    } else if (step !== undefined) {
      const inner = object instanceof z.ZodRecord ? object.valueType : object.element;
      keysAt(inner, rest).forEach((key) => keys.add(key));
    }
  }
  return [...keys];
}

function objectsOf(schema: unknown): (z.ZodObject | z.ZodRecord | z.ZodArray)[] {
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord || schema instanceof z.ZodArray) return [schema];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectsOf);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    return objectsOf(schema.unwrap());
  if (schema instanceof z.ZodPipe) return objectsOf(schema.in);
  return [];
}
