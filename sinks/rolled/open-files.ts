// The files that one writer has open: each record goes into the file of its resolved path. They are published together: with paths that depend on time or
// fields one manifest covers all files that are open at the time (a barrier); published apart, they would say twice, or not at all, what
// stands between their offsets.
import type { Clock } from '../../base/clock.ts';
import type { Coordinates, Delivery, DeliveryBatch, DeliveryBlock } from '../sink.ts';
import { AttemptFile } from './attempt-file.ts';
import type { Compression } from './compression.ts';
import type { PathTemplate } from './path-template.ts';
import type { RollLimits } from './settings.ts';
import type { BoundedWritePool } from './write-pool.ts';

/** More files than this in one manifest make it due: a manifest is one record. */
const filesLimit = 1000;
/** Half-filled chunks of many files may hold this much together. */
const heldLimitBytes = 16 * 1024 * 1024;

export interface OpenFilesOptions {
  clock: Clock;
  template: PathTemplate;
  compression: Compression;
  limits: RollLimits;
  pool: BoundedWritePool;
  /** The path of the next temporary file; never the same twice. */
  nextTemporary: () => string;
}

export class OpenFiles {
  private readonly options: OpenFilesOptions;
  private files = new Map<string, AttemptFile>();
  private lastPeriod = NaN;
  private lastPartition: Coordinates | undefined;
  private lastFile: AttemptFile | undefined;
  private firstWriteMs = 0;
  private lastWriteMs = 0;

  constructor(options: OpenFilesOptions) {
    this.options = options;
  }

  /** Copies the records into their files. Waits while the disk is behind; throws what an earlier write failed with. */
  async write(batch: DeliveryBatch): Promise<void> {
    this.take(batch);
    await this.relieve();
    for (const file of this.files.values()) file.check();
  }

  /** True when size, age or idle time of what is open say so. */
  isDue(nowMs: number): boolean {
    const { limits } = this.options;
    if (this.files.size === 0) return false;
    if (nowMs - this.firstWriteMs >= limits.ageMs || nowMs - this.lastWriteMs >= limits.idleMs) return true;
    if (this.files.size >= filesLimit) return true;
    for (const file of this.files.values()) if (file.sizeBytes >= limits.sizeBytes) return true;
    return false;
  }

  /** Hands over all files, in the order of their beginning; the next record begins new ones. */
  release(): AttemptFile[] {
    const files = [...this.files.values()];
    this.files = new Map();
    this.lastFile = undefined;
    this.lastPeriod = NaN;
    return files;
  }

  private take(batch: DeliveryBatch): void {
    const { clock, template } = this.options;
    const nowMs = clock.monotonicMs();
    if (this.files.size === 0) this.firstWriteMs = nowMs;
    this.lastWriteMs = nowMs;
    if (
      this.lastPartition?.partition !== batch.coordinates.partition ||
      !this.lastPartition.topicId.equals(batch.coordinates.topicId)
    ) {
      this.lastPartition = batch.coordinates;
      this.lastFile = undefined;
    }
    // Infinity (no time in the path) gives period 0 for ever; undefined (fields in the path) never matches.
    const { periodMs = NaN } = template;
    const periodOf = (timestampMs: number) => Math.floor(Math.max(timestampMs, 0) / periodMs);
    const visit = (delivery: Delivery) => {
      const file = this.fileFor(batch.coordinates, periodOf(delivery.timestampMs), delivery);
      file.append(delivery.buffer, delivery.start, delivery.end);
    };
    const take = ({ lines, count, firstOffset, earliestMs, latestMs }: DeliveryBlock) => {
      const period = periodOf(earliestMs);
      if (period !== periodOf(latestMs)) return false;
      const first = { timestampMs: earliestMs, offset: firstOffset, field: () => undefined };
      this.fileFor(batch.coordinates, period, first).appendLines(lines, count);
      return true;
    };
    if (batch.forEachBlock === undefined || Number.isNaN(periodMs)) batch.forEach(visit);
    else batch.forEachBlock(take, visit);
  }

  /** The file of a record, made when it is the first there. */
  private fileFor(
    coordinates: Coordinates,
    period: number,
    record: Pick<Delivery, 'timestampMs' | 'offset' | 'field'>,
  ): AttemptFile {
    if (this.lastFile !== undefined && period === this.lastPeriod) return this.lastFile;
    const key = this.options.template.key(coordinates, record);
    this.lastFile = this.files.get(key) ?? this.start(key, record.offset);
    this.lastPeriod = period;
    return this.lastFile;
  }

  private start(key: string, firstOffset: number): AttemptFile {
    const { template, compression, pool, nextTemporary } = this.options;
    const names = { temporary: nextTemporary(), final: template.pathOf(key, firstOffset) };
    const file = new AttemptFile(names, compression, pool);
    this.files.set(key, file);
    return file;
  }

  /** Keeps memory bounded when many files are open, and makes the caller wait while the disk is behind. */
  private async relieve(): Promise<void> {
    let heldBytes = 0;
    for (const file of this.files.values()) heldBytes += file.heldBytes;
    if (heldBytes > heldLimitBytes) for (const file of this.files.values()) file.handOver();
    await this.options.pool.room();
  }
}

/** Whether a disk said that it is full. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
