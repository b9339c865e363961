// When the files are looked at again. By the clock looking takes at most a tenth of the time; where it is asked for (something has changed) or it is not
// decided yet what became of some file, at most a third: among thousands of files that are written to something asks all the time. However many
// there are, what is new in them waits no longer than `longestMs` to be looked for, unless one look takes that long itself.
import type { Clock } from '../../base/clock.ts';

const shortestMs = 20;
const longestMs = 10_000;
/** Pauses, in times that a look takes. */
const idlePause = 9;
const eagerPause = 2;
/** Between glances at the open files while one look takes long: the least, and in times that a glance takes. */
const shortestBreathMs = 50;
const breathPause = 4;

export class Pace {
  private readonly clock: Clock;
  private readonly rescanMs: number;
  private nextMs = 0;
  private soonestMs = 0;
  private isAsked = false;

  /** `rescanMs`: the least pause while nothing asks. */
  constructor(clock: Clock, rescanMs: number) {
    this.clock = clock;
    this.rescanMs = rescanMs;
  }

  /** Lets the next look come as soon as it may. */
  ask(): void {
    this.isAsked = true;
  }

  /** A look begins: what asks from now on asks for another one. */
  begin(): void {
    this.isAsked = false;
  }

  /** The look has ended, of which `lookMs` went into looking. `isEager`: it shall go on as if somebody asked. */
  end(lookMs: number, isEager: boolean): void {
    const nowMs = this.clock.monotonicMs();
    const eagerMs = lookMs * eagerPause;
    const idleMs = Math.max(eagerMs, Math.min(lookMs * idlePause, longestMs));
    this.soonestMs = nowMs + eagerMs;
    this.nextMs = nowMs + Math.max(this.rescanMs, isEager ? eagerMs : idleMs, shortestMs);
  }

  /** When the next look is due, by the monotonic clock. */
  get dueMs(): number {
    return this.isAsked ? Math.min(this.soonestMs, this.nextMs) : this.nextMs;
  }

  /** Nothing was looked at yet. */
  get isFirst(): boolean {
    return this.nextMs === 0;
  }
}

/** How long to wait before the next glance at the files that are open, of which the last one took `glanceMs`. */
export function pauseAfterGlance(glanceMs: number): number {
  return Math.max(shortestBreathMs, glanceMs * breathPause);
}
