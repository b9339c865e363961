// One run: logs of several forms are written and rotated while the subjects read them, are away, or are killed; in the end what arrived is compared
// with what was written. The forms of one run share one process, each has its own folder, topics and agents (one for each pattern).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../support/command.ts';
import type { Form } from './forms.ts';
import type { Arrived, Sums } from './lines.ts';
import { headerLines, LogFile } from './log-file.ts';
import { Ours } from './ours.ts';
import { Rsyslog } from './rsyslog.ts';
import { type Footprint, footprint, type Subject, type Watch } from './subject.ts';

export type State = 'up' | 'down' | 'killed';

export const patterns = ['app.log', 'app.log*'] as const;
export type Pattern = (typeof patterns)[number];

export interface CourseOptions {
  forms: readonly Form[];
  state: State;
  logs: number;
  withRsyslog: boolean;
  /** Each is an agent of the same process. */
  patterns: readonly Pattern[];
  random: () => number;
}

/** What became of one form under one pattern. */
export interface Outcome {
  form: string;
  state: State;
  logs: number;
  subject: string;
  pattern: Pattern;
  sums: Sums;
  /** Lines that came only when the reader was started once more, though it had been given time. */
  late: number;
  /** Bytes that the agent itself reports as destroyed, in all its lives. */
  reportedBytes: number;
}

export interface CourseResult {
  outcomes: Outcome[];
  kills: number;
  seconds: number;
  /** Of our process: the most at any look, and what was there at the end. */
  peak: Footprint;
  atEnd: Footprint;
  log: string;
}

interface Cell {
  form: Form;
  number: number;
  logs: LogFile[];
  watches: ReadonlyMap<Pattern, Watch>;
}

const roundsWhile: Record<State, number> = { up: 4, down: 2, killed: 6 };
/** Of thousands of logs: enough for what a form does to the generation before. */
const roundsOfThousands: Record<State, number> = { up: 2, down: 2, killed: 3 };
const thousands = 1_000;
const killsWanted = 6;
/** Nothing new for so long: what is missing will not come by itself. A first look at thousands of logs for many agents at once takes its time. */
const patienceMs = 30_000;
const patienceWithThousandsMs = 90_000;

export class Course {
  private readonly options: CourseOptions;
  private readonly folder = mkdtempSync(join(tmpdir(), 'tailrace-rotation-'));
  private readonly cells: Cell[];
  private readonly subjects: Subject[];
  private readonly ours: Ours;
  private readonly linesAtOnce: number;
  private found: ReadonlyMap<string, Arrived> = new Map();
  private kills = 0;
  private peak: Footprint = { residentBytes: 0, cpuSeconds: 0, openLogs: 0, deletedLogs: 0, watches: 0 };

  constructor(options: CourseOptions) {
    this.options = options;
    this.linesAtOnce = options.logs === 1 ? 300 : options.logs <= 100 ? 20 : 4;
    this.cells = options.forms.map((form, number) => this.prepare(form, number));
    const watches = this.cells.flatMap((cell) => [...cell.watches.values()]);
    this.ours = new Ours(this.folder, watches);
    this.subjects = options.withRsyslog ? [this.ours, new Rsyslog(this.folder, watches)] : [this.ours];
  }

  private get isOfThousands(): boolean {
    return this.options.logs >= thousands;
  }

  /** How often is looked for what has arrived, and at what the process holds: with thousands of logs a look costs both sides something. */
  private get pollMs(): number {
    return this.isOfThousands ? 1_500 : 200;
  }

  private get logsFolder(): string {
    return join(this.folder, 'logs');
  }

  /** One log: a plain path. A hundred: in one folder. Thousands: each in a folder of its own. */
  private prepare(form: Form, number: number): Cell {
    const base = join(this.logsFolder, `f${number}`);
    const { logs } = this.options;
    const isFlat = logs > 1 && logs <= 100;
    const path = isFlat ? `${base}/flat/app-*.log` : `${base}/${logs === 1 ? '0' : '*'}/app.log`;
    return {
      ...{ form, number },
      watches: new Map(
        this.options.patterns.map((pattern) => {
          const isExact = pattern === 'app.log';
          const name = `${isExact ? 'exact' : 'star'}${number}`;
          return [pattern, { name, cell: number, pattern: isExact ? path : `${path}*` }];
        }),
      ),
      logs: Array.from({ length: logs }, (_none, index) => {
        const folder = join(base, isFlat ? 'flat' : `${index}`);
        mkdirSync(folder, { recursive: true });
        const name = isFlat ? `app-${index}.log` : 'app.log';
        const { hasHeader = false, isTiny = false, isCri = false } = form;
        return new LogFile({ cell: number, index, folder, name, hasHeader, isTiny, isCri });
      }),
    };
  }

  async run(): Promise<CourseResult> {
    const startMs = performance.now();
    const sampler = setInterval(() => this.sample(), this.pollMs * 2);
    try {
      for (const { form, logs } of this.cells) {
        for (const log of logs)
          if (form.begin === undefined) log.reopen();
          else form.begin(log);
      }
      this.write();
      await this.each((subject) => subject.start());
      await this.caughtUp();
      if (this.options.state === 'killed') await Promise.all([this.rotateAll(), this.killAll()]);
      else if (this.options.state === 'up') await this.rotateAll();
      else await this.rotateWhileAway();
      this.write();
      for (const { logs } of this.cells) for (const log of logs) log.close();
      await this.caughtUp();
      const late = this.missing();
      const atEnd = await this.handlesGivenBack();
      const outcomes: Outcome[] = [];
      for (const subject of this.subjects) outcomes.push(...this.compare(subject, await subject.finish(), late));
      const seconds = (performance.now() - startMs) / 1000;
      return { outcomes, kills: this.kills, seconds, peak: this.peak, atEnd, log: this.ours.log };
    } finally {
      clearInterval(sampler);
      await Promise.allSettled(this.subjects.map((subject) => subject.kill()));
      for (const { logs } of this.cells) for (const log of logs) log.close();
      if (process.env['ROTATION_KEEP'] === undefined) rmSync(this.folder, { recursive: true, force: true });
      else writeFileSync(join(this.folder, 'tailrace.log'), this.ours.log);
    }
  }

  private async each(act: (subject: Subject) => Promise<void>): Promise<void> {
    await Promise.all(this.subjects.map(act));
  }

  private sample(): Footprint | undefined {
    const now = footprint(this.ours.pid, this.logsFolder);
    if (now === undefined) return undefined;
    for (const key of Object.keys(now) as (keyof Footprint)[]) this.peak[key] = Math.max(this.peak[key], now[key]);
    return now;
  }

  private write(): void {
    for (const { form, logs } of this.cells) {
      for (const log of logs) log.lines(form.isTiny ? 1 : this.linesAtOnce);
    }
  }

  /** Lines of ours that are not there yet, by watch. */
  private missing(): Map<string, number> {
    const missing = new Map<string, number>();
    for (const { logs, watches } of this.cells) {
      const written = logs.map((log) => log.written);
      for (const { name } of watches.values())
        missing.set(name, this.found.get(name)?.compare(written, headerLines).lost ?? Infinity);
    }
    return missing;
  }

  /** Waits until everything has arrived, or nothing more does. */
  private async caughtUp(): Promise<void> {
    const limitMs = this.isOfThousands ? patienceWithThousandsMs : patienceMs;
    let count = -1;
    let sinceMs = performance.now();
    for (;;) {
      this.found = await this.ours.arrived();
      if ([...this.missing().values()].every((lines) => lines === 0)) break;
      const total = [...this.found.values()].reduce((sum, { total: each }) => sum + each, 0);
      if (total !== count) sinceMs = performance.now();
      else if (performance.now() - sinceMs > limitMs) return;
      count = total;
      await wait(this.pollMs);
    }
    for (const { logs } of this.cells) for (const log of logs) log.confirmed = log.written.count;
  }

  private async rotateWhileAway(): Promise<void> {
    this.write();
    await this.each((subject) => subject.stop());
    await this.rotateAll();
    await this.each((subject) => subject.start());
  }

  private async rotateAll(): Promise<void> {
    await Promise.all(this.cells.map((cell) => this.rotate(cell)));
  }

  private async rotate({ form, logs, watches }: Cell): Promise<void> {
    const { state, random } = this.options;
    const most = (this.isOfThousands ? roundsOfThousands : roundsWhile)[state];
    const rounds = state === 'down' && form.isSecretive ? 1 : most;
    for (let round = 1; round <= rounds; round++) {
      for (const log of logs) log.lines(form.isTiny ? 1 : this.linesAtOnce);
      const seen = () => this.generationSeen(logs, watches);
      if (form.isSecretive && state !== 'down') await seen();
      const pause = (milliseconds: number) => wait(milliseconds);
      const grace = () => pause(1_000);
      await form.rotate({ logs, round, isWatched: state === 'up', pause, grace, seen });
      for (const log of logs) log.lines(form.isTiny ? 1 : this.linesAtOnce);
      await wait(state === 'down' ? 20 : 100 + random() * 900);
    }
  }

  private async generationSeen(logs: readonly LogFile[], watches: Cell['watches']): Promise<void> {
    const starts = logs.map((log) => log.generationStart);
    const isSeen = async () => {
      await wait(this.pollMs);
      // While it is down nobody answers.
      const found = await this.ours.arrived().catch(() => undefined);
      return [...watches.values()].every(({ name }) =>
        logs.every((log, index) => found?.get(name)?.has(log.index, starts[index]!)),
      );
    };
    await until('something of each log has arrived', isSeen, 120_000);
  }

  private async killAll(): Promise<void> {
    // Where there is much to look at and to read a life that ends within a second has hardly begun.
    const longestMs = this.isOfThousands ? 5_000 : 1_000;
    for (let kill = 0; kill < killsWanted; kill++) {
      await wait(150 + this.options.random() * longestMs);
      await this.each((subject) => subject.kill());
      this.kills++;
      await this.each((subject) => subject.start());
    }
  }

  /** What is still held when everything was read and the rotated files have been quiet for a while. */
  private async handlesGivenBack(): Promise<Footprint> {
    const last = () => this.sample() ?? this.peak;
    await until('handles of deleted files are closed', () => last().deletedLogs === 0, 15_000).catch(() => undefined);
    return last();
  }

  private compare(
    subject: Subject,
    found: ReadonlyMap<string, Arrived>,
    missing: ReadonlyMap<string, number>,
  ): Outcome[] {
    return this.cells.flatMap(({ form, logs, watches }) =>
      [...watches].map(([pattern, { name }]) => {
        const sums = found.get(name)!.compare(
          logs.map(({ written }) => written),
          headerLines,
        );
        const reportedBytes = subject === this.ours ? this.ours.reportedBytes(name) : 0;
        const late = subject === this.ours ? missing.get(name)! - sums.lost : 0;
        const { state } = this.options;
        return { form: form.name, state, logs: logs.length, subject: subject.name, pattern, sums, late, reportedBytes };
      }),
    );
  }
}
