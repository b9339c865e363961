// `add: { env: prod, source: "{meta.host}:{meta.path}" }`: fields with fixed values, where the record does not have them yet. A text is a text here (an
// expression is `set`); `{field.path}` in it is filled in, with nothing where the field is missing.
import { z } from 'zod';
import { defineStep } from './definition.ts';
import { copyValue, getField, setField } from './fields.ts';
import type { Event } from './step.ts';

const value = z.union(
  [z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())],
  'a text, number, truth value or list of texts',
);

export const add = defineStep({
  name: 'add',
  summary: 'adds fields with fixed values where they are missing',
  settings: z.record(z.string().min(1), value),
  compile(settings) {
    const fields = Object.entries(settings).map(([path, given]) => ({
      path,
      make: typeof given === 'string' ? compileTemplate(given) : () => copyValue(given),
    }));
    return {
      apply(event) {
        const { fields: present } = event;
        for (const { path, make } of fields) {
          if (getField(present, path) !== undefined) continue;
          setField(present, path, make(event));
          event.markChanged();
        }
        return 'keep';
      },
    };
  },
});

/** Texts and the paths between them. */
function compileTemplate(text: string): (event: Event) => string {
  const parts = text.split(/\{([A-Za-z_][\w.@-]*)\}/);
  if (parts.length === 1) return () => text;
  return (event) => parts.map((part, index) => (index % 2 === 0 ? part : textOf(event.get(part)))).join('');
}

function textOf(found: unknown): string {
  if (found === undefined || found === null) return '';
  return typeof found === 'string' ? found : JSON.stringify(found);
}
