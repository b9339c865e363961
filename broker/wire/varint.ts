// Variable-length integers as Kafka has them from Protocol Buffers: seven bits a byte, least significant first, the high bit says that
// another byte follows. Unsigned in flexible messages; zigzag-coded (0, -1, 1, -2 … → 0, 1, 2, 3 …) in records.
//   300 = 1010_1100 0000_0010      zigzag -1 = 0000_0001
// 32-bit values take at most 5 bytes, 64-bit ones ("varlong") at most 10; the latter are JS numbers within ±2^52, more than any time or delta.

const twoTo32 = 0x1_0000_0000;

/** Bytes that `value` (0 … 2^32-1) takes as an unsigned varint. */
export function unsignedVarintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Bytes that `value` (a signed 32-bit integer) takes as a zigzag varint. */
export function varintBytes(value: number): number {
  return unsignedVarintBytes(((value << 1) ^ (value >> 31)) >>> 0);
}

/** Bytes that `value` (an integer within ±2^52) takes as a zigzag varlong. */
export function varlongBytes(value: number): number {
  let rest = value < 0 ? -value * 2 - 1 : value * 2;
  let bytes = 1;
  while (rest >= twoTo32) {
    rest = Math.floor(rest / 128);
    bytes++;
  }
  return bytes + unsignedVarintBytes(rest) - 1;
}

/** Writes an unsigned varint at `position`, where there must be room, and returns the position after it. */
export function writeUnsignedVarint(buffer: Uint8Array, value: number, position: number): number {
  let rest = value >>> 0;
  while (rest > 0x7f) {
    buffer[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[position++] = rest;
  return position;
}

/** Writes a zigzag varint at `position`, where there must be room, and returns the position after it. */
export function writeVarint(buffer: Uint8Array, value: number, position: number): number {
  return writeUnsignedVarint(buffer, (value << 1) ^ (value >> 31), position);
}

/** Writes a zigzag varlong at `position`, where there must be room, and returns the position after it. */
export function writeVarlong(buffer: Uint8Array, value: number, position: number): number {
  let rest = value < 0 ? -value * 2 - 1 : value * 2;
  while (rest >= twoTo32) {
    buffer[position++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  return writeUnsignedVarint(buffer, rest, position);
}
