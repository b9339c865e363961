// `rename: { OLD: NEW, … }`: moves fields; one that is missing stays missing. A field that has the new name already is replaced.
import { z } from 'zod';
import { defineStep } from './definition.ts';
import { getField, removeField, setField } from './fields.ts';

export const rename = defineStep({
  name: 'rename',
  summary: 'gives fields other names',
  settings: z.record(z.string(), z.string().min(1)),
  compile(settings) {
    const pairs = Object.entries(settings);
    return {
      apply(event) {
        const { fields } = event;
        for (const [from, to] of pairs) {
          const value = getField(fields, from);
          if (value === undefined) continue;
          removeField(fields, from);
          setField(fields, to, value);
          event.markChanged();
        }
        return 'keep';
      },
    };
  },
});
