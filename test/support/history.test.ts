// The checker itself: a sound history passes, and each fault, put into it on purpose, is found and named.
import { describe, expect, it } from 'vitest';
import { History, type Value, type ViolationKind } from './history.ts';

const value = (number: number, source = 'a'): Value => ({ source, number });
const held = (...numbers: number[]) => numbers.map((number) => ({ ...value(number), place: 'lines-0' }));

/** Ten committed values of `a`, in transactions of two; 6 and 7 were aborted, 8 and 9 are of unknown outcome. */
function written(): History {
  const history = new History();
  for (let number = 0; number < 10; number++) {
    const outcome = number < 6 ? 'committed' : number < 8 ? 'aborted' : 'unknown';
    history.wrote(value(number), outcome, `transaction ${number >> 1}`);
  }
  return history;
}

function readAll(history: History, reader: string, offsets: readonly number[]): void {
  for (const offset of offsets) history.read(reader, 'lines-0', offset, value(offset));
}

const kinds = (history: History) => history.verdict().violations.map(({ kind }) => kind);

describe('a history', () => {
  it('is sound when everything committed is there once and in order', () => {
    const history = written();
    readAll(history, 'first', [0, 1, 2, 3]);
    readAll(history, 'second', [2, 3, 4, 5, 8, 9]);
    history.holds('topic', held(0, 1, 2, 3, 4, 5, 8, 9));
    history.holds('sink', held(0, 1, 2, 3, 4, 5));
    history.holds('index', held(5, 4, 3, 2, 1, 0, 8, 9), { isOrdered: false });
    expect(history.verdict()).toEqual({ violations: [], counts: {} });
    history.assertSound();
  });

  it.each<[ViolationKind, string, (history: History) => void]>([
    ['lost', 'a:3 is not in sink', (history) => history.holds('sink', held(0, 1, 2, 4, 5))],
    ['duplicated', 'a:2 in sink', (history) => history.holds('sink', held(0, 1, 2, 2, 3, 4, 5))],
    ['reordered', 'a:1 after 2 in lines-0 of sink', (history) => history.holds('sink', held(0, 2, 1, 3, 4, 5))],
    ['aborted-read', 'a:6 in first of lines-0', (history) => readAll(history, 'first', [5, 6])],
    ['aborted-read', 'a:7 in sink', (history) => history.holds('sink', held(0, 1, 2, 3, 4, 5, 7))],
    ['unwritten', 'a:10 in sink', (history) => history.holds('sink', held(0, 1, 2, 3, 4, 5, 10))],
    ['unwritten', 'a:11 in first of lines-0', (history) => readAll(history, 'first', [11])],
    ['torn', 'a:9 of transaction 4 in topic', (history) => history.holds('topic', held(0, 1, 2, 3, 4, 5, 8))],
    ['non-monotonic', 'first of lines-0: 1 after 2', (history) => readAll(history, 'first', [2, 1, 3])],
    ['non-monotonic', 'first of lines-0: 2 after 2', (history) => readAll(history, 'first', [2, 2])],
    [
      'lost',
      'second of lines-0 passed over a:2 at 2',
      (history) => {
        readAll(history, 'first', [0, 1, 2, 3]);
        readAll(history, 'second', [1, 3]);
      },
    ],
    [
      'changed',
      'lines-0@3: a:3, and for second of lines-0 a:4',
      (history) => {
        readAll(history, 'first', [3]);
        history.read('second', 'lines-0', 3, value(4));
      },
    ],
  ])('is refused when something was %s (%s)', (kind, detail, spoil) => {
    const history = written();
    spoil(history);
    expect(history.verdict().violations).toContainEqual({ kind, detail });
    expect(() => history.assertSound()).toThrow(`${kind}: ${detail}`);
  });

  it('tells a few of many, of a run the first, and counts all', () => {
    const history = new History();
    for (let number = 0; number < 1000; number++) history.wrote(value(number), 'committed');
    history.holds('sink', held(...Array.from({ length: 98 }, (_, index) => 10 + 10 * index)));
    expect(history.verdict().counts).toEqual({ lost: 902 });
    expect(kinds(history)).toHaveLength(10);
    expect(
      history
        .verdict()
        .violations.slice(0, 2)
        .map(({ detail }) => detail),
    ).toEqual(['a:0 is not in sink', 'a:11 is not in sink']);
  });

  it('takes the outcome that becomes known later', () => {
    const history = new History();
    history.wrote(value(0), 'unknown');
    history.wrote(value(0), 'committed');
    history.holds('sink', []);
    expect(kinds(history)).toEqual(['lost']);
  });
});
