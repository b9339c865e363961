// The log after a power failure at any moment: a trace of appends, rolls, checkpoints, topic creation and deletion is stopped after a drawn step, the
// disk takes a drawn state, and the log is opened again; then the same once more with the recovered log, recovery itself included.
// What must hold: what was acknowledged or visible is there and unchanged, offsets are dense, and what once was readable stays.
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { type Random, seededRandom } from '../../../base/random.ts';
import type { Appended, LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { openLogDirectory } from '../../../broker/log/log-directory.ts';
import { forEachBatch } from '../../../broker/wire/record-batch.ts';
import { batchOf, expectedCommitted, readCommitted, readRecords } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';

const statesPerTrace = Number(process.env['CRASH_STATES'] ?? 40);
/** The time of the test's records, so that retention finds nothing too old. */
const clock: Clock = { ...systemClock, now: () => 1_700_000_000_000 };
const lock = () => Promise.resolve({ release: () => Promise.resolve() });

function open(files: CrashFiles, random: Random): Promise<LogDirectory> {
  const dependencies = { clock, logger: silentLogger, random, lock };
  return openLogDirectory({
    directory: '/var/lib/data',
    files,
    tailBytes: 4000,
    earlyWriteBytes: 500,
    ...dependencies,
  });
}

/** What was promised, and at which step of the trace. */
interface Promises {
  /** Value by "topic-partition@offset", known when it was appended. */
  values: Map<string, string>;
  visible: { step: number; key: string; highWatermark: number }[];
  created: { step: number; topic: string; deletedBy: number; deletedAt: number }[];
}

function watch(files: CrashFiles, partition: PartitionLog, promises: Promises): void {
  const key = `${partition.topic}-${partition.partition}`;
  const note = () => promises.visible.push({ step: files.steps, key, highWatermark: partition.highWatermark });
  note();
  partition.onAdvance(note);
}

/** Producers by "topic-partition:id" that have a transaction open, and how they wrote so far. */
type Transactions = Map<string, { epoch: number; sequence: number; isOpen: boolean }>;

/** Appends a batch, now and then of a transaction that is ended later; producers take a new epoch with each run of work(). */
function append(partition: PartitionLog, values: string[], random: Random, transactions: Transactions): Appended {
  if (random.next() < 0.5) return partition.append(batchOf(values), { origin: 'client' });
  const producerId = Math.floor(random.next() * 3);
  const key = `${partition.topic}-${partition.partition}:${producerId}`;
  const known = partition.producers().find((one) => one.producerId === producerId);
  const state = transactions.get(key) ?? { epoch: (known?.producerEpoch ?? -1) + 1, sequence: 0, isOpen: false };
  transactions.set(key, state);
  const identity = { producerId, producerEpoch: state.epoch };
  if (!state.isOpen && known !== undefined && known.currentTransactionStartOffset >= 0) {
    partition.appendMarker({ ...identity, coordinatorEpoch: 0, kind: 'abort' });
  }
  const batch = batchOf(values, { ...identity, baseSequence: state.sequence, isTransactional: true });
  const appended = partition.append(batch, { origin: 'client' });
  state.sequence += values.length;
  state.isOpen = true;
  if (random.next() < 0.5) {
    partition.appendMarker({ ...identity, coordinatorEpoch: 0, kind: random.next() < 0.5 ? 'commit' : 'abort' });
    state.isOpen = false;
  }
  return appended;
}

/** Appends at random, sometimes waiting, with the odd checkpoint, until `rounds` are over. */
async function work(log: LogDirectory, files: CrashFiles, random: Random, rounds: number, promises: Promises) {
  const partitions = log.topics().flatMap(({ name, partitions }) => {
    return Array.from({ length: partitions }, (_, index) => log.partition(name, index)!);
  });
  for (const partition of partitions) watch(files, partition, promises);
  let counter = 0;
  const transactions: Transactions = new Map();
  for (let round = 0; round < rounds; round++) {
    let last: Promise<void> | undefined;
    for (let count = Math.floor(random.next() * 6); count >= 0; count--) {
      const partition = partitions[Math.floor(random.next() * partitions.length)]!;
      const length = 1 + Math.floor(random.next() * 3);
      const values = Array.from({ length }, () => {
        return `${files.steps}:${counter++} ${'x'.repeat(Math.floor(random.next() ** 3 * 900))}`;
      });
      const appended = append(partition, values, random, transactions);
      for (const [index, value] of values.entries()) {
        promises.values.set(`${partition.topic}-${partition.partition}@${appended.baseOffset + index}`, value);
      }
      last = appended.durable;
      if (random.next() < 0.3) await files.turn();
      // Rounds begin with a turn of the loop: what comes next is written while an earlier one is being synced.
      if (random.next() < 0.3) await new Promise((resolve) => setImmediate(resolve));
    }
    if (random.next() < 0.7) await last;
    if (random.next() < 0.1) await log.maintain();
  }
}

async function record(seed: number): Promise<{ files: CrashFiles; promises: Promises }> {
  const random = seededRandom(seed);
  const files = new CrashFiles(random);
  files.syncTurns = 3;
  const log = await open(files, random);
  const promises: Promises = { values: new Map(), visible: [], created: [] };
  const create = async (topic: string, partitions: number) => {
    await log.createTopic({
      name: topic,
      partitions,
      configs: { 'segment.bytes': '3000', 'index.interval.bytes': '300' },
    });
    promises.created.push({ step: files.steps, topic, deletedBy: Infinity, deletedAt: Infinity });
  };
  await create('app', 2);
  await create('gone', 1);
  await work(log, files, random, 8, promises);
  promises.created[1]!.deletedBy = files.steps;
  await log.deleteTopic('gone');
  promises.created[1]!.deletedAt = files.steps;
  await create('late', 1);
  await log.close();
  const again = await open(files, random);
  await work(again, files, random, 8, promises);
  await again.maintain();
  return { files, promises };
}

/** Every offset from the start to the high watermark is in exactly one batch. */
async function checkDense(partition: PartitionLog): Promise<void> {
  let next = partition.logStartOffset;
  while (next < partition.highWatermark) {
    const { records } = await partition.read(next, 2000, 'read_uncommitted');
    for (const bytes of records) {
      forEachBatch(bytes, (header) => {
        expect(header.baseOffset).toBe(next);
        next = header.lastOffset + 1;
      });
    }
  }
}

/** Everything readable, by "topic-partition@offset". Fails when offsets are not dense. */
async function contents(log: LogDirectory): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name, partitions } of log.topics()) {
    for (let index = 0; index < partitions; index++) {
      const partition = log.partition(name, index)!;
      const records = await readRecords(partition, partition.logStartOffset, 'read_uncommitted', 2000);
      await checkDense(partition);
      expect(await readCommitted(partition, 1500)).toEqual(await expectedCommitted(partition));
      for (const one of records) found.set(`${name}-${index}@${one.offset}`, one.value!);
    }
  }
  return found;
}

function check(found: Map<string, string>, log: LogDirectory, promises: Promises, step: number): void {
  for (const { topic, step: from, deletedBy, deletedAt } of promises.created) {
    if (from <= step && step < deletedBy) expect(log.topic(topic), topic).toBeDefined();
    if (deletedAt <= step) expect(log.topic(topic), topic).toBeUndefined();
  }
  const highWatermarks = new Map<string, number>();
  for (const { step: at, key, highWatermark } of promises.visible) {
    if (at <= step) highWatermarks.set(key, Math.max(highWatermark, highWatermarks.get(key) ?? 0));
  }
  for (const [key, highWatermark] of highWatermarks) {
    const topic = key.slice(0, key.lastIndexOf('-'));
    const life = promises.created.find((one) => one.topic === topic);
    if (life !== undefined && life.deletedBy <= step) continue;
    for (let offset = 0; offset < highWatermark; offset++) {
      const place = `${key}@${offset}`;
      expect(found.get(place), place).toBe(promises.values.get(place));
    }
  }
  for (const [place, value] of found) expect(value, place).toBe(promises.values.get(place));
}

/** Opens the state after a crash, checks it, works on in it, crashes again and checks that too. */
async function crashTwice(files: CrashFiles, promises: Promises, step: number, random: Random): Promise<void> {
  const after = files.crash(step, random);
  const made = after.steps;
  const log = await open(after, random);
  const opened = after.steps;
  const found = await contents(log);
  check(found, log, promises, step);
  const later: Promises = { values: new Map(found), visible: [], created: [] };
  for (const { name } of log.topics())
    later.created.push({ step: opened, topic: name, deletedBy: Infinity, deletedAt: Infinity });
  if (log.topics().length > 0) await work(log, after, random, 3, later);
  const again = made + Math.floor(random.next() * (after.steps + 1 - made));
  const second = await open(after.crash(again, random), random);
  const foundAgain = await contents(second);
  if (again >= opened) check(foundAgain, second, later, again);
  else check(foundAgain, second, { ...promises, visible: promises.visible.filter((one) => one.step <= step) }, step);
}

describe('after a power failure', () => {
  it.each([1, 2, 3, 4])('everything promised is there, trace %i', async (seed) => {
    const { files, promises } = await record(seed);
    const random = seededRandom(seed * 7919);
    for (let count = 0; count < statesPerTrace; count++) {
      const step = Math.floor(random.next() * (files.steps + 1));
      const label = `seed ${seed}, state ${count}, step ${step}`;
      try {
        await crashTwice(files, promises, step, random);
      } catch (error) {
        throw new Error(label, { cause: error });
      }
    }
  });
});
