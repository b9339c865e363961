// Reads Kafka's primitive types from a part of a buffer. Promises: never reads past its end, never allocates by a length that the
// input claims but does not hold; anything wrong is TLR_PROTOCOL with the position. Byte fields are views of the input, not copies:
// whoever keeps one beyond the request keeps the whole frame alive and should copy it.
//
//   STRING int16 length + UTF-8, -1 = null      COMPACT_STRING unsigned varint length + 1, 0 = null
//   BYTES  int32 length, -1 = null              COMPACT_BYTES  likewise
//   ARRAY  int32 count, -1 = null               COMPACT_ARRAY  likewise
//   TAGGED_FIELDS unsigned varint count, then per field: varint tag, varint size, bytes
import { TailraceError } from '../../base/errors.ts';
import { readInt64 } from './int64.ts';

export class Reader {
  readonly buffer: Buffer;
  readonly end: number;
  position: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  int8(): number {
    return this.buffer.readInt8(this.take(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.take(2));
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.take(4));
  }

  /** Throws TLR_PROTOCOL when the value is beyond ±2^53. */
  int64(): number {
    return readInt64(this.buffer, this.take(8));
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }

  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.take(8));
  }

  boolean(): boolean {
    return this.buffer[this.take(1)] !== 0;
  }

  /** 16 bytes, a view. */
  uuid(): Buffer {
    const start = this.take(16);
    return this.buffer.subarray(start, start + 16);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.buffer[this.take(1)]!;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw this.malformed('a varint is longer than 32 bits');
  }

  /** Zigzag, 32 bits. */
  varint(): number {
    const raw = this.unsignedVarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** Zigzag, 64 bits; throws TLR_PROTOCOL when the value is beyond ±2^52. */
  varlong(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.buffer[this.take(1)]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw this.malformed('a 64-bit varint is beyond 2^52');
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      factor *= 128;
    }
    throw this.malformed('a varint is longer than 64 bits');
  }

  /** Length of a string of the old encoding; -1 = null. */
  shortLength(): number {
    return this.checkLength(this.int16());
  }

  /** Length of bytes or count of an array in the old encoding; -1 = null. */
  length(): number {
    return this.checkLength(this.int32());
  }

  /** Length or count in the flexible encoding; -1 = null. */
  compactLength(): number {
    return this.checkLength(this.unsignedVarint() - 1);
  }

  /** The next `length` bytes as UTF-8. */
  utf8(length: number): string {
    const start = this.take(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  /** The next `length` bytes, a view. */
  raw(length: number): Buffer {
    const start = this.take(length);
    return this.buffer.subarray(start, start + length);
  }

  /** Reads past a section of tagged fields; `visit` gets tag and a reader of exactly its bytes, and may leave it unread. */
  taggedFields(visit?: (tag: number, field: Reader) => void): void {
    let previous = -1;
    for (let count = this.unsignedVarint(); count > 0; count--) {
      const tag = this.unsignedVarint();
      if (tag <= previous) throw this.malformed('tags are not in order');
      previous = tag;
      const size = this.unsignedVarint();
      const start = this.take(size);
      visit?.(tag, new Reader(this.buffer, start, start + size));
    }
  }

  /** An error for what stands at the current position. */
  malformed(what: string): TailraceError {
    return new TailraceError('TLR_PROTOCOL', `Malformed bytes at ${this.position} of ${this.end}: ${what}`);
  }

  /** Every element takes at least a byte, so that a length or count beyond what remains is a lie. */
  private checkLength(length: number): number {
    if (length < -1) throw this.malformed(`a length of ${length}`);
    if (length > this.end - this.position) throw this.malformed(`a length of ${length} is more than what follows`);
    return length;
  }

  private take(bytes: number): number {
    const start = this.position;
    if (bytes > this.end - start) throw this.malformed(`${bytes} more bytes are needed`);
    this.position = start + bytes;
    return start;
  }
}
