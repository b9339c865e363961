// The account of a rotation test: which numbered lines were written to which file of which cell, which of them the rotator may have destroyed,
// and how often each one arrived. A line says who it is: `c<cell> <file> <number> x…`, headers `c<cell> <file> h<number> x…`; in CRI form it has
// the time, the stream and a flag before it.

/** What was written to one log, through all its generations. */
export class Written {
  count = 0;
  bytes = 0;
  /** Lines that were in a file when the rotator deleted or cut it although nobody can have read them for certain. */
  readonly fragile = new Set<number>();
  /** Times that the common header was written. */
  headers = 0;
}

export interface Sums {
  written: number;
  lost: number;
  doubled: number;
  /** Missing lines that the rotator destroyed. */
  destroyed: number;
  /** Records that are no line which was written, such as halves of one. */
  strange: number;
  samples: string[];
}

const form = /^(?:\S+Z stdout [PF] )?c(\d+) (\d+) (h?)(\d+)(?: (x*))?$/;
const samplesLimit = 8;

export interface LineName {
  cell: number;
  file: number;
  isHeader: boolean;
  number: number;
}

/** Of how many x the line with this number ends, unless it is one of a tiny file. */
export function paddingOf(number: number): number {
  return (number * 7) % 60;
}

/** Which line it is; undefined for what was never written as a line, such as a part of one. */
export function nameOfLine(text: string): LineName | undefined {
  const [, cell, file, header, digits, padding] = form.exec(text) ?? [];
  if (cell === undefined) return undefined;
  const name = { cell: Number(cell), file: Number(file), isHeader: header === 'h', number: Number(digits) };
  const isWhole = name.isHeader || padding === undefined || padding.length === paddingOf(name.number);
  return isWhole ? name : undefined;
}

/** What arrived of one cell. */
export class Arrived {
  total = 0;
  strange = 0;
  private readonly cell: number;
  private readonly counts = new Map<number, number[]>();
  private readonly headerCounts = new Map<number, number>();
  private readonly samples: string[] = [];

  constructor(cell: number) {
    this.cell = cell;
  }

  add(line: string): void {
    const name = nameOfLine(line);
    this.total++;
    if (name?.cell !== this.cell) {
      this.strange++;
      if (this.samples.length < samplesLimit) this.samples.push(`strange: ${JSON.stringify(line.slice(0, 100))}`);
      return;
    }
    const { file, number, isHeader } = name;
    if (isHeader) {
      this.headerCounts.set(file, (this.headerCounts.get(file) ?? 0) + 1);
      return;
    }
    let counts = this.counts.get(file);
    if (counts === undefined) this.counts.set(file, (counts = []));
    counts[number] = (counts[number] ?? 0) + 1;
  }

  has(file: number, number: number): boolean {
    return (this.counts.get(file)?.[number] ?? 0) > 0;
  }

  /** Compares with what was written, log by log. */
  compare(logs: readonly Written[], headerLines: number): Sums {
    const sums: Sums = {
      written: 0,
      lost: 0,
      doubled: 0,
      destroyed: 0,
      strange: this.strange,
      samples: [...this.samples],
    };
    const note = (text: string) => {
      if (sums.samples.length < samplesLimit) sums.samples.push(text);
    };
    for (const [file, log] of logs.entries()) {
      const counts = this.counts.get(file) ?? [];
      sums.written += log.count;
      for (let number = 0; number < log.count; number++) {
        const count = counts[number] ?? 0;
        if (count === 1) continue;
        if (count > 1) {
          sums.doubled += count - 1;
          note(`doubled: ${file} ${number} (${count} times)`);
        } else if (log.fragile.has(number)) sums.destroyed++;
        else {
          sums.lost++;
          note(`lost: ${file} ${number} of ${log.count}`);
        }
      }
      if (counts.length > log.count) throw new Error(`line ${counts.length - 1} of log ${file} was never written`);
      const headers = log.headers * headerLines;
      const found = this.headerCounts.get(file) ?? 0;
      sums.written += headers;
      if (found > headers) sums.doubled += found - headers;
      if (found < headers) sums.lost += headers - found;
      if (found !== headers) note(`headers of ${file}: ${found} of ${headers}`);
    }
    return sums;
  }
}
