// `parse: json` (or logfmt, kv, nginx_combined, apache_combined, apache_common, syslog, cri, docker), `parse: { regex: … }`, `{ grok: … }`, `{ dissect: … }`,
// `{ csv: … }`, `{ kv: … }`: a text becomes fields. The text is `message`, which for a record that nothing has parsed is the whole line; it gives way to
// its fields. `from` names another field (which stays), `into` a field that takes the result instead of the top level. A text that does not fit is a
// failure of the step (`on_error`). regex, grok and dissect may be lists, tried in order; on the command line they are written "regex:PATTERN",
// "grok:PATTERN", "dissect:PATTERN" and "csv:NAME,NAME".
import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { suggest } from '../diagnostics.ts';
import { compileGrok, GrokError } from '../grok/compile.ts';
import { csvParser } from '../parsers/csv.ts';
import { DissectError, dissectParser } from '../parsers/dissect.ts';
import { type FormatName, formatNames, formats } from '../parsers/formats.ts';
import { keyValueDefaults, keyValueParser } from '../parsers/key-value.ts';
import type { Parsed, Parser } from '../parsers/parser.ts';
import type { Path } from '../source.ts';
import { defineStep, type StepContext } from './definition.ts';
import { define, getField, setField } from './fields.ts';
import { type Event, type Fields, StepError } from './step.ts';

const patterns = z.union([z.string(), z.array(z.string()).min(1)], 'a pattern, or a list of them');
const columns = z.array(z.string()).min(1).describe('names of the columns, "name" or "name:int"; "" leaves one out');
const oneCharacter = z.string().length(1, 'must be one character');
const csv = z.strictObject({ columns, separator: oneCharacter.default(',').describe('one character') });
const kv = z.strictObject({
  between: z.string().min(1).default(keyValueDefaults.between).describe('between pairs; " " is any run of blanks'),
  separator: z.string().min(1).default(keyValueDefaults.separator).describe('between a name and its value'),
});
const long = z.strictObject({
  format: z.enum(formatNames).optional().describe('one of the formats that need no settings'),
  regex: patterns.optional().describe('a regular expression with named groups, (?<name>…), or a list of them'),
  grok: patterns.optional().describe('a grok pattern, or a list of them'),
  patterns: z.record(z.string(), z.string()).optional().describe("grok patterns of one's own, by name"),
  dissect: patterns.optional().describe("a line cut at fixed texts, '%{time} [%{level}] %{text}', or a list of them"),
  csv: z
    .union([columns, csv], 'a list of columns, or { columns, separator }')
    .optional()
    .describe('comma-separated values'),
  kv: kv.optional().describe('pairs of names and values in free text'),
  from: z.string().min(1).default('message').describe('the field to parse'),
  into: z.string().min(1).optional().describe('a field that takes the result instead of the top level'),
});
type Settings = z.infer<typeof long>;

const prefixes = ['regex', 'grok', 'dissect', 'csv'] as const;
const written = `${formatNames.join(', ')}, { regex: … }, { grok: … }, { dissect: … }, { csv: … } or { kv: … }`;
const ways = ['format', 'regex', 'grok', 'dissect', 'csv', 'kv'] as const;

export const parse = defineStep({
  name: 'parse',
  summary: `makes fields of a text: ${written}`,
  settings: z.union(
    [
      z.enum(formatNames),
      z.string().regex(/^(?:regex|grok|dissect|csv):/, {
        error: ({ input }) => `must be ${written}${suggest(String(input), formatNames)}`,
      }),
      long,
    ],
    written,
  ),
  compile(settings, context) {
    const full = typeof settings === 'string' ? shorthand(settings) : settings;
    if (ways.filter((way) => full[way] !== undefined).length !== 1)
      context.fail([], `name one of ${ways.slice(0, -1).join(', ')} and ${ways.at(-1)}`);
    if (full.patterns !== undefined && full.grok === undefined) context.fail(['patterns'], 'patterns belong to grok');
    const parser = compileParser(full, typeof settings === 'string', context);
    return parser && { apply: (event) => (parseInto(event, parser, full), 'keep') };
  },
});

function shorthand(text: string): Settings {
  const prefix = prefixes.find((each) => text.startsWith(`${each}:`));
  if (prefix === undefined) return { format: text as FormatName, from: 'message' };
  const pattern = text.slice(prefix.length + 1);
  return { [prefix]: prefix === 'csv' ? pattern.split(',') : pattern, from: 'message' };
}

function compileParser(settings: Settings, short: boolean, context: StepContext): Parser | undefined {
  const { format, regex, grok, dissect } = settings;
  const at = (key: string, list: string | string[], index: number): Path =>
    short ? [] : Array.isArray(list) ? [key, index] : [key];
  const each = <Made>(key: string, list: string | string[], make: (source: string, path: Path) => Made) =>
    asList(list).map((source, index) => make(source, at(key, list, index)));
  if (format !== undefined) return formats[format];
  if (regex !== undefined)
    return firstOf(
      each('regex', regex, (source, path) => compileRegexAt(source, path, context)),
      'regular expression',
    );
  if (grok !== undefined)
    return firstOf(
      each('grok', grok, (source, path) => compileGrokAt(source, settings.patterns, path, short ? 5 : 0, context)),
      'grok pattern',
    );
  if (dissect !== undefined)
    return firstThatFits(
      each('dissect', dissect, (source, path) => compileDissectAt(source, path, short ? 8 : 0, context)),
    );
  if (settings.kv !== undefined) return keyValueParser(settings.kv);
  if (settings.csv === undefined) return undefined;
  const options = Array.isArray(settings.csv) ? { columns: settings.csv, separator: ',' } : settings.csv;
  try {
    return csvParser(options);
  } catch (error) {
    context.fail(short ? [] : ['csv'], messageOf(error));
    return undefined;
  }
}

function compileRegexAt(source: string, path: Path, context: StepContext) {
  const pattern = context.pattern(path, source);
  if (pattern !== undefined && pattern.groupNames.length === 0)
    context.fail(path, 'the pattern names no field; name its groups: (?<status>\\d+)');
  return (text: string) => {
    const groups = pattern?.match(text);
    return groups && fieldsOf(pattern!.groupNames, groups, (name) => pattern!.groupNumber(name));
  };
}

function compileGrokAt(
  source: string,
  own: Record<string, string> | undefined,
  at: Path,
  offset: number,
  context: StepContext,
) {
  try {
    return compileGrok(source, own).match;
  } catch (error) {
    if (error instanceof GrokError) context.fail(at, error.message, error.start + offset, error.length);
    else context.fail(at, messageOf(error));
    return () => undefined;
  }
}

function compileDissectAt(source: string, at: Path, offset: number, context: StepContext): Parser {
  try {
    return dissectParser(source);
  } catch (error) {
    if (error instanceof DissectError) context.fail(at, error.message, error.start + offset, error.length);
    else context.fail(at, messageOf(error));
    return () => ({ fields: {} });
  }
}

/** The first parser that takes the text; when none does, what the only one says of it. */
function firstThatFits(parsers: readonly Parser[]): Parser {
  if (parsers.length === 1) return parsers[0]!;
  return (text, nearMs) => {
    for (const parser of parsers) {
      try {
        return parser(text, nearMs);
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
      }
    }
    throw new StepError(`fits none of the ${parsers.length} dissect patterns`);
  };
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

function parseInto(event: Event, parser: Parser, { from, into }: Settings): void {
  const wholeLine = from === 'message' && event.isLine;
  const text = wholeLine ? event.message : textAt(event.fields, from);
  const parsed = run(parser, event, text, wholeLine ? 'the line' : from);
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

function run(parser: Parser, event: Event, text: string, what: string): Parsed {
  try {
    return parser(text, event.timestampMs);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    throw new StepError(`${what} ${error.message}`);
  }
}
