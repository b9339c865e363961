// `drop: CONDITION`: records for which it is true go no further; they are counted as dropped by rule.
import { z } from 'zod';
import { defineStep } from './definition.ts';

export const drop = defineStep({
  name: 'drop',
  summary: 'drops the records for which a condition is true',
  settings: z.string(),
  compile(source, context) {
    const condition = context.condition([], source);
    return condition && { apply: (event) => (condition(event) ? 'drop' : 'keep') };
  },
});
