// dissect: a line cut at fixed texts, without regular expressions: '%{time} %{+time} [%{level}] %{text}'. A field ends where the next fixed text begins;
// the last one takes the rest.
//   %{name}     a field; "user.name" is nested        %{name:int}  a number (int, float, string)
//   %{+name}    added to the field, after a blank     %{name->}    the fixed text after it may stand there several times (padding)
//   %{} %{?x}   left out
import { getField, setField } from '../steps/fields.ts';
import { type Fields, StepError } from '../steps/step.ts';
import type { Parser } from './parser.ts';
import { splitTyped } from './typed-name.ts';

/** What is wrong with a pattern; `start` and `length` are characters of it. */
export class DissectError extends Error {
  readonly start: number;
  readonly length: number;

  constructor(message: string, start: number, length: number) {
    super(message);
    this.name = 'DissectError';
    this.start = start;
    this.length = length;
  }
}

interface Part {
  /** Empty when it is left out. */
  name: string;
  convert: (text: string) => unknown;
  isAppended: boolean;
  isPadded: boolean;
  /** The fixed text behind it; empty behind the last. */
  until: string;
}

/** Throws DissectError. */
export function dissectParser(pattern: string): Parser {
  const { prefix, parts } = readPattern(pattern);
  return (text) => {
    const fields = dissect(text, prefix, parts);
    if (fields === undefined) throw new StepError('does not fit the dissect pattern');
    return { fields };
  };
}

function readPattern(pattern: string): { prefix: string; parts: Part[] } {
  const parts: Part[] = [];
  let prefix = '';
  let fixedFrom = 0;
  const closeFixed = (end: number, at: number) => {
    const fixed = pattern.slice(fixedFrom, end);
    const last = parts.at(-1);
    if (last === undefined) prefix = fixed;
    else if (fixed === '' && at < pattern.length)
      throw new DissectError('two fields need a text between them, or nobody knows where the first ends', at, 2);
    else last.until = fixed;
  };
  for (let start = pattern.indexOf('%{'); start >= 0; start = pattern.indexOf('%{', fixedFrom)) {
    closeFixed(start, start);
    const end = pattern.indexOf('}', start);
    if (end < 0) throw new DissectError('the } of this field is missing', start, pattern.length - start);
    parts.push(readPart(pattern.slice(start + 2, end), start, end + 1 - start));
    fixedFrom = end + 1;
  }
  if (!parts.some(({ name }) => name !== ''))
    throw new DissectError('the pattern names no field; write %{name}', 0, Math.max(1, pattern.length));
  closeFixed(pattern.length, pattern.length);
  return { prefix, parts };
}

function readPart(inner: string, start: number, length: number): Part {
  const isPadded = inner.endsWith('->');
  const isAppended = inner.startsWith('+');
  const text = inner.slice(isAppended ? 1 : 0, isPadded ? -2 : undefined);
  if (text.startsWith('?') || text === '') return { name: '', convert: String, isAppended: false, isPadded, until: '' };
  if (/^[&*]|\/\d+$/.test(text))
    throw new DissectError('only %{name}, %{+name}, %{?name}, %{name->} are there', start, length);
  try {
    return { ...splitTyped(text), isAppended, isPadded, until: '' };
  } catch (error) {
    throw new DissectError(error instanceof Error ? error.message : String(error), start, length);
  }
}

function dissect(text: string, prefix: string, parts: readonly Part[]): Fields | undefined {
  if (!text.startsWith(prefix)) return undefined;
  const fields: Fields = {};
  let position = prefix.length;
  for (const { name, convert, isAppended, isPadded, until } of parts) {
    const end = until === '' ? text.length : text.indexOf(until, position);
    if (end < 0) return undefined;
    const value = text.slice(position, end);
    position = end + until.length;
    while (isPadded && until !== '' && text.startsWith(until, position)) position += until.length;
    if (name === '') continue;
    const before = isAppended ? getField(fields, name) : undefined;
    setField(
      fields,
      name,
      before === undefined
        ? convert(value)
        : `${typeof before === 'string' ? before : JSON.stringify(before)} ${value}`,
    );
  }
  return position === text.length ? fields : undefined;
}
