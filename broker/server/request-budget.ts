// Bytes of requests under way, over all connections of a broker (queued.max.request.bytes): while they are used up, no connection starts
// another request, and so no more is read from the sockets.

export class RequestBudget {
  private readonly limitBytes: number;
  private usedBytes = 0;
  private readonly waiting = new Set<() => void>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get isFull(): boolean {
    return this.usedBytes >= this.limitBytes;
  }

  take(bytes: number): void {
    this.usedBytes += bytes;
  }

  give(bytes: number): void {
    this.usedBytes -= bytes;
    if (this.isFull || this.waiting.size === 0) return;
    const listeners = [...this.waiting];
    this.waiting.clear();
    for (const listener of listeners) listener();
  }

  /** Calls `listener` once when there is room again; forget() takes it back. */
  whenRoom(listener: () => void): void {
    this.waiting.add(listener);
  }

  forget(listener: () => void): void {
    this.waiting.delete(listener);
  }
}
