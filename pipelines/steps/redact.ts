// `redact: [email, credit_card, ipv4, ipv6]`: each occurrence in any text of the fields, at any depth, becomes "[email]" and so on. One's own:
// `redact: [{ name: ssn, pattern: '\d{3}-\d{2}-\d{4}' }]` gives "[ssn]". `{ kinds: […], fields: […] }` looks in those fields only. A record
// in which nothing is found stays untouched. Names of fields are not looked at.
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { ExactInteger } from '../exact-integer.ts';
import { defineStep, type StepContext } from './definition.ts';
import { define, getField, setField } from './fields.ts';
import type { Fields } from './step.ts';

const builtIn = {
  email: finder(/[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g, '[email]'),
  credit_card: finder(/(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])/g, '[credit_card]', passesLuhn),
  ipv4: finder(/(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\d|\.\d)/g, '[ipv4]'),
  ipv6: finder(
    /(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?:(?:\.\d{1,3}){3})?(?![\w:])/g,
    '[ipv6]',
    isIPv6,
  ),
} as const;

type Redactor = (text: string) => string;

function finder(pattern: RegExp, replacement: string, accept: (found: string) => boolean = () => true): Redactor {
  return (text) => text.replace(pattern, (found) => (accept(found) ? replacement : found));
}

/** The check digit of card numbers (ISO/IEC 7812), blanks and dashes left out. */
export function passesLuhn(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

const kind = z.union(
  [z.enum(['email', 'credit_card', 'ipv4', 'ipv6']), z.strictObject({ name: z.string().min(1), pattern: z.string() })],
  'email, credit_card, ipv4, ipv6, or { name, pattern }',
);
const kinds = z.union([kind, z.array(kind).min(1)], 'a list of email, credit_card, ipv4, ipv6 and { name, pattern }');

export const redact = defineStep({
  name: 'redact',
  summary: 'replaces mail addresses, card numbers, addresses and patterns of your own in all texts',
  settings: z.union(
    [kinds, z.strictObject({ kinds, fields: z.array(z.string().min(1)).min(1) })],
    'a list of email, credit_card, ipv4, ipv6 and { name, pattern }',
  ),
  compile(settings, context) {
    const long = typeof settings === 'object' && 'kinds' in settings;
    const chosen = long ? settings.kinds : settings;
    const redactors = compileKinds(chosen, long ? ['kinds'] : [], context);
    const apply = (text: string) => redactors.reduce((result, redactor) => redactor(result), text);
    const paths = long ? settings.fields : undefined;
    return {
      apply(event) {
        const { fields } = event;
        if (paths === undefined) {
          if (redactMap(fields, apply)) event.markChanged();
          return 'keep';
        }
        for (const path of paths) {
          const value = getField(fields, path);
          const replaced = redactValue(value, apply);
          if (replaced === value) continue;
          setField(fields, path, replaced);
          event.markChanged();
        }
        return 'keep';
      },
    };
  },
});

function compileKinds(chosen: z.infer<typeof kinds>, at: string[], context: StepContext): Redactor[] {
  const list = Array.isArray(chosen) ? chosen : [chosen];
  return list.map((item, index) => {
    if (typeof item === 'string') return builtIn[item];
    const pattern = context.pattern([...at, ...(Array.isArray(chosen) ? [index] : []), 'pattern'], item.pattern);
    return (text) => pattern?.replace(text, (found) => (found === '' ? '' : `[${item.name}]`)) ?? text;
  });
}

/** The same value when nothing was found in it; a copy of what changed otherwise. */
function redactValue(value: unknown, apply: Redactor): unknown {
  if (typeof value === 'string') return apply(value);
  if (typeof value !== 'object' || value === null || value instanceof ExactInteger) return value;
  if (Array.isArray(value)) {
    const replaced: unknown[] = value.map((item) => redactValue(item, apply));
    return replaced.some((item, index) => item !== value[index]) ? replaced : value;
  }
  const copy = { ...value };
  return redactMap(copy, apply) ? copy : value;
}

function redactMap(fields: Fields, apply: Redactor): boolean {
  let changed = false;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const replaced = redactValue(value, apply);
    if (replaced === value) continue;
    define(fields, name, replaced);
    changed = true;
  }
  return changed;
}
