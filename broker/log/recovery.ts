// Opening a partition's files after any end of the process: what is there, what of it is whole, and the producer state that follows from it.
//
// Below the recovery point everything was once synced; above it a crash may have left anything: lost, torn or zeroed writes in any
// combination. So above it the first batch that is not whole, or not where it is expected, ends the log: it and all behind it is cut and reported.
// Below it damage means that the disk lost what it promised to keep: TLR_CORRUPT, nothing is touched, the caller takes the partition offline.
// What is kept above the recovery point is synced before anyone sees it, for a killed process leaves data that only the page cache has.
// After a clean shutdown nothing is read but the last segment's indexes, its last batches and the producer snapshot.
import { join } from 'node:path';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { readControlRecord } from '../wire/control-batch.ts';
import { type BatchHeader, RecordCursor } from '../wire/record-batch.ts';
import { BatchScanner } from './batch-scanner.ts';
import { completeSwaps } from './compaction.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { loadSnapshot, pruneSnapshots } from './producer-snapshot.ts';
import type { ProducerState } from './producer-state.ts';
import { offsetOfName, Segment } from './segment.ts';
import type { AbortedEntry } from './transaction-index.ts';

export interface RecoveryInput {
  files: Files;
  directory: string;
  /** "topic app, partition 3" */
  where: string;
  logStartOffset: number;
  /** Undefined when no checkpoint names the partition. */
  recoveryPoint: number | undefined;
  /** The clean-shutdown marker was there: the recovery point is the end of the log. */
  clean: boolean;
  indexIntervalBytes: number;
  /** Compaction leaves holes between offsets. */
  mayHaveHoles: boolean;
  epochs: LeaderEpochs;
}

export interface RecoveredLog {
  segments: Segment[];
  logEndOffset: number;
  producers: ProducerState;
  cut: { fromOffset: number; cutBytes: number; reason: string } | undefined;
}

const indexEndings = ['.index', '.timeindex', '.txnindex'];

/** Throws TailraceError TLR_CORRUPT when what was durable is damaged. */
export async function recoverPartition(input: RecoveryInput): Promise<RecoveredLog> {
  await completeSwaps(input.files, input.directory);
  const segments = await findSegments(input);
  if (segments.length === 0) return startEmpty(input);
  if (input.clean && input.recoveryPoint !== undefined && (await segments.at(-1)!.loadIndexes())) {
    const active = segments.at(-1)!;
    active.restore(active.sizeBytes);
    const snapshot = await loadSnapshot(input.files, input.directory, input.recoveryPoint);
    if (snapshot.offset === input.recoveryPoint && (await endOf(active)) === input.recoveryPoint) {
      return { segments, logEndOffset: input.recoveryPoint, producers: snapshot.state, cut: undefined };
    }
  }
  return new Recovery(input, segments).run();
}

/** The offset behind the last batch of a segment whose indexes are loaded; undefined when its file does not end with one. */
async function endOf(segment: Segment): Promise<number | undefined> {
  const { sizeBytes, offsetIndex } = segment;
  const scanner = new BatchScanner(await segment.open(), Math.max(0, offsetIndex.lastPosition), sizeBytes);
  let end = segment.baseOffset;
  try {
    for (;;) {
      const found = await scanner.next();
      if (found !== 'batch') return found === 'end' ? end : undefined;
      end = scanner.header.lastOffset + 1;
    }
  } finally {
    // There may be thousands of partitions.
    await segment.close();
  }
}

/** The segments in order, with their sizes; leftovers of removals are cleared away. */
async function findSegments({ files, directory, logStartOffset }: RecoveryInput): Promise<Segment[]> {
  const names = await files.list(directory);
  const offsets = names.map((name) => offsetOfName(name, '.log')).filter((offset) => offset !== undefined);
  const firstKept = Math.max(
    0,
    offsets.findLastIndex((offset) => offset <= logStartOffset),
  );
  const kept = new Set(offsets.slice(firstKept));
  const segments: Segment[] = [];
  for (const name of names) {
    const baseOffset = ['.log', ...indexEndings]
      .map((ending) => offsetOfName(name, ending))
      .find((at) => at !== undefined);
    const isLeftover = name.endsWith('.tmp') || (baseOffset !== undefined && !kept.has(baseOffset));
    if (isLeftover) await files.remove(join(directory, name));
  }
  for (const baseOffset of kept) {
    const segment = new Segment(files, directory, baseOffset, false);
    segment.setSize((await files.stat(segment.path))?.sizeBytes ?? 0);
    segments.push(segment);
  }
  return segments;
}

async function startEmpty(input: RecoveryInput): Promise<RecoveredLog> {
  const { files, directory, logStartOffset, recoveryPoint } = input;
  if (recoveryPoint !== undefined && recoveryPoint > logStartOffset) {
    throw corrupt(input, `records from ${logStartOffset} to ${recoveryPoint} were on disk, but there is no log file`);
  }
  const segment = new Segment(files, directory, logStartOffset, true);
  await segment.create();
  return {
    segments: [segment],
    logEndOffset: logStartOffset,
    producers: (await loadSnapshot(files, directory, -1)).state,
    cut: undefined,
  };
}

function corrupt(input: RecoveryInput, what: string): TailraceError {
  return new TailraceError('TLR_CORRUPT', `${input.where} in ${input.directory}: ${what}`);
}

class Recovery {
  private readonly input: RecoveryInput;
  private readonly segments: Segment[];
  private readonly recoveryPoint: number;
  private readonly cursor = new RecordCursor();
  private producers!: ProducerState;
  private snapshotOffset = 0;
  private nextOffset: number | undefined;
  private cut: RecoveredLog['cut'];
  private readonly fileBytes: number[];

  constructor(input: RecoveryInput, segments: Segment[]) {
    this.input = input;
    this.segments = segments;
    this.fileBytes = segments.map((segment) => segment.sizeBytes);
    this.recoveryPoint = Math.max(input.recoveryPoint ?? 0, segments[0]!.baseOffset);
  }

  async run(): Promise<RecoveredLog> {
    const { files, directory } = this.input;
    const from = await this.loadState();
    const first = this.segmentIndexOf(from);
    for (let index = first; index < this.segments.length && this.cut === undefined; index++) {
      const segment = this.segments[index]!;
      if (this.nextOffset !== undefined && !this.mayFollow(segment.baseOffset)) {
        this.damaged(0, index, `the next segment begins at ${segment.baseOffset}`);
        await this.removeFrom(index);
      } else if (await this.scanSegment(index, Math.max(from, segment.baseOffset))) {
        await this.removeFrom(index + 1);
      }
    }
    const logEndOffset = this.nextOffset ?? this.segments.at(-1)!.baseOffset;
    if (logEndOffset < this.recoveryPoint) {
      throw corrupt(this.input, `the log ends at ${logEndOffset}, but was on disk up to ${this.recoveryPoint}`);
    }
    await pruneSnapshots(files, directory, (offset) => offset <= logEndOffset);
    this.input.epochs.truncateToEnd(logEndOffset);
    this.producers.advance(logEndOffset);
    return { segments: this.segments, logEndOffset, producers: this.producers, cut: this.cut };
  }

  /** Loads the snapshot to begin with, so early that every index that must be made again can be; returns where to scan from. */
  private async loadState(): Promise<number> {
    const { files, directory } = this.input;
    let snapshot = await loadSnapshot(files, directory, this.recoveryPoint);
    for (const segment of this.segments.slice(this.segmentIndexOf(snapshot.offset))) {
      if (segment.baseOffset >= snapshot.offset || (await segment.loadIndexes())) continue;
      snapshot = await loadSnapshot(files, directory, segment.baseOffset);
      break;
    }
    this.producers = snapshot.state;
    this.snapshotOffset = snapshot.offset;
    return Math.max(snapshot.offset, this.segments[0]!.baseOffset);
  }

  private segmentIndexOf(offset: number): number {
    return Math.max(
      0,
      this.segments.findLastIndex((segment) => segment.baseOffset <= offset),
    );
  }

  /** Scans one segment from the batch that holds `from`, bringing its indexes up to date. True when its end was cut. */
  private async scanSegment(index: number, from: number): Promise<boolean> {
    const segment = this.segments[index]!;
    const sizeBytes = segment.sizeBytes;
    const sound = await segment.loadIndexes();
    const next = this.segments[index + 1];
    const isKept = sound && next !== undefined && next.baseOffset <= this.recoveryPoint;
    // Entries of what was synced are kept, all others are made again.
    if (!sound) segment.clear();
    else if (!isKept) segment.truncateIndexes(this.recoveryPoint);
    const position = segment.offsetIndex.lookup(Math.min(from, this.recoveryPoint));
    if (!isKept) segment.restore(position);
    if (position > 0) this.nextOffset = undefined;
    else this.nextOffset ??= segment.baseOffset;
    const file = await segment.open();
    const scanner = new BatchScanner(file, position, sizeBytes);
    for (let found = await scanner.next(); found !== 'end'; found = await scanner.next()) {
      const problem = found === 'damaged' ? scanner.damage : this.problemOf(scanner);
      if (problem !== undefined) {
        this.damaged(scanner.filePosition, index, problem);
        await file.truncate(scanner.filePosition);
        segment.sizeBytes = scanner.filePosition;
        break;
      }
      this.takeIn(segment, scanner, isKept ? 'kept' : sound ? 'continued' : 'rebuilt');
    }
    if (isKept) segment.restore(sizeBytes);
    else await file.sync();
    segment.durableBytes = segment.sizeBytes;
    return this.cut !== undefined;
  }

  private problemOf(scanner: BatchScanner): string | undefined {
    if (!scanner.isIntact()) return 'the checksum of a batch does not match';
    const { baseOffset } = scanner.header;
    if (this.nextOffset !== undefined && !this.mayFollow(baseOffset)) {
      return `a batch of offset ${baseOffset} where ${this.nextOffset} was expected`;
    }
    return undefined;
  }

  private mayFollow(offset: number): boolean {
    if (offset === this.nextOffset) return true;
    return offset > this.nextOffset! && (this.input.mayHaveHoles || offset <= this.recoveryPoint);
  }

  private takeIn(segment: Segment, scanner: BatchScanner, indexes: 'kept' | 'continued' | 'rebuilt'): void {
    const { header } = scanner;
    const known = indexes === 'kept' || (indexes === 'continued' && header.baseOffset < this.recoveryPoint);
    if (!known) segment.place(header, header.baseOffset, this.input.indexIntervalBytes);
    else if (indexes === 'continued') segment.pass(header);
    if (header.producerId >= 0 && header.baseOffset >= this.snapshotOffset) {
      const aborted = replayBatch(this.producers, this.cursor, scanner);
      if (aborted !== undefined && !known) segment.transactionIndex.append(aborted);
    }
    if (header.baseOffset >= this.recoveryPoint)
      this.input.epochs.assign(header.partitionLeaderEpoch, header.baseOffset);
    this.nextOffset = header.lastOffset + 1;
  }

  /** Notes a cut at `position` of a segment, or throws when what is there was durable. */
  private damaged(position: number, index: number, reason: string): void {
    const fromOffset = this.nextOffset;
    if (fromOffset === undefined || fromOffset < this.recoveryPoint) {
      const { path } = this.segments[index]!;
      throw corrupt(this.input, `${reason} at byte ${position} of ${path}, where everything was on disk once`);
    }
    const later = this.segments.slice(index + 1).reduce((sum, segment) => sum + segment.sizeBytes, 0);
    // While a segment is scanned, its sizeBytes counts only what was found whole.
    this.cut = { fromOffset, cutBytes: this.fileBytes[index]! - position + later, reason };
  }

  private async removeFrom(index: number): Promise<void> {
    const removed = this.segments.splice(index);
    for (const segment of removed) await segment.remove();
    if (removed.length > 0) await this.input.files.syncDirectory(this.input.directory);
  }
}

/** Takes a batch of the log into the producer state. Returns the transaction that it aborted, if it did. */
export function replayBatch(
  producers: ProducerState,
  cursor: RecordCursor,
  { buffer, header }: { buffer: Buffer; header: BatchHeader },
): AbortedEntry | undefined {
  if (!header.isControl) {
    // A batch that Kafka's compaction has emptied belongs to no transaction any more: its marker may be gone.
    const isTransactional = header.isTransactional && header.recordCount > 0;
    producers.append({ ...header, isTransactional }, header.baseOffset, header.lastOffset);
    return undefined;
  }
  cursor.open(buffer, header.position, header);
  const marker = cursor.next() ? readControlRecord(cursor) : undefined;
  if (marker === undefined) return undefined;
  const { producerId, producerEpoch } = header;
  return producers.appendMarker({ ...marker, producerId, producerEpoch }, header.baseOffset, header.maxTimestampMs);
}
