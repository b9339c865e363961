// kv: pairs in free text, as firewalls and auditd write them: `login ok: user=bob ip=10.0.0.1 cmd="ls -l"`. What is no pair is left out; a line without
// any pair does not fit. Values may stand in double or single quotes; a name that stands twice keeps its last value.
import { define } from '../steps/fields.ts';
import { type Fields, StepError } from '../steps/step.ts';
import type { Parser } from './parser.ts';

export interface KeyValueOptions {
  /** Between pairs; " " is any run of blanks. */
  between: string;
  /** Between a name and its value. */
  separator: string;
}

export const keyValueDefaults: KeyValueOptions = { between: ' ', separator: '=' };

/** A parser for pairs that are written so. */
export function keyValueParser({ between, separator }: KeyValueOptions): Parser {
  const isBlank = between === ' ';
  const endOf = (text: string, from: number) => {
    if (!isBlank) {
      const found = text.indexOf(between, from);
      return found < 0 ? text.length : found;
    }
    let end = from;
    while (end < text.length && text.charCodeAt(end) > 0x20) end++;
    return end;
  };
  return (text) => {
    const fields: Fields = {};
    let found = false;
    let at = -1;
    for (let position = 0; position < text.length;) {
      const wordEnd = endOf(text, position);
      if (at < position) at = text.indexOf(separator, position); // Looked for once, however many words come before it.
      if (at < 0) break;
      const name = at < wordEnd ? text.slice(position, at).trim() : '';
      if (name === '') {
        position = Math.max(wordEnd, position) + between.length;
        continue;
      }
      const start = at + separator.length;
      const quote = text[start];
      const closing = quote === '"' || quote === "'" ? text.indexOf(quote, start + 1) : -1;
      const end = closing < 0 ? endOf(text, start) : closing + 1;
      const value = closing < 0 ? text.slice(start, end) : text.slice(start + 1, closing);
      define(fields, name, closing < 0 && !isBlank ? value.trim() : value);
      found = true;
      position = closing < 0 ? end + between.length : endOf(text, end) + between.length;
    }
    if (!found) throw new StepError(`has no pair of a name, "${separator}" and a value`);
    return { fields };
  };
}
