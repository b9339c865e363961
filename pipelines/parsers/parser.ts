// What a parser is to the step `parse`: a text in, fields out, and the record's time where the text says it.
import type { Fields } from '../steps/step.ts';

export interface Parsed {
  fields: Fields;
  /** The record's time in milliseconds, where the text tells it. */
  timeMs?: number | undefined;
  /** The fields are the record itself, only read: it goes out as its bytes while no other step changes it. */
  same?: boolean;
}

/**
 * Throws StepError when the text does not fit; the message goes on after "the line …" or the field's name. `nearMs` is the record's time so far, for
 * times without a year.
 */
export type Parser = (text: string, nearMs: number) => Parsed;
