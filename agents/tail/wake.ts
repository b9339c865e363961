// A bell: whoever waits is woken by a ring or when the time is up; a ring that nobody waited for is kept.
import type { Clock, Timer } from '../../base/clock.ts';

export class Wake {
  private readonly clock: Clock;
  private rung = false;
  private resume: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  ring(): void {
    this.rung = true;
    this.resume?.();
  }

  /** Resolves at the next ring, or after `delayMs`. One may wait at a time. */
  async wait(delayMs: number): Promise<void> {
    if (!this.rung && delayMs > 0) {
      let timer: Timer | undefined;
      await new Promise<void>((resolve) => {
        this.resume = resolve;
        timer = this.clock.schedule(delayMs, resolve);
      });
      timer?.cancel();
      this.resume = undefined;
    }
    this.rung = false;
  }
}
