// The functions of expressions, each callable as f(x, …) and x.f(…). They see no missing values: a call with one is missing itself.
import { ExactInteger } from './exact-integer.ts';
import { isMap, kindOf, type Value } from './expression-values.ts';
import { StepError } from './steps/step.ts';

type Call = (args: readonly Value[]) => Value;

interface FunctionSpec {
  /** Numbers of arguments it takes, the receiver counted. */
  counts: readonly number[];
  call: Call;
}

const text = (value: Value, name: string): string => {
  if (typeof value !== 'string') throw new StepError(`${name}() needs a text, not ${kindOf(value)}`);
  return value;
};
const number = (value: Value, name: string): number => {
  if (value instanceof ExactInteger) return value.toNumber();
  if (typeof value !== 'number') throw new StepError(`${name}() needs a number, not ${kindOf(value)}`);
  return value;
};
const ofText = (name: string, call: (value: string) => Value): FunctionSpec => ({
  counts: [1],
  call: ([value]) => call(text(value, name)),
});
const ofTwoTexts = (name: string, call: (value: string, other: string) => Value): FunctionSpec => ({
  counts: [2],
  call: ([value, other]) => call(text(value, name), text(other, name)),
});
const ofNumber = (name: string, call: (value: number) => Value): FunctionSpec => ({
  counts: [1],
  call: ([value]) => call(number(value, name)),
});

const functions = new Map<string, FunctionSpec>(
  Object.entries({
    abs: ofNumber('abs', Math.abs),
    bool: { counts: [1], call: ([value]) => toBoolean(value) },
    ceil: ofNumber('ceil', Math.ceil),
    contains: ofTwoTexts('contains', (value, part) => value.includes(part)),
    double: { counts: [1], call: ([value]) => toNumber(value, 'double') },
    endsWith: ofTwoTexts('endsWith', (value, end) => value.endsWith(end)),
    floor: ofNumber('floor', Math.floor),
    int: { counts: [1], call: ([value]) => Math.trunc(toNumber(value, 'int')) },
    join: { counts: [1, 2], call: ([list, separator]) => join(list, separator) },
    lowerAscii: ofText('lowerAscii', (value) => value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())),
    replace: {
      counts: [3],
      call: ([value, from, to]) => text(value, 'replace').replaceAll(text(from, 'replace'), () => text(to, 'replace')),
    },
    round: ofNumber('round', Math.round),
    size: { counts: [1], call: ([value]) => size(value) },
    split: ofTwoTexts('split', (value, separator) => value.split(separator)),
    startsWith: ofTwoTexts('startsWith', (value, start) => value.startsWith(start)),
    string: { counts: [1], call: ([value]) => toText(value) },
    substring: {
      counts: [2, 3],
      call: ([value, start, end]) =>
        text(value, 'substring').slice(
          number(start, 'substring'),
          end === undefined ? undefined : number(end, 'substring'),
        ),
    },
    trim: ofText('trim', (value) => value.trim()),
    upperAscii: ofText('upperAscii', (value) => value.replace(/[a-z]+/g, (letters) => letters.toUpperCase())),
  } satisfies Record<string, FunctionSpec>),
);

/** The function, or what is wrong with calling it. */
export function callFunction(name: string, argumentCount: number): Call | 'unknown' | 'arguments' {
  const found = functions.get(name);
  if (found === undefined) return 'unknown';
  return found.counts.includes(argumentCount) ? found.call : 'arguments';
}

/** All names, has() and matches() and the list macros included. */
export function functionNames(): string[] {
  return [...functions.keys(), 'has', 'matches', 'all', 'exists', 'exists_one', 'filter', 'map'];
}

function toNumber(value: Value, name: string): number {
  if (typeof value === 'number') return value;
  if (value instanceof ExactInteger) return value.toNumber();
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
  if (!Number.isFinite(parsed)) throw new StepError(`${name}() cannot make a number of ${describe(value)}`);
  return parsed;
}

function toBoolean(value: Value): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new StepError(`bool() cannot make true or false of ${describe(value)}`);
}

function toText(value: Value): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function size(value: Value): number {
  if (typeof value === 'string') return Array.from(value).length;
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  throw new StepError(`size() needs a text, a list or a map, not ${kindOf(value)}`);
}

function join(list: Value, separator: Value): string {
  if (!Array.isArray(list)) throw new StepError(`join() needs a list, not ${kindOf(list)}`);
  return list.map(toText).join(separator === undefined ? '' : text(separator, 'join'));
}

function describe(value: Value): string {
  return typeof value === 'string' && value.length <= 40 ? JSON.stringify(value) : kindOf(value);
}
