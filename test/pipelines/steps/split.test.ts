import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ordinalBelow, pieceOrdinal } from '../../../pipelines/origin.ts';
import { compile } from '../../support/planning.ts';
import { transform } from '../../support/transforming.ts';

async function split(steps: string, ...lines: string[]) {
  return transform(await compile(steps), lines);
}

describe('split', () => {
  it('makes a record of each item, numbered from 1, with the other fields', async () => {
    const { pieces, readCount, splitCount, droppedCount } = await split(
      '- parse: json\n- split: items',
      '{"host":"h","items":[{"id":1,"host":"own"},{"id":2},3,[4],null]}',
      '{"host":"h","items":["one"]}',
    );
    expect(pieces).toEqual([
      { offset: 0, ordinal: 1, text: '{"host":"own","id":1}' },
      { offset: 0, ordinal: 2, text: '{"host":"h","id":2}' },
      { offset: 0, ordinal: 3, text: '{"host":"h","items":3}' },
      { offset: 0, ordinal: 4, text: '{"host":"h","items":[4]}' },
      { offset: 0, ordinal: 5, text: '{"host":"h","items":null}' },
      { offset: 1, ordinal: 1, text: '{"host":"h","items":"one"}' },
    ]);
    expect({ readCount, splitCount, droppedCount }).toEqual({ readCount: 2, splitCount: 4, droppedCount: 0 });
  });

  it('cuts texts at newlines or something else, and puts items where one says', async () => {
    expect((await split("- split: { field: message, by: ';' }", 'a;b;;c')).pieces.map(({ text }) => text)).toEqual([
      '{"message":"a"}',
      '{"message":"b"}',
      '{"message":"c"}',
    ]);
    const { pieces } = await split(
      '- parse: json\n- split: { field: m.list, into: event }',
      '{"m":{"list":[{"a":1}]}}',
    );
    expect(pieces[0]!.text).toBe('{"m":{},"event":{"a":1}}');
  });

  it('keeps numbers when later steps drop pieces, and counts those', async () => {
    const { pieces, splitCount, droppedCount } = await split(
      '- parse: json\n- split: n\n- drop: n == 2',
      '{"n":[1,2,3]}',
    );
    expect(pieces.map(({ ordinal }) => ordinal)).toEqual([1, 3]);
    expect({ splitCount, droppedCount }).toEqual({ splitCount: 2, droppedCount: 1 });
  });

  it('drops the record of an empty list', async () => {
    const { pieces, splitCount, droppedCount } = await split('- parse: json\n- split: n', '{"n":[]}');
    expect({ pieces, splitCount, droppedCount }).toEqual({ pieces: [], splitCount: 0, droppedCount: 1 });
  });

  it('makes the whole record one dead letter when a later step refuses a piece', async () => {
    const line = '{"n":["a=1","nothing","b=2"]}';
    const { pieces, deadLetters, readCount, splitCount, droppedCount } = await split(
      '- parse: json\n- split: n\n- parse: { format: kv, from: n }',
      line,
      '{"n":["c=3"]}',
    );
    expect(pieces).toEqual([{ offset: 1, ordinal: 1, text: '{"n":"c=3","c":"3"}' }]);
    expect(deadLetters.map(({ value, reason }) => [value.toString(), reason])).toEqual([
      [line, 'n has no pair of a name, "=" and a value'],
    ]);
    expect({ readCount, splitCount, droppedCount }).toEqual({ readCount: 2, splitCount: 0, droppedCount: 0 });
  });

  it('gives pieces that share nothing: changing one leaves the others alone', async () => {
    const { pieces } = await split(
      '- parse: json\n- split: n\n- set: { shared.at: fields.n }\n- remove: n',
      '{"shared":{"x":1},"n":[1,2]}',
    );
    expect(pieces.map(({ text }) => text)).toEqual(['{"shared":{"x":1,"at":1}}', '{"shared":{"x":1,"at":2}}']);
  });

  it('refuses what is neither list nor text, and more pieces than have numbers', async () => {
    const { deadLetters } = await split('- parse: json\n- split: n', '{"n":5}', '{}', `{"n":[${'0,'.repeat(65535)}0]}`);
    expect(deadLetters.map(({ reason }) => reason)).toEqual([
      'the field n is neither a list nor a text',
      'there is no field n to split',
      'n has 65536 items; at most 65535 records can be made of one',
    ]);
  });

  it('splits pieces again, as long as there are numbers for them', async () => {
    const steps = (count: number) => `- parse: json\n${Array<string>(count).fill('- split: n').join('\n')}`;
    expect((await split(steps(2), '{"n":[["a"],["b","c"]]}')).pieces.map(({ ordinal }) => ordinal)).toEqual([
      pieceOrdinal(1, 1),
      pieceOrdinal(2, 1),
      pieceOrdinal(2, 2),
    ]);
    const { pieces, deadLetters } = await split(steps(5), '{"n":[[[[["a"]]]]]}');
    expect(pieces).toEqual([]);
    expect(deadLetters.map(({ reason }) => reason)).toEqual(['it was split too often']);
  });
});

describe('ordinals', () => {
  const path = fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 3 });
  const ordinalOf = (numbers: readonly number[]) => numbers.reduce(pieceOrdinal, 0);

  it('are different for different ways of splitting', () => {
    fc.assert(
      fc.property(path, path, (one, other) => {
        expect(ordinalOf(one) === ordinalOf(other)).toBe(one.join() === other.join());
      }),
    );
  });

  it('are the same whether pipelines or steps split one after the other', () => {
    fc.assert(
      fc.property(path, fc.nat({ max: 3 }), (numbers, at) => {
        const [first, second] = [numbers.slice(0, at), numbers.slice(at)];
        expect(ordinalBelow(ordinalOf(first), ordinalOf(second))).toBe(ordinalOf(numbers));
      }),
    );
  });
});
