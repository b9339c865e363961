// Programs that log, with their rotators: numbered lines in bursts, sometimes half a line, into a file that is rotated in one of the forms in use. A
// generation is what was written between two rotations: it numbers its lines from 0 on and is a source of its own in a history, for order is promised within it.
// No form destroys a line by itself: what is copied and truncated is so by the very thread that writes.
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../base/random.ts';
import type { History, Value } from './history.ts';

/** What a rotator does with the file that is full, and where the program writes from then on. */
interface Rotation {
  /** The name of the first file. */
  first(folder: string): string;
  /** Returns the path that is opened next; undefined: the same file, emptied. `number` counts from 1. */
  rotate(path: string, number: number, file: number): string | undefined;
}

function renamed(path: string, number: number): string {
  const rotated = `${path}.${number}`;
  renameSync(path, rotated);
  return rotated;
}

const forms = {
  rename: {
    first: (folder) => join(folder, 'rename.log'),
    rotate: (path, number) => {
      renamed(path, number);
      return path;
    },
  },
  'copy-truncate': {
    first: (folder) => join(folder, 'copy-truncate.log'),
    rotate: (path, number, file) => {
      copyFileSync(path, `${path}.${number}`);
      ftruncateSync(file, 0);
      return undefined;
    },
  },
  dated: {
    first: (folder) => join(folder, 'dated-0000.log'),
    rotate: (path, number) => join(dirname(path), `dated-${String(number).padStart(4, '0')}.log`),
  },
  move: {
    first: (folder) => join(folder, 'move.log'),
    rotate: (path, number) => {
      mkdirSync(join(dirname(path), 'old'), { recursive: true });
      renameSync(path, join(dirname(path), 'old', `${basename(path)}.${number}`));
      return path;
    },
  },
  'symlink-swap': {
    first: (folder) => {
      symlinkSync('symlink-swap-0.log', join(folder, 'symlink-swap.log'));
      return join(folder, 'symlink-swap-0.log');
    },
    rotate: (path, number) => {
      const folder = dirname(path);
      symlinkSync(`symlink-swap-${number}.log`, join(folder, '.swap'));
      renameSync(join(folder, '.swap'), join(folder, 'symlink-swap.log'));
      return join(folder, `symlink-swap-${number}.log`);
    },
  },
} satisfies Record<string, Rotation>;

export type RotationForm = keyof typeof forms;
export const rotationForms = Object.keys(forms) as RotationForm[];

/** Lines look like `rename.3 000000017 xxx…`: form and generation, number, as many x as the number says. */
export function parseLine(line: string): Value | undefined {
  const [, source, digits, padding] = /^([a-z-]+\.\d+) (\d{9}) (x*)$/.exec(line) ?? [];
  if (source === undefined) return undefined;
  const number = Number(digits);
  return padding!.length === number % 90 ? { source, number } : undefined;
}

/** One program; it begins at once. */
export class RotatedProgram {
  lines = 0;
  rotations = 0;
  private readonly form: RotationForm;
  private readonly random: Random;
  private readonly history: History;
  private path: string;
  private file: number;
  private number = 0;
  private isStopping = false;
  private readonly loop: Promise<void>;
  private readonly linesPerSecond: number;

  constructor(
    folder: string,
    form: RotationForm,
    options: { history: History; random: Random; linesPerSecond: number },
  ) {
    this.form = form;
    this.history = options.history;
    this.random = options.random;
    this.linesPerSecond = options.linesPerSecond;
    this.path = forms[form].first(folder);
    this.file = openSync(this.path, 'a');
    this.loop = this.write();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.loop;
  }

  /** Bursts of 10 ms; a generation is one to three seconds long. */
  private async write(): Promise<void> {
    const perBurst = Math.ceil(this.linesPerSecond / 100);
    let left = this.generationBursts();
    while (!this.isStopping) {
      const text = this.burst(perBurst);
      const cut = this.random.next() < 0.3 ? Math.floor(this.random.next() * text.length) : text.length;
      writeSync(this.file, text.slice(0, cut));
      if (cut < text.length) await wait(5);
      writeSync(this.file, text.slice(cut));
      if (--left === 0) {
        this.rotate();
        left = this.generationBursts();
      }
      await wait(10);
    }
    closeSync(this.file);
  }

  private generationBursts(): number {
    return 100 + Math.floor(this.random.next() * 200);
  }

  private burst(count: number): string {
    const source = `${this.form}.${this.rotations}`;
    let text = '';
    for (let line = 0; line < count; line++) {
      const number = this.number++;
      this.history.wrote({ source, number }, 'committed');
      text += `${source} ${String(number).padStart(9, '0')} ${'x'.repeat(number % 90)}\n`;
    }
    this.lines += count;
    return text;
  }

  private rotate(): void {
    const rotation: Rotation = forms[this.form];
    const next = rotation.rotate(this.path, ++this.rotations, this.file);
    this.number = 0;
    if (next === undefined) return;
    closeSync(this.file);
    this.path = next;
    this.file = openSync(next, 'a');
  }
}
