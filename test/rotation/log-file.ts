// One log of a rotation test: a writer with an open descriptor, as a program has it, and what it has written.
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { paddingOf, Written } from './lines.ts';

export const headerLines = 64;

export interface LogOptions {
  cell: number;
  index: number;
  folder: string;
  name: string;
  /** Every generation begins with the same 4 KiB. */
  hasHeader: boolean;
  /** Lines are as short as they can be. */
  isTiny: boolean;
  isCri: boolean;
  /** Told of the number of each line, and whether it is the first of its generation, before it is written. */
  onLine?: (number: number, isFirst: boolean) => void;
}

export class LogFile {
  readonly folder: string;
  readonly name: string;
  readonly index: number;
  readonly written = new Written();
  /** Number of the first line of the generation that is being written. */
  generationStart = 0;
  /** Everything before it has been seen at the other end. */
  confirmed = 0;
  private readonly options: LogOptions;
  private descriptor = -1;

  constructor(options: LogOptions) {
    this.options = options;
    this.folder = options.folder;
    this.name = options.name;
    this.index = options.index;
  }

  /** Path of the file itself, or with something after its name. */
  path(suffix = ''): string {
    return join(this.folder, this.name + suffix);
  }

  /** Opens the path for appending, as a program does that was told to reopen; the old descriptor is closed. */
  reopen(path = this.path()): void {
    const old = this.descriptor;
    this.descriptor = openSync(path, 'a');
    if (old >= 0) closeSync(old);
    this.begin();
  }

  /** A generation begins: after reopening, or after a truncation. */
  begin(): void {
    this.generationStart = this.written.count;
    if (!this.options.hasHeader) return;
    this.written.headers++;
    let text = '';
    for (let line = 0; line < headerLines; line++) {
      const name = `c${this.options.cell} ${this.index} h${line} `;
      text += name.padEnd(63, 'x') + '\n';
    }
    this.write(text);
  }

  close(): void {
    if (this.descriptor >= 0) closeSync(this.descriptor);
    this.descriptor = -1;
  }

  private write(text: string): void {
    this.written.bytes += text.length;
    writeSync(this.descriptor, text);
  }

  private next(flag = 'F'): string {
    const { cell, index, isTiny, isCri, onLine } = this.options;
    const number = this.written.count++;
    onLine?.(number, number === this.generationStart);
    const text = `c${cell} ${index} ${number}` + (isTiny ? '' : ` ${'x'.repeat(paddingOf(number))}`);
    return isCri ? `2026-11-22T12:00:00.000000000Z stdout ${flag} ${text}` : text;
  }

  /** Writes whole lines; in CRI form every other one is a partial line, completed by the next. */
  lines(count: number): void {
    let text = '';
    for (; count > 0; count--) text += this.next(count % 2 === 0 ? 'P' : 'F') + '\n';
    this.write(text);
  }

  /** Writes a line without its newline; the rest of it, if any, comes later with endLine. */
  unfinished(): void {
    this.write(this.next());
  }

  endLine(): void {
    this.write('\n');
  }

  /** The lines from number `from` on are destroyed with their file, unless somebody was quick. */
  breakFrom(from: number): void {
    for (let number = Math.max(from, this.confirmed); number < this.written.count; number++)
      this.written.fragile.add(number);
  }
}
