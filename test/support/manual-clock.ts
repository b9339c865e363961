// A clock that stands still until the test lets time pass; timers fire in their order, each at its own time.
import type { Clock, Timer } from '../../base/clock.ts';

interface Entry {
  at: number;
  order: number;
  action: () => void;
}

export class ManualClock implements Clock {
  private readonly startMs: number;
  private timeMs = 0;
  private order = 0;
  private readonly timers = new Set<Entry>();

  constructor(startMs = 1_700_000_000_000) {
    this.startMs = startMs;
  }

  now(): number {
    return this.startMs + this.timeMs;
  }

  monotonicMs(): number {
    return this.timeMs;
  }

  schedule(delayMs: number, action: () => void): Timer {
    const entry = { at: this.timeMs + Math.max(delayMs, 0), order: this.order++, action };
    this.timers.add(entry);
    return { cancel: () => void this.timers.delete(entry) };
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.timers.size;
  }

  /** Lets time pass, firing what falls due on the way. */
  pass(durationMs: number): void {
    const end = this.timeMs + durationMs;
    for (;;) {
      let next: Entry | undefined;
      for (const entry of this.timers) {
        if (entry.at > end) continue;
        if (next === undefined || entry.at < next.at || (entry.at === next.at && entry.order < next.order))
          next = entry;
      }
      if (next === undefined) break;
      this.timers.delete(next);
      this.timeMs = Math.max(this.timeMs, next.at);
      next.action();
    }
    this.timeMs = end;
  }
}
