import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bulk, BulkWriter, placeOf, someOf, splitBulk } from '../../../sinks/elasticsearch/bulk.ts';
import { IndexTemplate } from '../../../sinks/elasticsearch/index-name.ts';
import { deliveryBatch, testPartition, type TestRecord } from '../../support/deliveries.ts';

interface Item {
  index: string;
  id: string;
  document: Record<string, unknown>;
}

const noLimits = { bytes: Infinity, count: Infinity };

function writer(options: Partial<ConstructorParameters<typeof BulkWriter>[0]> = {}): BulkWriter {
  const index = new IndexTemplate('app-%Y.%m.%d');
  return new BulkWriter({ index, operation: 'create', pipeline: 'web', ids: 'coordinates', ecs: false, ...options });
}

/** What a store would read. */
function itemsOf({ body, ends, places }: Bulk, operation = 'create'): Item[] {
  const lines = body.toString('utf8').split('\n');
  expect(lines.pop()).toBe('');
  expect(lines).toHaveLength(places.length * 2);
  expect(ends.at(-1)).toBe(body.length);
  return places.map((_, item) => {
    const action = JSON.parse(lines[item * 2]!) as Record<string, { _index: string; _id: string }>;
    expect(Object.keys(action)).toEqual([operation]);
    const { _index: index, _id: id } = action[operation]!;
    return { index, id, document: JSON.parse(lines[item * 2 + 1]!) as Record<string, unknown> };
  });
}

function write(
  records: readonly TestRecord[],
  options: Partial<ConstructorParameters<typeof BulkWriter>[0]> = {},
): Item[] {
  const { bulk } = writer(options).write(deliveryBatch(records), 0, noLimits);
  return bulk === undefined ? [] : itemsOf(bulk, options.operation);
}

function documentOf(text: string, record: Partial<TestRecord> = {}, ecs = false): Record<string, unknown> {
  return write([{ offset: 1, text, timestampMs: 1_700_000_000_123, ...record }], { ecs })[0]!.document;
}

const timestamp = { '@timestamp': '2023-11-14T22:13:20.123Z' };

describe('documents', () => {
  it('are the same JSON value as the line, or hold the line as message', () => {
    const lines = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()).map((value) => JSON.stringify(value)),
      fc.dictionary(fc.string(), fc.jsonValue()).map((value) => ` ${JSON.stringify(value, null, 2)}\r`),
      fc.json(),
    );
    const records = fc.array(
      lines.filter((line) => line.isWellFormed()),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(
        records,
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (texts, bytes, count, gives) => {
          const batch = deliveryBatch(texts.map((text, offset) => ({ offset, text, timestampMs: 1_700_000_000_123 })));
          const written = writer();
          const found: Record<string, unknown>[] = [];
          for (let next = 0; next < texts.length;) {
            const bulk = written.write(batch, next, { bytes, count }).bulk!;
            expect(bulk.places.length).toBeLessThanOrEqual(count);
            if (bulk.places.length > 1) expect(bulk.body.length).toBeLessThanOrEqual(bytes);
            expect(bulk.places).toEqual(bulk.places.map((_, item) => found.length + item));
            found.push(...itemsOf(bulk).map(({ document }) => document));
            next = bulk.places.at(-1)! + 1;
            if (gives) written.giveBack(bulk);
          }
          expect(written.write(batch, texts.length, { bytes, count }).bulk).toBeUndefined();
          expect(found).toEqual(texts.map(expected));
        },
      ),
      { numRuns: 150 },
    );
  });

  function expected(text: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        return JSON.parse(JSON.stringify({ ...timestamp, ...value })) as Record<string, unknown>;
    } catch {
      // Not JSON.
    }
    return { ...timestamp, message: text };
  }

  it('keep every byte of a line that is JSON, numbers too long for JavaScript included', () => {
    const batch = deliveryBatch([{ offset: 0, text: '{"n":12345678901234567890.10,"n2":1E2}' }]);
    const { bulk } = writer().write(batch, 0, noLimits);
    expect(bulk!.body.toString()).toContain('Z","n":12345678901234567890.10,"n2":1E2}\n');
  });

  it('say what was not UTF-8', () => {
    const bytes = Buffer.from([0x61, 0xff, 0x22, 0xc3, 0xa4, 0xc3]);
    const batch = {
      ...deliveryBatch([{ offset: 0, text: '' }]),
      forEach: (visit: (delivery: Parameters<Parameters<ReturnType<typeof deliveryBatch>['forEach']>[0]>[0]) => void) =>
        deliveryBatch([{ offset: 0, text: '' }]).forEach((delivery) =>
          visit({ ...delivery, buffer: bytes, start: 0, end: bytes.length, field: () => undefined }),
        ),
    };
    const { bulk } = writer().write(batch, 0, noLimits);
    expect(itemsOf(bulk!)[0]!.document['message']).toBe('a\ufffd"ä\ufffd');
  });

  it('get the time of the record unless they have one', () => {
    expect(documentOf('{}')).toEqual(timestamp);
    expect(documentOf('{"@timestamp":"yesterday","a":1}')).toEqual({ '@timestamp': 'yesterday', a: 1 });
    expect(documentOf('x', { timestampMs: -1 })['@timestamp']).toBe('1970-01-01T00:00:00.000Z');
    expect(documentOf('x', { timestampMs: 9e15 })['@timestamp']).toBe('9999-12-31T23:59:59.999Z');
  });

  it('get the exact time, whichever came before', () => {
    const times = fc.array(
      fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 253_402_300_799_999 })),
    );
    fc.assert(
      fc.property(times, (timesMs) => {
        const documents = write(timesMs.map((timestampMs, offset) => ({ offset, text: 'x', timestampMs })));
        expect(documents.map(({ document }) => document['@timestamp'])).toEqual(
          timesMs.map((timestampMs) => new Date(timestampMs).toISOString()),
        );
      }),
    );
  });

  it('get where they were read when that is asked for, under the names of ECS', () => {
    const fields = { 'meta.path': '/var/log/"a".log', 'meta.host': 'web1', 'meta.position': 42 };
    const host = { host: { name: 'web1' } };
    const log = { log: { file: { path: '/var/log/"a".log' }, offset: 42 } };
    expect(documentOf('x', { fields }, true)).toEqual({ ...timestamp, ...host, ...log, message: 'x' });
    expect(documentOf('{}', { fields }, true)).toEqual({ ...timestamp, ...host, ...log });
    expect(documentOf('{"host":"h","a":1}', { fields }, true)).toEqual({ ...timestamp, ...log, host: 'h', a: 1 });
    expect(documentOf('{"log.level":"info"}', { fields }, true)).toEqual({
      ...timestamp,
      ...host,
      'log.level': 'info',
    });
    expect(documentOf('{"log":1,"host":2,"@timestamp":3}', { fields }, true)).toEqual({
      log: 1,
      host: 2,
      '@timestamp': 3,
    });
    expect(documentOf('{}', { fields: { 'meta.path': '/x' } }, true)).toEqual({
      ...timestamp,
      log: { file: { path: '/x' } },
    });
    expect(documentOf('{"a":1}', {}, true)).toEqual({ ...timestamp, a: 1 });
    expect(documentOf('x', { fields })).toEqual({ ...timestamp, message: 'x' });
  });
});

describe('bulks', () => {
  it('name index, id and operation of each record', () => {
    const day = 86_400_000;
    const records = [0, day, 1, 2 * day].map((timestampMs, index) => ({ offset: 10 + index, text: 'x', timestampMs }));
    const items = write(records, { operation: 'index' });
    expect(items.map(({ index }) => index)).toEqual([
      'app-1970.01.01',
      'app-1970.01.02',
      'app-1970.01.01',
      'app-1970.01.03',
    ]);
    expect(new Set(items.map(({ id }) => id)).size).toBe(4);
    const index = new IndexTemplate('{topic}-{service}');
    expect(write([{ offset: 0, text: 'x', fields: { service: 'Web' } }], { index })[0]!.index).toBe('logs-web');
  });

  it('tell of indices when they are first met', () => {
    const bulkWriter = writer();
    const at = (timestampMs: number) => deliveryBatch([{ offset: 0, text: 'x', timestampMs }]);
    expect(bulkWriter.write(at(0), 0, noLimits).names).toEqual(['app-1970.01.01']);
    expect(bulkWriter.write(at(1), 0, noLimits).names).toEqual([]);
    expect(bulkWriter.write(at(1e9), 0, noLimits).names).toEqual(['app-1970.01.12']);
  });

  it('give any of their items to be sent again, and are split anywhere', () => {
    const records = fc.array(fc.string(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        records,
        fc.func(fc.boolean()),
        fc.nat(2000),
        fc.integer({ min: 1, max: 9 }),
        (texts, choose, bytes, count) => {
          const batch = deliveryBatch(texts.map((text, offset) => ({ offset, text })));
          const bulk = writer().write(batch, 0, noLimits).bulk!;
          const items = itemsOf(bulk);
          const some = someOf(bulk, (item) => choose(item));
          const chosen = items.filter((_, item) => choose(item));
          expect(some === undefined ? [] : itemsOf(some)).toEqual(chosen);
          expect(some?.places ?? []).toEqual(bulk.places.filter((item) => choose(item)));
          const pieces = splitBulk(some ?? bulk, { bytes, count });
          expect(pieces.flatMap((piece) => itemsOf(piece))).toEqual(some === undefined ? items : chosen);
          expect(pieces.every(({ places }) => places.length <= count)).toBe(true);
          expect(pieces.every(({ body, places }) => places.length === 1 || body.length <= bytes)).toBe(true);
          expect(placeOf(bulk, texts.length - 1)).toMatchObject({ index: 'app-1970.01.01' });
        },
      ),
    );
  });

  it('take the keys of records as ids when that is asked for', () => {
    const keys = fc.array(fc.option(fc.string({ unit: 'binary' }), { nil: undefined }), { maxLength: 10 });
    fc.assert(
      fc.property(keys, (given) => {
        const records = given.map((key, offset) => ({
          offset,
          text: '{"a":"b"}',
          ...(key === undefined ? {} : { key }),
        }));
        const own = write(records).map(({ id }) => id);
        const ids = given.map((key, index) =>
          key === undefined || key === '' ? own[index] : Buffer.from(key).toString(),
        );
        expect(write(records, { ids: 'key' }).map(({ id }) => id)).toEqual(ids);
      }),
    );
  });

  it('hold ids of the partition they are of', () => {
    const bulkWriter = writer();
    const id = (partition: number) =>
      itemsOf(
        bulkWriter.write(deliveryBatch([{ offset: 0, text: 'x' }], { ...testPartition, partition }), 0, noLimits).bulk!,
      )[0]!.id;
    expect(id(0)).not.toBe(id(1));
    expect(id(0)).toBe(id(0));
  });
});
