// A storm: real processes, files that are written and rotated in every form, by a plain path and by a pattern, and `tailrace up` killed again and again, at random moments or at named points
// (base/crash-point.ts). A reader follows the topic meanwhile. In the end what was written, read, kept and delivered goes through the checker
// of histories. What the sink is, and what is done to its store meanwhile, is the test's own.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { CrashPoint } from '../../base/crash-point.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import { freePort, run, start, until } from './command.ts';
import { History, type Value } from './history.ts';
import { forms } from '../rotation/forms.ts';
import { RotatedProgram, rotationPatterns, StormLines } from './rotated-programs.ts';
import { LiveReader, readTopic } from './topic-readers.ts';

export interface PlacedLine {
  place: string;
  line: string;
}

export interface StormOptions {
  seed: number;
  kills: number;
  /** Where to kill, in turns; at random moments where it is undefined, and when there are none. */
  points?: readonly (CrashPoint | undefined)[];
  /** SIGKILL unless told; another one only at random moments. */
  signal?: NodeJS.Signals;
  /** Of all programs together. */
  linesPerSecond?: number;
  /** The YAML of the sink `out`, in one line. `folder` is for what it writes. */
  sink: (folder: string) => string;
  /** The lines that the sink holds in the end, in order within each place. */
  content: (folder: string) => AsyncIterable<PlacedLine>;
  /** Whether the sink keeps the order of its places. */
  isOrdered?: boolean;
  /** How often a point is passed by, at most, before the process ends there; 12 unless told. */
  passes?: number;
  /** A point that was not reached after so long: the process is killed where it is. 10 s unless told. */
  reachMs?: number;
  /** Called with the number of each life when it begins, for doing things to the store; `life` resolves when it has ended. */
  trouble?: (kill: number, random: Random, life: Promise<unknown>) => Promise<void>;
  /** How long the last run may take. */
  lastRunMs?: number;
}

export interface StormReport {
  /** Of the program that was rotated least. */
  leastRotations: number;
  kills: number;
  /** How often the process was stopped at each point. */
  hits: Map<CrashPoint, number>;
  /** Records that the reader saw while the storm went on. */
  readMeanwhile: number;
  /** One line of figures. */
  text: string;
}

const partitions = 2;
const startMs = 60_000;

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
    let kills = 0;
    const port = await freePort();
    const programs = this.begin();
    const lines = new StormLines(programs);
    this.configure(port, programs);
    const reader = new LiveReader({ host: '127.0.0.1', port }, 'lines', partitions, (partition, offset, line) => {
      this.readMeanwhile++;
      const value = lines.take('follower', line);
      if (value !== undefined) this.history.read('follower', partition, offset, value);
      lines.wasRead(line);
    });
    try {
      // More when the machine is quick, or slow: each log is to be rotated, and each point reached, once at least.
      const isEnough = () =>
        kills >= this.options.kills && programs.every(({ rotations }) => rotations > 0) && this.missed().length === 0;
      while (!isEnough() && kills < this.options.kills * 4) await this.live(kills++);
    } finally {
      await Promise.all(programs.map((program) => program.stop()));
      await reader.stop();
    }
    await this.finish();
    const written = programs.reduce((sum, program) => sum + program.lines, 0);
    const rotations = programs.map((program) => program.rotations);
    const text = `${kills} kills, ${written} lines, ${rotations.reduce((sum, each) => sum + each)} rotations, ${this.readMeanwhile} records read meanwhile`;
    await this.check(text, lines);
    rmSync(this.folder, { recursive: true });
    const leastRotations = Math.min(...rotations);
    return { leastRotations, kills, hits: this.hits, readMeanwhile: this.readMeanwhile, text };
  }

  /** A program for each form and pattern. */
  private begin(): RotatedProgram[] {
    const chosen = forms.flatMap((form) => rotationPatterns.map((pattern) => ({ form, pattern })));
    const linesPerSecond = (this.options.linesPerSecond ?? 12_000) / chosen.length;
    const common = { folder: join(this.folder, 'logs'), history: this.history, random: this.random, linesPerSecond };
    return chosen.map((each, cell) => new RotatedProgram(cell, { ...common, ...each }));
  }

  private configure(port: number, programs: readonly RotatedProgram[]): void {
    const { folder } = this;
    const agents = ['plain', 'pattern'].map((name, index) => {
      const followed = programs.filter(({ pattern }) => pattern === rotationPatterns[index]);
      return `${name}: { type: tail, paths: ${JSON.stringify(followed.map(({ path }) => path))}, to: lines }`;
    });
    const settings = `{ num.partitions: ${partitions}, log.segment.bytes: 2000000 }`;
    writeFileSync(
      join(folder, 'storm.yaml'),
      `
broker: { listen: "127.0.0.1:${port}", settings: ${settings} }
agents: { ${agents.join(', ')} }
pipelines: { keep: { from: lines, to: out } }
sinks: { out: ${this.options.sink(folder)} }
`,
    );
  }

  /** One life of the process, and its end. */
  private async live(kill: number): Promise<void> {
    const { points, signal = 'SIGKILL', trouble, passes = 12, reachMs = 10_000 } = this.options;
    const isLate = kill >= this.options.kills && this.missed().length > 0;
    const point = isLate ? this.missed()[kill % this.missed().length] : points?.[kill % points.length];
    // The first time at once: then it is in the middle of its start, or of recovery.
    const round = points === undefined ? 0 : Math.floor(kill / points.length);
    const count = round === 0 || isLate ? 1 : 1 + Math.floor(this.random.next() * passes);
    const env = point === undefined ? {} : { TAILRACE_CRASH_AT: `${point}:${count}` };
    const command = start(['up', 'storm.yaml', '--data', 'data'], { cwd: this.folder, env });
    const troubled = trouble?.(kill, this.random, command.closed);
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
    const { stderr } = await command.end(60_000);
    appendFileSync(join(this.folder, 'tailrace.log'), `${stderr}--- end of life ${kill}\n`);
    await troubled;
  }

  /** Points that no life has reached yet. */
  private missed(): CrashPoint[] {
    const points = (this.options.points ?? []).filter((point) => point !== undefined);
    return points.filter((point) => !this.hits.has(point));
  }

  private assertRuns(code: number | null, output: string): void {
    if (code !== null) throw new Error(`tailrace ended by itself with ${code} in ${this.folder}:\n${output}`);
  }

  private async finish(): Promise<void> {
    const args = ['up', 'storm.yaml', '--data', 'data', '--once', '--json'];
    const last = await run(args, { cwd: this.folder, timeoutMs: this.options.lastRunMs ?? 120_000 });
    if (last.code === 0) return;
    throw new Error(`the last run ended with ${last.code} in ${this.folder}:\n${last.stdout}${last.stderr}`);
  }

  private async check(text: string, lines: StormLines): Promise<void> {
    const { history, options } = this;
    const kept: (Value & { place: string })[] = [];
    await readTopic(join(this.folder, 'data'), 'lines', (place, offset, line) => {
      const value = lines.take('the topic', line);
      if (value === undefined) return;
      history.read('the last reader', place, offset, value);
      kept.push({ ...value, place });
    });
    history.holds('the topic', kept);
    const delivered: (Value & { place: string })[] = [];
    for await (const { place, line } of options.content(this.folder)) {
      const value = lines.take('the sink', line);
      if (value !== undefined) delivered.push({ ...value, place });
    }
    history.holds('the sink', delivered, { isOrdered: options.isOrdered ?? true });
    try {
      history.assertSound();
      for (const holder of ['the topic', 'the sink']) lines.assertHeaders(holder);
    } catch (error) {
      throw new Error(`seed ${options.seed}, ${text}, left in ${this.folder}`, { cause: error });
    }
  }
}
