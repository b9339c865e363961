// Numbered lines for the storms: a writer that writes them in bursts, sometimes half a line, and rotates its file by rename; and the count of how often each
// number came out.
import { closeSync, createReadStream, openSync, renameSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

export interface WriterOptions {
  /** The number of the first line, and how much it grows from line to line: for several writers whose numbers are counted together. */
  first?: number;
  step?: number;
  /** Ends by itself after so many lines. */
  count?: number;
  /** Lines are shorter than this by chance; 90 unless told. */
  textBytes?: number;
  /** Between bursts of 200 lines. */
  pauseMs?: number;
}

/** Writes numbered lines in small bursts, sometimes half a line, and rotates by rename; stops when told to. */
export class RotatingWriter {
  /** Lines so far. */
  written = 0;
  rotations = 0;
  private readonly path: string;
  private file: number;
  private readonly options: WriterOptions;
  private isStopping = false;
  private readonly loop: Promise<void>;

  constructor(path: string, options: WriterOptions = {}) {
    this.path = path;
    this.options = options;
    this.file = openSync(path, 'a');
    this.loop = this.write();
  }

  private async write(): Promise<void> {
    const { first = 0, step = 1, count = Infinity, textBytes = 90, pauseMs = 2 } = this.options;
    while (!this.isStopping && this.written < count) {
      let text = '';
      for (let line = 0; line < 200 && this.written < count; line++) {
        const number = first + step * this.written++;
        text += `line ${String(number).padStart(9, '0')} ${'x'.repeat(this.written % textBytes)}\n`;
      }
      const cut = Math.floor(text.length / 3);
      writeSync(this.file, text.slice(0, cut));
      writeSync(this.file, text.slice(cut));
      if (this.written % 20_000 === 0) this.rotate();
      await wait(pauseMs);
    }
    closeSync(this.file);
  }

  private rotate(): void {
    renameSync(this.path, `${this.path}.${++this.rotations}`);
    closeSync(this.file);
    this.file = openSync(this.path, 'a');
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.loop;
  }

  /** Resolves when all lines of `count` are written. */
  finished(): Promise<void> {
    return this.loop;
  }
}

export interface Outcome {
  lost: number;
  doubled: number;
}

/** The number of a line that a RotatingWriter wrote; NaN for anything else. */
export function numberOfLine(line: string): number {
  return Number(/^line (\d{9}) x*$/.exec(line)?.[1] ?? Number.NaN);
}

/** How many of the numbers below `total` are in no published file of `directory`, and how many more than once. Throws for lines nobody wrote. */
export async function countLines(directory: string, total: number): Promise<Outcome> {
  const seen = new Uint8Array(total);
  for (const name of await readdir(directory)) {
    if (name.startsWith('.')) continue;
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      const number = numberOfLine(line);
      if (!(number < total)) throw new Error(`not a line that was written: ${line.slice(0, 80)}`);
      seen[number]!++;
    }
  }
  const lost = seen.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  const doubled = seen.reduce((sum, count) => sum + (count > 1 ? 1 : 0), 0);
  return { lost, doubled };
}
