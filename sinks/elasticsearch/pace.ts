// How much is sent at a time: additive increase, multiplicative decrease. An overloaded store gets half the bytes in half the requests, at once; each
// round that goes well gives a little back, up to what the settings allow.
export interface PaceLimits {
  bytes: number;
  parallel: number;
}

const leastBytes = 64 * 1024;
/** Requests that were on their way together tell of the same overload. */
const sameOverloadMs = 500;

export class Pace {
  private readonly limits: PaceLimits;
  private bytes: number;
  private parallel: number;
  private goodRequests = 0;
  private lastCutMs = -Infinity;
  private underWay = 0;
  private freed = Promise.withResolvers<boolean>();

  constructor(limits: PaceLimits) {
    this.limits = limits;
    this.bytes = limits.bytes;
    this.parallel = limits.parallel;
  }

  /** Bytes of one bulk. */
  get bulkBytes(): number {
    return Math.floor(this.bytes);
  }

  /** Bulks on their way at once. */
  get concurrency(): number {
    return this.parallel;
  }

  /** Takes one of the places of bulks on their way; false when there is none. leave() gives it back. */
  enter(): boolean {
    if (this.underWay >= this.parallel) return false;
    this.underWay++;
    return true;
  }

  leave(): void {
    this.underWay--;
    this.freed.resolve(true);
    this.freed = Promise.withResolvers();
  }

  /** Resolves when a place is given back. */
  async changed(): Promise<void> {
    await this.freed.promise;
  }

  /** The store said it is too much, or did not answer in time. */
  overloaded(nowMs: number): void {
    this.goodRequests = 0;
    if (nowMs - this.lastCutMs < sameOverloadMs) return;
    this.lastCutMs = nowMs;
    this.bytes = Math.max(Math.min(leastBytes, this.limits.bytes), this.bytes / 2);
    this.parallel = Math.max(1, Math.floor(this.parallel / 2));
  }

  succeeded(): void {
    if (++this.goodRequests < this.parallel) return;
    this.goodRequests = 0;
    this.bytes = Math.min(this.limits.bytes, this.bytes + this.limits.bytes / 16);
    this.parallel = Math.min(this.limits.parallel, this.parallel + 1);
  }
}
