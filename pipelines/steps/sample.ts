// `sample: 10%` or `sample: 0.1`: keeps that part of the records and drops the others by rule. Which ones follows from a hash of the record's coordinates, so
// that a retry and a replay keep the same. `sample: { rate: 10%, by: trace_id }` hashes a field instead: all records of a trace are kept, or none.
import { hash } from 'node:crypto';
import { z } from 'zod';
import { defineStep } from './definition.ts';
import { getField } from './fields.ts';
import type { Event } from './step.ts';

const example = 'write a part of the records, such as 10% or 0.1';
const rate = z.union([z.string(), z.number()], example).transform((given, context) => {
  const percent = typeof given === 'string' ? /^(\d+(?:\.\d+)?)\s*%$/.exec(given)?.[1] : undefined;
  const value = percent === undefined ? Number(given) : Number(percent) / 100;
  if (Number.isFinite(value) && value >= 0 && value <= 1 && given !== '') return value;
  context.addIssue({ code: 'custom', message: example });
  return z.NEVER;
});

export const sample = defineStep({
  name: 'sample',
  summary: 'keeps a part of the records, the same ones each time, and drops the others',
  settings: z.union(
    [
      rate,
      z.strictObject({
        rate: rate.describe('the part to keep: 10% or 0.1'),
        by: z.string().min(1).describe('a field: records that share its value are kept or dropped together'),
      }),
    ],
    'a part of the records such as 10% or 0.1, or { rate, by }',
  ),
  compile(settings) {
    const { rate: part, by } = typeof settings === 'number' ? { rate: settings, by: undefined } : settings;
    const limit = Math.round(part * 2 ** 32);
    return {
      apply(event) {
        const found = by === undefined ? undefined : getField(event.fields, by);
        const text =
          found === undefined ? coordinates(event) : `=${typeof found === 'string' ? found : JSON.stringify(found)}`;
        return hashOf(text) < limit ? 'keep' : 'drop';
      },
    };
  },
});

function coordinates({ meta, ordinal }: Event): string {
  return `${meta.topic}/${meta.partition}/${meta.offset}/${ordinal}`;
}

/** 32 bits, evenly spread also over neighbouring offsets. */
function hashOf(text: string): number {
  return hash('sha256', text, 'buffer').readUInt32LE(0);
}
