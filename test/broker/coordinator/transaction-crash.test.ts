// Transactions after a power failure at any moment: a trace of transactions over several partitions and a group's offsets, of agents at the same time, is
// stopped after a drawn step, the disk takes a drawn state, and the broker opens again; then the same once more within that recovery. What must
// hold: of every transaction all is committed or nothing, what was acknowledged as committed is, what was aborted is not, and nothing
// that was seen as committed is lost later.
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../../base/random.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { readCommitted, readRecords } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { fetchOffset, openWorld, TestProducer, type World } from '../../support/coordinators.ts';

const traces = Number(process.env['CRASH_TRACES'] ?? 5);
const statesPerTrace = Number(process.env['CRASH_STATES'] ?? 8);
const agents = ['first', 'second'];
const places = [
  ['lines', 0],
  ['lines', 1],
  ['positions', 0],
] as const;

/** What agents were told, and at which step of the trace. */
interface Told {
  commits: { step: number; agent: string; number: number }[];
  /** Step at which the abort was asked for; from then on it must not be committed. */
  aborts: { agent: string; number: number }[];
}

/** Transactions one after the other, each with the next number in all places; they end as drawn, the last one not at all. */
async function work(
  world: World,
  files: CrashFiles,
  agent: string,
  random: Random,
  first: number,
  told: Told,
): Promise<void> {
  const producer = new TestProducer(world, agent);
  expect(await producer.init()).toBe(ErrorCode.NONE);
  const count = 2 + Math.floor(random.next() * 4);
  for (let number = first; number < first + count; number++) {
    const value = `${agent}:${number} ${'x'.repeat(Math.floor(random.next() * 700))}`;
    for (const [topic, partition] of places) {
      producer.produce(topic, [value], partition);
      if (random.next() < 0.2) await new Promise<void>(setImmediate);
    }
    void producer.sendOffset(agent, 'lines', number);
    if (number === first + count - 1) return;
    const committed = random.next() < 0.75;
    if (!committed) told.aborts.push({ agent, number });
    expect(await producer.end(committed)).toBe(ErrorCode.NONE);
    if (committed) told.commits.push({ step: files.steps, agent, number });
  }
}

/** Numbers that are committed, by "agent topic/partition", as a consumer sees them. */
async function look({ log }: World): Promise<Map<string, number[]>> {
  const seen = new Map<string, number[]>();
  for (const [topic, partition] of places) {
    const from = log.partition(topic, partition)!;
    const visible = new Set(await readCommitted(from, 3000));
    for (const { offset, value } of await readRecords(from, 0, 'read_uncommitted', 3000)) {
      if (!visible.has(offset)) continue;
      const [agent, number] = value!.split(' ')[0]!.split(':');
      const key = `${agent!} ${topic}/${partition}`;
      seen.set(key, [...(seen.get(key) ?? []), Number(number)]);
    }
  }
  return seen;
}

/** Opens what a crash has left, lets every agent begin anew, and checks the promises that were made up to `step`. */
async function check(
  files: CrashFiles,
  told: Told,
  step: number,
): Promise<{ world: World; opened: number; seen: Map<string, number[]> }> {
  const world = await openWorld({ files });
  const opened = files.steps;
  for (const agent of agents) expect(await new TestProducer(world, agent).init()).toBe(ErrorCode.NONE);
  for (const { name, partitions } of world.log.topics()) {
    for (let index = 0; index < partitions; index++) {
      const partition = world.log.partition(name, index)!;
      while (partition.lastStableOffset < partition.logEndOffset) await new Promise<void>(setImmediate);
    }
  }
  const seen = await look(world);
  for (const agent of agents) {
    const [numbers, ...others] = places.map(([topic, partition]) => seen.get(`${agent} ${topic}/${partition}`) ?? []);
    for (const other of others) expect(other).toEqual(numbers);
    expect(numbers).toEqual([...new Set(numbers)].sort((left, right) => left - right));
    const promised = told.commits.filter((commit) => commit.agent === agent && commit.step <= step);
    for (const { number } of promised) expect(numbers).toContain(number);
    for (const abort of told.aborts) if (abort.agent === agent) expect(numbers).not.toContain(abort.number);
    expect(await fetchOffset(world, agent, 'lines')).toBe(numbers!.at(-1) ?? -1);
  }
  return { world, opened, seen };
}

async function trace(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const files = new CrashFiles(random);
  files.syncTurns = 2;
  const told: Told = { commits: [], aborts: [] };
  let world = await openWorld({ files });
  await world.log.createTopic({ name: 'lines', partitions: 2 });
  await world.log.createTopic({ name: 'positions', partitions: 1 });
  const made = files.steps;
  await Promise.all(agents.map((agent) => work(world, files, agent, random, 1, told)));
  if (random.next() < 0.5) {
    // A second life of the process, so that some data are older than it.
    await world.close();
    world = await openWorld({ files });
    await Promise.all(agents.map((agent) => work(world, files, agent, random, 100, told)));
  }
  await world.close();
  for (let state = 0; state < statesPerTrace; state++) {
    const step = made + Math.floor(random.next() * (files.steps - made + 1));
    const crashed = files.crash(step, random);
    const begin = crashed.steps;
    const first = await check(crashed, told, step);
    await first.world.close();
    const again = begin + Math.floor(random.next() * (crashed.steps - begin + 1));
    const second = await check(crashed.crash(again, random), told, step);
    if (again >= first.opened) {
      for (const [key, numbers] of first.seen)
        expect(second.seen.get(key) ?? []).toEqual(expect.arrayContaining(numbers));
    }
    await second.world.close();
  }
}

describe('power failure', () => {
  const seeds = Array.from({ length: traces }, (_, index) => Number(process.env['CRASH_SEED'] ?? 1) + index);
  it.each(seeds)('leaves every transaction whole, seed %i', (seed) => trace(seed));
});
