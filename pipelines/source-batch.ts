// Fetched records as sinks take them. Without steps no object is made for a record: one delivery moves over the fetched bytes, and the sink copies the
// slices it is shown. Counts come from the batch headers.
import type { FetchedBatches } from '../broker/client/contract.ts';
import { unframeLines } from '../broker/wire/line-kernel.ts';
import { type BatchHeader, readBatchHeader, RecordCursor } from '../broker/wire/record-batch.ts';
import type { Coordinates, Delivery, DeliveryBatch, DeliveryBlock } from '../sinks/sink.ts';
import { RecordEvent } from './event.ts';

export interface RecordHeader {
  key: string;
  value: Buffer | null;
}

/** A delivery that also knows what a topic keeps beside the value; topics and dead letters need it. */
export interface SourceDelivery extends Delivery {
  headers(): RecordHeader[];
  /** The value as it was read, whatever the steps made of it. */
  source(): Buffer;
}

export interface SourceBatch extends DeliveryBatch {
  forEach(visit: (delivery: SourceDelivery) => unknown, from?: number): void;
}

/** Reads the `count` headers of a record that begin at `position` (format: broker/wire/record-batch.ts). The values are copies. */
export function headersAt(buffer: Buffer, position: number, count: number): RecordHeader[] {
  const headers: RecordHeader[] = [];
  let at = position;
  const length = () => {
    let raw = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[at++]!;
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
  };
  for (let index = 0; index < count; index++) {
    const keyBytes = length();
    const key = buffer.toString('utf8', at, (at += keyBytes));
    const valueBytes = length();
    headers.push({ key, value: valueBytes < 0 ? null : Buffer.from(buffer.subarray(at, (at += valueBytes))) });
  }
  return headers;
}

class CursorDelivery implements SourceDelivery {
  offset = -1;
  readonly ordinal = 0;
  timestampMs = -1;
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  readonly untouched = true;
  private readonly cursor: RecordCursor;
  private readonly coordinates: Coordinates;
  private event: RecordEvent | undefined;
  private eventOffset = -1;

  constructor(cursor: RecordCursor, coordinates: Coordinates) {
    this.cursor = cursor;
    this.coordinates = coordinates;
  }

  field(path: string): unknown {
    this.event ??= new RecordEvent(this.cursor, undefined);
    if (this.eventOffset !== this.offset) this.event.reset(this.coordinates);
    this.eventOffset = this.offset;
    return this.event.get(path);
  }

  key(): Buffer | null {
    return this.cursor.key();
  }

  headers(): RecordHeader[] {
    return headersAt(this.cursor.buffer, this.cursor.headersStart, this.cursor.headerCount);
  }

  source(): Buffer {
    return this.buffer.subarray(this.start, this.end);
  }
}

/** The batches of a fetch that hold records to be read, with their headers. */
function batchesOf(fetched: FetchedBatches, endOffset: number): { batch: Buffer; header: BatchHeader }[] {
  return fetched.batches
    .map((batch) => ({ batch, header: readBatchHeader(batch) }))
    .filter(
      ({ header }) => !header.isControl && header.lastOffset >= fetched.fromOffset && header.baseOffset < endOffset,
    );
}

/** Moves `cursor` over the records of a fetch from its fromOffset on and below `endOffset`, the first `skip` of them left out, until `visit` returns false. */
export function forEachRecord(
  fetched: FetchedBatches,
  endOffset: number,
  cursor: RecordCursor,
  visit: () => unknown,
  skip = 0,
): void {
  const { fromOffset } = fetched;
  let toSkip = skip;
  for (const { batch, header } of batchesOf(fetched, endOffset)) {
    const isWhole = header.baseOffset >= fromOffset && header.lastOffset < endOffset;
    if (isWhole && header.recordCount <= toSkip) {
      toSkip -= header.recordCount;
      continue;
    }
    cursor.open(batch, 0, header);
    while (cursor.next()) {
      if (cursor.offset < fromOffset || cursor.offset >= endOffset || toSkip-- > 0) continue;
      if (visit() === false) return;
    }
  }
}

/** The records of a batch as a block; undefined when they have to be looked at one by one. */
function blockOf(batch: Buffer, header: BatchHeader): DeliveryBlock | undefined {
  const first = new RecordCursor(batch, 0, header);
  const unframed = unframeLines(first.buffer, first.recordsStart, first.recordsEnd, header.recordCount);
  if (unframed === undefined || !first.next()) return undefined;
  const { baseTimestampMs, maxTimestampMs, isLogAppendTime } = header;
  return {
    lines: unframed.lines,
    count: header.recordCount,
    firstOffset: first.offset,
    earliestMs: isLogAppendTime ? maxTimestampMs : baseTimestampMs + unframed.earliestDelta,
    latestMs: isLogAppendTime ? maxTimestampMs : baseTimestampMs + unframed.latestDelta,
  };
}

/** What was fetched, as it is. `endOffset`: records from there on are left out. */
export class PassThroughBatch implements SourceBatch {
  readonly coordinates: Coordinates;
  readonly count: number;
  readonly sizeBytes: number;
  private readonly fetched: FetchedBatches;
  private readonly endOffset: number;

  constructor(fetched: FetchedBatches, endOffset = Infinity) {
    this.fetched = fetched;
    this.endOffset = endOffset;
    const { topic, topicId, partition } = fetched;
    this.coordinates = { topic, topicId, partition };
    let count = 0;
    let sizeBytes = 0;
    for (const { batch, header } of batchesOf(fetched, endOffset)) {
      sizeBytes += batch.length;
      if (header.baseOffset >= fetched.fromOffset && header.lastOffset < endOffset) count += header.recordCount;
      else {
        const cursor = new RecordCursor(batch, 0, header);
        while (cursor.next()) if (cursor.offset >= fetched.fromOffset && cursor.offset < endOffset) count++;
      }
    }
    this.count = count;
    this.sizeBytes = sizeBytes;
  }

  forEach(visit: (delivery: SourceDelivery) => unknown, from = 0): void {
    const { cursor, show } = this.showing(visit);
    forEachRecord(this.fetched, this.endOffset, cursor, show, from);
  }

  forEachBlock(take: (block: DeliveryBlock) => boolean, visit: (delivery: SourceDelivery) => unknown): void {
    const { fetched, endOffset } = this;
    const { cursor, show } = this.showing(visit);
    for (const { batch, header } of batchesOf(fetched, endOffset)) {
      if (header.baseOffset >= fetched.fromOffset && header.lastOffset < endOffset) {
        const block = blockOf(batch, header);
        if (block !== undefined && take(block)) continue;
      }
      forEachRecord({ ...fetched, batches: [batch] }, endOffset, cursor, show);
    }
  }

  /** A cursor, and what shows `visit` the record it stands at. */
  private showing(visit: (delivery: SourceDelivery) => unknown) {
    const cursor = new RecordCursor();
    const delivery = new CursorDelivery(cursor, this.coordinates);
    const show = () => {
      delivery.offset = cursor.offset;
      delivery.timestampMs = cursor.timestampMs;
      delivery.buffer = cursor.buffer;
      delivery.start = Math.max(cursor.valueStart, 0);
      delivery.end = Math.max(cursor.valueEnd, 0);
      return visit(delivery);
    };
    return { cursor, show };
  }
}
