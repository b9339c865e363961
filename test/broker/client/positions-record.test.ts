import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFileReference,
  decodePositionsRecord,
  encodePositionsValue,
  positionsKey,
  type TailRecord,
  writeFileReference,
} from '../../../broker/client/positions-record.ts';

const text = fc.string({ maxLength: 20 });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const file = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const print = { headBytes: count, headHash: text, anchorBytes: count, anchorHash: text };
const optional = fc.record(
  {
    sinceMs: count,
    accountedMs: count,
    born: text,
    earlier: fc.array(fc.record({ position: count, fingerprint: fc.record(print) })),
  },
  { requiredKeys: [] },
);
const withOptional = (required: fc.Arbitrary<TailRecord>) =>
  fc.tuple(required, optional).map(([one, more]): TailRecord => ({ ...one, ...more }));
const record: fc.Arbitrary<TailRecord> = fc.oneof(
  withOptional(
    fc.record({
      ...{
        kind: fc.constant('file' as const),
        instance: text,
        agent: text,
        file,
        path: text,
        firstPath: text,
        host: text,
      },
      ...{
        state: fc.constantFrom('live' as const, 'replaced' as const, 'gone' as const),
        topic: text,
        partition: count,
      },
      ...{ identity: text, generation: count, position: count, lines: count, part: count, atMs: count },
      ...print,
    }),
  ),
  fc.record({
    ...{ kind: fc.constant('agent' as const), instance: text, agent: text, startedMs: count },
    forgottenLines: fc.dictionary(
      text.filter((name) => name !== '__proto__'),
      count,
      { noNullPrototype: true },
    ),
  }),
);
const keyOf = (value: TailRecord) => positionsKey(value.instance, value.agent, value.kind === 'file' ? value.file : '');

describe('records of the positions topic', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(record, (value) => {
        expect(decodePositionsRecord(keyOf(value), encodePositionsValue(value))).toEqual(value);
      }),
    );
  });

  it('are skipped when they are not understood', () => {
    const sample = fc.sample(record, { numRuns: 50, seed: 7 }).find((value) => value.kind === 'file')!;
    const body = JSON.parse(encodePositionsValue(sample).toString()) as Record<string, unknown>;
    const decode = (change: Record<string, unknown>) =>
      decodePositionsRecord(keyOf(sample), Buffer.from(JSON.stringify({ ...body, ...change })));
    expect(decode({})).toEqual(sample);
    for (const change of [{ v: 2 }, { position: -1 }, { position: '1' }, { state: 'odd' }, { path: 3 }]) {
      expect(decode(change)).toBeUndefined();
    }
    expect(decodePositionsRecord(Buffer.from('["a","b"]'), encodePositionsValue(sample))).toBeUndefined();
    expect(decodePositionsRecord(Buffer.from('not json'), encodePositionsValue(sample))).toBeUndefined();
  });
});

describe('file references', () => {
  it('come back as they were written, in at most 14 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), count, (id, position) => {
        const target = Buffer.alloc(16);
        const end = writeFileReference(target, id, position, 1);
        expect(end).toBeLessThanOrEqual(15);
        expect(decodeFileReference(target.subarray(1, end))).toEqual({
          file: Buffer.from(id).toString('hex'),
          position,
        });
      }),
    );
  });

  it('are refused when they are something else', () => {
    for (const bytes of [[], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 0x80], [1, 2, 3, 4, 5, 6, 1, 1]]) {
      expect(() => decodeFileReference(Buffer.from(bytes))).toThrow(/not a file reference/);
    }
  });
});
