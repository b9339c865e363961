// One segment of a partition: `%020d.log`, whose bytes are the batches as they came over the wire, and its three indexes. The name is the offset
// of the first record that may stand in it.
//
// A segment is made in memory by the append that needs it (appends do not wait); create() makes its files, with their directory entries durable,
// before the group commit writes its first batch. `sizeBytes` counts what was appended, `durableBytes` what has been written and synced.
import { join } from 'node:path';
import { crashPoint } from '../../base/crash-point.ts';
import type { Files, OpenFile, OpenMode } from '../../base/files.ts';
import type { BatchHeader } from '../wire/record-batch.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';

/** "00000000000000000042" — file names of segments and snapshots sort as their offsets. */
export function offsetName(offset: number): string {
  return String(offset).padStart(20, '0');
}

/** The offset in a file name with this ending; undefined for other files. */
export function offsetOfName(name: string, ending: string): number | undefined {
  return name.length === 20 + ending.length && name.endsWith(ending) && /^\d{20}/.test(name)
    ? Number(name.slice(0, 20))
    : undefined;
}

/** The greatest timestamp, and the last offset of the batch that has it; -1 for none. */
export interface Latest {
  readonly maxTimestampMs: number;
  readonly maxTimestampOffset: number;
}

export class Segment {
  readonly baseOffset: number;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  readonly transactionIndex: TransactionIndex;
  sizeBytes = 0;
  durableBytes = 0;
  /** When its first batch was appended, by the clock; undefined while empty or not known yet. */
  firstAppendMs: number | undefined;
  /** Set when the segment is no longer part of the partition. */
  removed = false;

  private readonly files: Files;
  private readonly directory: string;
  private created: boolean;
  private file: Promise<OpenFile> | undefined;
  private bytesSinceIndexEntry = 0;
  private maxTimestampMs = -1;
  private maxTimestampOffset = -1;
  /** The two above for what is durable. */
  private committed: Latest = { maxTimestampMs: -1, maxTimestampOffset: -1 };

  /** `fresh`: there are no files yet. */
  constructor(files: Files, directory: string, baseOffset: number, fresh: boolean) {
    this.files = files;
    this.directory = directory;
    this.baseOffset = baseOffset;
    this.created = !fresh;
    const path = (ending: string) => join(directory, offsetName(baseOffset) + ending);
    this.offsetIndex = new OffsetIndex(files, path('.index'), baseOffset, fresh);
    this.timeIndex = new TimeIndex(files, path('.timeindex'), baseOffset, fresh);
    this.transactionIndex = new TransactionIndex(files, path('.txnindex'), fresh);
  }

  get path(): string {
    return join(this.directory, `${offsetName(this.baseOffset)}.log`);
  }

  private get indexes() {
    return [this.offsetIndex, this.timeIndex, this.transactionIndex];
  }

  /** The log file, open for reading and writing. Rejects with code EBADF when the segment was removed: another one may have its name. */
  async open(): Promise<OpenFile> {
    if (this.removed) throw Object.assign(new Error(`${this.path} was removed`), { code: 'EBADF' });
    return (this.file ??= this.opened('write'));
  }

  /** One that could not be opened (too many files are open) may be the next time. */
  private async opened(mode: OpenMode): Promise<OpenFile> {
    try {
      return await this.files.open(this.path, mode);
    } catch (error) {
      this.file = undefined;
      throw error;
    }
  }

  /** Makes the files and their directory entries durable, once. */
  async create(): Promise<void> {
    if (this.created) return;
    await (this.file = this.opened('create-new'));
    for (const index of this.indexes) await (await this.files.open(index.path, 'create')).close();
    crashPoint('log.segment-made');
    await this.files.syncDirectory(this.directory);
    this.created = true;
  }

  /** Whether a batch of `batchBytes` ending at `lastOffset` still fits into the formats: positions and relative offsets are int32. */
  hasRoomFor(batchBytes: number, lastOffset: number, segmentBytes: number): boolean {
    return this.sizeBytes + batchBytes <= segmentBytes && lastOffset - this.baseOffset < 2 ** 31;
  }

  /** Accounts for a batch at the end, index entries included; returns its position. */
  place(header: BatchHeader, baseOffset: number, indexIntervalBytes: number): number {
    const position = this.sizeBytes;
    const lastOffset = baseOffset + header.lastOffsetDelta;
    if (header.maxTimestampMs > this.maxTimestampMs) {
      this.maxTimestampMs = header.maxTimestampMs;
      this.maxTimestampOffset = lastOffset;
    }
    if (this.bytesSinceIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(lastOffset, position);
      this.timeIndex.maybeAppend(this.maxTimestampMs, this.maxTimestampOffset);
      this.bytesSinceIndexEntry = 0;
    }
    this.bytesSinceIndexEntry += header.sizeBytes;
    this.sizeBytes += header.sizeBytes;
    return position;
  }

  /** Passes over a batch at the end that the indexes know already. */
  pass(header: BatchHeader): void {
    this.sizeBytes += header.sizeBytes;
    this.bytesSinceIndexEntry = this.sizeBytes - Math.max(0, this.offsetIndex.lastPosition);
  }

  /** A segment of this size that is wholly on disk; its indexes are read when they are needed. */
  setSize(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
    this.durableBytes = sizeBytes;
  }

  /** Takes size and greatest timestamp from what is on disk; for segments whose indexes are loaded and right. */
  restore(sizeBytes: number): void {
    this.sizeBytes = sizeBytes;
    this.durableBytes = sizeBytes;
    const last = this.timeIndex.last;
    this.maxTimestampMs = last?.timestampMs ?? -1;
    this.maxTimestampOffset = last?.offset ?? -1;
    this.bytesSinceIndexEntry = sizeBytes - Math.max(0, this.offsetIndex.lastPosition);
  }

  /** Forgets all that is known of its contents, for filling it again by place(). */
  clear(): void {
    for (const index of this.indexes) index.reset();
    this.restore(0);
  }

  /** Drops index entries of batches that end at or after `offset`. */
  truncateIndexes(offset: number): void {
    for (const index of this.indexes) index.truncateToOffset(offset);
  }

  /** Of everything placed so far, for endCommit(). */
  get placed(): Latest {
    return { maxTimestampMs: this.maxTimestampMs, maxTimestampOffset: this.maxTimestampOffset };
  }

  /** Everything up to the position `durableBytes` is durable; `latest` is `placed` of then. */
  endCommit(durableBytes: number, latest: Latest): void {
    this.durableBytes = durableBytes;
    this.committed = latest;
  }

  /**
   * Throws away what is not durable; `endOffset` is where the durable part ends. Durably: the next batch may go to the next segment, and what a power
   * failure brought back here would have the same offsets.
   */
  async cutBack(endOffset: number): Promise<void> {
    if (!this.created) {
      this.clear();
      return;
    }
    const file = await this.open();
    await file.truncate(this.durableBytes);
    await file.sync();
    this.truncateIndexes(endOffset);
    this.restore(this.durableBytes);
    if (this.committed.maxTimestampMs > this.maxTimestampMs) Object.assign(this, this.committed);
  }

  /** Loads the indexes; false when one is missing or wrong. */
  async loadIndexes(): Promise<boolean> {
    let sound = true;
    for (const index of this.indexes) sound = (await index.load()) && sound;
    return sound;
  }

  /** Only when the files say all that memory does. */
  unloadIndexes(): void {
    if (this.isDirty) return;
    for (const index of this.indexes) index.unload();
  }

  /** The greatest timestamp of the segment and the last offset of the batch that has it; the first time needs loaded indexes. */
  get latest(): { timestampMs: number; offset: number } | undefined {
    if (this.maxTimestampMs < 0) {
      const last = this.timeIndex.last;
      if (last === undefined) return undefined;
      this.maxTimestampMs = last.timestampMs;
      this.maxTimestampOffset = last.offset;
    }
    return { timestampMs: this.maxTimestampMs, offset: this.maxTimestampOffset };
  }

  get isDirty(): boolean {
    if (this.indexes.some((index) => index.isDirty)) return true;
    return this.timeIndex.isLoaded && this.maxTimestampMs > (this.timeIndex.last?.timestampMs ?? -1);
  }

  /** Writes and syncs the indexes, complete with the greatest timestamp, as Kafka does when a segment is closed. */
  async flushIndexes(): Promise<void> {
    if (this.timeIndex.isLoaded) this.timeIndex.maybeAppend(this.maxTimestampMs, this.maxTimestampOffset);
    for (const index of this.indexes) if (index.isDirty) await index.flush();
  }

  /** Writes the index files of a segment that compaction made. */
  async createIndexes(): Promise<void> {
    this.timeIndex.maybeAppend(this.maxTimestampMs, this.maxTimestampOffset);
    for (const index of this.indexes) await index.flush();
    await this.files.syncDirectory(this.directory);
  }

  async close(): Promise<void> {
    const file = this.file;
    this.file = undefined;
    if (file !== undefined) await (await file).close();
  }

  /** Takes the open file of a segment that compaction wrote; all of it is on disk. */
  adopt(file: OpenFile): void {
    this.file = Promise.resolve(file);
    this.created = true;
    this.durableBytes = this.sizeBytes;
  }

  /** Closes and deletes the files; the directory must be synced for it to last. `keepLog`: a new log file takes the name. */
  async remove({ keepLog = false }: { keepLog?: boolean } = {}): Promise<void> {
    this.removed = true;
    await this.close();
    if (!keepLog) await this.files.remove(this.path);
    for (const index of this.indexes) await this.files.remove(index.path);
  }
}
