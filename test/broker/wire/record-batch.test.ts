// Record batches: what is built is read back with every codec, checksums guard them, and damage is an error and never worse.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, encodeHeaders, noHeaders } from '../../../broker/wire/batch-builder.ts';
import { compressionNames } from '../../../broker/wire/compression.ts';
import { buildControlBatch, readControlRecord } from '../../../broker/wire/control-batch.ts';
import { ErrorCode, KafkaError } from '../../../broker/wire/errors.ts';
import {
  addSequence,
  batchSizeAt,
  forEachBatch,
  isBatchIntact,
  readBatchHeader,
  RecordCursor,
  sealBatch,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
  validateBatch,
} from '../../../broker/wire/record-batch.ts';

interface Content {
  timestampMs: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: { key: string; value: Buffer | null }[];
}

const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array));
const nullableBytes = fc.option(bytes, { nil: null, freq: 3 });
const contents: fc.Arbitrary<Content[]> = fc.array(
  fc.record({
    timestampMs: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 51 })),
    key: nullableBytes,
    value: nullableBytes,
    headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 8 }), value: nullableBytes }), {
      maxLength: 3,
    }),
  }),
  { minLength: 1, maxLength: 20 },
);

function builderWith(records: readonly Content[]): BatchBuilder {
  const builder = new BatchBuilder(64);
  for (const { timestampMs, key, value, headers } of records) {
    builder.append(timestampMs, key, value, 0, value?.length, encodeHeaders(headers));
  }
  return builder;
}

function readAll(batch: Buffer): (Content & { offset: number })[] {
  const cursor = new RecordCursor(batch);
  const records = [];
  while (cursor.next()) {
    const headers: Content['headers'] = [];
    cursor.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      const value = valueStart < 0 ? null : Buffer.from(cursor.buffer.subarray(valueStart, valueEnd));
      headers.push({ key: cursor.buffer.toString('utf8', keyStart, keyEnd), value });
    });
    const { offset, timestampMs } = cursor;
    records.push({ offset, timestampMs, key: cursor.key(), value: cursor.value(), headers });
  }
  return records;
}

describe.each(compressionNames)('batches with compression %s', (compression) => {
  it('packs the same batch beside the main thread, the builder being free meanwhile', async () => {
    const builder = new BatchBuilder(64);
    const line = (index: number) => Buffer.from(`line ${index} of ${compression}, ${'x'.repeat(index % 90)}`);
    const fill = (from: number) => {
      for (let index = from; index < from + 9000; index++) builder.append(index, null, line(index));
    };
    fill(0);
    const { sizeBytes } = builder;
    const first = builder.pack(compression);
    expect([first.count, first.sizeBytes, builder.count]).toEqual([9000, sizeBytes, 0]);
    fill(9000);
    const second = builder.pack(compression);
    const identity = { producerId: 7, producerEpoch: 1, baseSequence: 9000, isTransactional: true };
    const [one, other] = await Promise.all([first.pack().build({}), second.build(identity)]);
    expect(validateBatch(one)).toMatchObject({ compression, recordCount: 9000, baseTimestampMs: 0, producerId: -1 });
    const { isTransactional, ...sender } = identity;
    expect(validateBatch(other)).toMatchObject({ compression, ...sender, isTransactional, maxTimestampMs: 17_999 });
    const read = [...readAll(one), ...readAll(other)];
    expect(read.every(({ timestampMs, value }, index) => timestampMs === index && line(index).equals(value!))).toBe(
      true,
    );
    expect(read).toHaveLength(18_000);
  });

  it('give back their records', () => {
    const property = fc.property(contents, fc.nat(2 ** 40), (records, baseOffset) => {
      const builder = builderWith(records);
      const { sizeBytes } = builder;
      const batch = builder.build({ compression, baseOffset });
      const header = validateBatch(batch);
      expect(header).toMatchObject({
        compression,
        baseOffset,
        lastOffset: baseOffset + records.length - 1,
        recordCount: records.length,
        baseTimestampMs: records[0]!.timestampMs,
        maxTimestampMs: Math.max(...records.map((record) => record.timestampMs)),
        producerId: -1,
        baseSequence: -1,
        lastSequence: -1,
        sizeBytes: batch.length,
      });
      if (compression === 'none') expect(batch).toHaveLength(sizeBytes);
      expect(readAll(batch)).toEqual(records.map((record, index) => ({ ...record, offset: baseOffset + index })));
    });
    fc.assert(property, { numRuns: 60, seed: 5 });
  });

  it('survive damage behind the checksum without anything worse than an error of their own', () => {
    const records: Content[] = Array.from({ length: 40 }, (_, index) => ({
      timestampMs: index,
      key: null,
      value: Buffer.from(`line ${index % 5} of a log`),
      headers: [{ key: 'h', value: Buffer.from('v') }],
    }));
    const batch = builderWith(records).build({ compression });
    const property = fc.property(fc.nat(batch.length - 62), fc.nat(255), (position, byte) => {
      const damaged = Buffer.from(batch);
      damaged[61 + position] = byte;
      const unchanged = damaged.equals(batch);
      expect(isBatchIntact(damaged, readBatchHeader(damaged))).toBe(unchanged);
      try {
        readAll(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(KafkaError);
      }
    });
    fc.assert(property, { numRuns: 200, seed: 6 });
  });

  it('are read from the middle of a buffer too', () => {
    const batch = builderWith([{ timestampMs: 1, key: null, value: Buffer.from('x'), headers: [] }]).build({
      compression,
    });
    const cursor = new RecordCursor(Buffer.concat([Buffer.alloc(7), batch, Buffer.alloc(3, 0xff)]), 7);
    expect([cursor.next(), cursor.value()?.toString(), cursor.next()]).toEqual([true, 'x', false]);
  });
});

describe('BatchBuilder', () => {
  it('writes the same with append and appendLine', () => {
    const lines = fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: -5, max: 2 ** 32 })), { minLength: 1 });
    const property = fc.property(lines, (list) => {
      const source = Buffer.alloc(10_100, 'abcdefghij');
      const headers = encodeHeaders([{ key: 'file', value: Buffer.from('1') }]);
      const [general, fast] = [new BatchBuilder(), new BatchBuilder()];
      for (const [length, delta] of list) {
        general.append(1_700_000_000_000 + delta, null, source, 7, 7 + length, headers);
        fast.appendLine(1_700_000_000_000 + delta, source, 7, 7 + length, headers);
      }
      expect(fast.maxTimestamp).toBe(general.maxTimestamp);
      expect(fast.build().equals(general.build())).toBe(true);
    });
    fc.assert(property, { numRuns: 30, seed: 7 });
  });

  it('hands its buffer over and begins anew', () => {
    const builder = new BatchBuilder(256);
    builder.appendLine(5, Buffer.from('x'.repeat(150)), 0, 150);
    const first = builder.build({ producerId: 4, producerEpoch: 1, baseSequence: 10, isTransactional: true });
    expect([builder.count, builder.sizeBytes, builder.maxTimestamp]).toEqual([0, 61, -1]);
    builder.appendLine(9, Buffer.from('y'.repeat(150)), 0, 150);
    const second = builder.build();
    expect(validateBatch(first)).toMatchObject({ producerId: 4, baseSequence: 10, isTransactional: true });
    expect(readAll(first)[0]!.value!.toString()).toBe('x'.repeat(150));
    expect(validateBatch(second)).toMatchObject({ producerId: -1, baseTimestampMs: 9, isTransactional: false });
  });

  it('builds a batch without records', () => {
    const batch = new BatchBuilder().build();
    expect(validateBatch(batch)).toMatchObject({ recordCount: 0, lastOffsetDelta: 0, maxTimestampMs: -1 });
    expect(readAll(batch)).toEqual([]);
  });

  it('forgets on reset', () => {
    const builder = new BatchBuilder();
    builder.append(1, null, Buffer.from('gone'));
    builder.reset();
    builder.append(2, Buffer.from('k'), null);
    expect(readAll(builder.build())).toEqual([
      { offset: 0, timestampMs: 2, key: Buffer.from('k'), value: null, headers: [] },
    ]);
  });
});

describe('in the log', () => {
  const twoRecords = () => {
    const builder = new BatchBuilder();
    builder.append(100, null, Buffer.from('a'));
    builder.append(300, null, Buffer.from('b'));
    return builder.build();
  };

  it('a batch gets offset and leader epoch without touching the checksum', () => {
    const batch = twoRecords();
    setBaseOffset(batch, 2 ** 40);
    setPartitionLeaderEpoch(batch, 7);
    expect(validateBatch(batch)).toMatchObject({
      baseOffset: 2 ** 40,
      lastOffset: 2 ** 40 + 1,
      partitionLeaderEpoch: 7,
    });
    expect(readAll(batch).map((record) => record.offset)).toEqual([2 ** 40, 2 ** 40 + 1]);
  });

  it('the time of appending replaces those of the records', () => {
    const batch = twoRecords();
    setLogAppendTime(batch, 5000);
    expect(validateBatch(batch)).toMatchObject({ isLogAppendTime: true, maxTimestampMs: 5000 });
    expect(readAll(batch).map((record) => record.timestampMs)).toEqual([5000, 5000]);
  });

  it('batches are walked in order, until one is cut off or the visitor has seen enough', () => {
    const batches = [0, 2, 4].map((baseOffset) => {
      const batch = twoRecords();
      setBaseOffset(batch, baseOffset);
      return batch;
    });
    const log = Buffer.concat(batches);
    const seen = (buffer: Buffer, until = Infinity) => {
      const offsets: number[] = [];
      forEachBatch(buffer, (header) => {
        offsets.push(header.baseOffset);
        return header.baseOffset < until;
      });
      return offsets;
    };
    expect(seen(log)).toEqual([0, 2, 4]);
    expect(seen(log, 2)).toEqual([0, 2]);
    for (let cut = 1; cut <= batches[2]!.length; cut++) expect(seen(log.subarray(0, -cut))).toEqual([0, 2]);
  });

  it('damage is found', () => {
    const batch = twoRecords();
    const refusal = (change: (copy: Buffer) => unknown) => {
      const copy = Buffer.from(batch);
      try {
        const changed = change(copy);
        validateBatch(Buffer.isBuffer(changed) ? changed : copy);
      } catch (error) {
        if (error instanceof KafkaError && error.errorCode === ErrorCode.CORRUPT_MESSAGE) return error.message;
        throw error;
      }
      return undefined;
    };
    expect(refusal(() => undefined)).toBeUndefined();
    expect(refusal((copy) => copy.subarray(0, -1))).toMatch(/says \d+ bytes, \d+ are there/);
    expect(refusal((copy) => copy.subarray(0, 30))).toMatch(/cut short/);
    expect(refusal((copy) => (copy[16] = 1))).toMatch(/format version 1/);
    expect(refusal((copy) => copy.writeInt32BE(10, 8))).toMatch(/length of 22/);
    expect(refusal((copy) => (copy[22] = 5))).toMatch(/compression 5/);
    for (let position = 17; position < batch.length; position++) {
      expect(refusal((copy) => (copy[position]! ^= 0x10))).toBeDefined();
    }
  });

  it('a claimed number of records that are not there is found', () => {
    for (const count of [1, 3, 2 ** 31 - 1, -1]) {
      const batch = twoRecords();
      batch.writeInt32BE(count, 57);
      sealBatch(batch, 0, batch.length);
      expect(() => readAll(batch)).toThrow(/INVALID_RECORD/);
    }
  });

  it('the size is known from twelve bytes', () => {
    const batch = twoRecords();
    expect(batchSizeAt(batch.subarray(0, 12), 0)).toBe(batch.length);
    expect(batchSizeAt(batch.subarray(0, 11), 0)).toBeUndefined();
  });
});

it('sequences wrap as in Kafka', () => {
  expect(addSequence(2 ** 31 - 1, 1)).toBe(0);
  const builder = new BatchBuilder();
  builder.append(1, null, null);
  builder.append(1, null, null);
  const batch = builder.build({ producerId: 1, producerEpoch: 0, baseSequence: 2 ** 31 - 1 });
  expect(validateBatch(batch).lastSequence).toBe(0);
});

describe('headers', () => {
  it('are found by name, the last one first', () => {
    const builder = new BatchBuilder();
    const headers = encodeHeaders([
      { key: 'path', value: Buffer.from('old') },
      { key: 'path', value: Buffer.from('/var/log') },
      { key: 'größe', value: Buffer.from('7') },
      { key: 'none', value: null },
    ]);
    builder.appendLine(1, Buffer.from('line'), 0, 4, headers);
    builder.appendLine(1, Buffer.from('line'), 0, 4);
    const cursor = new RecordCursor(builder.build());
    expect(cursor.next()).toBe(true);
    expect(cursor.headerCount).toBe(4);
    expect(['path', 'größe', 'none', 'absent'].map((name) => cursor.header(name)?.toString())).toEqual([
      '/var/log',
      '7',
      undefined,
      undefined,
    ]);
    expect(cursor.next()).toBe(true);
    expect(cursor.headerCount).toBe(0);
    expect(encodeHeaders([])).toEqual(noHeaders);
  });

  it('with a count that is a lie are refused', () => {
    const builder = new BatchBuilder();
    builder.append(1, null, Buffer.from('v'), 0, 1, Buffer.from([0x7e]));
    const cursor = new RecordCursor(builder.build());
    expect(() => cursor.next()).toThrow(/INVALID_RECORD/);
  });
});

it.each(['commit', 'abort'] as const)('a %s marker says so', (kind) => {
  const marker = buildControlBatch({ kind, producerId: 8, producerEpoch: 3, coordinatorEpoch: 5, timestampMs: 77 });
  expect(validateBatch(marker)).toMatchObject({
    isControl: true,
    isTransactional: true,
    producerId: 8,
    producerEpoch: 3,
    baseSequence: -1,
    recordCount: 1,
    maxTimestampMs: 77,
  });
  const cursor = new RecordCursor(marker);
  cursor.next();
  expect(readControlRecord(cursor)).toEqual({ kind, coordinatorEpoch: 5 });
});
