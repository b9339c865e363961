// `split: FIELD`: one record for each item of a list, or of a text's lines; `{ field, by, into }` cuts a text at something else, and puts the item into another
// field. An item that is a map gives its fields to the record, which keeps its others, unless `into` is given. Items are numbered, so that each
// piece has an id of its own (`ordinal`). An empty list drops the record. Without a list or text the step fails.
import { z } from 'zod';
import { piecesMax } from '../origin.ts';
import { defineStep } from './definition.ts';
import { copyValue, define, getField, isFields, removeField, setField } from './fields.ts';
import { type Fields, StepError } from './step.ts';

const long = z.strictObject({
  field: z.string().min(1).describe('a list, or a text'),
  by: z.string().min(1).default('\n').describe('where a text is cut'),
  into: z
    .string()
    .min(1)
    .optional()
    .describe('the field that takes the item; items that are maps are spread over the record otherwise'),
});

export const split = defineStep({
  name: 'split',
  summary: 'makes a record of each item of a list, or of each line of a text',
  settings: z.union([z.string().min(1), long], 'a field name, or { field, by, into }'),
  compile(settings) {
    const { field, by, into } = typeof settings === 'string' ? long.parse({ field: settings }) : settings;
    return {
      apply(event) {
        const { fields } = event;
        const items = itemsOf(getField(fields, field), field, by);
        if (items.length > piecesMax)
          throw new StepError(`${field} has ${items.length} items; at most ${piecesMax} records can be made of one`);
        return items.map((item) => pieceOf(fields, field, item, into));
      },
    };
  },
});

function itemsOf(value: unknown, field: string, by: string): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  if (typeof value === 'string') return value.split(by).filter((item) => item !== '');
  throw new StepError(
    value === undefined ? `there is no field ${field} to split` : `the field ${field} is neither a list nor a text`,
  );
}

function pieceOf(fields: Fields, field: string, item: unknown, into: string | undefined): Fields {
  const piece = copyValue(fields) as Fields;
  removeField(piece, field);
  const own = copyValue(item);
  if (into === undefined && isFields(own)) for (const [name, value] of Object.entries(own)) define(piece, name, value);
  else setField(piece, into ?? field, own);
  return piece;
}
