// The machine's time, running faster: waits of seconds take milliseconds, in their order.
import { type Clock, systemClock } from '../../base/clock.ts';

export function quickClock(speed: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonicMs: () => systemClock.monotonicMs() * speed,
    schedule: (delayMs, action) => systemClock.schedule(delayMs / speed, action),
  };
}
