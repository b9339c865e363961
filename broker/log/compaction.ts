// Compaction of a partition (cleanup.policy=compact): of all records with one key only the last stays. Kafka's log cleaner, in its order:
//
// 1. Read the part that is new since the last time ("dirty") and note the last offset of each key.
// 2. Write the closed segments again, several small ones into one, without records that have a later one: `BASE.log.cleaned`, synced.
// 3. Rename to `BASE.log.swap`, sync the directory. From here on the new file counts.
// 4. Remove the old segments' other files; rename to `BASE.log`. Recovery does this step again when it finds a `.swap` (completeSwaps).
//
// Never touched: the last segment, and anything from the first unstable offset on. Records of aborted transactions go, and a marker goes when its
// transaction has nothing left. The last batch of what was cleaned stays, empty if need be, so that readers get past its offsets. A null value (a
// tombstone) goes delete.retention.ms after it was written, when it has been through one compaction.
import { join } from 'node:path';
import { TailraceError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import { readBatchHeader, RecordCursor } from '../wire/record-batch.ts';
import { emptyBatch, filterBatch } from './batch-filter.ts';
import { BatchScanner } from './batch-scanner.ts';
import type { Partition } from './partition.ts';
import { offsetName, offsetOfName, Segment } from './segment.ts';
import type { AbortedEntry } from './transaction-index.ts';

/** Keys held in memory at once; the rest waits for the next time. */
const greatestKeyCount = 500_000;
const writeBytes = 1024 * 1024;

/**
 * Compacts `partition` when enough of it is new, or some of it has been new for too long. Returns the first offset that is not compacted now;
 * `firstDirty` when nothing was done.
 */
export async function compactPartition(
  files: Files,
  partition: Partition,
  firstDirty: number,
  nowMs: number,
): Promise<number> {
  const segments = await cleanableSegments(partition, nowMs);
  const dirty = segments.filter((segment) => endOf(partition, segment) > firstDirty);
  const bytesOf = (list: readonly Segment[]) => list.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const [oldest] = dirty;
  if (oldest === undefined) return firstDirty;
  const { minCleanableDirtyRatio, maxCompactionLagMs } = partition.settings;
  const isDue = nowMs - ((await partition.latestTime(oldest)) ?? nowMs) > maxCompactionLagMs;
  if (!isDue && bytesOf(dirty) < minCleanableDirtyRatio * bytesOf(segments)) return firstDirty;
  const cleaner = new Cleaner(files, partition, firstDirty, nowMs);
  const end = await cleaner.readKeys(dirty);
  for (const group of groupsOf(segments, end, partition)) await cleaner.clean(group);
  return end;
}

/** Closed segments from the start of the log that are stable and old enough. */
async function cleanableSegments(partition: Partition, nowMs: number): Promise<Segment[]> {
  const limit = Math.min(partition.highWatermark, partition.lastStableOffset);
  const found: Segment[] = [];
  for (const segment of partition.segments.slice(0, -1)) {
    const latestMs = (await partition.latestTime(segment)) ?? 0;
    if (endOf(partition, segment) > limit || latestMs > nowMs - partition.settings.minCompactionLagMs) break;
    found.push(segment);
  }
  return found;
}

function endOf(partition: Partition, segment: Segment): number {
  return partition.segments[partition.segments.indexOf(segment) + 1]?.baseOffset ?? Infinity;
}

/** Neighbours below `end` that fit into one segment together. */
function groupsOf(segments: readonly Segment[], end: number, partition: Partition): Segment[][] {
  const groups: Segment[][] = [];
  let bytes = 0;
  for (const segment of segments) {
    if (endOf(partition, segment) > end) break;
    const group = groups.at(-1);
    const fits =
      group !== undefined &&
      bytes + segment.sizeBytes <= partition.settings.segmentBytes &&
      endOf(partition, segment) - group[0]!.baseOffset < 2 ** 31;
    if (fits) group.push(segment);
    else groups.push([segment]);
    bytes = (fits ? bytes : 0) + segment.sizeBytes;
  }
  return groups;
}

class Cleaner {
  private readonly files: Files;
  private readonly partition: Partition;
  private readonly firstDirty: number;
  private readonly nowMs: number;
  /** Last offset of each key in the dirty part; keys as latin1 strings of their bytes. */
  private readonly latest = new Map<string, number>();
  private aborted: AbortedEntry[] = [];
  /** Producers whose running transaction has records that stay. */
  private readonly withRecords = new Set<number>();

  constructor(files: Files, partition: Partition, firstDirty: number, nowMs: number) {
    this.files = files;
    this.partition = partition;
    this.firstDirty = firstDirty;
    this.nowMs = nowMs;
  }

  /** Notes the keys of whole segments while there is room; returns the offset where it stopped. */
  async readKeys(dirty: readonly Segment[]): Promise<number> {
    const last = endOf(this.partition, dirty.at(-1)!);
    this.aborted = await this.partition.abortedBetween(this.partition.logStartOffset, last);
    const cursor = new RecordCursor();
    for (const segment of dirty) {
      await forEachBatchOf(segment, (scanner) => {
        const { header, buffer } = scanner;
        if (header.isControl || this.isAborted(scanner)) return;
        cursor.open(buffer, header.position, header);
        while (cursor.next()) {
          const key = keyOf(cursor);
          if (key !== undefined) this.latest.set(key, cursor.offset);
        }
      });
      if (this.latest.size >= greatestKeyCount) return endOf(this.partition, segment);
    }
    return last;
  }

  /** Writes one group of segments again as one, and puts it in their place. */
  async clean(group: readonly Segment[]): Promise<void> {
    const { directory } = this.partition;
    const { baseOffset } = group[0]!;
    const path = join(directory, `${offsetName(baseOffset)}.log`);
    const segment = new Segment(this.files, directory, baseOffset, true);
    const file = await this.files.open(`${path}.cleaned`, 'create');
    try {
      await file.truncate(0);
      await this.writeGroup(group, segment, file);
      await file.sync();
    } catch (error) {
      await file.close();
      await this.files.remove(`${path}.cleaned`);
      throw error;
    }
    await this.files.rename(`${path}.cleaned`, `${path}.swap`);
    await this.files.syncDirectory(directory);
    segment.adopt(file);
    this.partition.replaceSegments(group, segment);
    for (const [index, old] of group.entries()) await old.remove({ keepLog: index === 0 });
    await this.files.syncDirectory(directory);
    await this.files.rename(`${path}.swap`, path);
    await this.files.syncDirectory(directory);
    await segment.createIndexes();
  }

  private async writeGroup(group: readonly Segment[], target: Segment, file: OpenFile): Promise<void> {
    let pending: Buffer[] = [];
    let pendingBytes = 0;
    const write = async () => {
      await file.write(pending, target.sizeBytes - pendingBytes);
      pending = [];
      pendingBytes = 0;
    };
    const add = (batch: Buffer) => {
      const header = readBatchHeader(batch);
      target.place(header, header.baseOffset, this.partition.settings.indexIntervalBytes);
      pending.push(batch);
      pendingBytes += batch.length;
    };
    let held: Buffer | undefined;
    for (const segment of group) {
      const scanner = new BatchScanner(await segment.open(), 0, segment.sizeBytes);
      while (await hasNext(scanner, segment)) {
        // Whether the batch before was the last of the group is known only now: if so, it stays although it is empty.
        const kept = this.filter(scanner);
        held = kept === undefined ? emptyBatch(scanner.buffer, scanner.header) : undefined;
        if (kept !== undefined) add(Buffer.from(kept));
        if (pendingBytes >= writeBytes) await write();
      }
    }
    if (held !== undefined) add(held);
    await write();
  }

  /** What is to stay of a batch; undefined for nothing. */
  private filter(scanner: BatchScanner): Buffer | undefined {
    const { header, buffer } = scanner;
    if (header.isControl) {
      const isNeeded = this.withRecords.delete(header.producerId);
      return isNeeded ? buffer.subarray(header.position, header.position + header.sizeBytes) : undefined;
    }
    if (header.recordCount === 0 || this.isAborted(scanner)) return undefined;
    const kept = filterBatch(buffer, header, (record) => this.isKept(record));
    if (kept !== undefined && header.isTransactional) this.withRecords.add(header.producerId);
    return kept;
  }

  private isKept(record: RecordCursor): boolean {
    const key = keyOf(record);
    if (key === undefined) return true;
    const latest = this.latest.get(key);
    if (latest !== undefined && record.offset < latest) return false;
    if (record.valueStart >= 0 || record.offset >= this.firstDirty) return true;
    return record.timestampMs >= this.nowMs - this.partition.settings.deleteRetentionMs;
  }

  private isAborted({ header }: BatchScanner): boolean {
    return (
      header.isTransactional &&
      this.aborted.some(
        (entry) =>
          entry.producerId === header.producerId &&
          header.baseOffset >= entry.firstOffset &&
          header.baseOffset < entry.lastOffset,
      )
    );
  }
}

/** Undefined for a record without key: topics that were not compacted before may have such; they stay. */
function keyOf(record: RecordCursor): string | undefined {
  return record.keyStart < 0 ? undefined : record.buffer.toString('latin1', record.keyStart, record.keyEnd);
}

async function hasNext(scanner: BatchScanner, segment: Segment): Promise<boolean> {
  const found = await scanner.next();
  if (found === 'damaged' || (found === 'batch' && !scanner.isIntact())) {
    throw new TailraceError(
      'TLR_CORRUPT',
      `${segment.path}: damage at byte ${scanner.filePosition}; it is not compacted`,
    );
  }
  return found === 'batch';
}

async function forEachBatchOf(segment: Segment, visit: (scanner: BatchScanner) => void): Promise<void> {
  const scanner = new BatchScanner(await segment.open(), 0, segment.sizeBytes);
  while (await hasNext(scanner, segment)) visit(scanner);
}

/** Finishes or undoes what a crash interrupted: `.cleaned` files go, `.swap` files take the place of the segments they were made of. */
export async function completeSwaps(files: Files, directory: string): Promise<void> {
  const names = await files.list(directory);
  for (const name of names) if (name.endsWith('.cleaned')) await files.remove(join(directory, name));
  for (const name of names) {
    const baseOffset = offsetOfName(name, '.log.swap');
    if (baseOffset === undefined) continue;
    const lastOffset = await lastOffsetOf(files, join(directory, name));
    for (const other of names) {
      const offset = Number(other.slice(0, 20));
      const isReplaced =
        /^\d{20}\.(log|index|timeindex|txnindex)$/.test(other) && offset >= baseOffset && offset <= lastOffset;
      if (isReplaced && other !== `${offsetName(baseOffset)}.log`) await files.remove(join(directory, other));
    }
    await files.syncDirectory(directory);
    await files.rename(join(directory, name), join(directory, `${offsetName(baseOffset)}.log`));
    await files.syncDirectory(directory);
  }
}

/** The last offset in a file that was synced before it got its name. */
async function lastOffsetOf(files: Files, path: string): Promise<number> {
  const file = await files.open(path, 'read');
  try {
    const scanner = new BatchScanner(file, 0, await file.size());
    let lastOffset = -1;
    while ((await scanner.next()) === 'batch') lastOffset = scanner.header.lastOffset;
    return lastOffset;
  } finally {
    await file.close();
  }
}
