// What expressions compute with: JSON's values, and undefined for what is missing; equality, order and arithmetic of them.
import { ExactInteger } from './exact-integer.ts';
import { type Event, StepError } from './steps/step.ts';

export type Value = undefined | null | boolean | number | string | ExactInteger | Value[] | { [name: string]: Value };

/** What a compiled expression runs on; `locals` are the variables of exists(), map() and their kin. */
export interface Scope {
  readonly event: Event;
  readonly locals: Value[];
}

export function isMap(value: unknown): value is Record<string, Value> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactInteger);
}

/** What is computed and compared with: a number for a whole number that none can hold. */
function computable(value: Value): Value {
  return value instanceof ExactInteger ? value.toNumber() : value;
}

/** For messages: "a text", "a number", … */
export function kindOf(value: Value): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof ExactInteger) return 'a number';
  return { string: 'a text', number: 'a number', boolean: 'true or false', object: 'a map' }[typeof value as 'string'];
}

/** A condition's value: missing is false. Throws StepError for what is neither true nor false. */
export function truth(value: Value): boolean {
  if (typeof value === 'boolean') return value;
  if (value === undefined || value === null) return false;
  throw new StepError(`the condition is ${kindOf(value)}, not true or false`);
}

/** Missing equals nothing but null; lists and maps by their contents. */
export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a instanceof ExactInteger && b instanceof ExactInteger) return a.digits === b.digits;
  if (a === undefined || b === undefined) return a === null || b === null;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, position) => equals(item, b[position]));
  if (!isMap(a) || !isMap(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && equals(a[name], b[name]))
  );
}

/** Numbers and texts have an order; with something missing every comparison is false. Throws StepError for other pairs. */
export function compare(op: '<' | '<=' | '>' | '>=', left: Value, right: Value): boolean {
  const [a, b] = [computable(left), computable(right)];
  if (a === undefined || b === undefined || a === null || b === null) return false;
  if ((typeof a !== 'number' || typeof b !== 'number') && (typeof a !== 'string' || typeof b !== 'string')) {
    const hint = typeof a === 'string' || typeof b === 'string' ? '; int(…) makes a number of a text' : '';
    throw new StepError(`cannot compare ${kindOf(a)} with ${kindOf(b)} by ${op}${hint}`);
  }
  switch (op) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

/** + on numbers, texts and lists, the others on numbers; `real` makes / and % those of doubles. Throws StepError. */
export function arithmetic(op: '+' | '-' | '*' | '/' | '%', left: Value, right: Value, real: boolean): Value {
  const [a, b] = [computable(left), computable(right)];
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'number' && typeof b === 'number') return compute(op, a, b, real);
  if (op === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
  if (op === '+' && Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  const hint = op === '+' && (typeof a === 'string' || typeof b === 'string') ? '; string(…) makes a text' : '';
  throw new StepError(`cannot compute ${kindOf(a)} ${op} ${kindOf(b)}${hint}`);
}

function compute(op: '+' | '-' | '*' | '/' | '%', a: number, b: number, real: boolean): number {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%': {
      const whole = !real && Number.isInteger(a) && Number.isInteger(b);
      if (whole && b === 0) throw new StepError('division by zero');
      if (op === '%') return a % b;
      return whole ? Math.trunc(a / b) : a / b;
    }
  }
}
