// Numbers that options of commands ask for.
import { TailraceError } from '../base/errors.ts';

/** Undefined when the option was not given. Throws TLR_USAGE unless it is a whole number from 1 on. */
export function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new TailraceError('TLR_USAGE', `${option} ${text}: expected a number from 1`);
}
