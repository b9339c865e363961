// Builds record batches (format: record-batch.ts) in one growing buffer. This is the hottest loop of the product: a line goes straight
// from the read buffer into the batch, without an object, a view or a varint table for it, and the checksum is one native call at the end.
import { giveBatchBuffer, takeBatchBuffer } from './batch-buffers.ts';
import { compress, compressAside, compressionNames, type Compression } from './compression.ts';
import { writeInt64 } from './int64.ts';
import { frameLines } from './line-kernel.ts';
import { attributeBits, batchHeaderBytes, batchOverheadBytes, sealBatch } from './record-batch.ts';
import { unsignedVarintBytes, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** No headers: the count alone. */
export const noHeaders: Buffer = Buffer.from([0]);

/** Lines shorter than this are copied byte by byte, which beats a call. */
const shortCopyBytes = 24;

/** Encodes headers as they stand in a record, count included, for `append` and `appendLine`: once for all lines that share them. */
export function encodeHeaders(headers: readonly { key: string; value: Uint8Array | null }[]): Buffer {
  let sizeBytes = varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key);
    const valueBytes = value === null ? -1 : value.length;
    sizeBytes += varintBytes(keyBytes) + keyBytes + varintBytes(valueBytes) + Math.max(valueBytes, 0);
  }
  const encoded = Buffer.allocUnsafe(sizeBytes);
  let position = writeVarint(encoded, headers.length, 0);
  for (const { key, value } of headers) {
    position = writeVarint(encoded, Buffer.byteLength(key), position);
    position += encoded.write(key, position);
    position = writeVarint(encoded, value === null ? -1 : value.length, position);
    if (value === null) continue;
    encoded.set(value, position);
    position += value.length;
  }
  return encoded;
}

/** What a finished batch carries besides its records. Left out: no producer, not transactional, not compressed, offset 0. */
export interface BatchIdentity {
  producerId?: number;
  producerEpoch?: number;
  baseSequence?: number;
  isTransactional?: boolean;
  isControl?: boolean;
  compression?: Compression;
  baseOffset?: number;
  partitionLeaderEpoch?: number;
}

/** Lines of one file that are appended together. */
export interface LineRun {
  timestampMs: number;
  /** Longer lines are left out. */
  longestBytes: number;
  /** The first bytes of the header that tells the file (line-kernel.ts Framing). */
  reference: Buffer;
  /** Of the first line in the file. */
  position: number;
}

/** What the header says of the records. */
interface BatchContent {
  count: number;
  baseTimestampMs: number;
  maxTimestampMs: number;
}

/** Writes header and checksum of the batch that is `batch`, in front of its records. */
function finishBatch(batch: Buffer, content: BatchContent, identity: BatchIdentity): void {
  const { count, baseTimestampMs, maxTimestampMs } = content;
  const { compression = 'none', producerId = -1, baseSequence = -1 } = identity;
  const attributes =
    compressionNames.indexOf(compression) |
    (identity.isTransactional ? attributeBits.transactional : 0) |
    (identity.isControl ? attributeBits.control : 0);
  writeInt64(batch, identity.baseOffset ?? 0, 0);
  batch.writeInt32BE(batch.length - batchOverheadBytes, 8);
  batch.writeInt32BE(identity.partitionLeaderEpoch ?? -1, 12);
  batch[16] = 2;
  batch.writeInt16BE(attributes, 21);
  batch.writeInt32BE(Math.max(count - 1, 0), 23);
  writeInt64(batch, baseTimestampMs, 27);
  writeInt64(batch, maxTimestampMs, 35);
  writeInt64(batch, producerId, 43);
  batch.writeInt16BE(identity.producerEpoch ?? -1, 51);
  batch.writeInt32BE(baseSequence, 53);
  batch.writeInt32BE(count, 57);
  sealBatch(batch, 0, batch.length);
}

/** A batch whose records are being compressed, or have been, in the thread pool; who sends it and where it stands is told last. */
export class PackedBatch {
  /** Uncompressed. */
  readonly sizeBytes: number;
  private readonly content: BatchContent;
  private readonly compression: Compression;
  private readonly records: Promise<Buffer>;

  /** `filled`: room for the header, then the records; it is given back when they have been compressed. */
  constructor(filled: Buffer, content: BatchContent, compression: Compression) {
    this.sizeBytes = filled.length;
    this.content = content;
    this.compression = compression;
    this.records = compressAside(compression, filled.subarray(batchHeaderBytes)).finally(() => giveBatchBuffer(filled));
    // build() tells, if it is ever called.
    this.records.catch(() => undefined);
  }

  get count(): number {
    return this.content.count;
  }

  pack(): this {
    return this;
  }

  /** The whole batch. The codec is the one it was packed with. */
  async build(identity: BatchIdentity): Promise<Buffer> {
    const records = await this.records;
    const batch = Buffer.allocUnsafe(batchHeaderBytes + records.length);
    records.copy(batch, batchHeaderBytes);
    finishBatch(batch, this.content, { ...identity, compression: this.compression });
    return batch;
  }
}

/** Collects the records of one batch; build() hands the batch out and leaves the builder empty for the next one. */
export class BatchBuilder {
  private buffer: Buffer;
  private position = batchHeaderBytes;
  private records = 0;
  private baseTimestampMs = -1;
  private maxTimestampMs = -1;

  /** `capacityBytes`: how large batches are expected to be; it grows when they are larger. */
  constructor(capacityBytes = 16 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(capacityBytes, batchHeaderBytes + 64));
  }

  /** Records so far. */
  get count(): number {
    return this.records;
  }

  /** Size of the batch so far, uncompressed. */
  get sizeBytes(): number {
    return this.position;
  }

  /** Greatest timestamp so far; -1 when empty. */
  get maxTimestamp(): number {
    return this.maxTimestampMs;
  }

  /**
   * Appends a record: key or null, and as value `source[start, end)`, or null when source is null. `headers` come from encodeHeaders.
   * Nothing is kept of the arguments.
   */
  append(
    timestampMs: number,
    key: Uint8Array | null,
    source: Uint8Array | null,
    start = 0,
    end = source === null ? 0 : source.length,
    headers: Uint8Array = noHeaders,
  ): void {
    const timestampDelta = this.deltaOf(timestampMs);
    const keyBytes = key === null ? -1 : key.length;
    const valueBytes = source === null ? -1 : end - start;
    const bodyBytes =
      1 +
      varlongBytes(timestampDelta) +
      varintBytes(this.records) +
      varintBytes(keyBytes) +
      Math.max(keyBytes, 0) +
      varintBytes(valueBytes) +
      Math.max(valueBytes, 0) +
      headers.length;
    if (this.position + bodyBytes + 5 > this.buffer.length) this.grow(bodyBytes + 5);
    const { buffer } = this;
    let position = writeVarint(buffer, bodyBytes, this.position);
    buffer[position++] = 0;
    position = writeVarlong(buffer, timestampDelta, position);
    position = writeVarint(buffer, this.records++, position);
    position = writeVarint(buffer, keyBytes, position);
    if (key !== null) {
      buffer.set(key, position);
      position += keyBytes;
    }
    position = writeVarint(buffer, valueBytes, position);
    if (source !== null) {
      buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), position);
      position += valueBytes;
    }
    buffer.set(headers, position);
    this.position = position + headers.length;
  }

  /** As append with neither key nor null value, for lines: the fast path. */
  appendLine(timestampMs: number, source: Buffer, start: number, end: number, headers: Uint8Array = noHeaders): void {
    const delta = this.deltaOf(timestampMs);
    if (delta < 0 || delta >= 0x4000_0000) {
      this.append(timestampMs, null, source, start, end, headers);
      return;
    }
    const valueBytes = end - start;
    const headersBytes = headers.length;
    const offsetDelta = this.records++;
    // Zigzag of what is not negative is doubling: no general varints needed here.
    const bodyBytes =
      2 +
      unsignedVarintBytes(delta * 2) +
      unsignedVarintBytes(offsetDelta * 2) +
      unsignedVarintBytes(valueBytes * 2) +
      valueBytes +
      headersBytes;
    if (this.position + bodyBytes + 5 > this.buffer.length) this.grow(bodyBytes + 5);
    const { buffer } = this;
    let position = writeSmall(buffer, bodyBytes * 2, this.position);
    buffer[position++] = 0;
    position = writeSmall(buffer, delta * 2, position);
    position = writeSmall(buffer, offsetDelta * 2, position);
    buffer[position++] = 1; // key length -1
    position = writeSmall(buffer, valueBytes * 2, position);
    if (valueBytes < shortCopyBytes) {
      for (let index = start; index < end; index++) buffer[position++] = source[index]!;
    } else {
      source.copy(buffer, position, start, end);
      position += valueBytes;
    }
    for (let index = 0; index < headersBytes; index++) buffer[position++] = headers[index]!;
    this.position = position;
  }

  /**
   * As appendLine for many lines of a file at once, while they are plain and the batch stays within `limitBytes`; the lines that it leaves go to appendLine.
   * `end`: where it stopped in `source`.
   */
  appendLines(
    source: Buffer,
    start: number,
    end: number,
    run: LineRun,
    limitBytes: number,
  ): { end: number; count: number } {
    const { timestampMs } = run;
    const timestampDelta = this.records === 0 ? 0 : timestampMs - this.baseTimestampMs;
    if (timestampDelta < 0 || timestampDelta >= 0x4000_0000) return { end: start, count: 0 };
    const { longestBytes, reference, position } = run;
    const framed = frameLines(source, start, end, {
      ...{ firstDelta: this.records, timestampDelta, longestBytes, reference, position },
      limitBytes: limitBytes - this.position,
    });
    if (framed.count === 0) return framed;
    this.deltaOf(timestampMs);
    const { length } = framed.records;
    if (this.position + length > this.buffer.length) this.grow(length);
    framed.records.copy(this.buffer, this.position);
    this.position += length;
    this.records += framed.count;
    return framed;
  }

  /**
   * Finishes the batch: header, compression, checksum. The buffer belongs to the caller; the builder is empty again. A batch without
   * records is built too (count 0), as compaction leaves them.
   */
  build(identity: BatchIdentity = {}): Buffer {
    const { compression = 'none' } = identity;
    const batch = compression === 'none' ? this.takeBuffer() : this.compressed(compression);
    finishBatch(batch, this.content, identity);
    this.reset();
    return batch;
  }

  /** Hands the records over to be compressed beside the main thread; the builder is empty again. */
  pack(compression: Compression): PackedBatch {
    const { content } = this;
    const packed = new PackedBatch(this.takeBuffer(), content, compression);
    this.reset();
    return packed;
  }

  private get content(): BatchContent {
    const { records: count, baseTimestampMs, maxTimestampMs } = this;
    return { count, baseTimestampMs, maxTimestampMs };
  }

  /** Forgets all records. */
  reset(): void {
    this.position = batchHeaderBytes;
    this.records = 0;
    this.baseTimestampMs = -1;
    this.maxTimestampMs = -1;
  }

  /** Distance to the first record's time, which the first call sets. */
  private deltaOf(timestampMs: number): number {
    if (this.records === 0) this.baseTimestampMs = timestampMs;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
    return timestampMs - this.baseTimestampMs;
  }

  /** The buffer itself when it is well filled, and a new one for the next batch; else a copy that wastes nothing. */
  private takeBuffer(): Buffer {
    const filled = this.buffer.subarray(0, this.position);
    if (this.position < this.buffer.length / 2) return Buffer.from(filled);
    this.buffer = takeBatchBuffer(this.buffer.length);
    return filled;
  }

  private compressed(compression: Compression): Buffer {
    const records = compress(compression, this.buffer.subarray(batchHeaderBytes, this.position));
    const batch = Buffer.allocUnsafe(batchHeaderBytes + records.length);
    records.copy(batch, batchHeaderBytes);
    return batch;
  }

  private grow(neededBytes: number): void {
    const larger = takeBatchBuffer(Math.max(this.buffer.length * 2, this.position + neededBytes));
    this.buffer.copy(larger, 0, 0, this.position);
    giveBatchBuffer(this.buffer);
    this.buffer = larger;
  }
}

/** An unsigned varint below 2^31. */
function writeSmall(buffer: Buffer, value: number, position: number): number {
  while (value > 0x7f) {
    buffer[position++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  buffer[position++] = value;
  return position;
}
