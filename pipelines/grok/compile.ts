// Grok to one regular expression: `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}` (int, float, string), with the usual names of ./patterns.ts
// and the user's own; everything else is a regular expression, whose named groups are fields too. A field that stands several times takes the
// first that matched.
import { suggest } from '../diagnostics.ts';
import { converter, typeNames } from '../parsers/typed-name.ts';
import { compilePattern, type Pattern } from '../../base/regex.ts';
import { define, getField, setField } from '../steps/fields.ts';
import type { Fields } from '../steps/step.ts';
import { grokPatterns } from './patterns.ts';

export interface Grok {
  readonly pattern: Pattern;
  /** The fields of a match anywhere in the text; undefined without one. Groups that took no part are absent. */
  match: (text: string) => Fields | undefined;
}

/** What is wrong with a grok pattern; `start` and `length` are characters of it. */
export class GrokError extends Error {
  readonly start: number;
  readonly length: number;

  constructor(message: string, start: number, length: number) {
    super(message);
    this.name = 'GrokError';
    this.start = start;
    this.length = length;
  }
}

interface Capture {
  group: string;
  field: string;
  type: string | undefined;
}

const types: readonly string[] = typeNames;
const expansionMax = 50_000;

/** `own` are the user's patterns by name. Throws GrokError, or TailraceError when what comes out is no regular expression. */
export function compileGrok(source: string, own: Readonly<Record<string, string>> = {}): Grok {
  const captures: Capture[] = [];
  const pattern = compilePattern(expand(source, own, captures, []));
  const hidden = new Set(captures.map(({ group }) => group));
  const direct = pattern.groupNames.filter((name) => !hidden.has(name));
  const outputs = [...captures, ...direct.map((name) => ({ group: name, field: name, type: undefined }))].map(
    ({ group, field, type }, index, list) => ({
      number: pattern.groupNumber(group),
      field,
      convert: converter(type),
      isNested: field.includes('.'),
      isRepeated: list.slice(0, index).some((earlier) => earlier.field === field),
    }),
  );
  return {
    pattern,
    match(text) {
      const groups = pattern.match(text);
      if (groups === undefined) return undefined;
      const fields: Fields = {};
      for (const { number, field, convert, isNested, isRepeated } of outputs) {
        const value = groups[number];
        if (value === undefined || (isRepeated && getField(fields, field) !== undefined)) continue;
        if (isNested) setField(fields, field, convert(value));
        else define(fields, field, convert(value));
      }
      return fields;
    },
  };
}

function expand(source: string, own: Readonly<Record<string, string>>, captures: Capture[], within: string[]): string {
  const expanded = source.replace(
    /%\{([A-Za-z0-9_]+)(?::([^:}]+))?(?::([^}]+))?\}|%\{[^}]*\}?/g,
    (whole: string, name: string | undefined, field: string | undefined, type: string | undefined, start: number) => {
      const fail = (message: string) => new GrokError(message, within.length > 0 ? 0 : start, whole.length);
      if (name === undefined)
        throw fail(`"${whole}" is not a grok reference; write %{NAME}, %{NAME:field} or %{NAME:field:int}`);
      if (type !== undefined && !types.includes(type))
        throw fail(`"${type}" is no type${suggest(type, types)}; there are int, float and string`);
      if (within.includes(name)) throw fail(`the pattern ${name} contains itself`);
      const definition = Object.hasOwn(own, name)
        ? own[name]
        : Object.hasOwn(grokPatterns, name)
          ? grokPatterns[name]
          : undefined;
      if (definition === undefined)
        throw fail(
          `there is no grok pattern ${name}${suggest(name, [...Object.keys(own), ...Object.keys(grokPatterns)])}`,
        );
      let group = '?:';
      if (field !== undefined) {
        const capture = { group: `grok${captures.length}`, field: fieldPath(field), type };
        captures.push(capture);
        group = `?<${capture.group}>`;
      }
      return `(${group}${expand(definition, own, captures, [...within, name])})`;
    },
  );
  if (expanded.length > expansionMax) throw new GrokError('the pattern grows too large', 0, source.length);
  return expanded;
}

/** "[user][name]", as Logstash writes it, is user.name. */
function fieldPath(field: string): string {
  return field.startsWith('[') && field.endsWith(']') ? field.slice(1, -1).replaceAll('][', '.') : field;
}
