// Requests that wait for data (Fetch with min_bytes, KIP-74's long poll): each waits until its condition holds, its time is up, or whoever
// asked is gone. Conditions are looked at when one of the partitions moves; nothing polls.
import type { Clock } from '../../base/clock.ts';
import type { PartitionLog } from '../log/contract.ts';

export class WaitingRequests {
  private readonly clock: Clock;
  private readonly byAsker = new Map<object, Set<() => void>>();
  private closed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** How many wait at the moment. */
  get size(): number {
    let size = 0;
    for (const wakes of this.byAsker.values()) size += wakes.size;
    return size;
  }

  /**
   * Resolves when `ready` holds, which is asked now and after each move of one of `partitions`; at the latest after `maxWaitMs`, and at once
   * when `asker` is released.
   */
  until(asker: object, partitions: readonly PartitionLog[], maxWaitMs: number, ready: () => boolean): Promise<void> {
    if (this.closed || maxWaitMs <= 0 || ready()) return Promise.resolve();
    return new Promise((resolve) => {
      const wakes = this.wakesOf(asker);
      const wayOut: (() => void)[] = [];
      const wake = () => {
        if (!wakes.delete(wake)) return;
        if (wakes.size === 0) this.byAsker.delete(asker);
        timer.cancel();
        for (const leave of wayOut) leave();
        resolve();
      };
      const timer = this.clock.schedule(maxWaitMs, wake);
      wakes.add(wake);
      for (const partition of partitions) {
        wayOut.push(
          partition.onAdvance(() => {
            if (ready()) wake();
          }),
        );
      }
    });
  }

  /** Lets everything go that waits for `asker`. */
  release(asker: object): void {
    for (const wake of [...(this.byAsker.get(asker) ?? [])]) wake();
  }

  /** Lets everything go, now and from now on. */
  close(): void {
    this.closed = true;
    for (const asker of [...this.byAsker.keys()]) this.release(asker);
  }

  private wakesOf(asker: object): Set<() => void> {
    const known = this.byAsker.get(asker);
    if (known !== undefined) return known;
    const wakes = new Set<() => void>();
    this.byAsker.set(asker, wakes);
    return wakes;
  }
}
