// Writes Kafka's primitive types (see reader.ts) into a chain of buffers. Small values are written into chunks of its own; large byte
// fields (record batches) are linked in by reference and never copied, so that a response can leave with one writev. They must
// not change before the chunks were sent.
import { TailraceError } from '../../base/errors.ts';
import { writeInt64 } from './int64.ts';
import { writeUnsignedVarint, writeVarint, writeVarlong } from './varint.ts';

/** Byte fields from this size on are linked rather than copied. */
const referenceBytes = 1024;

export class Writer {
  private buffer: Buffer;
  private position = 0;
  /** Where the part of `buffer` begins that is in no finished chunk. */
  private chunkStart = 0;
  private readonly finished: Buffer[] = [];
  private finishedBytes = 0;

  constructor(initialBytes = 512) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.finishedBytes + this.position - this.chunkStart;
  }

  int8(value: number): void {
    const start = this.reserve(1);
    this.buffer.writeInt8(value, start);
  }

  int16(value: number): void {
    const start = this.reserve(2);
    this.buffer.writeInt16BE(value, start);
  }

  uint16(value: number): void {
    const start = this.reserve(2);
    this.buffer.writeUInt16BE(value, start);
  }

  int32(value: number): void {
    const start = this.reserve(4);
    this.buffer.writeInt32BE(value, start);
  }

  int64(value: number): void {
    const start = this.reserve(8);
    writeInt64(this.buffer, value, start);
  }

  float64(value: number): void {
    const start = this.reserve(8);
    this.buffer.writeDoubleBE(value, start);
  }

  bigint64(value: bigint): void {
    const start = this.reserve(8);
    this.buffer.writeBigInt64BE(value, start);
  }

  boolean(value: boolean): void {
    const start = this.reserve(1);
    this.buffer[start] = value ? 1 : 0;
  }

  /** Must be 16 bytes. */
  uuid(value: Uint8Array): void {
    if (value.length !== 16) throw new TailraceError('TLR_INTERNAL', `A UUID of ${value.length} bytes`);
    const start = this.reserve(16);
    this.buffer.set(value, start);
  }

  unsignedVarint(value: number): void {
    const start = this.room(5);
    this.position = writeUnsignedVarint(this.buffer, value, start);
  }

  varint(value: number): void {
    const start = this.room(5);
    this.position = writeVarint(this.buffer, value, start);
  }

  varlong(value: number): void {
    const start = this.room(10);
    this.position = writeVarlong(this.buffer, value, start);
  }

  /** STRING; null is length -1. */
  string(value: string | null): void {
    const bytes = value === null ? -1 : Buffer.byteLength(value);
    if (bytes > 0x7fff) throw new TailraceError('TLR_PROTOCOL', `A string of ${bytes} bytes; Kafka allows 32767`);
    this.int16(bytes);
    if (value !== null) this.utf8(value, bytes);
  }

  /** COMPACT_STRING; null is 0. */
  compactString(value: string | null): void {
    const bytes = value === null ? -1 : Buffer.byteLength(value);
    if (bytes > 0x7fff) throw new TailraceError('TLR_PROTOCOL', `A string of ${bytes} bytes; Kafka allows 32767`);
    this.unsignedVarint(bytes + 1);
    if (value !== null) this.utf8(value, bytes);
  }

  /** Length of bytes or count of an array; -1 = null. */
  length(length: number): void {
    this.int32(length);
  }

  /** The same in the flexible encoding. */
  compactLength(length: number): void {
    this.unsignedVarint(length + 1);
  }

  /** The bytes alone. */
  raw(bytes: Uint8Array): void {
    if (bytes.length < referenceBytes) {
      const start = this.reserve(bytes.length);
      this.buffer.set(bytes, start);
      return;
    }
    this.finishChunk();
    this.finished.push(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.finishedBytes += bytes.length;
  }

  /** Everything written, in order. The writer may not be used afterwards. */
  chunks(): Buffer[] {
    this.finishChunk();
    return this.finished;
  }

  /** Everything written as one buffer. The writer may not be used afterwards. */
  toBuffer(): Buffer {
    const chunks = this.chunks();
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  private utf8(value: string, bytes: number): void {
    const start = this.reserve(bytes);
    this.buffer.write(value, start, bytes, 'utf8');
  }

  /** Makes `bytes` bytes part of what is written and returns where they begin; may replace `this.buffer`, so call it first. */
  private reserve(bytes: number): number {
    const start = this.room(bytes);
    this.position = start + bytes;
    return start;
  }

  /** Makes sure that `bytes` bytes fit at the current position, which it returns. */
  private room(bytes: number): number {
    if (this.position + bytes > this.buffer.length) {
      this.finishChunk();
      this.buffer = Buffer.allocUnsafe(Math.max(Math.min(this.buffer.length * 2, 65536), bytes));
      this.position = 0;
      this.chunkStart = 0;
    }
    return this.position;
  }

  private finishChunk(): void {
    if (this.position === this.chunkStart) return;
    this.finished.push(this.buffer.subarray(this.chunkStart, this.position));
    this.finishedBytes += this.position - this.chunkStart;
    this.chunkStart = this.position;
  }
}
