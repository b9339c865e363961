// Cuts bytes into lines. A line is the bytes before a newline (0x0a); a carriage return before it is kept, it belongs to the writer's bytes. Runs of zeros before
// its first byte are passed over (zeros.ts). Nothing is decoded and no object is made for a line: `take` gets positions in the read buffer.
//
// Overlong lines (more than maxLineBytes), by policy, always with bounded memory:
//   keep      all bytes are sent: in one record when it fits into pieceBytes, else in pieces of that size; each is marked
//   split     in pieces of maxLineBytes, each a line of its own, not marked
//   truncate  the first maxLineBytes, marked; the rest is passed over
//   drop      passed over and counted
// A mark travels in header "l": one byte of flags (bit 0: the line ends here, bit 1: bytes were cut off), then the number of the part, from
// 0, as an unsigned varint.
import { addZeros, endOfZeros, leastZeros, type ZeroRange } from './zeros.ts';

export type LongLinePolicy = 'keep' | 'split' | 'truncate' | 'drop';

/** What a marked record is of its line. */
export interface LongLineMark {
  part: number;
  ends: boolean;
  truncated: boolean;
}

/** Gets the bytes [start, end) of `source`, without newline; `position` is that of `start` in the file. */
export type TakeLine = (
  source: Buffer,
  start: number,
  end: number,
  position: number,
  mark: LongLineMark | undefined,
) => void;

/**
 * Takes lines of `source[start, end)` in one go, as `take` would without a mark, for as long as they are plain and not longer than `longestBytes`; it may stop
 * at any of them. Returns where it stopped (behind a newline, or at `start`) and how many it took.
 */
export type TakeRun = (
  source: Buffer,
  start: number,
  end: number,
  position: number,
  longestBytes: number,
) => { end: number; count: number };

export interface FramingLimits {
  maxLineBytes: number;
  longLine: LongLinePolicy;
  /** The most bytes one record may hold; at least maxLineBytes. */
  pieceBytes: number;
}

const newline = 0x0a;
/** After a run that brought fewer lines than this, so many go one by one: a run has its price. */
const worthwhileLines = 32;

/** Frames chunk after chunk; after each call the fields say what it did. One framer may serve many files, one after the other. */
export class LineFramer {
  /** Bytes taken from the chunk: the next one starts behind them. */
  consumedBytes = 0;
  /** Parts already taken of the overlong line that is under way; 0 at the start of a line. */
  part = 0;
  /** Records handed over. */
  records = 0;
  /** Overlong lines that began or were passed over. */
  longLines = 0;
  /** Zeros that were passed over, as positions in the file. */
  zeros: ZeroRange[] = [];
  private readonly limits: FramingLimits;
  /** What one record takes of an overlong line. */
  private readonly pieceBytes: number;
  private readonly take: TakeLine;
  private readonly takeRun: TakeRun | undefined;

  constructor(limits: FramingLimits, take: TakeLine, takeRun?: TakeRun) {
    this.limits = limits;
    this.pieceBytes =
      limits.longLine === 'keep' ? Math.max(limits.pieceBytes, limits.maxLineBytes) : limits.maxLineBytes;
    this.take = take;
    this.takeRun = takeRun;
  }

  /** A chunk must hold more than this, or a long line would never get on. */
  get neededBytes(): number {
    return Math.max(this.pieceBytes, this.limits.maxLineBytes) + 2;
  }

  /**
   * Takes whole lines of `source[start, end)`, which stands at `position` in the file; `part` is that of the call before on this file.
   * With `final` the bytes behind the last newline are a line too.
   */
  frame(source: Buffer, start: number, end: number, position: number, part: number, final: boolean): void {
    const { maxLineBytes } = this.limits;
    const { take, takeRun } = this;
    const shift = position - start;
    // Searching must stop at `end`: what lies behind it is of another read.
    const chunk = end === source.length ? source : source.subarray(0, end);
    this.part = part;
    this.records = 0;
    this.longLines = 0;
    this.zeros = [];
    let from = start;
    let records = 0;
    let singles = 0;
    for (;;) {
      if (takeRun !== undefined && singles === 0 && this.part === 0) {
        const run = takeRun(source, from, end, shift + from, maxLineBytes);
        from = run.end;
        records += run.count;
        if (run.count >= worthwhileLines) continue;
        singles = worthwhileLines;
      }
      if (singles > 0) singles--;
      if (chunk[from] === 0 && this.part === 0) from = this.passZeros(chunk, from, end, shift, final);
      const at = chunk.indexOf(newline, from);
      if (at < 0) break;
      if (at - from <= maxLineBytes && this.part === 0) {
        take(source, from, at, shift + from, undefined);
        records++;
      } else this.endLong(source, from, at, shift + from);
      from = at + 1;
    }
    this.records += records;
    // Zeros that more may follow are no line yet, however long a line may be.
    const areZeros =
      !final && this.part === 0 && end - from === leastZeros && endOfZeros(chunk, from, end, true) === end;
    if (from < end && !areZeros) from = this.remainder(source, from, end, shift + from, final);
    this.consumedBytes = from - start;
  }

  private passZeros(source: Buffer, from: number, end: number, shift: number, final: boolean): number {
    const to = endOfZeros(source, from, end, final);
    if (to > from) this.zeros = addZeros(this.zeros, [shift + from, shift + to]);
    return to;
  }

  /** Bytes without a newline behind them: a line when it is the last one for good, else only pieces of an overlong one are taken. */
  private remainder(source: Buffer, from: number, end: number, position: number, final: boolean): number {
    const { maxLineBytes, longLine } = this.limits;
    if (final) {
      if (end - from <= maxLineBytes && this.part === 0) {
        this.take(source, from, end, position, undefined);
        this.records++;
      } else this.endLong(source, from, end, position);
      return end;
    }
    if (longLine === 'truncate' || longLine === 'drop') {
      if (this.part === 0 && end - from <= maxLineBytes) return from;
      if (this.part === 0) this.beginPassing(source, from, position);
      return end;
    }
    let next = from;
    while (end - next > this.pieceBytes) {
      this.piece(source, next, next + this.pieceBytes, position + next - from, false);
      next += this.pieceBytes;
    }
    return next;
  }

  /** The end of an overlong line, or all of it: [from, at). */
  private endLong(source: Buffer, from: number, at: number, position: number): void {
    const { longLine } = this.limits;
    if (longLine === 'truncate' || longLine === 'drop') {
      if (this.part === 0) this.beginPassing(source, from, position);
    } else {
      let next = from;
      while (at - next > this.pieceBytes) {
        this.piece(source, next, next + this.pieceBytes, position + next - from, false);
        next += this.pieceBytes;
      }
      if (next < at) this.piece(source, next, at, position + next - from, true);
    }
    this.part = 0;
  }

  private beginPassing(source: Buffer, from: number, position: number): void {
    this.longLines++;
    if (this.limits.longLine === 'truncate') {
      this.take(source, from, from + this.limits.maxLineBytes, position, { part: 0, ends: true, truncated: true });
      this.records++;
    }
    this.part = 1;
  }

  private piece(source: Buffer, from: number, to: number, position: number, ends: boolean): void {
    if (this.part === 0) this.longLines++;
    const mark = this.limits.longLine === 'keep' ? { part: this.part, ends, truncated: false } : undefined;
    this.take(source, from, to, position, mark);
    this.part++;
    this.records++;
  }
}
