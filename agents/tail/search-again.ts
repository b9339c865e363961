// What could not be looked for in peace, because files went from name to name meanwhile: the next sweep looks again. Where names change hands all the
// time that has an end, and what was found has to do.
import type { TailedFile } from './tailed-file.ts';

/** It is looked again for so long, and so many times. */
const againMs = 30_000;
const againTimes = 5;

export class SearchAgain {
  private nowMs = 0;
  private before = new Map<TailedFile | string, { sinceMs: number; times: number }>();
  private wanted = new Map<TailedFile | string, { sinceMs: number; times: number }>();

  /** A sweep begins to decide. */
  begin(nowMs: number): void {
    this.nowMs = nowMs;
    this.before = this.wanted;
    this.wanted = new Map();
  }

  /** Asks for another search for a file that ended, or around the path of a log. Returns false when there were enough of them. */
  again(what: TailedFile | string): boolean {
    const { sinceMs, times } = this.before.get(what) ?? { sinceMs: this.nowMs, times: 0 };
    if (times >= againTimes && this.nowMs - sinceMs > againMs) return false;
    this.wanted.set(what, { sinceMs, times: times + 1 });
    return true;
  }

  has(what: TailedFile): boolean {
    return this.wanted.has(what);
  }

  get isWanted(): boolean {
    return this.wanted.size > 0;
  }
}
