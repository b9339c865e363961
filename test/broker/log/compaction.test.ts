// Compaction keeps the last committed value of each key, whatever happens meanwhile and at any crash.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../base/random.ts';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import type { Compression } from '../../../broker/wire/compression.ts';
import { validateBatch } from '../../../broker/wire/record-batch.ts';
import {
  batchOf,
  expectedCommitted,
  readCommitted,
  readRecords,
  recordsOf,
  type TestRecord,
} from '../../support/batches.ts';
import { MemoryLog } from '../../support/memory-log.ts';

let memory: MemoryLog;
let log: LogDirectory;

beforeEach(async () => {
  await begin();
});

async function begin(configs: Record<string, string> = {}): Promise<void> {
  memory = new MemoryLog();
  log = await memory.open({ tailBytes: 300 });
  const own = { 'cleanup.policy': 'compact', 'segment.bytes': '1500', 'min.cleanable.dirty.ratio': '0' };
  await log.createTopic({
    name: 'state',
    partitions: 1,
    configs: { ...own, 'index.interval.bytes': '200', ...configs },
  });
}

function state(): PartitionLog {
  return log.partition('state', 0)!;
}

type Entry = readonly [string, string | null];

function put(entries: readonly Entry[], compression: Compression = 'none'): Promise<void> {
  const batch = batchOf(entries, { compression, timestampMs: memory.nowMs });
  return state().append(batch, { origin: 'client' }).durable;
}

/** Last value of each key that read_committed shows, with its offset; tombstones left out. */
async function latest(): Promise<Map<string, string>> {
  const committed = new Set(await readCommitted(state(), 400));
  const found = new Map<string, string>();
  for (const record of await readRecords(state(), state().logStartOffset, 'read_committed', 400)) {
    if (!committed.has(record.offset)) continue;
    if (record.value === null) found.delete(record.key!);
    else found.set(record.key!, `${record.value}@${record.offset}`);
  }
  return found;
}

async function all(): Promise<TestRecord[]> {
  return readRecords(state(), state().logStartOffset, 'read_uncommitted', 700);
}

describe('compaction', () => {
  it('keeps one record of each key, with its offset and time, in fewer files', async () => {
    for (let round = 0; round < 40; round++)
      await put([
        ['a', `a${round}`.repeat(20)],
        ['b', `b${round}`.repeat(20)],
      ]);
    const [before, end] = [await all(), state().logEndOffset];
    await log.maintain();
    const after = await all();
    expect(after.length).toBeLessThan(30);
    expect(before).toEqual(expect.arrayContaining(after));
    expect(after.slice(-4)).toEqual(before.slice(-4));
    expect(state().logEndOffset).toBe(end);
    for (const offset of [0, 3, 17, 40]) {
      const [first] = await readRecords(state(), offset, 'read_uncommitted', 100);
      expect(first).toEqual(after.find((record) => record.offset >= offset));
    }
    const files = (await memory.files.list('/data/state-0')).filter((name) => name.endsWith('.log'));
    memory.kill();
    log = await memory.open();
    expect(await all()).toEqual(after);
    expect((await memory.files.list('/data/state-0')).filter((name) => name.endsWith('.log'))).toEqual(files);
  });

  it('waits for the dirty ratio, but no longer than max.compaction.lag.ms, and begins a new segment in time for that', async () => {
    await begin({ 'min.cleanable.dirty.ratio': '1', 'max.compaction.lag.ms': '60000', 'segment.bytes': '1048576' });
    for (let round = 0; round < 5; round++) await put([['a', `a${round}`]]);
    await log.maintain();
    expect(await all()).toHaveLength(5);
    memory.advance(61_000);
    await put([['b', 'begins another segment']]);
    await log.maintain();
    expect((await all()).map(({ key, value }) => [key, value])).toEqual([
      ['a', 'a4'],
      ['b', 'begins another segment'],
    ]);
    // From here on part of the log is compacted: what is new is less than all of it, whatever its share.
    await put([['a', 'a5']]);
    await put([['a', 'a6']]);
    memory.advance(30_000);
    await log.maintain();
    expect(await all()).toHaveLength(4);
    memory.advance(31_000);
    await put([['c', 'begins a third one']]);
    await log.maintain();
    expect((await all()).map(({ key, value }) => [key, value])).toEqual([
      ['b', 'begins another segment'],
      ['a', 'a6'],
      ['c', 'begins a third one'],
    ]);
  });

  it('removes a tombstone only after delete.retention.ms, at its second pass', async () => {
    await put([['a', 'x'.repeat(1000)]]);
    await put([['a', null]]);
    await put([['b', 'x'.repeat(1000)]]);
    await put([['c', 'x'.repeat(1000)]]);
    await log.maintain();
    expect((await all()).map(({ key, value }) => [key, value?.length])).toEqual([
      ['a', undefined],
      ['b', 1000],
      ['c', 1000],
    ]);
    memory.advance(86_400_000 + 1000);
    for (const key of ['d', 'e']) await put([[key, 'x'.repeat(1000)]]);
    await log.maintain();
    expect((await all()).map(({ key }) => key)).toEqual(['b', 'c', 'd', 'e']);
  });

  it('leaves batches whose header says what is in them', async () => {
    const times = [5000, 1000, 3000, 2000];
    for (let round = 0; round < 30; round++) {
      for (const [index, time] of times.entries()) {
        const entries: Entry[] = [[`k${index}`, 'x'.repeat(200)]];
        if (round < 2) entries.push([`only${round}-${index}`, 'y']);
        const batch = batchOf(entries, { timestampMs: memory.nowMs + time + round });
        await state().append(batch, { origin: 'client' }).durable;
      }
    }
    await log.maintain();
    for (let next = 0; next < state().highWatermark;) {
      const { records } = await state().read(next, 1, 'read_uncommitted');
      const header = validateBatch(records[0]!);
      const own = recordsOf(records);
      expect([own.length, Math.max(-1, ...own.map((one) => one.timestampMs))]).toEqual([
        header.recordCount,
        header.maxTimestampMs,
      ]);
      next = header.lastOffset + 1;
    }
    expect(await state().maxTimestamp()).toMatchObject({ timestampMs: memory.nowMs + 5000 + 29 });
  });

  it('waits for enough new records, and for min.compaction.lag.ms', async () => {
    await begin({ 'min.cleanable.dirty.ratio': '0.9', 'min.compaction.lag.ms': '5000' });
    for (let round = 0; round < 20; round++) await put([['a', 'x'.repeat(300)]]);
    await log.maintain();
    expect(await all()).toHaveLength(20);
    memory.advance(6000);
    await log.maintain();
    const once = (await all()).length;
    expect(once).toBeLessThan(10);
    await put([['a', 'x'.repeat(300)]]);
    memory.advance(6000);
    await log.maintain();
    expect(await all()).toHaveLength(once + 1);
  });

  it('never changes what the last committed value of a key is', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      kind: fc.constantFrom('put', 'put', 'delete', 'transact', 'transact', 'commit', 'abort', 'compact', 'kill'),
      producerId: fc.nat(2),
      size: fc.integer({ min: 1, max: 500 }),
      compression: fc.constantFrom('none' as const, 'zstd' as const, 'gzip' as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
        await begin();
        const sequences = new Map<number, number>();
        for (const [index, { key, kind, producerId, size, compression }] of steps.entries()) {
          const value = `${index}${'v'.repeat(size)}`;
          if (kind === 'put') await put([[key, value]], compression);
          else if (kind === 'delete') await put([[key, null]]);
          else if (kind === 'transact') {
            const baseSequence = sequences.get(producerId) ?? 0;
            sequences.set(producerId, baseSequence + 2);
            const identity = { producerId, producerEpoch: 0, baseSequence, isTransactional: true, compression };
            const entries: Entry[] = [
              [key, value],
              ['t', value],
            ];
            state().append(batchOf(entries, { ...identity, timestampMs: memory.nowMs }), { origin: 'client' });
          } else if (kind === 'commit' || kind === 'abort') {
            await state().appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, kind }).durable;
          } else {
            await put([['end', String(index)]]);
            const [before, producers] = [await latest(), state().producers()];
            const stable = state().lastStableOffset;
            if (kind === 'compact') await log.maintain();
            else {
              memory.kill();
              log = await memory.open({ tailBytes: 300 });
            }
            expect(await latest()).toEqual(before);
            expect(state().producers()).toEqual(producers);
            expect(state().lastStableOffset).toBe(stable);
          }
        }
        const expected = await expectedCommitted(state());
        expect(await readCommitted(state(), 300)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('survives a power failure at any step', async () => {
    for (let round = 0; round < 14; round++) {
      const batch = batchOf(
        [
          ['a', `${round}`.repeat(100)],
          ['b', `${round}`.repeat(100)],
        ],
        {
          ...{ producerId: 1, producerEpoch: 0, baseSequence: round * 2, isTransactional: true },
          timestampMs: memory.nowMs,
        },
      );
      state().append(batch, { origin: 'client' });
      const kind = round % 3 === 0 ? 'abort' : 'commit';
      await state().appendMarker({ producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, kind }).durable;
    }
    const [before, end, records] = [await latest(), state().logEndOffset, await all()];
    const traced = memory.files;
    const from = traced.steps;
    await log.maintain();
    expect((await all()).length).toBeLessThan(records.length);
    expect(await latest()).toEqual(before);
    const random = seededRandom(11);
    for (let step = from; step <= traced.steps; step++) {
      memory.files = traced.crash(step, random);
      log = await memory.open();
      expect(await latest(), `step ${step}`).toEqual(before);
      expect(state().logEndOffset).toBe(end);
      expect(records).toEqual(expect.arrayContaining(await all()));
      const names = await memory.files.list('/data/state-0');
      expect(names.filter((name) => /cleaned|swap/.test(name))).toEqual([]);
    }
  });
});
