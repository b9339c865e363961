// Log files of the simulation: a program outside of all faults that appends numbered lines in bursts, now and then half a line first, and is rotated by
// rename. A generation is a source of its own (see test/support/rotated-programs.ts).
import type { OpenFile } from '../../../base/files.ts';
import type { Random } from '../../../base/random.ts';
import type { CrashFiles } from '../crash-files.ts';
import type { History, Value } from '../history.ts';
import type { VirtualTime } from './time.ts';

/** `a.3 17 xxx` and `direct 17`. */
export function parseValue(line: string): Value {
  const [, source, number] = /^(\S+) (\d+)(?: x*)?$/.exec(line) ?? [];
  if (source === undefined) throw new Error(`not a line that was written: ${line.slice(0, 80)}`);
  return { source, number: Number(number) };
}

export class LogProgram {
  lines = 0;
  private readonly name: string;
  private readonly files: CrashFiles;
  private readonly time: VirtualTime;
  private readonly random: Random;
  private readonly history: History;
  private generation = 0;
  private number = 0;

  constructor(name: string, parts: { files: CrashFiles; time: VirtualTime; random: Random; history: History }) {
    this.name = name;
    this.files = parts.files;
    this.time = parts.time;
    this.random = parts.random;
    this.history = parts.history;
  }

  /** Writes until `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    const path = `/logs/${this.name}.log`;
    let file = await this.files.open(path, 'create');
    while (!isOver()) {
      await this.burst(file);
      await this.time.sleep(10 + this.random.next() * 400);
      if (this.random.next() >= 0.04) continue;
      await file.close();
      await this.files.rename(path, `${path}.${++this.generation}`);
      this.number = 0;
      file = await this.files.open(path, 'create');
    }
    await file.close();
  }

  private async burst(file: OpenFile): Promise<void> {
    const source = `${this.name}.${this.generation}`;
    let text = '';
    for (let count = Math.floor(this.random.next() * 20); count >= 0; count--) {
      const number = this.number++;
      this.lines++;
      this.history.wrote({ source, number }, 'committed');
      text += `${source} ${number} ${'x'.repeat(Math.floor(this.random.next() ** 3 * 300))}\n`;
    }
    const bytes = Buffer.from(text);
    const cut = this.random.next() < 0.3 ? Math.floor(this.random.next() * bytes.length) : bytes.length;
    await file.write([bytes.subarray(0, cut)], await file.size());
    if (cut === bytes.length) return;
    await this.time.sleep(this.random.next() * 100);
    await file.write([bytes.subarray(cut)], await file.size());
  }
}
