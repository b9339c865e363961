// Programs that log, with their rotators, for the storms: numbered lines in bursts, sometimes half a line, into a file that is rotated in one of the forms of
// test/rotation/forms.ts. A generation is what was written between two rotations: it is a source of its own in a history, for order is promised within it.
// What a rotator destroys may be there or not, but not twice; what would be destroyed only because nobody reads for a while is deleted when it was read.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../base/random.ts';
import type { Form } from '../rotation/forms.ts';
import { nameOfLine } from '../rotation/lines.ts';
import { headerLines, LogFile } from '../rotation/log-file.ts';
import type { History, Value } from './history.ts';

export const rotationPatterns = ['app.log', 'app.log*'] as const;
export type RotationPattern = (typeof rotationPatterns)[number];

const burstMs = 25;

export interface ProgramOptions {
  folder: string;
  form: Form;
  /** By which an agent follows it. */
  pattern: RotationPattern;
  history: History;
  random: Random;
  linesPerSecond: number;
}

class Stopped extends Error {}

/** One program; it begins at once. */
export class RotatedProgram {
  rotations = 0;
  readonly pattern: RotationPattern;
  readonly form: Form;
  private readonly options: ProgramOptions;
  private readonly log: LogFile;
  /** The first number of each generation. */
  private readonly starts: number[] = [];
  /** By number: whether a reader has got the line. */
  private readonly read: boolean[] = [];
  private isStopping = false;
  private readonly loop: Promise<void>;

  constructor(cell: number, options: ProgramOptions) {
    this.options = options;
    this.form = options.form;
    this.pattern = options.pattern;
    const { hasHeader = false, isTiny = false, isCri = false } = options.form;
    const folder = join(options.folder, String(cell), 'logs');
    mkdirSync(folder, { recursive: true });
    const onLine = (number: number, isFirst: boolean) => this.note(number, isFirst);
    this.log = new LogFile({ cell, index: 0, folder, name: 'app.log', hasHeader, isTiny, isCri, onLine });
    if (this.form.begin === undefined) this.log.reopen();
    else this.form.begin(this.log);
    this.loop = this.write();
    // Whoever stops it hears of it.
    this.loop.catch(() => undefined);
  }

  /** Numbered lines so far; headers are none. */
  get lines(): number {
    return this.log.written.count;
  }

  /** Headers so far, each of `headerLines` lines. */
  get headers(): number {
    return this.log.written.headers;
  }

  /** What an agent is given to follow. */
  get path(): string {
    return join(this.log.folder, this.pattern);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    try {
      await this.loop;
    } finally {
      this.log.close();
    }
    for (const number of this.log.written.fragile) this.options.history.wrote(this.valueOf(number), 'unknown');
  }

  /** The value of the line with this number in the history. */
  valueOf(number: number): Value {
    let generation = this.starts.length - 1;
    while (generation > 0 && this.starts[generation]! > number) generation--;
    const source = `${this.form.name}, ${this.pattern}, ${generation}`;
    return { source, number: number - (this.starts[generation] ?? 0) };
  }

  /** Somebody who reads what is committed has got the line with this number. */
  wasRead(number: number): void {
    this.read[number] = true;
  }

  private note(number: number, isFirst: boolean): void {
    if (isFirst) this.starts.push(number);
    this.options.history.wrote(this.valueOf(number), 'committed');
  }

  /** A generation is two to six seconds long. */
  private async write(): Promise<void> {
    const { random, linesPerSecond } = this.options;
    const perBurst = Math.ceil((linesPerSecond * burstMs) / 1000);
    try {
      for (;;) {
        const bursts = (2000 + random.next() * 4000) / burstMs;
        for (let burst = 0; burst < bursts; burst++) {
          this.checkStopped();
          if (this.form.isTiny !== true) await this.burst(perBurst);
          else if (burst === 0) this.log.lines(1);
          await wait(burstMs);
        }
        await this.rotate();
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  private async burst(count: number): Promise<void> {
    this.log.lines(count - 1);
    this.log.unfinished();
    if (this.options.random.next() < 0.3) await wait(5);
    this.log.endLine();
  }

  private async rotate(): Promise<void> {
    const first = this.log.generationStart;
    const seen = () => this.hasRead(first, first + 1);
    // Of a log that came and went before anybody had read of it nobody can know.
    if (this.rotations === 0 || this.form.isSecretive === true) await seen();
    await this.form.rotate({
      logs: [this.log],
      round: ++this.rotations,
      isWatched: true,
      pause: (milliseconds) => wait(milliseconds),
      grace: () => this.hasRead(first, this.log.generationStart),
      seen,
    });
  }

  /** Resolves when the lines from this number on, up to another, were read. */
  private async hasRead(from: number, to: number): Promise<void> {
    for (let number = from; number < to; number++) {
      while (this.read[number] !== true) {
        this.checkStopped();
        await wait(burstMs);
      }
    }
  }

  private checkStopped(): void {
    if (this.isStopping) throw new Stopped();
  }
}

/** What readers and sinks are given, as values of the history; the headers, which are the same in every generation, are counted. */
export class StormLines {
  private readonly programs: readonly RotatedProgram[];
  /** By holder and line: how often it is there. */
  private readonly headers = new Map<string, number>();

  constructor(programs: readonly RotatedProgram[]) {
    this.programs = programs;
  }

  /** The value of a line that `holder` has; undefined for a header. Throws for a line that was never written. */
  take(holder: string, line: string): Value | undefined {
    const name = nameOfLine(line);
    const program = name && this.programs[name.cell];
    if (program === undefined || name === undefined || (!name.isHeader && name.number >= program.lines))
      throw new Error(`not a line that was written, in ${holder}: ${line.slice(0, 80)}`);
    if (!name.isHeader) return program.valueOf(name.number);
    const key = keyOf(holder, name.cell, name.number);
    this.headers.set(key, (this.headers.get(key) ?? 0) + 1);
    return undefined;
  }

  /** Notes that a line has been read by somebody. */
  wasRead(line: string): void {
    const name = nameOfLine(line);
    if (name?.isHeader === false) this.programs[name.cell]?.wasRead(name.number);
  }

  /** Throws unless `holder` has each header as often as it was written. */
  assertHeaders(holder: string): void {
    for (const [cell, { headers, form }] of this.programs.entries()) {
      for (let number = 0; headers > 0 && number < headerLines; number++) {
        const found = this.headers.get(keyOf(holder, cell, number)) ?? 0;
        if (found !== headers)
          throw new Error(`${holder} has header ${number} of “${form.name}” ${found} times; written ${headers} times`);
      }
    }
  }
}

function keyOf(holder: string, cell: number, number: number): string {
  return `${holder} ${cell} ${number}`;
}
