// `set: { FIELD: VALUE, … }`: a text is an expression ('"prod"' is the text prod), a number, true, false or null is itself. The values are
// computed one after the other, so a later one sees the earlier. What is missing is not set.
import { z } from 'zod';
import { defineStep } from './definition.ts';
import { setField } from './fields.ts';
import type { Event } from './step.ts';

export const set = defineStep({
  name: 'set',
  summary: 'sets fields to values or to the results of expressions',
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  compile(settings, context) {
    const setters: { path: string; evaluate: (event: Event) => unknown }[] = [];
    for (const [path, value] of Object.entries(settings)) {
      if (typeof value !== 'string') {
        setters.push({ path, evaluate: () => value });
        continue;
      }
      const expression = context.expression([path], value);
      const name = expression?.bareName;
      if (name !== undefined && name !== 'message')
        context.fail(
          [path],
          `a text is an expression here: write '"${name}"' for the text, or fields.${name} to copy the field`,
        );
      if (expression !== undefined) setters.push({ path, evaluate: (event) => expression.evaluate(event) });
    }
    return {
      apply(event) {
        const { fields } = event;
        for (const { path, evaluate } of setters) {
          const value = evaluate(event);
          if (value === undefined) continue;
          setField(fields, path, value);
          event.markChanged();
        }
        return 'keep';
      },
    };
  },
});
