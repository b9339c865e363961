// The log as its users see it, on a real file system: topics, appends, reads, reopening.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { type LogDirectoryOptions, openLogDirectory } from '../../../broker/log/log-directory.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { validateBatch } from '../../../broker/wire/record-batch.ts';
import { appendValues, batchOf, readValues, recordsOf } from '../../support/batches.ts';

let directory: string;
let log: LogDirectory;

async function open(options: Partial<LogDirectoryOptions> = {}): Promise<void> {
  const dependencies = { files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger };
  log = await openLogDirectory({ directory, ...dependencies, ...options });
}

async function reopen(options: Partial<LogDirectoryOptions> = {}): Promise<void> {
  await log.close();
  await open(options);
}

function partition(topic = 'app', index = 0): PartitionLog {
  return log.partition(topic, index)!;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tailrace-log-'));
  await open();
});

afterEach(async () => {
  await log.close();
  rmSync(directory, { recursive: true, force: true });
});

it.each([
  ['version=7', 'TLR_DATA_VERSION', 'has version 7, not 1'],
  ['', 'TLR_CORRUPT', 'is not what was written there'],
  ['version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA', 'TLR_CORRUPT', 'of two data directories'],
])('is not opened when meta.properties is that of another broker: %j', async (content, code, words) => {
  await log.close();
  const path = join(directory, 'meta.properties');
  const before = readFileSync(path);
  writeFileSync(path, content);
  await expect(open()).rejects.toMatchObject({ code, message: expect.stringContaining(words) as string });
  writeFileSync(path, before);
  await open();
});

describe('a partition', () => {
  it('gives offsets at once and makes batches visible when they are durable', async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
    const first = partition().append(batchOf(['a', 'b']), { origin: 'client' });
    const second = partition().append(batchOf(['c']), { origin: 'client' });
    expect([first.baseOffset, first.lastOffset, second.baseOffset]).toEqual([0, 1, 2]);
    expect(partition().highWatermark).toBe(0);
    expect((await partition().read(0, 1000, 'read_uncommitted')).sizeBytes).toBe(0);
    expect(await readValues(partition(), 0, 'log_end')).toEqual(['a', 'b', 'c']);
    await second.durable;
    expect(partition().highWatermark).toBe(3);
    expect(await readValues(partition())).toEqual(['a', 'b', 'c']);
    expect(await readValues(partition(), 2)).toEqual(['c']);
  });

  it('has the same records, offsets and settings after reopening', async () => {
    const topic = await log.createTopic({ name: 'app', partitions: 2, configs: { 'segment.bytes': '2000' } });
    const values = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    for (const value of values) await appendValues(partition(), [value]);
    await appendValues(partition('app', 1), ['other']);
    await reopen({ tailBytes: 0 });
    expect(log.topicById(topic.topicId)).toEqual(topic);
    expect(log.recoveryCuts).toEqual([]);
    expect(partition().highWatermark).toBe(100);
    expect(partition().leaderEpoch).toBe(0);
    for (const from of [0, 1, 37, 99]) expect(await readValues(partition(), from)).toEqual(values.slice(from));
    expect(await readValues(partition('app', 1))).toEqual(['other']);
    expect(await appendValues(partition(), ['next'])).toBe(100);
  });

  it('refuses offsets outside of the log', async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
    await appendValues(partition(), ['a']);
    await expect(partition().read(2, 100, 'read_uncommitted')).rejects.toMatchObject({
      errorCode: ErrorCode.OFFSET_OUT_OF_RANGE,
    });
    expect((await partition().read(1, 100, 'read_uncommitted')).records).toEqual([]);
  });
});

describe('topics', () => {
  const codeOf = (error: unknown) => (error as { errorCode?: number }).errorCode;

  it('are refused with bad names, counts and settings, and when they are there', async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
    const tries: [{ name: string; partitions: number; configs?: Record<string, string> }, number][] = [
      [{ name: 'app', partitions: 1 }, ErrorCode.TOPIC_ALREADY_EXISTS],
      [{ name: '', partitions: 1 }, ErrorCode.INVALID_TOPIC_EXCEPTION],
      [{ name: '..', partitions: 1 }, ErrorCode.INVALID_TOPIC_EXCEPTION],
      [{ name: 'a/b', partitions: 1 }, ErrorCode.INVALID_TOPIC_EXCEPTION],
      [{ name: 'x'.repeat(250), partitions: 1 }, ErrorCode.INVALID_TOPIC_EXCEPTION],
      [{ name: 'ok', partitions: 0 }, ErrorCode.INVALID_PARTITIONS],
      [{ name: 'ok', partitions: 1, configs: { 'retention.msec': '1' } }, ErrorCode.INVALID_CONFIG],
      [{ name: 'ok', partitions: 1, configs: { 'retention.ms': '7d' } }, ErrorCode.INVALID_CONFIG],
      [{ name: 'ok', partitions: 1, configs: { 'cleanup.policy': 'shred' } }, ErrorCode.INVALID_CONFIG],
    ];
    for (const [topic, code] of tries) {
      const error: unknown = await log.createTopic(topic).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(codeOf(error), topic.name).toBe(code);
    }
    expect(log.topics().map(({ name }) => name)).toEqual(['app']);
  });

  it('that are deleted are gone, their folders too; the name starts again with another id', async () => {
    const first = await log.createTopic({ name: 'app', partitions: 2 });
    await appendValues(partition(), ['old']);
    const old = partition();
    await log.deleteTopic('app');
    expect(log.partition('app', 0)).toBeUndefined();
    expect(() => old.append(batchOf(['late']), { origin: 'client' })).toThrow(/UNKNOWN_TOPIC_OR_PARTITION/);
    expect((await nodeFiles.list(directory)).filter((name) => /app|deleted/.test(name))).toEqual([]);
    const second = await log.createTopic({ name: 'app', partitions: 1 });
    expect(second.topicId.equals(first.topicId)).toBe(false);
    expect(await readValues(partition())).toEqual([]);
    await reopen();
    expect(log.topics()).toEqual([second]);
  });

  it('take changes of settings and partitions, also after a restart', async () => {
    await log.createTopic({ name: 'app', partitions: 1, configs: { 'retention.ms': '5000', 'segment.ms': '100' } });
    await log.createPartitions('app', 3);
    await expect(log.createPartitions('app', 3)).rejects.toMatchObject({ errorCode: ErrorCode.INVALID_PARTITIONS });
    await log.alterConfigs('app', [
      { name: 'max.message.bytes', value: '200' },
      { name: 'segment.ms', value: null },
    ]);
    for (let restart = 0; restart < 2; restart++) {
      expect(log.topic('app')).toMatchObject({
        partitions: 3,
        configs: { 'retention.ms': '5000', 'max.message.bytes': '200' },
      });
      expect(Object.keys(log.topic('app')!.configs)).not.toContain('segment.ms');
      await appendValues(partition('app', 2), ['x']);
      const large = batchOf(['x'.repeat(200)]);
      expect(() => partition('app', 2).append(large, { origin: 'client' })).toThrow(/MESSAGE_TOO_LARGE/);
      await reopen();
    }
  });

  it('get producer ids that are never given twice', async () => {
    const given = new Set<number>();
    for (let restart = 0; restart < 3; restart++) {
      const ids = await Promise.all(Array.from({ length: 700 }, () => log.allocateProducerId()));
      for (const id of ids) given.add(id);
      await reopen();
    }
    expect(given.size).toBe(2100);
  });
});

describe('batches', () => {
  beforeEach(async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
  });

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'compressed with %s are kept as they came',
    async (codec) => {
      const batch = batchOf(['a', 'b'.repeat(300)], { compression: codec });
      const bytes = Buffer.from(batch.subarray(21));
      await partition().append(batch, { origin: 'client' }).durable;
      await reopen();
      const { records } = await partition().read(0, 1e6, 'read_uncommitted');
      expect(records[0]!.subarray(21)).toEqual(bytes);
      expect(await readValues(partition())).toEqual(['a', 'b'.repeat(300)]);
    },
  );

  it.each(['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'are stored as %s when the topic says so',
    async (codec) => {
      await log.alterConfigs('app', [{ name: 'compression.type', value: codec }]);
      await partition().append(batchOf(['a', 'b'.repeat(300)], { compression: 'gzip' }), { origin: 'client' }).durable;
      const { records } = await partition().read(0, 1e6, 'read_uncommitted');
      expect(validateBatch(records[0]!).compression).toBe(codec === 'uncompressed' ? 'none' : codec);
      expect(await readValues(partition())).toEqual(['a', 'b'.repeat(300)]);
    },
  );

  it('get the time they arrive when the topic says so', async () => {
    await log.alterConfigs('app', [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]);
    const before = Date.now();
    const appended = partition().append(batchOf(['a']), { origin: 'client' });
    expect(appended.logAppendTimeMs).toBeGreaterThanOrEqual(before);
    await appended.durable;
    const { records } = await partition().read(0, 1e6, 'read_uncommitted');
    expect(validateBatch(records[0]!)).toMatchObject({
      isLogAppendTime: true,
      maxTimestampMs: appended.logAppendTimeMs,
    });
  });

  it('that are damaged or break the rules are refused, and nothing is appended', () => {
    const damaged = batchOf(['abc']);
    damaged[damaged.length - 2]! ^= 1;
    const twice = Buffer.concat([batchOf(['a']), batchOf(['b'])]);
    const placed = batchOf(['a']);
    placed.writeInt32BE(77, 4);
    const control = batchOf(['a'], { isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 });
    for (const [batch, code] of [
      [damaged, ErrorCode.CORRUPT_MESSAGE],
      [batchOf(['abc']).subarray(0, 60), ErrorCode.CORRUPT_MESSAGE],
      [twice, ErrorCode.INVALID_RECORD],
      [placed, ErrorCode.INVALID_RECORD],
      [control, ErrorCode.INVALID_RECORD],
      [batchOf([]), ErrorCode.INVALID_RECORD],
    ] as const) {
      let thrown: unknown;
      try {
        partition().append(Buffer.from(batch), { origin: 'client' });
      } catch (error) {
        thrown = error;
      }
      expect(codeOf(thrown)).toBe(code);
    }
    expect(partition().logEndOffset).toBe(0);
  });

  const codeOf = (error: unknown) => (error as { errorCode?: number }).errorCode;
});

describe('waiting readers', () => {
  it('are woken when the high watermark moves, and know how much there is', async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
    let wakes = 0;
    const stop = partition().onAdvance(() => wakes++);
    const batch = batchOf(['a'.repeat(100)]);
    const appended = partition().append(batch, { origin: 'client' });
    expect([wakes, partition().readableBytes(0, 'read_uncommitted')]).toEqual([0, 0]);
    await appended.durable;
    expect([wakes, partition().readableBytes(0, 'read_uncommitted')]).toEqual([1, batch.length]);
    stop();
    await appendValues(partition(), ['b']);
    expect(wakes).toBe(1);
    expect(partition().readableBytes(2, 'read_uncommitted')).toBe(0);
  });

  it('get whole batches: at least one, then as many as fit', async () => {
    await log.createTopic({ name: 'app', partitions: 1 });
    for (let count = 0; count < 10; count++) await appendValues(partition(), ['x'.repeat(100)]);
    for (let restart = 0; restart < 2; restart++) {
      const one = await partition().read(3, 1, 'read_uncommitted');
      const some = await partition().read(3, 3 * one.sizeBytes + 10, 'read_uncommitted');
      expect(recordsOf(one.records).map(({ offset }) => offset)).toEqual([3]);
      expect(recordsOf(some.records).map(({ offset }) => offset)).toEqual([3, 4, 5]);
      await reopen({ tailBytes: 0 });
    }
  });
});
