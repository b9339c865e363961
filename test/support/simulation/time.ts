// Virtual time, and processes that live in it. Nothing waits for the machine: when nobody can go on at this moment, time jumps to the next timer. A process
// meets the world through its gate alone (its timers, files and requests): one that was killed never hears of anything again, which is
// what its end means to the others; one that was paused hears of it later, as after SIGSTOP or the sleep of a laptop.
import type { Clock, Timer } from '../../../base/clock.ts';

interface Entry {
  atMs: number;
  order: number;
  action: () => void;
}

/** Turns of the event loop between two moments: nothing here does real input or output, so what is under way gets on by turns alone. */
const turnsPerMoment = 2;

export class VirtualTime {
  ms = 0;
  /** Moments so far: with the time, what tells two runs apart. */
  moments = 0;
  /** A binary heap, the next one first. */
  private readonly heap: Entry[] = [];
  private order = 0;

  schedule(delayMs: number, action: () => void): Timer {
    const entry: Entry = { atMs: this.ms + Math.max(delayMs, 0), order: this.order++, action };
    this.push(entry);
    return { cancel: () => void (entry.action = () => undefined) };
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(durationMs, resolve));
  }

  /** Lets everything happen until `isDone`, or until this much time has passed. Resolves with whether it is done. */
  async run(durationMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    const endMs = this.ms + durationMs;
    for (;;) {
      for (let turn = 0; turn < turnsPerMoment; turn++) await new Promise<void>(setImmediate);
      if (isDone()) return true;
      const next = this.heap[0];
      if (next === undefined || next.atMs > endMs) break;
      this.ms = Math.max(this.ms, next.atMs);
      this.moments++;
      while (this.heap[0] !== undefined && this.heap[0].atMs <= this.ms) this.pop().action();
    }
    this.ms = endMs;
    return isDone();
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): Entry {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

const never = new Promise<never>(() => undefined);
/** Some day in 2026. */
const startMs = 1_790_000_000_000;

/** A process of the simulation. */
export class SimulatedProcess {
  readonly name: string;
  readonly time: VirtualTime;
  readonly clock: Clock;
  /** How far its wall clock is off. */
  wallOffsetMs = 0;
  private isDead = false;
  private paused: { promise: Promise<void>; resolve: () => void } | undefined;
  private late: (() => void)[] = [];

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.time = time;
    this.clock = {
      now: () => Math.round(startMs + time.ms + this.wallOffsetMs),
      monotonicMs: () => time.ms,
      schedule: (delayMs, action) => time.schedule(delayMs, () => this.act(action)),
    };
  }

  get isAlive(): boolean {
    return !this.isDead;
  }

  get isPaused(): boolean {
    return this.paused !== undefined;
  }

  /** Resolves when the process may hear of something: at once, after its pause, or never. */
  async gate(): Promise<void> {
    if (this.isDead) await never;
    await this.paused?.promise;
    if (this.isDead) await never;
  }

  /** Runs `work` for the process, which hears of what comes of it through the gate. */
  async through<T>(work: () => Promise<T>): Promise<T> {
    await this.gate();
    try {
      return await work();
    } finally {
      await this.gate();
    }
  }

  kill(): void {
    this.isDead = true;
    this.late = [];
  }

  pause(): void {
    if (this.paused !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.paused = { promise, resolve: () => resolve(undefined) };
  }

  /** Timers that fell due meanwhile fire now, in their order. */
  resume(): void {
    const { paused, late } = this;
    this.paused = undefined;
    this.late = [];
    for (const action of late) this.act(action);
    paused?.resolve();
  }

  private act(action: () => void): void {
    if (this.isDead) return;
    if (this.paused !== undefined) this.late.push(action);
    else action();
  }
}
