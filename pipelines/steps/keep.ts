// `keep: CONDITION`: only records for which it is true go on; the others are counted as dropped by rule.
import { z } from 'zod';
import { defineStep } from './definition.ts';

export const keep = defineStep({
  name: 'keep',
  summary: 'keeps only the records for which a condition is true',
  settings: z.string(),
  compile(source, context) {
    const condition = context.condition([], source);
    return condition && { apply: (event) => (condition(event) ? 'keep' : 'drop') };
  },
});
