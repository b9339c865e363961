// Exponential back-off with jitter (the delay is drawn from the upper half of the cap) and a limit.
import type { Random } from './random.ts';

export interface BackoffOptions {
  firstMs: number;
  maxMs: number;
}

export class Backoff {
  private attempts = 0;
  private readonly options: BackoffOptions;
  private readonly random: Random;

  constructor(options: BackoffOptions, random: Random) {
    this.options = options;
    this.random = random;
  }

  /** The next delay; each call doubles the cap it is drawn from. */
  nextMs(): number {
    const capMs = Math.min(this.options.maxMs, this.options.firstMs * 2 ** Math.min(this.attempts++, 30));
    return Math.ceil(capMs / 2 + (this.random.next() * capMs) / 2);
  }

  /** After a success the next failure starts small again. */
  reset(): void {
    this.attempts = 0;
  }
}
