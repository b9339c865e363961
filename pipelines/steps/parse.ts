// `parse: json`, `parse: logfmt`, `parse: nginx_combined`, `parse: { regex: … }`, `parse: { grok: … }`: a text becomes fields. The text is
// `message`, which for a record that nothing has parsed is the whole line; it gives way to its fields. `from` names another field (which stays),
// `into` a field that takes the result instead of the top level. A text that does not fit is a failure of the step (`on_error`).
// regex and grok may be lists, tried in order; on the command line they are written "regex:PATTERN" and "grok:PATTERN".
import { z } from 'zod';
import { parseAccessLog } from '../access-log.ts';
import { messageOf } from '../../base/errors.ts';
import { parseExactJson } from '../exact-integer.ts';
import { compileGrok, GrokError } from '../grok/compile.ts';
import { parseLogfmt } from '../logfmt.ts';
import { type Path } from '../source.ts';
import { defineStep, type StepContext } from './definition.ts';
import { define, getField, setField } from './fields.ts';
import { type Event, type Fields, StepError } from './step.ts';

const formats = ['json', 'logfmt', 'nginx_combined'] as const;
const patterns = z.union([z.string(), z.array(z.string()).min(1)], 'a pattern, or a list of them');
const long = z.strictObject({
  format: z.enum(formats).optional(),
  regex: patterns.optional(),
  grok: patterns.optional(),
  /** Grok patterns of one's own, by name. */
  patterns: z.record(z.string(), z.string()).optional(),
  from: z.string().min(1).default('message'),
  into: z.string().min(1).optional(),
});
type Settings = z.infer<typeof long>;

export const parse = defineStep({
  name: 'parse',
  summary: 'makes fields of a text: json, logfmt, nginx_combined, a regular expression or grok',
  settings: z.union(
    [
      z.enum(formats),
      z.string().regex(/^(regex|grok):/, 'must be json, logfmt, nginx_combined, { regex: … } or { grok: … }'),
      long,
    ],
    'json, logfmt, nginx_combined, { regex: … } or { grok: … }',
  ),
  compile(settings, context) {
    const full = typeof settings === 'string' ? shorthand(settings) : settings;
    const ways = [full.format, full.regex, full.grok].filter((way) => way !== undefined);
    if (ways.length !== 1) context.fail([], 'name one of format, regex and grok');
    if (full.patterns !== undefined && full.grok === undefined) context.fail(['patterns'], 'patterns belong to grok');
    const parser = compileParser(full, typeof settings === 'string', context);
    return parser && { apply: (event) => (parseInto(event, parser, full), 'keep') };
  },
});

function shorthand(text: string): Settings {
  const pattern = text.slice(text.indexOf(':') + 1);
  if (text.startsWith('regex:')) return { regex: pattern, from: 'message' };
  if (text.startsWith('grok:')) return { grok: pattern, from: 'message' };
  return { format: formats.find((format) => format === text), from: 'message' };
}

/** The fields of a text. `same` says that they are the record itself, only read: it goes out as its bytes while no other step changes it. */
interface Parsed {
  fields: Fields;
  timeMs?: number | undefined;
  same?: boolean;
}
/** Throws StepError. */
type Parser = (text: string) => Parsed;

function compileParser(
  { format, regex, grok, patterns: own }: Settings,
  short: boolean,
  context: StepContext,
): Parser | undefined {
  if (format !== undefined) return { json: parseJson, logfmt: parseLogfmtLine, nginx_combined: parseNginx }[format];
  const at = (key: string, list: string | string[], index: number): Path =>
    short ? [] : Array.isArray(list) ? [key, index] : [key];
  if (regex !== undefined) {
    const matchers = asList(regex).map((source, index) => {
      const pattern = context.pattern(at('regex', regex, index), source);
      if (pattern !== undefined && pattern.groupNames.length === 0)
        context.fail(at('regex', regex, index), 'the pattern names no field; name its groups: (?<status>\\d+)');
      return (text: string) => {
        const groups = pattern?.match(text);
        return groups && fieldsOf(pattern!.groupNames, groups, (name) => pattern!.groupNumber(name));
      };
    });
    return firstOf(matchers, 'regular expression');
  }
  if (grok === undefined) return undefined;
  const matchers = asList(grok).map((source, index) =>
    compileGrokAt(source, own, at('grok', grok, index), short ? 5 : 0, context),
  );
  return firstOf(matchers, 'grok pattern');
}

function compileGrokAt(
  source: string,
  own: Record<string, string> | undefined,
  at: Path,
  offset: number,
  context: StepContext,
) {
  try {
    const { match } = compileGrok(source, own);
    return match;
  } catch (error) {
    if (error instanceof GrokError) context.fail(at, error.message, error.start + offset, error.length);
    else context.fail(at, messageOf(error));
    return () => undefined;
  }
}

function asList(value: string | string[]): string[] {
  return typeof value === 'string' ? [value] : value;
}

function fieldsOf(
  names: readonly string[],
  groups: readonly (string | undefined)[],
  numberOf: (name: string) => number,
): Fields {
  const fields: Fields = {};
  for (const name of names) {
    const value = groups[numberOf(name)];
    if (value !== undefined) define(fields, name, value);
  }
  return fields;
}

function firstOf(matchers: ((text: string) => Fields | undefined)[], what: string): Parser {
  return (text) => {
    for (const match of matchers) {
      const fields = match(text);
      if (fields !== undefined) return { fields };
    }
    throw new StepError(
      matchers.length === 1 ? `does not match the ${what}` : `matches none of the ${matchers.length} ${what}s`,
    );
  };
}

function parseJson(text: string): Parsed {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch {
    throw new StepError('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new StepError(
      `is JSON, but ${Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`}, not an object`,
    );
  return { fields: value as Fields, same: true };
}

function parseLogfmtLine(text: string): Parsed {
  const fields = parseLogfmt(text);
  if (fields === undefined) throw new StepError('is not logfmt');
  return { fields };
}

function parseNginx(text: string): Parsed {
  const parsed = parseAccessLog(text);
  if (parsed === undefined) throw new StepError('is not a line of the combined access log');
  return parsed;
}

function parseInto(event: Event, parser: Parser, { from, into }: Settings): void {
  const wholeLine = from === 'message' && event.isLine;
  const text = wholeLine ? event.message : textAt(event.fields, from);
  const parsed = run(parser, text, from, wholeLine);
  if (parsed.timeMs !== undefined) event.timestampMs = parsed.timeMs;
  if (wholeLine && into === undefined) {
    if (parsed.same === true) event.readAs(parsed.fields);
    else event.fields = parsed.fields;
    return;
  }
  const { fields } = event;
  if (from === 'message') delete fields['message'];
  if (into !== undefined) setField(fields, into, parsed.fields);
  else for (const name of Object.keys(parsed.fields)) define(fields, name, parsed.fields[name]);
  event.markChanged();
}

function textAt(fields: Fields, from: string): string {
  const text = getField(fields, from);
  if (text === undefined) throw new StepError(`there is no field ${from} to parse`);
  if (typeof text !== 'string') throw new StepError(`the field ${from} is not a text`);
  return text;
}

function run(parser: Parser, text: string, from: string, wholeLine: boolean): Parsed {
  try {
    return parser(text);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    throw new StepError(`${wholeLine ? 'the line' : from} ${error.message}`);
  }
}
