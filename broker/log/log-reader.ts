// Reading a partition: by offset for fetches and by time for look-ups. Caught-up readers get the very buffers that were appended (tail.ts); others one
// asynchronous read of a segment, which is made ahead of them when they read on (read-ahead.ts).
// Promise: whole batches, nothing at or above the limit it is given, at least one batch when there is one below.
import { TailraceError } from '../../base/errors.ts';
import { giveBatchBuffer } from '../wire/batch-buffers.ts';
import { batchHeaderBytes, batchSizeAt, type BatchHeader, forEachBatch, RecordCursor } from '../wire/record-batch.ts';
import { BatchScanner } from './batch-scanner.ts';
import { type ChunkAhead, type ReadAhead, readChunk } from './read-ahead.ts';
import type { Segment } from './segment.ts';
import type { Tail } from './tail.ts';
import type { AbortedEntry } from './transaction-index.ts';

/** How many readers' places are remembered, so that one that reads on needs no index. */
const rememberedPlaces = 64;
/** Closed segments whose indexes stay in memory. */
const loadedSegments = 4;

/** Whoever is given records is a holder of each buffer (batch-buffers.ts). */
export interface Slice {
  records: readonly Buffer[];
  sizeBytes: number;
  /** Where the next read goes on. */
  nextOffset: number;
}

/** A record by offset and time. */
export interface TimedOffset {
  offset: number;
  timestampMs: number;
}

interface Place {
  segment: Segment;
  position: number;
  /** What stands there, for a reader that reads on. */
  ahead?: ChunkAhead | undefined;
}

/** A slice of a segment, and where it ends. */
interface SegmentSlice extends Slice {
  reachedLimit: boolean;
  endPosition: number;
}

export class LogReader {
  private readonly segments: () => readonly Segment[];
  private readonly tail: Tail;
  private readonly readAhead: ReadAhead;
  /** Makes the indexes of a segment again, when they are missing or wrong. */
  private readonly rebuild: (segment: Segment) => Promise<void>;
  private readonly places = new Map<number, Place>();
  private recent: Segment[] = [];

  constructor(
    segments: () => readonly Segment[],
    tail: Tail,
    readAhead: ReadAhead,
    rebuild: (segment: Segment) => Promise<void>,
  ) {
    this.segments = segments;
    this.tail = tail;
    this.readAhead = readAhead;
    this.rebuild = rebuild;
  }

  /** Forgets where readers were: the files have changed. */
  forget(): void {
    for (const { ahead } of this.places.values()) if (ahead !== undefined) this.readAhead.drop(ahead);
    this.places.clear();
    this.recent = [];
  }

  /** Reads from the batch that holds `offset` (or the next one after it) up to `limit`, about `maxBytes`. */
  async read(offset: number, limit: number, maxBytes: number): Promise<Slice> {
    if (offset >= limit) return { records: [], sizeBytes: 0, nextOffset: offset };
    if (this.tail.holds(offset)) return this.tail.read(offset, limit, maxBytes);
    const known = this.leave(offset);
    let place: Place | undefined = known ?? (await this.find(offset));
    while (place !== undefined) {
      const slice = await this.readAt(place, offset, limit, maxBytes);
      if (slice.sizeBytes > 0) this.remember(place.segment, slice, known === undefined ? 0 : maxBytes);
      if (slice.sizeBytes > 0 || slice.reachedLimit) return slice;
      // Nothing at or after the offset in this segment: compaction has left a hole at its end.
      const next: Segment | undefined = this.segments().find(
        (segment) => segment.baseOffset > place!.segment.baseOffset,
      );
      place = next === undefined ? undefined : { segment: next, position: 0 };
    }
    return { records: [], sizeBytes: 0, nextOffset: limit };
  }

  /** Aborted transactions that overlap [from, to). */
  async abortedBetween(from: number, to: number): Promise<AbortedEntry[]> {
    const found: AbortedEntry[] = [];
    const segments = this.segments();
    for (let index = this.indexOf(from); index < segments.length; index++) {
      await this.load(segments[index]!);
      if (segments[index]!.transactionIndex.collect(from, to, found)) break;
    }
    return found;
  }

  /** The first record of [start, limit) that is dated at or after `timestampMs`. */
  async findTime(timestampMs: number, start: number, limit: number): Promise<TimedOffset | undefined> {
    for (const segment of [...this.segments()]) {
      if (segment.baseOffset >= limit) break;
      await this.load(segment);
      const latest = segment.latest;
      if (latest === undefined || latest.timestampMs < timestampMs) continue;
      const entry = segment.timeIndex.lookup(timestampMs);
      const position = entry === undefined ? 0 : segment.offsetIndex.lookup(entry.offset);
      const found = await scanTimes(segment, position, limit, (header, buffer) => {
        return header.maxTimestampMs < timestampMs ? undefined : firstAt(buffer, header, timestampMs, start, limit);
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The greatest timestamp of a record in [start, limit) and the first record that has it. */
  async findLatest(start: number, limit: number): Promise<TimedOffset | undefined> {
    let latest: TimedOffset | undefined;
    for (const segment of [...this.segments()]) {
      if (segment.baseOffset >= limit) break;
      await this.load(segment);
      if (latest !== undefined && (segment.latest?.timestampMs ?? -1) <= latest.timestampMs) continue;
      // Markers are dated too, and what is not visible yet counts in `latest`: so the headers decide.
      await scanTimes(segment, 0, limit, (header, buffer) => {
        if (header.lastOffset >= start && header.maxTimestampMs > (latest?.timestampMs ?? -1)) {
          latest = firstAt(buffer, header, header.maxTimestampMs, start, limit) ?? latest;
        }
        return undefined;
      });
    }
    return latest;
  }

  /** Makes the segment's indexes be in memory; those of the segment least recently used leave it. */
  async load(segment: Segment): Promise<void> {
    if (!(await segment.loadIndexes())) await this.rebuild(segment);
    if (segment === this.segments().at(-1)) return;
    this.recent = [segment, ...this.recent.filter((other) => other !== segment)];
    if (this.recent.length > loadedSegments) this.recent.pop()!.unloadIndexes();
  }

  private indexOf(offset: number): number {
    const segments = this.segments();
    let low = 0;
    let high = segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (segments[middle]!.baseOffset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private async find(offset: number): Promise<Place> {
    const segment = this.segments()[this.indexOf(offset)]!;
    await this.load(segment);
    return { segment, position: segment.offsetIndex.lookup(offset) };
  }

  private async readAt(
    { segment, position, ahead }: Place,
    offset: number,
    limit: number,
    maxBytes: number,
  ): Promise<SegmentSlice> {
    const end = segment.durableBytes;
    const read = async (from: number, neededBytes: number) =>
      (await readChunk(segment, from, Math.min(end - from, Math.max(neededBytes, maxBytes, minimalReadBytes)))) ??
      fail(damaged(segment, from));
    let chunk = (ahead && (await this.readAhead.take(ahead))) ?? (await read(position, 0));
    let from = position;
    let at = 0;
    // Pass over the batches before the one that holds the offset: the index is sparse.
    for (;;) {
      const size = batchSizeAt(chunk, at);
      const needed = size === undefined || at + batchHeaderBytes > chunk.length ? batchHeaderBytes : size;
      if (from + at >= end) {
        giveBatchBuffer(chunk);
        return { records: [], sizeBytes: 0, nextOffset: offset, reachedLimit: false, endPosition: end };
      }
      if (at + needed > chunk.length) {
        if (needed < batchHeaderBytes || from + at + needed > end) throw damaged(segment, from + at);
        from += at;
        at = 0;
        giveBatchBuffer(chunk);
        chunk = await read(from, needed);
        continue;
      }
      const lastOffset = Number(chunk.readBigInt64BE(at)) + chunk.readInt32BE(at + 23);
      if (lastOffset >= offset) break;
      at += needed;
    }
    return sliceOf(chunk.subarray(at), from + at, { offset, limit, maxBytes });
  }

  /** The place of a reader that has come to `offset`: it is not there any more. */
  private leave(offset: number): Place | undefined {
    const place = this.places.get(offset);
    this.places.delete(offset);
    if (place?.segment.removed !== true) return place;
    if (place.ahead !== undefined) this.readAhead.drop(place.ahead);
    return undefined;
  }

  /** Where the reader of this slice will come to; if it reads on, up to `aheadBytes` are read already. */
  private remember(
    segment: Segment,
    { nextOffset, endPosition, reachedLimit }: SegmentSlice,
    aheadBytes: number,
  ): void {
    if (this.places.has(nextOffset)) return;
    const leftBytes = Math.min(segment.durableBytes - endPosition, aheadBytes);
    const isAhead = leftBytes >= minimalReadBytes && !reachedLimit && !this.tail.holds(nextOffset);
    const ahead = isAhead ? this.readAhead.begin(segment, endPosition, leftBytes) : undefined;
    this.places.set(nextOffset, { segment, position: endPosition, ahead });
    if (this.places.size <= rememberedPlaces) return;
    const [oldest] = this.places.keys();
    const dropped = this.leave(oldest!)?.ahead;
    if (dropped !== undefined) this.readAhead.drop(dropped);
  }
}

/** The whole batches at the start of `bytes`, which stand at `position`: below the limit, and no more than asked for unless it is the first one. */
function sliceOf(
  bytes: Buffer,
  position: number,
  { offset, limit, maxBytes }: { offset: number; limit: number; maxBytes: number },
): SegmentSlice {
  let sizeBytes = 0;
  let nextOffset = offset;
  let reachedLimit = false;
  forEachBatch(bytes, (header) => {
    reachedLimit = header.lastOffset >= limit;
    if (reachedLimit || (sizeBytes > 0 && sizeBytes + header.sizeBytes > maxBytes)) return false;
    sizeBytes += header.sizeBytes;
    nextOffset = header.lastOffset + 1;
    return true;
  });
  if (sizeBytes === 0) giveBatchBuffer(bytes);
  const records = sizeBytes === 0 ? [] : [bytes.subarray(0, sizeBytes)];
  return { records, sizeBytes, nextOffset, reachedLimit, endPosition: position + sizeBytes };
}

const minimalReadBytes = 16 * 1024;

function fail(error: Error): never {
  throw error;
}

function damaged(segment: Segment, position: number): TailraceError {
  return new TailraceError('TLR_CORRUPT', `${segment.path}: no whole batch at byte ${position}`);
}

/** Shows the data batches below `limit` from `position` on to `visit` until it finds something. */
async function scanTimes(
  segment: Segment,
  position: number,
  limit: number,
  visit: (header: BatchHeader, buffer: Buffer) => TimedOffset | undefined,
): Promise<TimedOffset | undefined> {
  const scanner = new BatchScanner(await segment.open(), position, segment.durableBytes);
  for (let found = await scanner.next(); found !== 'end'; found = await scanner.next()) {
    if (found === 'damaged') throw damaged(segment, scanner.filePosition);
    if (scanner.header.baseOffset >= limit) return undefined;
    const result = scanner.header.isControl ? undefined : visit(scanner.header, scanner.buffer);
    if (result !== undefined) return result;
  }
  return undefined;
}

/** The first record of a batch that is dated at or after the time and lies in [start, limit). */
function firstAt(
  buffer: Buffer,
  header: BatchHeader,
  timestampMs: number,
  start: number,
  limit: number,
): TimedOffset | undefined {
  const cursor = new RecordCursor(buffer, header.position, header);
  while (cursor.next()) {
    if (cursor.timestampMs >= timestampMs && cursor.offset >= start && cursor.offset < limit) {
      return { offset: cursor.offset, timestampMs: cursor.timestampMs };
    }
  }
  return undefined;
}
