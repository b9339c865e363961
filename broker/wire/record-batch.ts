// Record batches, version 2 (KIP-98): what producers send, what stands on disk, what consumers get; the same bytes all the way.
//
//    0 baseOffset int64            offset of the first record; set by the broker, outside the checksum
//    8 batchLength int32           bytes after this field: the whole batch is batchLength + 12
//   12 partitionLeaderEpoch int32  set by the broker, outside the checksum
//   16 magic int8                  2
//   17 crc uint32                  CRC-32C of everything from byte 21 to the end
//   21 attributes int16            bits 0-2 compression, 3 timestamp type (1 = the broker's), 4 transactional, 5 control, 6 delete horizon
//   23 lastOffsetDelta int32
//   27 baseTimestamp int64         43 producerId int64 (-1 none)    53 baseSequence int32 (-1 none)
//   35 maxTimestamp int64          51 producerEpoch int16           57 recordCount int32
//   61 records, compressed as a whole when bits 0-2 say so
//
// Record (all varints zigzag): length varint · attributes int8 · timestampDelta varlong · offsetDelta varint · keyLength varint (-1 null)
//   · key · valueLength varint (-1 null) · value · headerCount varint · headers: (keyLength varint · key · valueLength varint · value)*
//
// A batch survives compaction with its offsets and sequence; it may then hold fewer records than lastOffsetDelta + 1, even none.
import { type Compression, compressionNames, decompress } from './compression.ts';
import { crc32c } from './crc32c.ts';
import { ErrorCode, KafkaError } from './errors.ts';
import { readInt64, writeInt64 } from './int64.ts';

/** Bytes of a batch before its records. */
export const batchHeaderBytes = 61;
/** Bytes before those that batchLength counts. */
export const batchOverheadBytes = 12;
/** Records of one batch never decompress to more than this. */
export const maxDecompressedBytes = 256 * 1024 * 1024;

export const attributeBits = { compression: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const;

const crcPosition = 17;
const attributesPosition = 21;
const maxTimestampPosition = 35;

/** The header of a batch as numbers. */
export interface BatchHeader {
  /** Where the batch begins in the buffer it was read from. */
  position: number;
  /** The whole batch in bytes. */
  sizeBytes: number;
  baseOffset: number;
  lastOffset: number;
  partitionLeaderEpoch: number;
  magic: number;
  crc: number;
  compression: Compression;
  isLogAppendTime: boolean;
  isTransactional: boolean;
  isControl: boolean;
  lastOffsetDelta: number;
  baseTimestampMs: number;
  maxTimestampMs: number;
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  /** Sequence of the last record; wraps to 0 after 2^31-1. -1 without producer. */
  lastSequence: number;
  recordCount: number;
}

/**
 * Size of the batch at `position` as its length field says; undefined when not even that field is there. It may be more than the buffer holds, and
 * is nonsense when what stands there is no batch.
 */
export function batchSizeAt(buffer: Buffer, position: number): number | undefined {
  return position + batchOverheadBytes > buffer.length
    ? undefined
    : buffer.readInt32BE(position + 8) + batchOverheadBytes;
}

/**
 * Reads the header of the batch at `position`, of which all 61 bytes must be there; the records need not be. Throws KafkaError CORRUPT_MESSAGE when
 * this cannot be the header of a version 2 batch.
 */
export function readBatchHeader(buffer: Buffer, position = 0): BatchHeader {
  if (buffer.length - position < batchHeaderBytes) throw corrupt(position, 'the header is cut short');
  const sizeBytes = buffer.readInt32BE(position + 8) + batchOverheadBytes;
  const magic = buffer.readInt8(position + 16);
  if (magic !== 2) throw corrupt(position, `format version ${magic} instead of 2`);
  if (sizeBytes < batchHeaderBytes) throw corrupt(position, `a length of ${sizeBytes} bytes`);
  const attributes = buffer.readInt16BE(position + attributesPosition);
  const compression = compressionNames[attributes & attributeBits.compression];
  if (compression === undefined) throw corrupt(position, `compression ${attributes & attributeBits.compression}`);
  const baseOffset = int64At(buffer, position);
  const lastOffsetDelta = buffer.readInt32BE(position + 23);
  const baseSequence = buffer.readInt32BE(position + 53);
  return {
    position,
    sizeBytes,
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    partitionLeaderEpoch: buffer.readInt32BE(position + 12),
    magic,
    crc: buffer.readUInt32BE(position + crcPosition),
    compression,
    isLogAppendTime: (attributes & attributeBits.logAppendTime) !== 0,
    isTransactional: (attributes & attributeBits.transactional) !== 0,
    isControl: (attributes & attributeBits.control) !== 0,
    lastOffsetDelta,
    baseTimestampMs: int64At(buffer, position + 27),
    maxTimestampMs: int64At(buffer, position + maxTimestampPosition),
    producerId: int64At(buffer, position + 43),
    producerEpoch: buffer.readInt16BE(position + 51),
    baseSequence,
    lastSequence: baseSequence < 0 ? -1 : addSequence(baseSequence, lastOffsetDelta),
    recordCount: buffer.readInt32BE(position + 57),
  };
}

/** `sequence + count` as producers count: after 2^31-1 comes 0. */
export function addSequence(sequence: number, count: number): number {
  return (sequence + count) % 0x8000_0000;
}

/** Whether the whole batch is in `buffer` and its checksum is right. Does not look into the records. */
export function isBatchIntact(buffer: Buffer, header: BatchHeader): boolean {
  const end = header.position + header.sizeBytes;
  return end <= buffer.length && crc32c(buffer.subarray(header.position + attributesPosition, end)) === header.crc;
}

/** Header of the batch at `position` after checking length, format and checksum. Throws KafkaError CORRUPT_MESSAGE. */
export function validateBatch(buffer: Buffer, position = 0): BatchHeader {
  const header = readBatchHeader(buffer, position);
  if (header.sizeBytes > buffer.length - position) {
    throw corrupt(position, `it says ${header.sizeBytes} bytes, ${buffer.length - position} are there`);
  }
  if (!isBatchIntact(buffer, header)) throw corrupt(position, 'the checksum does not match');
  return header;
}

/** Gives the batch its place in the log. Outside the checksum. */
export function setBaseOffset(buffer: Buffer, baseOffset: number, position = 0): void {
  writeInt64(buffer, baseOffset, position);
}

/** Outside the checksum. */
export function setPartitionLeaderEpoch(buffer: Buffer, leaderEpoch: number, position = 0): void {
  buffer.writeInt32BE(leaderEpoch, position + batchOverheadBytes);
}

/** Makes `timestampMs` the time of all records (message.timestamp.type=LogAppendTime); redoes the checksum. */
export function setLogAppendTime(buffer: Buffer, timestampMs: number, position = 0): void {
  const attributes = buffer.readInt16BE(position + attributesPosition);
  buffer.writeInt16BE(attributes | attributeBits.logAppendTime, position + attributesPosition);
  setMaxTimestamp(buffer, timestampMs, position);
}

/** Sets the greatest timestamp; redoes the checksum. */
export function setMaxTimestamp(buffer: Buffer, timestampMs: number, position = 0): void {
  writeInt64(buffer, timestampMs, position + maxTimestampPosition);
  sealBatch(buffer, position, position + batchOverheadBytes + buffer.readInt32BE(position + 8));
}

/** Writes the checksum of the batch that lies from `position` to `end`. */
export function sealBatch(buffer: Buffer, position: number, end: number): void {
  buffer.writeUInt32BE(crc32c(buffer.subarray(position + attributesPosition, end)), position + crcPosition);
}

/**
 * Calls `visit` with the header of each whole batch in `buffer`, in order, until it returns false. A batch that is cut off at the end (as fetch
 * responses of real brokers may have) ends it silently. Throws KafkaError CORRUPT_MESSAGE; checksums are the visitor's business.
 */
export function forEachBatch(buffer: Buffer, visit: (header: BatchHeader) => unknown): void {
  let position = 0;
  while (position + batchHeaderBytes <= buffer.length) {
    const header = readBatchHeader(buffer, position);
    if (position + header.sizeBytes > buffer.length || visit(header) === false) return;
    position += header.sizeBytes;
  }
}

/**
 * Walks over the records of one batch without making an object for each: `while (cursor.next()) …` and look at the fields, which hold until the
 * next call. Decompresses when needed. Positions are in `cursor.buffer`, which is not the batch's buffer when it was compressed.
 * Throws KafkaError INVALID_RECORD when a record does not fit its length, CORRUPT_MESSAGE when the batch cannot be decompressed.
 */
export class RecordCursor {
  buffer: Buffer = Buffer.alloc(0);
  offset = -1;
  /** -1 when the record has none. */
  timestampMs = -1;
  /** -1 when the key is null. */
  keyStart = -1;
  keyEnd = -1;
  /** -1 when the value is null. */
  valueStart = -1;
  valueEnd = -1;
  /** Where the first header begins, behind the count. */
  headersStart = 0;
  headerCount = 0;
  /** Where the record's headers, and with them the record, end. */
  headersEnd = 0;

  /** Where the batch's records stand in `buffer`. */
  recordsStart = 0;
  recordsEnd = 0;

  private position = 0;
  private remaining = 0;
  private baseOffset = 0;
  private baseTimestampMs = 0;
  private appendTimeMs: number | undefined;

  /** Begins at the first record of the batch at `position`; `header` spares reading it again. */
  constructor(buffer?: Buffer, position = 0, header?: BatchHeader) {
    if (buffer !== undefined) this.open(buffer, position, header);
  }

  /** Begins with another batch, so that one cursor serves many. With decompressBriefly as `undo` the records may hold only until another batch is undone. */
  open(batch: Buffer, position = 0, header = readBatchHeader(batch, position), undo = decompress): void {
    const end = position + header.sizeBytes;
    if (end > batch.length) throw corrupt(position, 'the records are cut short');
    if (header.compression === 'none') {
      this.buffer = batch;
      this.recordsStart = position + batchHeaderBytes;
      this.recordsEnd = end;
    } else {
      const compressed = batch.subarray(position + batchHeaderBytes, end);
      this.buffer = undo(header.compression, compressed, maxDecompressedBytes);
      this.recordsStart = 0;
      this.recordsEnd = this.buffer.length;
    }
    this.position = this.recordsStart;
    this.remaining = header.recordCount;
    this.baseOffset = header.baseOffset;
    this.baseTimestampMs = header.baseTimestampMs;
    this.appendTimeMs = header.isLogAppendTime ? header.maxTimestampMs : undefined;
  }

  /** Goes to the next record; false after the last. */
  next(): boolean {
    if (this.remaining <= 0) {
      if (this.position !== this.recordsEnd) throw this.invalid('bytes after the last record');
      return false;
    }
    this.remaining--;
    const length = this.varint();
    const end = this.position + length;
    if (length < 0 || end > this.recordsEnd) throw this.invalid(`a record of ${length} bytes`);
    this.position++; // attributes: none are defined
    const timestampDelta = this.varlong();
    this.timestampMs = this.appendTimeMs ?? this.baseTimestampMs + timestampDelta;
    this.offset = this.baseOffset + this.varint();
    this.keyEnd = this.skip(this.varint(), end);
    this.keyStart = this.fieldStart;
    this.valueEnd = this.skip(this.varint(), end);
    this.valueStart = this.fieldStart;
    this.headerCount = this.varint();
    if (this.headerCount < 0) throw this.invalid(`${this.headerCount} headers`);
    this.headersStart = this.position;
    for (let count = this.headerCount; count > 0; count--) {
      if (this.skip(this.varint(), end) < 0) throw this.invalid('a header without a key');
      this.skip(this.varint(), end);
    }
    if (this.position !== end) throw this.invalid('the fields do not fill its length');
    this.headersEnd = end;
    return true;
  }

  /** The key's bytes, a view; null when there is none. */
  key(): Buffer | null {
    return this.keyStart < 0 ? null : this.buffer.subarray(this.keyStart, this.keyEnd);
  }

  /** The value's bytes, a view; null when there is none. */
  value(): Buffer | null {
    return this.valueStart < 0 ? null : this.buffer.subarray(this.valueStart, this.valueEnd);
  }

  /** Value of the last header of that name, as Kafka's lastHeader; undefined when there is none or it is null. */
  header(name: string): Buffer | undefined {
    let found: Buffer | undefined;
    this.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      if (keyEnd - keyStart !== Buffer.byteLength(name)) return;
      if (this.buffer.toString('utf8', keyStart, keyEnd) !== name) return;
      found = valueStart < 0 ? undefined : this.buffer.subarray(valueStart, valueEnd);
    });
    return found;
  }

  /** Positions of each header's key and value in `buffer`; -1 where the value is null. */
  forEachHeader(visit: (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void): void {
    const resume = this.position;
    this.position = this.headersStart;
    for (let count = this.headerCount; count > 0; count--) {
      const keyEnd = this.skip(this.varint(), this.headersEnd);
      const keyStart = this.fieldStart;
      const valueEnd = this.skip(this.varint(), this.headersEnd);
      visit(keyStart, keyEnd, this.fieldStart, valueEnd);
    }
    this.position = resume;
  }

  private fieldStart = -1;

  /** Passes over a field of `length` bytes (null below 0); sets fieldStart and returns its end, both -1 for null. */
  private skip(length: number, end: number): number {
    if (length < 0) {
      this.fieldStart = -1;
      return -1;
    }
    if (length > end - this.position) throw this.invalid(`a field of ${length} bytes`);
    this.fieldStart = this.position;
    return (this.position += length);
  }

  private varint(): number {
    const first = this.buffer[this.position++];
    if (first === undefined) throw this.invalid('it is cut short');
    if (first < 0x80) return (first >>> 1) ^ -(first & 1);
    let raw = first & 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.buffer[this.position++];
      if (byte === undefined) break;
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
    throw this.invalid('a varint is longer than 32 bits');
  }

  private varlong(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.buffer[this.position++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    throw this.invalid('a timestamp is cut short or too long');
  }

  private invalid(what: string): KafkaError {
    return new KafkaError(ErrorCode.INVALID_RECORD, `A record of the batch at offset ${this.baseOffset}: ${what}`);
  }
}

function int64At(buffer: Buffer, position: number): number {
  try {
    return readInt64(buffer, position);
  } catch {
    throw corrupt(position, 'a number in the header is beyond 2^53');
  }
}

function corrupt(position: number, what: string): KafkaError {
  return new KafkaError(ErrorCode.CORRUPT_MESSAGE, `The record batch at byte ${position}: ${what}`);
}
