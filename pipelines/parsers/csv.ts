// Comma-separated values, one record a line (RFC 4180): a value that holds the separator or quotes stands in double quotes, with quotes in it doubled. The
// columns are named in the settings, "name" or "name:int" (int, float, string); an empty name leaves the column out.
import { setField } from '../steps/fields.ts';
import { type Fields, StepError } from '../steps/step.ts';
import type { Parser } from './parser.ts';
import { splitTyped } from './typed-name.ts';

export interface CsvOptions {
  columns: readonly string[];
  /** One character. */
  separator: string;
}

/** A parser for lines of these columns. Throws TypeError for a type that there is not. */
export function csvParser({ columns, separator }: CsvOptions): Parser {
  const typed = columns.map((column) => splitTyped(column));
  return (text) => {
    const values = splitCsv(text, separator);
    if (values === undefined) throw new StepError('is not CSV: a quote is not closed, or something follows it');
    if (values.length !== typed.length)
      throw new StepError(`has ${values.length} values, not the ${typed.length} of the columns`);
    const fields: Fields = {};
    for (const [index, { name, convert }] of typed.entries())
      if (name !== '') setField(fields, name, convert(values[index]!));
    return { fields };
  };
}

/** The values of one line; undefined when its quotes are wrong. */
export function splitCsv(text: string, separator: string): string[] | undefined {
  const values: string[] = [];
  for (let position = 0; ; position++) {
    if (text[position] === '"') {
      let value = '';
      let start = ++position;
      for (;;) {
        const quote = text.indexOf('"', start);
        if (quote < 0) return undefined;
        value += text.slice(start, quote);
        position = quote + 1;
        if (text[position] !== '"') break;
        value += '"';
        start = position + 1;
      }
      values.push(value);
      if (position < text.length && text[position] !== separator) return undefined;
    } else {
      const next = text.indexOf(separator, position);
      const end = next < 0 ? text.length : next;
      values.push(text.slice(position, end));
      position = end;
    }
    if (position >= text.length) return values;
  }
}
