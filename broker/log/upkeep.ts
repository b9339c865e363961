// The work beside appends and reads, one piece at a time: checkpoints, compaction, removal of old segments, closing of segments by time, the limit on disk use.
// Owns Kafka's checkpoint files: `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint`, `cleaner-offset-checkpoint`.
import type { Clock } from '../../base/clock.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import { formatBytes } from '../../base/units.ts';
import { checkpointPartition } from './checkpoint-round.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoints.ts';
import { compactPartition } from './compaction.ts';
import type { Partition } from './partition.ts';
import { type DeletableUntil, oldestDelivered, retainedStart } from './retention.ts';

export interface UpkeepOptions {
  directory: string;
  files: Files;
  clock: Clock;
  logger: Logger;
  /** The partitions that are open now. */
  partitions: () => Partition[];
  /** The log may hold this much; beyond it delivered segments go, then intake stops. */
  maxDiskBytes: number;
  deletableUntil: DeletableUntil;
  /** Told whether `max_disk` is exceeded with nothing left to delete. */
  onLimit: (reason: TailraceError | undefined) => void;
  /** Producers that wrote nothing for this long are forgotten. */
  producerExpiryMs: () => number;
}

export class Upkeep {
  private readonly options: UpkeepOptions;
  private recoveryPoints = new Map<string, number>();
  private startOffsets = new Map<string, number>();
  private cleanedOffsets = new Map<string, number>();
  private last: Promise<unknown> = Promise.resolve();
  private enforcing = false;

  constructor(options: UpkeepOptions) {
    this.options = options;
  }

  async load(): Promise<void> {
    const { files, directory } = this.options;
    this.recoveryPoints = await readCheckpoint(files, directory, 'recovery-point-offset-checkpoint');
    this.startOffsets = await readCheckpoint(files, directory, 'log-start-offset-checkpoint');
    this.cleanedOffsets = await readCheckpoint(files, directory, 'cleaner-offset-checkpoint');
  }

  recoveryPoint(topic: string, partition: number): number | undefined {
    return this.recoveryPoints.get(`${topic}-${partition}`);
  }

  startOffset(topic: string, partition: number): number {
    return this.startOffsets.get(`${topic}-${partition}`) ?? 0;
  }

  /** Forgets a topic that is no more, durably: another one of the name must not be taken for what is left of it. */
  async forget(topic: string): Promise<void> {
    const { files, directory } = this.options;
    const all = [
      ['recovery-point-offset-checkpoint', this.recoveryPoints],
      ['log-start-offset-checkpoint', this.startOffsets],
      ['cleaner-offset-checkpoint', this.cleanedOffsets],
    ] as const;
    for (const [name, offsets] of all) {
      const gone = [...offsets.keys()].filter((key) => key.slice(0, key.lastIndexOf('-')) === topic);
      if (gone.length === 0) continue;
      const left = new Map([...offsets].filter(([key]) => !gone.includes(key)));
      await writeCheckpoint(files, directory, name, left);
      for (const key of gone) offsets.delete(key);
    }
  }

  /** Runs `work` when all upkeep that was asked for before is done. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  /** Runs `work` in its turn without anybody waiting; what goes wrong is logged. */
  later(work: () => Promise<void>): void {
    this.exclusively(work).catch((error: unknown) => {
      this.options.logger.error(`upkeep of ${this.options.directory} failed: ${messageOf(error)}`);
    });
  }

  /** All that is due now. */
  maintain(): Promise<void> {
    return this.exclusively(async () => {
      const nowMs = this.options.clock.now();
      for (const partition of this.options.partitions()) {
        partition.producerStates.expire(nowMs, this.options.producerExpiryMs());
        await partition.rollByTime(nowMs);
        await this.retain(partition, nowMs);
      }
      await this.enforceLimit();
      await this.checkpoint(this.options.partitions());
      await this.compact(nowMs);
    });
  }

  /** Looks at `max_disk` soon when it is exceeded. */
  watchLimit(): void {
    if (this.enforcing || this.usedBytes() <= this.options.maxDiskBytes) return;
    this.enforcing = true;
    this.later(async () => {
      try {
        await this.enforceLimit();
      } finally {
        this.enforcing = false;
      }
    });
  }

  /** Moves recovery points as far as possible. */
  async checkpoint(partitions: readonly Partition[]): Promise<void> {
    const { files, directory } = this.options;
    const moved = new Map<string, number>();
    const open = new Set(this.options.partitions());
    for (const partition of partitions) {
      // Its topic was deleted since it was asked for; another one may have the name.
      if (!open.has(partition)) continue;
      const key = keyOf(partition);
      const isDirty = partition.segments.some((segment) => segment.isDirty);
      if (!isDirty && this.recoveryPoints.get(key) === partition.logEndOffset) continue;
      moved.set(key, await checkpointPartition(files, partition));
    }
    if (moved.size === 0) return;
    const points = new Map([...this.recoveryPoints, ...moved]);
    await writeCheckpoint(files, directory, 'recovery-point-offset-checkpoint', points);
    // Only what the file says counts: after a clean end the recovery point is the end of the log.
    this.recoveryPoints = points;
  }

  /** Moves the start of a partition to `offset`, durably, then removes the segments below it. */
  async deleteBefore(partition: Partition, offset: number): Promise<void> {
    const { files, directory } = this.options;
    if (!this.options.partitions().includes(partition)) return;
    const starts = new Map([...this.startOffsets, [keyOf(partition), Math.max(partition.logStartOffset, offset)]]);
    // The new start is durable before a file goes: otherwise a crash could leave a hole in the middle.
    await writeCheckpoint(files, directory, 'log-start-offset-checkpoint', starts);
    this.startOffsets = starts;
    const dropped = partition.moveStart(offset);
    for (const segment of dropped) await segment.remove();
    if (dropped.length > 0) await files.syncDirectory(partition.directory);
  }

  private async compact(nowMs: number): Promise<void> {
    const { files, directory, logger } = this.options;
    for (const partition of this.options.partitions()) {
      if (!partition.settings.compacts) continue;
      const key = keyOf(partition);
      const before = Math.max(this.cleanedOffsets.get(key) ?? 0, partition.logStartOffset);
      const after = await compactPartition(files, partition, before, nowMs);
      if (after === before) continue;
      this.cleanedOffsets.set(key, after);
      await writeCheckpoint(files, directory, 'cleaner-offset-checkpoint', this.cleanedOffsets);
      logger.debug('a partition was compacted', { topic: partition.topic, partition: partition.partition, after });
    }
  }

  private async retain(partition: Partition, nowMs: number): Promise<void> {
    const start = await retainedStart(partition, nowMs);
    if (start <= partition.logStartOffset) return;
    const delivered = this.options.deletableUntil(partition.topic, partition.partition);
    if (delivered !== undefined && delivered < start) {
      this.options.logger.warn('retention removes records that were not delivered everywhere', {
        topic: partition.topic,
        partition: partition.partition,
        records: start - Math.max(delivered, partition.logStartOffset),
      });
    }
    await this.deleteBefore(partition, start);
  }

  private async enforceLimit(): Promise<void> {
    const { maxDiskBytes, deletableUntil, logger } = this.options;
    const excessBytes = this.usedBytes() - maxDiskBytes;
    if (excessBytes > 0) {
      for (const { partition, newStart } of await oldestDelivered(
        this.options.partitions(),
        excessBytes,
        deletableUntil,
      )) {
        logger.info('max_disk: the oldest delivered records go', {
          topic: partition.topic,
          partition: partition.partition,
          newStart,
        });
        await this.deleteBefore(partition, newStart);
      }
    }
    const usedBytes = this.usedBytes();
    this.options.onLimit(
      usedBytes <= maxDiskBytes
        ? undefined
        : new TailraceError(
            'TLR_DISK_FULL',
            `max_disk is reached: the log holds ${formatBytes(usedBytes)}, at most ${formatBytes(maxDiskBytes)} are allowed, and what is left is still to be delivered or being written; mend the edges that lag (tailrace groups list), or raise max_disk and restart`,
            { retriable: true },
          ),
    );
  }

  private usedBytes(): number {
    return this.options.partitions().reduce((sum, partition) => sum + partition.sizeBytes, 0);
  }
}

function keyOf(partition: { topic: string; partition: number }): string {
  return `${partition.topic}-${partition.partition}`;
}
