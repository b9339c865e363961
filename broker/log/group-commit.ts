// The one writer of a data directory. Appends queue; a round takes everything that is queued, writes all partitions, syncs the touched files at once, and
// only then lets every partition advance its high watermark and answers everyone. While one round is on the disk the next one collects.
//
// Promises:
// - A partition's batches become durable in the order of the appends; `durable` of an append resolves after its bytes are synced.
// - What a failed write or sync leaves is never acknowledged: EIO and the like end the log for good (the next fsync would lie).
// - A full disk (ENOSPC on write) refuses everything that is not durable yet, in all partitions, and cuts it back: so what is durable is at any time
//   a prefix of all appends in the order they were made, across partitions. A decision appended after its data is never kept without them.
import { crashPoint } from '../../base/crash-point.ts';
import { TailraceError, messageOf } from '../../base/errors.ts';
import { Histogram, syncBoundsSeconds } from '../../base/histogram.ts';
import type { Segment } from './segment.ts';

/** What one partition hands to a round. */
export interface PendingWrites {
  writes: { segment: Segment; position: number; buffers: Buffer[] }[];
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

interface Round {
  partitions: Set<Committable>;
  durable: Promise<undefined>;
  resolve: () => void;
  reject: (error: Error) => void;
}

export interface GroupCommitEvents {
  /** Bytes of a round were written and synced. */
  onCommitted(bytes: number): void;
  /** The disk was full; what was queued is refused. */
  onFull(error: TailraceError): void;
  /** A write or sync failed for good. */
  onFailed(error: TailraceError): void;
}

export class GroupCommit {
  private readonly events: GroupCommitEvents;
  private queued = newRound();
  private running: Promise<void> | undefined;
  private failure: TailraceError | undefined;
  private readonly monotonicMs: () => number;
  /** How long the syncs of each round took; its count is that of the rounds. */
  readonly syncSeconds = new Histogram(syncBoundsSeconds);
  writtenBytes = 0;

  constructor(events: GroupCommitEvents, monotonicMs: () => number) {
    this.events = events;
    this.monotonicMs = monotonicMs;
  }

  /** Puts `partition` into the next round, whose outcome the promise tells. */
  enqueue(partition: Committable): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.queued.partitions.add(partition);
    this.running ??= this.run();
    return this.queued.durable;
  }

  /** Resolves when nothing is queued or under way. */
  async idle(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    // All events of this turn of the loop join the round, not only the first one.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.queued.partitions.size > 0 && this.failure === undefined) {
      const round = this.queued;
      this.queued = newRound();
      try {
        await this.commit(round);
      } catch (error) {
        await this.recover(round, error);
      }
    }
    this.running = undefined;
  }

  private async commit(round: Round): Promise<void> {
    const taken = [...round.partitions].map((partition) => ({ partition, pending: partition.takePending() }));
    const writes = taken.flatMap(({ pending }) => pending.writes);
    const segments = [...new Set(writes.map(({ segment }) => segment))];
    await settleAll(segments.map((segment) => segment.create()));
    await settleAll(
      writes.map(async ({ segment, position, buffers }) => (await segment.open()).write(buffers, position)),
    );
    crashPoint('log.round-written');
    const writtenMs = this.monotonicMs();
    await settleAll(segments.map(async (segment) => (await segment.open()).sync()));
    this.syncSeconds.observe((this.monotonicMs() - writtenMs) / 1000);
    crashPoint('log.round-synced');
    for (const { partition, pending } of taken) partition.committed(pending);
    const bytes = writes.reduce((sum, write) => sum + write.buffers.reduce((all, one) => all + one.length, 0), 0);
    this.writtenBytes += bytes;
    this.events.onCommitted(bytes);
    round.resolve();
  }

  private async recover(round: Round, error: unknown): Promise<void> {
    if (isDiskFull(error)) {
      const full = new TailraceError('TLR_DISK_FULL', `no space left for the log: ${messageOf(error)}`, {
        cause: error,
        retriable: true,
      });
      const refused = this.queued;
      this.queued = newRound();
      const partitions = new Set([...round.partitions, ...refused.partitions]);
      try {
        await settleAll([...partitions].map((partition) => partition.rollBack(full)));
        this.events.onFull(full);
        round.reject(full);
        refused.reject(full);
        return;
      } catch (second) {
        this.fail(round, refused, second);
        return;
      }
    }
    this.fail(round, this.queued, error);
  }

  private fail(round: Round, refused: Round, error: unknown): void {
    this.failure = new TailraceError('TLR_DISK_FAILED', `the log stopped: ${messageOf(error)}`, { cause: error });
    for (const partition of [...round.partitions, ...refused.partitions]) partition.failed(this.failure);
    this.events.onFailed(this.failure);
    round.reject(this.failure);
    refused.reject(this.failure);
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

function newRound(): Round {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  // Not everybody who appends waits; a refusal then must not end the process.
  promise.catch(() => undefined);
  return { partitions: new Set(), durable: promise, resolve: () => resolve(undefined), reject };
}
