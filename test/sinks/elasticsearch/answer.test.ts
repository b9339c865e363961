import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AllCreated, readAnswer } from '../../../sinks/elasticsearch/answer.ts';

const item = (operation: string, status: number) => ({ [operation]: { status } });

function answer(items: readonly unknown[], errors = false): string {
  return JSON.stringify({ errors, items });
}

describe('an answer to a bulk', () => {
  it('that says of all items that they were created is counted', () => {
    const count = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(1023, 1024, 1025, 10_000));
    fc.assert(
      fc.property(count, fc.constantFrom('create', 'index'), (items, operation) => {
        const text = answer(Array.from({ length: items }, () => item(operation, 201)));
        expect(readAnswer(text)).toEqual(new AllCreated(items));
      }),
    );
  });

  it('that says anything else is parsed', () => {
    const items = fc.array(fc.tuple(fc.constantFrom('create', 'index'), fc.constantFrom(200, 201, 409, 429, 500)), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(items, fc.boolean(), (given, errors) => {
        const list = given.map(([operation, status]) => item(operation, status));
        const [first] = given;
        const isPlain =
          !errors &&
          first !== undefined &&
          given.every(([operation, status]) => operation === first[0] && status === 201);
        const expected = isPlain ? new AllCreated(given.length) : { errors, items: list };
        expect(readAnswer(answer(list, errors))).toEqual(expected);
      }),
    );
  });

  it('that differs in one character is not taken for one', () => {
    const text = answer(Array.from({ length: 4 }, () => item('create', 201)));
    for (let at = 0; at < text.length; at++) {
      const damaged = text.slice(0, at) + '1' + text.slice(at + 1);
      if (damaged !== text) expect(readAnswer(damaged)).not.toBeInstanceOf(AllCreated);
    }
    expect(readAnswer(text.slice(0, -1))).toBeUndefined();
    expect(readAnswer('<html>')).toBeUndefined();
    expect(readAnswer('{"errors":false,"items":[]}')).toEqual({ errors: false, items: [] });
  });
});
