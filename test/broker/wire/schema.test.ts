// What a schema promises beyond the round trip: defaults, versions, tags, nulls.
import { describe, expect, it } from 'vitest';
import { apis } from '../../../broker/wire/apis.ts';
import { Reader } from '../../../broker/wire/reader.ts';
import { array, int32, int64, message, string, struct, uuid } from '../../../broker/wire/schema.ts';
import { Writer } from '../../../broker/wire/writer.ts';

const example = message({
  name: 'Example',
  versions: [0, 3],
  flexible: 2,
  fields: {
    name: string({ nullable: 1 }),
    old: int32({ until: 1, default: -1 }),
    fresh: int32({ since: 2 }),
    hint: int32({ since: 2, ignorable: true }),
    items: array(struct({ id: uuid(), parts: array(int32()), weight: int64({ default: 7 }) })),
    extra: struct({ count: int32({ default: -1 }), note: string() }, { since: 2, ignorable: true, tag: 5 }),
    cursor: struct({ at: int32() }, { since: 3, nullable: 3, default: null }),
  },
});

function encode(version: number, value: ReturnType<typeof example.create>): Buffer {
  const writer = new Writer();
  example.write(writer, version, value);
  return writer.toBuffer();
}

describe('create', () => {
  it('fills in defaults deeply, also in the elements of arrays', () => {
    expect(example.create({ items: [{ parts: [1] }, {}], extra: { note: 'x' } })).toEqual({
      name: '',
      old: -1,
      fresh: 0,
      hint: 0,
      items: [
        { id: Buffer.alloc(16), parts: [1], weight: 7 },
        { id: Buffer.alloc(16), parts: [], weight: 7 },
      ],
      extra: { count: -1, note: 'x' },
      cursor: null,
    });
  });

  it('takes undefined for left out, and null for null', () => {
    const value = example.create({ name: null, old: undefined, cursor: {} });
    expect([value.name, value.old, value.cursor]).toEqual([null, -1, { at: 0 }]);
  });

  it('makes arrays and structs anew each time', () => {
    const first = example.create();
    first.items.push({ id: Buffer.alloc(16), parts: [], weight: 1 });
    first.extra.count = 9;
    expect(example.create()).toEqual(example.create({}));
    expect(example.create().items).toEqual([]);
    expect(example.create().extra.count).toBe(-1);
  });

  it("uses Kafka's own defaults", () => {
    const [topic] = apis.Fetch.request.create({ topics: [{ partitions: [{}] }] }).topics;
    expect(topic!.partitions[0]).toMatchObject({ currentLeaderEpoch: -1, lastFetchedEpoch: -1, logStartOffset: -1 });
    expect(apis.Metadata.request.create().allowAutoTopicCreation).toBe(true);
    expect(apis.Metadata.response.create().clusterAuthorizedOperations).toBe(-2147483648);
    expect(apis.JoinGroup.request.create()).toMatchObject({ rebalanceTimeoutMs: -1, groupInstanceId: null });
  });
});

describe('versions', () => {
  it('refuse to lose a value silently, unless the field may be ignored', () => {
    expect(() => encode(1, example.create({ fresh: 3 }))).toThrow(/Example version 1: 'fresh' cannot be sent/);
    expect(() => encode(2, example.create({ old: 3 }))).toThrow(/'old' cannot be sent/);
    expect(encode(1, example.create({ hint: 3, extra: { count: 2 } }))).toEqual(encode(1, example.create()));
  });

  it('allow null only from the version that has it', () => {
    expect(() => encode(0, example.create({ name: null }))).toThrow(/null where this version needs a value/);
    const encoded = encode(1, example.create({ name: null }));
    expect(example.read(new Reader(encoded), 1).name).toBeNull();
    expect(() => example.read(new Reader(encoded), 0)).toThrow(/null where a value must be/);
  });

  it('write nullable structs with a leading byte', () => {
    const none = encode(3, example.create());
    const some = encode(3, example.create({ cursor: { at: 258 } }));
    expect(none.subarray(-2).toString('hex')).toBe('ff00');
    expect(some.subarray(-7).toString('hex')).toBe('01000001020000');
  });
});

describe('tagged fields', () => {
  it('are left out when they hold the default', () => {
    const encoded = encode(2, example.create());
    expect(encoded.at(-1)).toBe(0);
    expect(example.read(new Reader(encoded), 2).extra).toEqual({ count: -1, note: '' });
  });

  it('are skipped when unknown, at every level', () => {
    const encoded = encode(2, example.create({ fresh: 1 }));
    const withUnknown = Buffer.concat([encoded.subarray(0, -1), Buffer.from('02070301020363017f', 'hex')]);
    const reader = new Reader(withUnknown);
    expect(example.read(reader, 2)).toEqual(example.create({ fresh: 1 }));
    expect(reader.remaining).toBe(0);
  });

  it('are refused when out of order, twice, or not filling their size', () => {
    const encoded = encode(2, example.create());
    for (const tags of ['0207000600', '0207000700', '01050700000001010000', '0105020000']) {
      const input = Buffer.concat([encoded.subarray(0, -1), Buffer.from(tags, 'hex')]);
      expect(() => example.read(new Reader(input), 2)).toThrow(/Example version 2: Malformed/);
    }
  });
});
