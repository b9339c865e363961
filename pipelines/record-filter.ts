// `consume --where`: a CEL condition on records as they lie in a topic. A value that is a JSON object gives its fields, any other is `message`.
import { messageOf, TailraceError } from '../base/errors.ts';
import type { RecordCursor } from '../broker/wire/record-batch.ts';
import type { Coordinates } from '../sinks/sink.ts';
import { RecordEvent } from './event.ts';
import { compileCondition, ExpressionError } from './expression.ts';
import type { Fields } from './steps/step.ts';

/** Whether the record under the cursor is wanted. */
export type RecordFilter = (cursor: RecordCursor, coordinates: Coordinates) => boolean;

const openingBrace = 0x7b;

function jsonFields(text: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Fields) : undefined;
  } catch {
    return undefined;
  }
}

/** Throws TailraceError TLR_USAGE when the expression is wrong. */
export function compileRecordFilter(source: string): RecordFilter {
  let condition: ReturnType<typeof compileCondition>;
  try {
    condition = compileCondition(source);
  } catch (error) {
    if (error instanceof ExpressionError)
      throw new TailraceError('TLR_USAGE', `--where ${source}: ${messageOf(error)}`);
    throw error;
  }
  return (cursor, coordinates) => {
    const event = new RecordEvent(cursor, undefined);
    event.reset(coordinates);
    if (event.raw[0] === openingBrace) {
      const fields = jsonFields(event.message);
      if (fields !== undefined) event.fields = { message: event.message, ...fields };
    }
    return condition(event);
  };
}
