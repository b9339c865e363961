// The machine's time, running faster once it is told to: waits of seconds take milliseconds, in their order.
import { type Clock, systemClock, type Timer } from '../../base/clock.ts';

export class QuickClock implements Clock {
  private speed = 1;
  /** Both clocks when the speed was set. */
  private own = 0;
  private system = systemClock.monotonicMs();

  /** From now on time runs `speed` times as fast; timers that run keep theirs. */
  setSpeed(speed: number): void {
    this.own = this.monotonicMs();
    this.system = systemClock.monotonicMs();
    this.speed = speed;
  }

  now(): number {
    return systemClock.now();
  }

  monotonicMs(): number {
    return this.own + (systemClock.monotonicMs() - this.system) * this.speed;
  }

  schedule(delayMs: number, action: () => void): Timer {
    return systemClock.schedule(delayMs / this.speed, action);
  }
}
