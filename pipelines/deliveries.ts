// What an edge has handed to its target and not heard of yet. A target that allows it is given the next records while the answers for those before them are on their
// way; the account is kept in the order of the records all the same, and every decision waits until nothing is under way.
import type { Outcome } from '../sinks/sink.ts';

type Outcomes = readonly Outcome[] | undefined;

/** Each one holds a fetch in memory. */
const most = 2;

export class Deliveries {
  private readonly overlap: boolean;
  private readonly stopping = new AbortController();
  /** Deliveries, and what waits for them. */
  private readonly underWay = new Set<Promise<void>>();
  private readonly begun: Promise<void>[] = [];
  private failure: { error: unknown } | undefined;

  /** `overlap`: whether there may be more than one. */
  constructor(overlap: boolean) {
    this.overlap = overlap;
  }

  /**
   * Begins a delivery; `done` is called with its outcomes, after that of the deliveries before it. Resolves when more may be begun. Rejects with the first error of
   * any of them.
   */
  async add(begin: (stopped: AbortSignal) => Promise<Outcomes>, done: (outcomes: Outcomes) => void): Promise<void> {
    while (this.begun.length >= most) await this.begun[0];
    this.throwFailure();
    const taken = begin(this.stopping.signal);
    const finished = this.follow(taken.then((outcomes) => () => done(outcomes)));
    this.begun.push(finished);
    void finished.then(() => this.begun.shift());
    if (!this.overlap) await this.settle();
  }

  /** Calls `action` when what is under way now is done. */
  afterwards(action: () => void): void {
    if (this.underWay.size === 0) action();
    else void this.follow(Promise.resolve(action));
  }

  /** Resolves when nothing is under way; rejects with the first error. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.underWay);
    this.throwFailure();
  }

  /** Gives up what is under way, and waits until it is given up: what somebody else sends next must not meet it. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled(this.underWay);
  }

  /** Acts when that is known and everything before it has acted, unless something failed; never rejects. */
  private follow(next: Promise<() => void>): Promise<void> {
    const earlier = Promise.all(this.underWay);
    const finished: Promise<void> = Promise.all([next, earlier])
      .then(([act]) => {
        if (this.failure === undefined) act();
      })
      .catch((error: unknown) => void (this.failure ??= { error }))
      .finally(() => this.underWay.delete(finished));
    this.underWay.add(finished);
    return finished;
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }
}
