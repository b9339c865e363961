// Every setting of a topic that acts, over the socket: set as a client sets it, seen as a client sees it. Time is the test's; upkeep runs when it is told to.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../base/clock.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import type { BatchIdentity } from '../../broker/wire/batch-builder.ts';
import { ErrorCode } from '../../broker/wire/errors.ts';
import { type BatchHeader, forEachBatch } from '../../broker/wire/record-batch.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import { batchOf, recordsOf } from '../support/batches.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

let server: TestBroker;
let client: RawClient;
let shiftMs = 0;
const clock: Clock = { ...systemClock, now: () => systemClock.now() + shiftMs };
const day = 86_400_000;

beforeAll(async () => {
  server = await startTestBroker({ clock });
  client = await RawClient.connect(server.port);
});
afterAll(async () => {
  client.close();
  await server.close();
});

function ask<K extends ApiName>(api: K, version: number, draft: Draft<RequestOf<K>>): Promise<ResponseOf<K>> {
  return client.request(api, version, apis[api].request.create(draft));
}

/** Small segments unless told otherwise, so that there is something to delete and to compact. */
async function create(name: string, settings: Record<string, string>): Promise<void> {
  const configs = Object.entries({ 'segment.bytes': '1024', ...settings }).map(([key, value]) => ({
    name: key,
    value,
  }));
  const { topics } = await ask('CreateTopics', 7, {
    topics: [{ name, numPartitions: 1, replicationFactor: 1, configs }],
    timeoutMs: 5000,
  });
  expect(topics[0]!.errorCode).toBe(0);
}

async function alter(name: string, setting: string, value: string): Promise<void> {
  const configs = [{ name: setting, configOperation: 0, value }];
  const { responses } = await ask('IncrementalAlterConfigs', 1, {
    resources: [{ resourceType: 2, resourceName: name, configs }],
  });
  expect(responses[0]!.errorCode).toBe(0);
}

async function send(name: string, records: Buffer, transactionalId: string | null = null) {
  const topicData = [{ name, partitionData: [{ index: 0, records }] }];
  const answer = await ask('Produce', 12, { transactionalId, acks: -1, timeoutMs: 5000, topicData });
  return answer.responses[0]!.partitionResponses[0]!;
}

type Entries = readonly (readonly [string, string | null])[];

/** Keys and values, each in a batch of its own, dated now. */
async function put(name: string, entries: Entries, identity: BatchIdentity & { timestampMs?: number } = {}) {
  for (const entry of entries) {
    const { errorCode } = await send(name, batchOf([entry], { timestampMs: clock.now(), ...identity }));
    expect(errorCode).toBe(0);
  }
}

/** Records that fill a segment, so that those before are in closed ones. */
const filler: Entries = [0, 1, 2, 3].map((index) => [`filler ${index}`, 'x'.repeat(300)]);

async function fetchFrom(topic: string, fetchOffset: number, isolationLevel = 0) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }];
  const answer = await ask('Fetch', 12, { maxBytes: 1 << 20, isolationLevel, topics: [{ topic, partitions }] });
  return answer.responses[0]!.partitions[0]!;
}

/** All records from the start of the log, by key=value and without fillers. */
async function contents(name: string, isolationLevel = 0): Promise<string[]> {
  const found: string[] = [];
  for (let offset = await start(name); ;) {
    const { records, highWatermark } = await fetchFrom(name, offset, isolationLevel);
    const read = recordsOf(records, offset);
    for (const { key, value } of read)
      if (key?.startsWith('filler') !== true) found.push(`${key ?? ''}=${value ?? ''}`);
    let next = offset;
    forEachBatch(Buffer.concat(records), ({ lastOffset }) => (next = Math.max(next, lastOffset + 1)));
    if (next === offset || next >= highWatermark) return found;
    offset = next;
  }
}

async function start(name: string): Promise<number> {
  const topics = [{ name, partitions: [{ partitionIndex: 0, timestamp: -2 }] }];
  return (await ask('ListOffsets', 5, { replicaId: -1, topics })).topics[0]!.partitions[0]!.offset;
}

async function segments(name: string): Promise<number> {
  const files = await readdir(join(server.dataDirectory, `${name}-0`));
  return files.filter((file) => file.endsWith('.log')).length;
}

async function headers(name: string): Promise<BatchHeader[]> {
  const found: BatchHeader[] = [];
  forEachBatch(Buffer.concat((await fetchFrom(name, 0)).records), (header) => found.push(header));
  return found;
}

const upkeep = () => server.broker.log.maintain();

test('retention.ms: segments go when their latest record is older, and what is gone is out of range', async () => {
  await create('by-age', { 'retention.ms': '60000' });
  await put('by-age', [['old', '1'], ...filler], { timestampMs: clock.now() - 120_000 });
  await put('by-age', [['new', '2']]);
  await upkeep();
  expect(await contents('by-age')).toEqual(['new=2']);
  expect(await fetchFrom('by-age', 0)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
  await alter('by-age', 'retention.ms', '-1');
  shiftMs += day;
  await upkeep();
  expect(await contents('by-age')).toEqual(['new=2']);
});

test('retention.bytes: the oldest segments go, and at least as much stays', async () => {
  await create('by-size', { 'retention.bytes': '2000', 'retention.ms': '-1' });
  await put('by-size', [['old', '1'], ...filler, ...filler, ...filler]);
  const { sizeBytes } = server.broker.log.partition('by-size', 0)!;
  await upkeep();
  const left = server.broker.log.partition('by-size', 0)!.sizeBytes;
  expect(sizeBytes).toBeGreaterThan(3000);
  expect(left).toBeGreaterThanOrEqual(2000);
  expect(left).toBeLessThan(2000 + 1024);
  expect(await start('by-size')).toBeGreaterThan(0);
});

test('segment.bytes: a segment file holds no more', async () => {
  await create('small', { 'segment.bytes': '1024' });
  await create('large', { 'segment.bytes': '1048576' });
  for (const name of ['small', 'large']) await put(name, [...filler, ...filler]);
  expect(await segments('small')).toBeGreaterThanOrEqual(3);
  expect(await segments('large')).toBe(1);
});

test('segment.ms: a segment is closed by time', async () => {
  await create('hourly', { 'segment.ms': '3600000', 'segment.bytes': '1048576' });
  await put('hourly', [['a', '1']]);
  await upkeep();
  expect(await segments('hourly')).toBe(1);
  shiftMs += 2 * 3_600_000;
  await put('hourly', [['b', '2']]);
  expect(await segments('hourly')).toBe(2);
});

test('max.message.bytes: also when it is changed while the topic is in use', async () => {
  await create('narrow', { 'max.message.bytes': '300' });
  const large = () => batchOf(['x'.repeat(400)]);
  expect((await send('narrow', large())).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
  await alter('narrow', 'max.message.bytes', '1000');
  expect((await send('narrow', large())).errorCode).toBe(0);
});

test('message.timestamp.type: LogAppendTime stands in the answer and in the batch', async () => {
  await create('arrival', { 'message.timestamp.type': 'LogAppendTime' });
  const before = clock.now();
  const answer = await send('arrival', batchOf(['dated long ago'], { timestampMs: 1000 }));
  expect(answer.errorCode).toBe(0);
  expect(answer.logAppendTimeMs).toBeGreaterThanOrEqual(before);
  const [header] = await headers('arrival');
  expect(header).toMatchObject({ isLogAppendTime: true, maxTimestampMs: answer.logAppendTimeMs });
  await create('creation', {});
  expect((await send('creation', batchOf(['dated'], { timestampMs: 1000 }))).logAppendTimeMs).toBe(-1);
  expect((await headers('creation'))[0]).toMatchObject({ isLogAppendTime: false, maxTimestampMs: 1000 });
});

test('message.timestamp.before.max.ms and after.max.ms: what is dated otherwise is refused, record by record', async () => {
  await create('dated', { 'message.timestamp.before.max.ms': '60000', 'message.timestamp.after.max.ms': '60000' });
  const at = async (offsetMs: number) => send('dated', batchOf(['a', 'b'], { timestampMs: clock.now() + offsetMs }));
  for (const offsetMs of [-day, day]) {
    const refused = await at(offsetMs);
    expect(refused.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
    expect(refused.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([0, 1]);
  }
  expect((await at(0)).errorCode).toBe(0);
});

test.each(['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'] as const)(
  'compression.type: %s is what is stored, whatever was sent',
  async (type) => {
    const name = `stored-${type}`;
    await create(name, { 'compression.type': type });
    const values = [0, 1, 2].map((index) => `value ${index} `.repeat(20));
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      expect((await send(name, batchOf(values, { compression }))).errorCode).toBe(0);
    }
    const stored = type === 'uncompressed' ? 'none' : type;
    expect((await headers(name)).map(({ compression }) => compression)).toEqual([stored, stored, stored]);
    expect(recordsOf((await fetchFrom(name, 0)).records).map(({ value }) => value)).toEqual([...values, ...values, ...values]); // prettier-ignore
  },
);

const compacted = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' };

test('cleanup.policy compact: the last value of each key stays, at its offset, and nothing goes by age', async () => {
  await create('last', { ...compacted, 'retention.ms': '1000' });
  await put('last', [['a', '1'], ['b', '1'], ['a', '2'], ['c', '1'], ['a', '3'], ...filler]); // prettier-ignore
  shiftMs += day / 4;
  await upkeep();
  expect(await contents('last')).toEqual(['b=1', 'c=1', 'a=3']);
  expect(recordsOf((await fetchFrom('last', 0)).records)[0]).toMatchObject({ key: 'b', offset: 1 });
});

test('cleanup.policy compact,delete: both', async () => {
  await create('both', { ...compacted, 'cleanup.policy': 'compact,delete', 'retention.ms': '60000' });
  await put('both', [['old', '1'], ...filler], { timestampMs: clock.now() - day });
  await put('both', [['a', '1'], ['a', '2'], ...filler]);
  await upkeep();
  expect(await contents('both')).toEqual(['a=2']);
  expect(await start('both')).toBeGreaterThan(0);
});

test('delete.retention.ms: a tombstone takes its key away at once, and goes itself later', async () => {
  await create('buried', { ...compacted, 'delete.retention.ms': '60000' });
  await put('buried', [['a', '1'], ['b', '1'], ['a', null], ...filler]);
  await upkeep();
  expect(await contents('buried')).toEqual(['b=1', 'a=']);
  shiftMs += 120_000;
  await put('buried', [['c', '1'], ...filler]);
  await upkeep();
  expect(await contents('buried')).toEqual(['b=1', 'c=1']);
});

test('min.compaction.lag.ms: what is younger is left alone', async () => {
  await create('young', { ...compacted, 'min.compaction.lag.ms': '60000' });
  await put('young', [['a', '1'], ['a', '2'], ...filler]);
  await upkeep();
  expect(await contents('young')).toEqual(['a=1', 'a=2']);
  shiftMs += 120_000;
  await upkeep();
  expect(await contents('young')).toEqual(['a=2']);
});

test('min.cleanable.dirty.ratio: waits until enough is new; max.compaction.lag.ms does not wait for ever', async () => {
  await create('patient', { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '1' });
  await put('patient', [['a', '1'], ...filler]);
  await upkeep();
  await put('patient', [['a', '2'], ['a', '3'], ...filler.slice(0, 2)]);
  await upkeep();
  expect(await contents('patient')).toEqual(['a=1', 'a=2', 'a=3']);
  await alter('patient', 'max.compaction.lag.ms', '60000');
  shiftMs += 120_000;
  await upkeep();
  await put('patient', filler);
  await upkeep();
  expect(await contents('patient')).toEqual(['a=3']);
});

test('compaction stops before an open transaction, and takes away what was aborted', async () => {
  await create('atomic', compacted);
  const begin = async (transactionalId: string) => {
    const draft = { transactionalId, transactionTimeoutMs: 900_000, producerId: -1, producerEpoch: -1 };
    const { producerId, producerEpoch } = await ask('InitProducerId', 4, draft);
    return { transactionalId, producerId, producerEpoch };
  };
  const write = async ({ transactionalId, ...producer }: Awaited<ReturnType<typeof begin>>, entry: Entries[number]) => {
    const identity = { ...producer, baseSequence: 0, isTransactional: true, timestampMs: clock.now() };
    expect((await send('atomic', batchOf([entry], identity), transactionalId)).errorCode).toBe(0);
  };
  const aborted = await begin('aborted');
  await put('atomic', [['a', '1']]);
  await write(aborted, ['a', 'aborted']);
  await ask('EndTxn', 4, { ...aborted, committed: false });
  await put('atomic', [['b', '1'], ['b', '2'], ...filler]);
  const open = await begin('open');
  await write(open, ['a', 'open']);
  await put('atomic', [['b', '3'], ...filler, ...filler]);
  await upkeep();
  expect(await contents('atomic', 1)).toEqual(['a=1', 'b=2']);
  expect(await contents('atomic')).toEqual(['a=1', 'b=2', 'a=open', 'b=3']);
  await ask('EndTxn', 4, { ...open, committed: true });
  await put('atomic', filler);
  await upkeep();
  expect(await contents('atomic', 1)).toEqual(['a=open', 'b=3']);
});

test('DeleteRecords: the low watermark moves, is answered, and is where a consumer is sent', async () => {
  await create('cut', {});
  await put('cut', [['a', '1'], ['b', '2'], ['c', '3']]); // prettier-ignore
  const cut = async (offset: number) => {
    const topics = [{ name: 'cut', partitions: [{ partitionIndex: 0, offset }] }];
    const [partition] = (await ask('DeleteRecords', 2, { topics, timeoutMs: 5000 })).topics[0]!.partitions;
    return [partition!.errorCode, partition!.lowWatermark];
  };
  expect(await cut(2)).toEqual([0, 2]);
  expect(await start('cut')).toBe(2);
  expect(await contents('cut')).toEqual(['c=3']);
  expect(await fetchFrom('cut', 1)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
  expect(await fetchFrom('cut', 2)).toMatchObject({ errorCode: 0, logStartOffset: 2 });
  expect(await cut(1)).toEqual([0, 2]);
  expect(await cut(-1)).toEqual([0, 3]);
  expect(await cut(9)).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
});
