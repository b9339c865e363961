// Joins lines to events (`multiline`): a stack trace is one record. An event is the bytes from the beginning of its first line to the end of its last one,
// as they stand in the file, newlines between them included: nothing is copied or kept. An event that may go on is not taken, so that the file's
// position stays before it, through reads and restarts, until something ends it: the next event's first line, max_lines or max_bytes, the time without
// a change (then the lines that are whole), or the end of the file when nobody will write to it any more.
//
// Lines longer than max_line belong to no event; they go their own way (lines.ts) and end the event before them.
import type { Pattern } from '../../base/regex.ts';
import { type FramingLimits, LineFramer, type TakeLine } from './lines.ts';
import { addZeros, endOfZeros, type ZeroRange } from './zeros.ts';

/** How far the bytes that were read may be taken: to the last event that has ended, to the last whole line, or all of them. */
export type Extent = 'ended' | 'whole-lines' | 'all';

export interface MultilineRule {
  pattern: Pattern;
  /** Whether the pattern finds the first line of an event, or those that go on with one. */
  finds: 'first' | 'further';
  maxLines: number;
  maxBytes: number;
}

const newline = 0x0a;

/** As LineFramer, for events. */
export class EventFramer {
  consumedBytes = 0;
  part = 0;
  /** Events and pieces of overlong lines handed over. */
  records = 0;
  longLines = 0;
  zeros: ZeroRange[] = [];
  private readonly rule: MultilineRule;
  private readonly limits: FramingLimits;
  private readonly maxBytes: number;
  private readonly take: TakeLine;
  private readonly lines: LineFramer;
  /** Where the event under way begins in the source; -1 when there is none. */
  private eventStart = -1;
  private eventLines = 0;

  constructor(limits: FramingLimits, rule: MultilineRule, take: TakeLine) {
    this.limits = limits;
    this.rule = rule;
    this.maxBytes = Math.max(Math.min(rule.maxBytes, limits.pieceBytes), limits.maxLineBytes);
    this.take = take;
    this.lines = new LineFramer(limits, take);
  }

  get neededBytes(): number {
    return this.maxBytes + this.lines.neededBytes;
  }

  /** As LineFramer.frame; `extent` says how far to go. */
  frame(source: Buffer, start: number, end: number, position: number, part: number, extent: Extent): void {
    const shift = position - start;
    const chunk = end === source.length ? source : source.subarray(0, end);
    this.part = part;
    this.records = 0;
    this.longLines = 0;
    this.zeros = [];
    this.eventStart = -1;
    let from = start;
    while (from < end) {
      const behind = chunk[from] === 0 && this.part === 0 ? endOfZeros(chunk, from, end, extent === 'all') : from;
      if (behind > from) {
        this.emit(source, from - 1, shift);
        this.zeros = addZeros(this.zeros, [shift + from, shift + behind]);
        from = behind;
        continue;
      }
      const found = chunk.indexOf(newline, from);
      const lineEnd = found < 0 ? end : found;
      const isWhole = found >= 0 || extent === 'all';
      const isLong = this.part > 0 || lineEnd - from > this.limits.maxLineBytes;
      if (!isWhole && !isLong) break;
      if (isLong) {
        this.emit(source, from - 1, shift);
        const next = found < 0 ? end : found + 1;
        from = this.longLine(source, from, next, shift, extent === 'all');
        if (found < 0) break;
      } else {
        this.line(source, from, lineEnd, shift);
        from = found < 0 ? end : found + 1;
      }
    }
    if (extent !== 'ended') this.emit(source, from > start && source[from - 1] === newline ? from - 1 : from, shift);
    this.consumedBytes = (this.eventStart < 0 ? from : this.eventStart) - start;
    this.eventStart = -1;
  }

  /** A whole line: goes on with the event under way, or ends it and begins the next. */
  private line(source: Buffer, from: number, end: number, shift: number): void {
    const { finds, pattern, maxLines } = this.rule;
    if (this.eventStart >= 0) {
      const isFull = this.eventLines >= maxLines || end - this.eventStart > this.maxBytes;
      if (isFull || pattern.test(source.toString('utf8', from, end)) === (finds === 'first'))
        this.emit(source, from - 1, shift);
    }
    if (this.eventStart < 0) {
      this.eventStart = from;
      this.eventLines = 0;
    }
    this.eventLines++;
  }

  private emit(source: Buffer, end: number, shift: number): void {
    if (this.eventStart < 0) return;
    this.take(source, this.eventStart, end, this.eventStart + shift, undefined);
    this.records++;
    this.eventStart = -1;
  }

  private longLine(source: Buffer, from: number, end: number, shift: number, final: boolean): number {
    const { lines } = this;
    lines.frame(source, from, end, from + shift, this.part, final);
    this.part = lines.part;
    this.records += lines.records;
    this.longLines += lines.longLines;
    return from + lines.consumedBytes;
  }
}
