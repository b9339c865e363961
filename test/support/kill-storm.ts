// A storm: real processes, files that are written and rotated in every form, and `tailrace up` killed again and again, at random moments or at named points
// (base/crash-point.ts). A reader follows the topic meanwhile. In the end what was written, read, kept and delivered goes through the checker
// of histories. What the sink is, and what is done to its store meanwhile, is the test's own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { CrashPoint } from '../../base/crash-point.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import { freePort, run, start, until } from './command.ts';
import { History, type Value } from './history.ts';
import { parseLine, rotationForms, RotatedProgram, type RotationForm } from './rotated-programs.ts';
import { LiveReader, readTopic } from './topic-readers.ts';

export interface StormOptions {
  seed: number;
  kills: number;
  /** Where to kill, in turns; at random moments where it is undefined, and when there are none. */
  points?: readonly (CrashPoint | undefined)[];
  /** SIGKILL unless told; another one only at random moments. */
  signal?: NodeJS.Signals;
  forms?: readonly RotationForm[];
  /** Of all programs together. */
  linesPerSecond?: number;
  /** The YAML of the sink `out`, in one line. `folder` is for what it writes. */
  sink: (folder: string) => string;
  /** What the sink holds in the end, in order within each place. */
  content: (folder: string) => AsyncIterable<Value & { place: string }> | Promise<Iterable<Value & { place: string }>>;
  /** Whether the sink keeps the order of its places. */
  isOrdered?: boolean;
  /** Called before each kill, with its number; for doing things to the store. */
  trouble?: (kill: number, random: Random) => Promise<void>;
  /** How long the last run may take. */
  lastRunMs?: number;
}

export interface StormReport {
  lines: number;
  rotations: number;
  kills: number;
  /** How often the process was stopped at each point. */
  hits: Map<CrashPoint, number>;
  /** Records that the reader saw while the storm went on. */
  readMeanwhile: number;
  /** One line of figures. */
  text: string;
}

const partitions = 2;
/** A point that was not reached by then: the process is killed where it is. */
const reachMs = 10_000;
const startMs = 30_000;

export class KillStorm {
  private readonly options: StormOptions;
  private readonly random: Random;
  private readonly history = new History();
  private readonly hits = new Map<CrashPoint, number>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-storm-'));
  private readMeanwhile = 0;

  constructor(options: StormOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
  }

  /** Throws, and leaves its folder, when a promise was broken. */
  async run(): Promise<StormReport> {
    const { kills, forms = rotationForms } = this.options;
    const port = await freePort();
    this.configure(port);
    const linesPerSecond = (this.options.linesPerSecond ?? 12_000) / forms.length;
    const common = { history: this.history, random: this.random, linesPerSecond };
    const writers = forms.map((form) => new RotatedProgram(join(this.folder, 'logs'), form, common));
    const reader = new LiveReader({ host: '127.0.0.1', port }, 'lines', partitions, (partition, offset, line) => {
      this.readMeanwhile++;
      this.history.read('follower', partition, offset, valueOf(line));
    });
    try {
      for (let kill = 0; kill < kills; kill++) await this.live(kill);
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
      await reader.stop();
    }
    await this.finish();
    const lines = writers.reduce((sum, writer) => sum + writer.lines, 0);
    const rotations = writers.reduce((sum, writer) => sum + writer.rotations, 0);
    const text = `${kills} kills, ${lines} lines, ${rotations} rotations, ${this.readMeanwhile} records read meanwhile`;
    await this.check(text);
    rmSync(this.folder, { recursive: true });
    return { lines, rotations, kills, hits: this.hits, readMeanwhile: this.readMeanwhile, text };
  }

  private configure(port: number): void {
    const { folder } = this;
    mkdirSync(join(folder, 'logs', 'old'), { recursive: true });
    const settings = `{ num.partitions: ${partitions}, log.segment.bytes: 2000000 }`;
    writeFileSync(
      join(folder, 'storm.yaml'),
      `
broker: { listen: "127.0.0.1:${port}", settings: ${settings} }
agents: { app: { type: tail, paths: [ "${folder}/logs/*", "${folder}/logs/old/*" ], to: lines } }
pipelines: { keep: { from: lines, to: out } }
sinks: { out: ${this.options.sink(folder)} }
`,
    );
  }

  /** One life of the process, and its end. */
  private async live(kill: number): Promise<void> {
    const { points, signal = 'SIGKILL', trouble } = this.options;
    const point = points?.[kill % points.length];
    // The first time at once: then it is in the middle of its start, or of recovery.
    const round = points === undefined ? 0 : Math.floor(kill / points.length);
    const count = round === 0 ? 1 : 1 + Math.floor(this.random.next() * 12);
    const env = point === undefined ? {} : { TAILRACE_CRASH_AT: `${point}:${count}` };
    const command = start(['up', 'storm.yaml', '--data', 'data'], { cwd: this.folder, env });
    const troubled = trouble?.(kill, this.random);
    if (point === undefined) {
      // While it starts and recovers, or at work: on a busy machine that takes its time.
      if (this.random.next() < 0.3) await wait(50 + this.random.next() * 900);
      else {
        await until('it is up', () => command.stdout.includes('Ctrl-C') || command.process.exitCode !== null, startMs);
        await wait(this.random.next() * 800);
      }
      this.assertRuns(command.process.exitCode, command.stderr);
      command.signal(signal);
    } else {
      const late = setTimeout(() => command.signal('SIGKILL'), reachMs);
      const ended = await command.end();
      clearTimeout(late);
      this.assertRuns(ended.code, ended.stderr);
      // Our own signal comes after exactly that time; theirs before.
      if (!command.process.killed) this.hits.set(point, (this.hits.get(point) ?? 0) + 1);
    }
    await command.end(20_000);
    await troubled;
  }

  private assertRuns(code: number | null, output: string): void {
    if (code !== null) throw new Error(`tailrace ended by itself with ${code} in ${this.folder}:\n${output}`);
  }

  private async finish(): Promise<void> {
    const args = ['up', 'storm.yaml', '--data', 'data', '--once', '--json'];
    const last = await run(args, { cwd: this.folder, timeoutMs: this.options.lastRunMs ?? 60_000 });
    if (last.code === 0) return;
    throw new Error(`the last run ended with ${last.code} in ${this.folder}:\n${last.stdout}${last.stderr}`);
  }

  private async check(text: string): Promise<void> {
    const { history, options } = this;
    const kept: (Value & { place: string })[] = [];
    await readTopic(join(this.folder, 'data'), 'lines', (place, offset, line) => {
      const value = valueOf(line);
      history.read('the last reader', place, offset, value);
      kept.push({ ...value, place });
    });
    history.holds('the topic', kept);
    const content = await options.content(this.folder);
    const delivered: (Value & { place: string })[] = [];
    if (Symbol.iterator in content) delivered.push(...content);
    else for await (const value of content) delivered.push(value);
    history.holds('the sink', delivered, { isOrdered: options.isOrdered ?? true });
    try {
      history.assertSound();
    } catch (error) {
      throw new Error(`seed ${options.seed}, ${text}, left in ${this.folder}`, { cause: error });
    }
  }
}

function valueOf(line: string): Value {
  const value = parseLine(line);
  if (value === undefined) throw new Error(`not a line that was written: ${line.slice(0, 80)}`);
  return value;
}
