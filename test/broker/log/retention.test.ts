// Old segments: by age, by size, by max_disk; deleting records; segments by time.
import { beforeEach, describe, expect, it } from 'vitest';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import type { LogDirectoryOptions } from '../../../broker/log/log-directory.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { batchOf, readValues } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { MemoryLog } from '../../support/memory-log.ts';

let memory: MemoryLog;
let log: LogDirectory;

beforeEach(() => {
  memory = new MemoryLog();
});

async function start(configs: Record<string, string>, options: Partial<LogDirectoryOptions> = {}): Promise<void> {
  log = await memory.open(options);
  await log.createTopic({ name: 'app', partitions: 1, configs: { 'segment.bytes': '1024', ...configs } });
}

function app(): PartitionLog {
  return log.partition('app', 0)!;
}

/** Appends `count` records of about 330 bytes, three to a segment, dated now. */
async function fill(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const batch = batchOf(['x'.repeat(260)], { timestampMs: memory.nowMs });
    await app().append(batch, { origin: 'client' }).durable;
  }
}

async function logFiles(): Promise<number[]> {
  const names = await memory.files.list('/data/app-0');
  return names.filter((name) => name.endsWith('.log')).map((name) => Number(name.slice(0, 20)));
}

describe('retention', () => {
  it('by age removes whole segments, the last one too, and is the same after a restart', async () => {
    await start({ 'retention.ms': '10000' });
    await fill(6);
    memory.advance(8000);
    await fill(4);
    await log.maintain();
    expect(app().logStartOffset).toBe(0);
    memory.advance(4000);
    await log.maintain();
    expect(app().logStartOffset).toBe(6);
    expect(await logFiles()).toEqual([6, 9]);
    await expect(app().read(0, 100, 'read_uncommitted')).rejects.toMatchObject({
      errorCode: ErrorCode.OFFSET_OUT_OF_RANGE,
    });
    memory.kill();
    log = await memory.open();
    expect([app().logStartOffset, app().logEndOffset]).toEqual([6, 10]);
    memory.advance(20000);
    await log.maintain();
    expect([app().logStartOffset, app().logEndOffset]).toEqual([10, 10]);
    await log.close();
    log = await memory.open();
    await fill(1);
    expect([app().logStartOffset, app().logEndOffset]).toEqual([10, 11]);
  });

  it('by size keeps at least as much as it says', async () => {
    await start({ 'retention.bytes': '2000' });
    await fill(12);
    await log.maintain();
    expect(app().sizeBytes).toBeGreaterThanOrEqual(2000);
    expect(app().sizeBytes).toBeLessThan(2000 + 1024);
    expect(await readValues(app())).toHaveLength(12 - app().logStartOffset);
  });

  it('does not touch a compacted topic', async () => {
    await start({ 'retention.ms': '1', 'cleanup.policy': 'compact' });
    await app().append(batchOf([['k', 'v']]), { origin: 'client' }).durable;
    memory.advance(100_000);
    await log.maintain();
    expect(app().logStartOffset).toBe(0);
  });
});

describe('max_disk', () => {
  it('removes the oldest delivered segments of all topics, then stops the intake', async () => {
    let delivered = 6;
    await start({}, { maxDiskBytes: 4000, deletableUntil: () => delivered });
    await fill(15);
    await log.maintain();
    expect(app().logStartOffset).toBe(3);
    expect(app().sizeBytes).toBeLessThanOrEqual(4000);
    // Nobody calls maintain(): the writer notices by itself.
    await expect(fill(20)).rejects.toThrow(/max_disk is reached.*raise max_disk.*cannot write.*KAFKA_STORAGE_ERROR/);
    expect(app().logStartOffset).toBe(6);
    const end = app().logEndOffset;
    delivered = end;
    await log.maintain();
    expect(app().sizeBytes).toBeLessThanOrEqual(4000);
    await fill(1);
    expect(app().logEndOffset).toBe(end + 1);
  });
});

describe('deleting records', () => {
  it('moves the start, durably, and removes what is wholly below', async () => {
    await start({});
    await fill(8);
    expect(await app().deleteRecordsBefore(5)).toBe(5);
    expect(await logFiles()).toEqual([3, 6]);
    expect(await readValues(app(), 5)).toHaveLength(3);
    await expect(app().deleteRecordsBefore(9)).rejects.toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
    memory.powerLoss();
    log = await memory.open();
    expect([app().logStartOffset, app().logEndOffset]).toEqual([5, 8]);
    await expect(app().read(4, 100, 'read_uncommitted')).rejects.toThrow(/OFFSET_OUT_OF_RANGE/);
  });
});

it('gives the room of old segments back once the disk lets it, when it was too full to say so', async () => {
  await start({});
  await fill(8);
  memory.files.inject = ({ kind, path }) =>
    kind === 'write' && path.includes('log-start') ? CrashFiles.error('ENOSPC') : undefined;
  await expect(app().deleteRecordsBefore(5)).rejects.toThrow('ENOSPC');
  expect(app().logStartOffset).toBe(0);
  memory.files.inject = undefined;
  expect(await app().deleteRecordsBefore(5)).toBe(5);
  expect(await logFiles()).toEqual([3, 6]);
});

describe('time', () => {
  it('closes a segment after segment.ms, with an append or without', async () => {
    await start({ 'segment.ms': '5000' });
    await fill(1);
    memory.advance(6000);
    await fill(1);
    expect(await logFiles()).toEqual([0, 1]);
    memory.advance(6000);
    await log.maintain();
    await fill(1);
    expect(await logFiles()).toEqual([0, 1, 2]);
  });

  it('finds the first record at or after a time, across segments, markers and restarts', async () => {
    await start({});
    const times: number[] = [];
    for (let index = 0; index < 20; index++) {
      const timestampMs = memory.nowMs + ((index * 7) % 13) * 1000;
      times.push(timestampMs);
      await app().append(batchOf(['x'.repeat(200)], { timestampMs }), { origin: 'client' }).durable;
    }
    await app().appendMarker({ producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, kind: 'commit' }).durable;
    const latest = Math.max(...times);
    for (let restart = 0; restart < 2; restart++) {
      for (let second = -1; second <= 14; second++) {
        const at = memory.nowMs + second * 1000 - 500;
        const offset = times.findIndex((time) => time >= at);
        const expected = offset < 0 ? undefined : { offset, timestampMs: times[offset] };
        expect(await app().offsetForTime(at, 'read_uncommitted')).toEqual(expected);
      }
      expect(await app().maxTimestamp()).toEqual({ offset: times.indexOf(latest), timestampMs: latest });
      memory.kill();
      log = await memory.open();
    }
  });
});
