// The one writer of a data directory. Appends queue; a round takes everything that is queued, writes all partitions, syncs the touched files at once, and
// only then lets every partition advance its high watermark and answers everyone. While one round is being synced the next one collects, and writes what
// it has when that is much: the system's cache fills while the disk works.
//
// Promises:
// - A partition's batches become durable in the order of the appends; `durable` of an append resolves after its bytes are synced.
// - What a failed write or sync leaves is never acknowledged: EIO and the like end the log for good (the next fsync would lie).
// - A full disk (ENOSPC on write) refuses everything that is not durable yet, in all partitions, and cuts it back: so what is durable is at any time
//   a prefix of all appends in the order they were made, across partitions. A decision appended after its data is never kept without them.
import { crashPoint } from '../../base/crash-point.ts';
import { TailraceError, messageOf } from '../../base/errors.ts';
import { Histogram, syncBoundsSeconds } from '../../base/histogram.ts';
import type { Segment, Latest } from './segment.ts';

export interface PendingWrite {
  segment: Segment;
  position: number;
  buffers: Buffer[];
  /** Of the segment with these writes. */
  latest: Latest;
}

/** What one partition hands to a round. */
export interface PendingWrites {
  writes: PendingWrite[];
  /** The partition's end when the round is durable. */
  endOffset: number;
}

/** A partition as the writer sees it. */
export interface Committable {
  /** Hands over what was appended since the last call. */
  takePending(): PendingWrites;
  /** Everything below `endOffset` is durable. */
  committed(pending: PendingWrites): void;
  /** Throws away all that is not durable. Until it resolves the partition accepts nothing. */
  rollBack(cause: Error): Promise<void>;
  /** The log has failed for good. */
  failed(cause: Error): void;
}

/** Those who queued appends in the same turns of the loop, and their promise. */
interface Lot {
  bytes: number;
  partitions: Set<Committable>;
  durable: Promise<undefined>;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** What is synced together. */
interface Round {
  lots: Lot[];
  taken: { partition: Committable; pending: PendingWrites }[];
}

export interface GroupCommitEvents {
  /** Bytes of a round were written and synced. */
  onCommitted(bytes: number): void;
  /** The disk was full; what was queued is refused. */
  onFull(error: TailraceError): void;
  /** A write or sync failed for good. */
  onFailed(error: TailraceError): void;
}

const defaultEarlyWriteBytes = 32 * 1024;

export class GroupCommit {
  private readonly events: GroupCommitEvents;
  private queued = newLot();
  /** Writes rounds; ends when nothing is queued. */
  private writing: Promise<void> | undefined;
  /** Syncs a round; never rejects. */
  private syncing: Promise<void> | undefined;
  /** Called when so much is queued that it should be written. */
  private onMuch: (() => void) | undefined;
  private failure: TailraceError | undefined;
  private readonly monotonicMs: () => number;
  private readonly earlyWriteBytes: number;
  /** How long the syncs of each round took; its count is that of the rounds. */
  readonly syncSeconds = new Histogram(syncBoundsSeconds);
  writtenBytes = 0;

  /** `earlyWriteBytes`: so much is written before the round before has been synced; less is written at once when its turn comes. */
  constructor(events: GroupCommitEvents, monotonicMs: () => number, earlyWriteBytes = defaultEarlyWriteBytes) {
    this.events = events;
    this.earlyWriteBytes = earlyWriteBytes;
    this.monotonicMs = monotonicMs;
  }

  /** Puts `partition`, which has `bytes` more, into the next round, whose outcome the promise tells. */
  enqueue(partition: Committable, bytes = 0): Promise<void> {
    this.throwFailure();
    this.queued.partitions.add(partition);
    this.queued.bytes += bytes;
    if (this.queued.bytes >= this.earlyWriteBytes) this.onMuch?.();
    this.writing ??= this.run();
    return this.queued.durable;
  }

  /** Resolves when nothing is queued or under way. */
  async idle(): Promise<void> {
    while (this.writing !== undefined || this.syncing !== undefined) await (this.writing ?? this.syncing);
  }

  private async run(): Promise<void> {
    // All events of this turn of the loop join the round, not only the first one.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.queued.partitions.size > 0 && this.failure === undefined) {
      const round: Round = { lots: [], taken: [] };
      try {
        await this.writeRound(round);
        this.syncing = this.sync(round);
      } catch (error) {
        // The round before is none of this one's business: it becomes durable, or fails by itself.
        await this.syncing;
        await this.recover(round, error);
      }
    }
    this.writing = undefined;
  }

  private async writeRound(round: Round): Promise<void> {
    await this.writeWhileSyncing(round);
    this.throwFailure();
    if (this.queued.partitions.size > 0) await this.write(round);
    crashPoint('log.round-written');
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** Until the round before `round` has been synced. */
  private async writeWhileSyncing(round: Round): Promise<void> {
    while (this.syncing !== undefined) {
      if (this.queued.bytes >= this.earlyWriteBytes) await this.write(round);
      else await Promise.race([this.syncing, new Promise<void>((resolve) => (this.onMuch = resolve))]);
    }
    this.onMuch = undefined;
  }

  /** Writes everything that is queued; it belongs to `round` from now on. */
  private async write(round: Round): Promise<void> {
    const lot = this.queued;
    this.queued = newLot();
    round.lots.push(lot);
    const taken = [...lot.partitions].map((partition) => ({ partition, pending: partition.takePending() }));
    round.taken.push(...taken);
    const writes = taken.flatMap(({ pending }) => pending.writes);
    await settleAll([...new Set(writes.map(({ segment }) => segment))].map((segment) => segment.create()));
    await settleAll(
      writes.map(async ({ segment, position, buffers }) => (await segment.open()).write(buffers, position)),
    );
  }

  private async sync(round: Round): Promise<void> {
    try {
      const writes = round.taken.flatMap(({ pending }) => pending.writes);
      const segments = [...new Set(writes.map(({ segment }) => segment))];
      const writtenMs = this.monotonicMs();
      await settleAll(segments.map(async (segment) => (await segment.open()).sync()));
      this.syncSeconds.observe((this.monotonicMs() - writtenMs) / 1000);
      crashPoint('log.round-synced');
      this.syncing = undefined;
      for (const { partition, pending } of round.taken) partition.committed(pending);
      const bytes = writes.reduce((sum, write) => sum + write.buffers.reduce((all, one) => all + one.length, 0), 0);
      this.writtenBytes += bytes;
      this.events.onCommitted(bytes);
      for (const { resolve } of round.lots) resolve();
    } catch (error) {
      this.syncing = undefined;
      this.fail(round, error);
    }
  }

  /** After a write that failed; no round is being synced. */
  private async recover(round: Round, error: unknown): Promise<void> {
    if (this.failure !== undefined || !isDiskFull(error)) {
      this.fail(round, error);
      return;
    }
    const full = new TailraceError('TLR_DISK_FULL', `no space left for the log: ${messageOf(error)}`, {
      cause: error,
      retriable: true,
    });
    round.lots.push(this.queued);
    this.queued = newLot();
    const partitions = new Set(round.lots.flatMap((lot) => [...lot.partitions]));
    try {
      await settleAll([...partitions].map((partition) => partition.rollBack(full)));
      this.events.onFull(full);
      this.refuse(round.lots, full);
    } catch (second) {
      this.fail(round, second);
    }
  }

  private fail(round: Round, error: unknown): void {
    const isFirst = this.failure === undefined;
    this.failure ??= new TailraceError('TLR_DISK_FAILED', `the log stopped: ${messageOf(error)}`, { cause: error });
    const lots = [...round.lots, this.queued];
    for (const partition of new Set(lots.flatMap((lot) => [...lot.partitions]))) partition.failed(this.failure);
    if (isFirst) this.events.onFailed(this.failure);
    this.refuse(lots, this.failure);
  }

  private refuse(lots: readonly Lot[], error: Error): void {
    for (const { reject } of lots) reject(error);
  }
}

/** Whether a write failed for want of room: nothing is broken then (a sync never fails so, see fail-stop-files.ts). */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Waits for all, then throws the worst of what went wrong: anything else before a full disk. */
async function settleAll(promises: Promise<void>[]): Promise<void> {
  if (promises.length === 1) return promises[0];
  const results = await Promise.allSettled(promises);
  const errors = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
  if (errors.length > 0) throw errors.find((error) => !isDiskFull(error)) ?? errors[0];
}

function newLot(): Lot {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  // Not everybody who appends waits; a refusal then must not end the process.
  promise.catch(() => undefined);
  return { bytes: 0, partitions: new Set(), durable: promise, resolve: () => resolve(undefined), reject };
}
