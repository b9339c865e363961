// The memory that all connections of a broker may take together, each kind up to queued.max.request.bytes:
//
//   under way   requests that are being worked on: while they use it up, no connection starts another request, and so no more is read from the sockets
//   received    parts of requests that are not complete, and requests that wait for their turn: beyond it the connection that holds most is closed
//   unsent      answers that their clients have not read: while they use it up, a Fetch is answered with one batch, so that everybody still gets on

/** Received bytes are kept in pieces, of which each costs something of its own. */
const pieceBytes = 256;

/** Whoever holds received bytes. */
export interface Holder {
  /** Called when it holds the most of all, and together it is too much. */
  giveUp(): void;
}

export class RequestBudget {
  private readonly limitBytes: number;
  private usedBytes = 0;
  private receivedBytes = 0;
  private unsentBytes = 0;
  private readonly held = new Map<Holder, number>();
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

  /** What a connection holds of received bytes now, in so many pieces. */
  hold(holder: Holder, bytes: number, pieces: number): void {
    const heldBytes = bytes === 0 ? 0 : bytes + pieces * pieceBytes;
    this.receivedBytes += heldBytes - (this.held.get(holder) ?? 0);
    if (heldBytes === 0) this.held.delete(holder);
    else this.held.set(holder, heldBytes);
    while (this.receivedBytes > this.limitBytes) {
      const [greatest] = [...this.held].reduce((most, each) => (each[1] > most[1] ? each : most));
      this.hold(greatest, 0, 0);
      greatest.giveUp();
    }
  }

  /** So many bytes of answers more, or less, wait for their clients to read them. */
  noteUnsent(bytes: number): void {
    this.unsentBytes += bytes;
  }

  /** How large a Fetch may be answered; one whole batch goes out in any case. */
  get fetchBytes(): number {
    return Math.max(1, this.limitBytes - this.unsentBytes);
  }
}
