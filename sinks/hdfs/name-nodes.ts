// The NameNodes of one cluster: which of them is asked, and for how long. A node that is standby or cannot be reached is left for the next one at once; when all were
// asked in vain, and while a node says that it cannot just now (safe mode), calls are made again with back-off until the patience is over. Every
// call made through here must do no harm when it is made twice: its answer may be lost.
import { Backoff } from '../../base/backoff.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { HdfsFailure } from './failure.ts';

export interface NameNodesOptions {
  origins: readonly string[];
  /** How long a call is made again after it failed first. */
  patienceMs: number;
  clock: Clock;
  random: Random;
  /** Ends all waiting. */
  signal: AbortSignal;
}

const backoff = { firstMs: 100, maxMs: 5000 };

export class NameNodes {
  private readonly options: NameNodesOptions;
  private current = 0;

  constructor(options: NameNodesOptions) {
    this.options = options;
  }

  /** Calls until there is an answer. Throws the last failure when patience is over (or `patient` is false and all were asked), others at once. */
  async ask<T>(call: (origin: string) => Promise<T>, patient = true): Promise<T> {
    const { origins, clock, random, patienceMs, signal } = this.options;
    const wait = new Backoff(backoff, random);
    let failedMs: number | undefined;
    for (let asked = 1; ; asked++) {
      signal.throwIfAborted();
      const node = this.current;
      try {
        return await call(origins[node]!);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof HdfsFailure) || !error.retriable) throw error;
        if (this.current === node) this.current = (node + 1) % origins.length;
        if (asked % origins.length !== 0) continue;
        failedMs ??= clock.monotonicMs();
        if (!patient || clock.monotonicMs() - failedMs >= patienceMs) throw error;
        await sleep(clock, wait.nextMs(), signal);
      }
    }
  }
}
