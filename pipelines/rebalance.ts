// What an edge does when its partitions come and go. A consumer asks for it while somebody polls; when that poll is given up, because the edge is to stop, it goes
// on by itself. Nothing may be decided beside it: a decision that finds files prepared already would commit their offsets without them.
import { type Clock, sleep } from '../base/clock.ts';

/** Whoever is to end at once waits so long for it. */
const patienceMs = 5_000;

export class Rebalance {
  private work: Promise<void> = Promise.resolve();

  /** One after the other. When one has failed, so have those behind it: only a new session knows what was decided. */
  begin(work: () => Promise<void>): Promise<void> {
    this.work = this.work.then(work);
    // Whoever polls is told.
    this.work.catch(() => undefined);
    return this.work;
  }

  /** Resolves when nothing is under way. Rejects as it did. */
  settled(): Promise<void> {
    return this.work;
  }

  /** Resolves when nothing is under way, or nothing came of it for a while. */
  async over(clock: Clock): Promise<void> {
    const over = new AbortController();
    void this.work.catch(() => undefined).then(() => over.abort());
    await sleep(clock, patienceMs, over.signal).catch(() => undefined);
  }
}
