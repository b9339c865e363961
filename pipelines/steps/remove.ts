// `remove: FIELD` or `remove: [FIELD, …]`: takes fields away; one that is missing is no error.
import { z } from 'zod';
import { defineStep } from './definition.ts';
import { removeField } from './fields.ts';

export const remove = defineStep({
  name: 'remove',
  summary: 'removes fields',
  settings: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], 'a field name, or a list of them'),
  compile(settings) {
    const paths = typeof settings === 'string' ? [settings] : settings;
    return {
      apply(event) {
        for (const path of paths) if (removeField(event.fields, path)) event.markChanged();
        return 'keep';
      },
    };
  },
});
