// The log when the disk fails: full, broken, rotten, or with files missing.
import { beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../../base/atomic-file.ts';
import { seededRandom } from '../../../base/random.ts';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { appendValues, batchOf, expectedCommitted, readCommitted, readValues } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { MemoryLog } from '../../support/memory-log.ts';

let memory: MemoryLog;
let log: LogDirectory;

function app(): PartitionLog {
  return log.partition('app', 0)!;
}

async function overwrite(path: string, position: number, bytes: Buffer): Promise<void> {
  await (await memory.files.open(path, 'write')).write([bytes], position);
}

beforeEach(async () => {
  memory = new MemoryLog();
  log = await memory.open();
  await log.createTopic({
    name: 'app',
    partitions: 2,
    configs: { 'segment.bytes': '2000', 'index.interval.bytes': '200' },
  });
});

describe('a full disk', () => {
  it('refuses what was not durable, cuts it back, and goes on when there is room', async () => {
    await appendValues(app(), ['kept']);
    memory.files.inject = ({ kind }) => (kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
    const first = app().append(batchOf(['refused']), { origin: 'client' });
    const other = log.partition('app', 1)!.append(batchOf(['refused too']), { origin: 'client' });
    await expect(first.durable).rejects.toMatchObject({ code: 'TLR_DISK_FULL', retriable: true });
    await expect(other.durable).rejects.toMatchObject({ code: 'TLR_DISK_FULL' });
    expect(app().logEndOffset).toBe(1);
    expect(() => app().append(batchOf(['early']), { origin: 'client' })).toThrow(/KAFKA_STORAGE_ERROR/);
    memory.files.inject = undefined;
    await log.maintain();
    expect(await appendValues(app(), ['later'])).toBe(1);
    expect(await readValues(app())).toEqual(['kept', 'later']);
    await log.close();
    log = await memory.open();
    expect(await readValues(app())).toEqual(['kept', 'later']);
    expect(log.recoveryCuts).toEqual([]);
  });

  it('forgets the sequences and transactions of what it refused', async () => {
    const producer = { producerId: 7, producerEpoch: 0, isTransactional: true };
    const batch = (sequence: number) => batchOf([`s${sequence}`], { ...producer, baseSequence: sequence });
    await app().append(batch(0), { origin: 'client' }).durable;
    memory.files.inject = ({ kind }) => (kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
    app().append(batch(1), { origin: 'client' });
    await expect(
      app().appendMarker({ producerId: 7, producerEpoch: 0, coordinatorEpoch: 0, kind: 'commit' }).durable,
    ).rejects.toMatchObject({ code: 'TLR_DISK_FULL' });
    memory.files.inject = undefined;
    await log.maintain();
    expect(app().lastStableOffset).toBe(0);
    expect(app().append(batch(1), { origin: 'client' })).toMatchObject({ baseOffset: 1, duplicate: false });
    expect(app().append(batch(1), { origin: 'client' })).toMatchObject({ baseOffset: 1, duplicate: true });
  });

  it('takes back a segment that was begun in the refused round', async () => {
    await appendValues(app(), ['a'.repeat(1500)]);
    memory.files.inject = ({ kind, path }) =>
      kind === 'write' && path.endsWith('.log') ? CrashFiles.error('ENOSPC') : undefined;
    await expect(app().append(batchOf(['b'.repeat(1500)]), { origin: 'client' }).durable).rejects.toMatchObject({
      code: 'TLR_DISK_FULL',
    });
    memory.files.inject = undefined;
    await log.maintain();
    await appendValues(app(), ['c'.repeat(1500)]);
    memory.kill();
    log = await memory.open();
    expect(await readValues(app())).toEqual(['a'.repeat(1500), 'c'.repeat(1500)]);
  });

  it('does not bring back with the power what it refused, neither here nor before the next segment', async () => {
    await appendValues(app(), ['a'.repeat(900)]);
    memory.files.inject = ({ kind, path }) =>
      kind === 'write' && path.includes('app-1/') ? CrashFiles.error('ENOSPC') : undefined;
    const refused = app().append(batchOf(['b'.repeat(200)]), { origin: 'client' });
    log.partition('app', 1)!.append(batchOf(['too']), { origin: 'client' });
    await expect(refused.durable).rejects.toMatchObject({ code: 'TLR_DISK_FULL' });
    memory.files.inject = undefined;
    await log.maintain();
    // What does not fit any more begins a segment, and nothing is written to the one before.
    const kept = ['a'.repeat(900), 'c'.repeat(1500)];
    await appendValues(app(), [kept[1]!]);
    await log.maintain();
    const { files } = memory;
    for (let seed = 1; seed <= 40; seed++) {
      memory.files = files.crash(files.steps, seededRandom(seed));
      log = await memory.open();
      expect(await readValues(app()), `seed ${seed}`).toEqual(kept);
      memory.kill();
    }
  });

  it('refuses clients early and lets the coordinators use the reserve', async () => {
    memory.files.freeBytes = 1000;
    await log.maintain();
    expect(() => app().append(batchOf(['x']), { origin: 'client' })).toThrow(/bookkeeping/);
    await app().append(batchOf(['x']), { origin: 'internal' }).durable;
    memory.files.freeBytes = 1e12;
    memory.advance(1500);
    expect(() => app().append(batchOf(['x']), { origin: 'client' })).toThrow();
    await log.maintain();
    await appendValues(app(), ['y']);
    expect(await readValues(app())).toEqual(['x', 'y']);
  });
});

describe('a segment that cannot be opened', () => {
  it('is opened by the next who reads it', async () => {
    const values = ['a', 'b', 'c'].map((letter) => letter.repeat(1500));
    for (const value of values) await appendValues(app(), [value]);
    await log.close();
    log = await memory.open();
    memory.files.inject = ({ kind, path }) =>
      kind === 'open' && path.endsWith('.log') ? CrashFiles.error('EMFILE') : undefined;
    await expect(readValues(app())).rejects.toThrow('EMFILE');
    memory.files.inject = undefined;
    expect(await readValues(app())).toEqual(values);
  });
});

describe('a broken disk', () => {
  it.each(['sync', 'write'] as const)('stops the log for good when a %s fails', async (kind) => {
    await appendValues(app(), ['kept']);
    memory.files.inject = (call) => (call.kind === kind ? CrashFiles.error('EIO') : undefined);
    const lost = app().append(batchOf(['lost']), { origin: 'client' });
    await expect(lost.durable).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
    memory.files.inject = undefined;
    expect((await log.failed).message).toContain('EIO');
    expect(() => app().append(batchOf(['more']), { origin: 'client' })).toThrow(/KAFKA_STORAGE_ERROR/);
    await expect(log.createTopic({ name: 'new', partitions: 1 })).rejects.toThrow(/KAFKA_STORAGE_ERROR/);
    expect(app().highWatermark).toBe(1);
    expect(await readValues(app())).toEqual(['kept']);
    await log.close();
    expect(await memory.files.stat('/data/.kafka_cleanshutdown')).toBeUndefined();
  });

  it('stops too when the disk is full only at the sync: what was kept is not known', async () => {
    memory.files.inject = (call) => (call.kind === 'sync' ? CrashFiles.error('ENOSPC') : undefined);
    const lost = app().append(batchOf(['lost']), { origin: 'client' });
    await expect(lost.durable).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
  });
});

describe('upkeep on a bad disk', () => {
  it.each([
    ['sync', /recovery-point-offset-checkpoint/],
    ['sync', /\.snapshot/],
    ['sync', /\.index$/],
    ['write', /\.timeindex$/],
    ['rename', /recovery-point-offset-checkpoint/],
    ['sync-directory', /app-0$/],
    ['sync-directory', /^\/data$/],
  ] as const)('stops the log for good when a %s of %s fails, and loses nothing', async (kind, path) => {
    await appendValues(app(), ['a'.repeat(300)]);
    await appendValues(app(), ['b'.repeat(300)]);
    memory.files.inject = (call) => (call.kind === kind && path.test(call.path) ? CrashFiles.error('EIO') : undefined);
    await expect(log.maintain()).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
    memory.files.inject = undefined;
    expect((await log.failed).message).toMatch(/EIO/);
    expect(() => app().append(batchOf(['more']), { origin: 'client' })).toThrow(/KAFKA_STORAGE_ERROR/);
    await log.close();
    expect(await memory.files.stat('/data/.kafka_cleanshutdown')).toBeUndefined();
    memory.powerLoss();
    log = await memory.open();
    expect(await readValues(app())).toEqual(['a'.repeat(300), 'b'.repeat(300)]);
  });

  it('says what failed when it cannot even start', async () => {
    await log.close();
    memory.files.inject = ({ kind }) => (kind === 'sync-directory' ? CrashFiles.error('EIO') : undefined);
    await expect(memory.open()).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
  });

  it.each(['recovery-point-offset-checkpoint', '.kafka_cleanshutdown'])(
    'does not take an old %s for the end of the log when there was no room for a new one',
    async (name) => {
      await appendValues(app(), ['first']);
      await log.maintain();
      await appendValues(app(), ['second']);
      memory.files.inject = ({ kind, path }) =>
        kind === 'write' && path.includes(name) ? CrashFiles.error('ENOSPC') : undefined;
      await log.maintain().catch(() => undefined);
      await log.close().catch(() => undefined);
      memory.files.inject = undefined;
      log = await memory.open();
      expect(await readValues(app())).toEqual(['first', 'second']);
    },
  );

  it('writes a checkpoint that found no room again before the end is called clean', async () => {
    await appendValues(app(), ['first']);
    await log.maintain();
    await appendValues(app(), ['second']);
    memory.files.inject = ({ kind, path }) =>
      kind === 'write' && path.includes('recovery-point') ? CrashFiles.error('ENOSPC') : undefined;
    await expect(log.maintain()).rejects.toThrow('ENOSPC');
    memory.files.inject = undefined;
    await log.close();
    log = await memory.open();
    expect(await readValues(app())).toEqual(['first', 'second']);
    expect(await appendValues(app(), ['third'])).toBe(2);
  });
});

describe('damage', () => {
  const first = '/data/app-0/00000000000000000000.log';

  it('above the recovery point is cut and reported, and the leader epoch grows', async () => {
    await log.maintain();
    await appendValues(app(), ['a', 'b']);
    await appendValues(app(), ['c']);
    const size = (await memory.files.stat(first))!.sizeBytes;
    await overwrite(first, size - 1, Buffer.from([0xff]));
    memory.kill();
    log = await memory.open();
    expect(log.recoveryCuts).toMatchObject([{ topic: 'app', partition: 0, fromOffset: 2 }]);
    expect(log.recoveryCuts[0]!.cutBytes).toBeGreaterThan(61);
    expect(await readValues(app())).toEqual(['a', 'b']);
    expect(app().leaderEpoch).toBe(1);
    expect(await appendValues(app(), ['d'])).toBe(2);
    expect(app().endOffsetForEpoch(0)).toEqual({ leaderEpoch: 0, endOffset: 2 });
    expect(app().endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 3 });
  });

  it.each([
    ['zeros', Buffer.alloc(700)],
    ['half a header', Buffer.alloc(30, 1)],
  ])('%s behind the end are cut', async (_, garbage) => {
    await appendValues(app(), ['a']);
    await overwrite(first, (await memory.files.stat(first))!.sizeBytes, garbage);
    memory.kill();
    log = await memory.open();
    expect(log.recoveryCuts).toMatchObject([{ fromOffset: 1, cutBytes: garbage.length }]);
    expect(await appendValues(app(), ['b'])).toBe(1);
    expect(await readValues(app())).toEqual(['a', 'b']);
  });

  it('below the recovery point takes the partition offline, cuts nothing, and leaves the others alone', async () => {
    for (let count = 0; count < 10; count++) await appendValues(app(), ['a'.repeat(100)]);
    await appendValues(log.partition('app', 1)!, ['fine']);
    await log.maintain();
    await appendValues(app(), ['after']);
    const before = (await memory.files.stat(first))!.sizeBytes;
    await overwrite(first, 300, Buffer.from([0xff, 0xff]));
    await memory.files.remove('/data/app-0/00000000000000000000.index');
    memory.kill();
    log = await memory.open();
    expect(() => log.partition('app', 0)).toThrow(/checksum.*KAFKA_STORAGE_ERROR/);
    expect((await memory.files.stat(first))!.sizeBytes).toBe(before);
    expect(log.recoveryCuts).toEqual([]);
    expect(log.offline).toMatchObject([{ topic: 'app', partition: 0, reason: { code: 'TLR_CORRUPT' } }]);
    expect(await readValues(log.partition('app', 1)!)).toEqual(['fine']);
    await log.close();
    log = await memory.open();
    expect(() => log.partition('app', 0)).toThrow(/KAFKA_STORAGE_ERROR/);
    expect((await memory.files.stat(first))!.sizeBytes).toBe(before);
    expect(await readValues(log.partition('app', 1)!)).toEqual(['fine']);
  });

  it('a directory without its metadata is not begun anew', async () => {
    await log.close();
    await memory.files.remove('/data/tailrace-metadata.log');
    await expect(memory.open()).rejects.toMatchObject({
      code: 'TLR_CORRUPT',
      message: expect.stringContaining('tailrace-metadata.log') as string,
    });
  });

  it('a log file that is missing below the recovery point takes the partition offline', async () => {
    for (let count = 0; count < 30; count++) await appendValues(app(), ['a'.repeat(100)]);
    await log.maintain();
    await memory.files.remove((await segmentPaths()).at(-1)!);
    memory.kill();
    log = await memory.open();
    expect(() => log.partition('app', 0)).toThrow(/KAFKA_STORAGE_ERROR/);
  });

  describe('behind a mark of a clean end', () => {
    beforeEach(async () => {
      await appendValues(app(), ['a']);
      await appendValues(app(), ['b']);
      await log.close();
    });

    it('is seen: records that were on disk are missing', async () => {
      const { sizeBytes } = (await memory.files.stat(first))!;
      await (await memory.files.open(first, 'write')).truncate(sizeBytes / 2);
      log = await memory.open();
      expect(() => log.partition('app', 0)).toThrow(/the log ends at 1, but was on disk up to 2/);
    });

    it('is no danger where the mark is of an earlier end: what came after it is kept', async () => {
      const marks = ['.kafka_cleanshutdown', 'recovery-point-offset-checkpoint'].map((name) => `/data/${name}`);
      const contents = await Promise.all(marks.map((path) => memory.files.readFile(path)));
      log = await memory.open();
      await appendValues(app(), ['c']);
      memory.kill();
      for (const [index, path] of marks.entries()) await replaceFile(memory.files, path, contents[index]!);
      log = await memory.open();
      expect(await appendValues(app(), ['d'])).toBe(3);
      expect(await readValues(app())).toEqual(['a', 'b', 'c', 'd']);
    });
  });

  it.each([
    ['missing', (path: string) => memory.files.remove(path)],
    ['cut', async (path: string) => (await memory.files.open(path, 'write')).truncate(5)],
    ['nonsense', (path: string) => overwrite(path, 0, Buffer.alloc(16, 0xee))],
  ])('indexes and snapshots that are %s are made again, after a clean end and after a kill', async (_, damage) => {
    const producer = (id: number) => ({ producerId: id, producerEpoch: 0, isTransactional: true });
    for (let count = 0; count < 40; count++) {
      const batch = batchOf(['a'.repeat(50)], { ...producer(count % 3), baseSequence: Math.floor(count / 3) });
      app().append(batch, { origin: 'client' });
      if (count % 7 === 0) {
        const { producerId } = producer(count % 3);
        const kind = count % 2 === 0 ? 'abort' : 'commit';
        app().appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, kind });
      }
    }
    await appendValues(app(), ['end']);
    const committed = await expectedCommitted(app());
    const state = app().producers();
    for (const isClean of [true, false]) {
      if (isClean) await log.close();
      else memory.kill();
      for (const name of await memory.files.list('/data/app-0')) {
        if (/index$|snapshot$/.test(name)) await damage(`/data/app-0/${name}`);
      }
      log = await memory.open();
      expect(app().producers()).toEqual(state);
      expect(await readCommitted(app(), 300)).toEqual(committed);
      expect(await app().offsetForTime(0, 'read_uncommitted')).toMatchObject({ offset: 0 });
      for (const offset of [0, 17, 33]) expect((await readValues(app(), offset)).length).toBeGreaterThan(0);
    }
  });

  async function segmentPaths(): Promise<string[]> {
    const names = await memory.files.list('/data/app-0');
    return names.filter((name) => name.endsWith('.log')).map((name) => `/data/app-0/${name}`);
  }
});
