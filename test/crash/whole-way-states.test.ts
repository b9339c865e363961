// The whole way of lines on one disk that loses its power: agent, topic, an edge with steps, files and dead letters. A trace of all of it is stopped after
// a drawn step, the disk takes a state that the power failure may have left, and a new life runs to its end; then the same once more within that life. Each
// time every line is where it belongs exactly once, and what a reader had seen before is still there under its offset. The logs stand on another disk: what
// a program's own disk loses is not ours to keep. CRASH_STATES and CRASH_TRACES make it long, CRASH_SEED repeats a trace.
import { expect, it, vi } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import type { PipelinePlan } from '../../pipelines/plan.ts';
import { StepError } from '../../pipelines/steps/step.ts';
import { fileSink } from '../../sinks/file/sink.ts';
import { History, type Value } from '../support/history.ts';
import { pipeline, step } from '../support/pipeline-world.ts';
import { SimulatedDisk } from '../support/simulation/disks.ts';
import { failPower, Life } from '../support/simulation/life.ts';
import { LogProgram, parseValue } from '../support/simulation/log-files.ts';
import { networkClient, startAppliance, topics } from '../support/simulation/programs.ts';
import { VirtualTime } from '../support/simulation/time.ts';
import { followTopic, readAll } from '../support/topic-readers.ts';

vi.mock('../../agents/tail/watch.ts', () => import('../support/simulation/no-watch.ts'));

const traces = Number(process.env['CRASH_TRACES'] ?? 1);
const draws = Number(process.env['CRASH_STATES'] ?? 40);
const traceMs = 4000;

/** What the steps make of a line. */
function fateOf({ number }: Value): 'kept' | 'dead' | 'dropped' {
  return number % 7 === 3 ? 'dead' : number % 5 === 2 ? 'dropped' : 'kept';
}

function plans(): PipelinePlan[] {
  const judge = step((event) => {
    const fate = fateOf(parseValue(event.message));
    if (fate === 'dead') throw new StepError('not this one');
    return fate === 'kept' ? 'keep' : 'drop';
  });
  const settings = { path: '/out/{partition}-{offset}.log', roll: { size: '2KB', age: '300ms', idle: '100ms' } };
  const sink = { name: 'files', definition: fileSink, settings: fileSink.settings.parse(settings) };
  return [pipeline('lines', sink, { steps: [judge] })];
}

interface Seen {
  /** Steps that the disk had taken when the reader was given it. */
  steps: number;
  place: string;
  offset: number;
  line: string;
}

/** The life that the power failure ends. Returns what a reader of the topic has seen. */
async function live(life: Life): Promise<Seen[]> {
  const seen: Seen[] = [];
  const visit = (place: string, offset: number, line: string) => seen.push({ steps: life.steps, place, offset, line });
  const client = networkClient(life.surroundings);
  const { clock } = life.surroundings.process;
  const followed = { client, clock, topic: 'lines', partitions: topics.lines, visit };
  void followTopic(followed, new AbortController().signal);
  startAppliance(life.surroundings, { plans: plans() }).catch(() => undefined);
  await life.endAfter(traceMs);
  return seen;
}

async function published(life: Life): Promise<(Value & { place: string })[]> {
  const { files } = life.disk;
  const found: (Value & { place: string })[] = [];
  for (const name of await files.list('/out')) {
    if (name.startsWith('.')) throw new Error(`left over: ${name}`);
    const lines = (await files.readFile(`/out/${name}`)).toString().split('\n').slice(0, -1);
    for (const line of lines) found.push({ ...parseValue(line), place: name.split('-')[0]! });
  }
  return found;
}

/** Runs as `up --once` does, and checks everything. */
async function check(life: Life, history: History, seen: readonly Seen[]): Promise<void> {
  const found = { lines: [] as (Value & { place: string })[], 'web.dlq': [] as (Value & { place: string })[] };
  const now = new Map<string, string>();
  await life.complete(async () => {
    const appliance = await startAppliance(life.surroundings, { plans: plans(), once: true });
    await Promise.race([appliance.drained(), appliance.failed]);
    // A commit is answered when it is decided; its markers follow.
    await life.surroundings.process.time.sleep(5000);
    const client = networkClient(life.surroundings);
    for (const topic of ['lines', 'web.dlq'] as const) {
      await readAll(client, topic, (place, offset, line) => {
        found[topic].push({ ...parseValue(line), place });
        now.set(`${place}@${offset}`, line);
      });
    }
    await client.close();
    await appliance.stop();
  });
  history.holds('the topic', found.lines);
  history.holds('the files', await published(life), { only: (value) => fateOf(value) === 'kept' });
  history.holds('the dead letters', found['web.dlq'], { only: (value) => fateOf(value) === 'dead' });
  history.assertSound();
  for (const { place, offset, line } of seen) expect(now.get(`${place}@${offset}`)).toBe(line);
}

async function trace(seed: number, { disksLie = false } = {}): Promise<void> {
  const random = seededRandom(seed);
  const history = new History();
  const time = new VirtualTime();
  const logs = await SimulatedDisk.create('/logs', time, random);
  const programs = ['a', 'b', 'c'].map((name) => new LogProgram(name, { files: logs.files, time, random, history }));
  for (const program of programs) void program.run(() => time.ms > traceMs - 500);
  const life = await Life.begin({ seed, time, logs });
  life.disk.isLying = disksLie;
  const seen = await live(life);
  expect(seen.length).toBeGreaterThan(100);
  await failPower({
    ...{ life, random, draws, logs, atMs: traceMs + 1000 },
    check: (next, steps) =>
      check(
        next,
        history,
        seen.filter((each) => each.steps <= steps),
      ),
  });
  console.log(`trace ${seed}: ${life.steps} steps, ${seen.length} lines seen, ${2 * draws} states`);
}

const seeds = Array.from({ length: traces }, (_, index) => Number(process.env['CRASH_SEED'] ?? 1) + index);
it.each(seeds)('every line is where it belongs once, whenever the power fails, trace %i', (seed) => trace(seed));

it('notices a disk that does not keep what it says is synced', async () => {
  await expect(trace(1, { disksLie: true })).rejects.toThrow();
});
