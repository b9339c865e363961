// The log as its users see it, on a real file system: topics, appends, reads, reopening.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { type LogDirectory, type PartitionLog } from '../../../broker/log/contract.ts';
import { type LogDirectoryOptions, openLogDirectory } from '../../../broker/log/log-directory.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { appendValues, batchOf, readValues } from '../../support/batches.ts';

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
