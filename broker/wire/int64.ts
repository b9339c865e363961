// 64-bit integers as JS numbers, big-endian. Kafka's offsets, timestamps and ids stay below 2^53 for longer than anybody lives, and
// BigInt costs several times as much in the hot loops; a value beyond ±2^53 is refused instead of being rounded.
import { TailraceError } from '../../base/errors.ts';

/** Reads the signed 64-bit integer at `position`. Throws TLR_PROTOCOL when it is beyond ±2^53. */
export function readInt64(buffer: Buffer, position: number): number {
  const value = buffer.readInt32BE(position) * 0x1_0000_0000 + buffer.readUInt32BE(position + 4);
  if (!Number.isSafeInteger(value)) {
    throw new TailraceError('TLR_PROTOCOL', `The 64-bit number at byte ${position} is beyond 2^53`);
  }
  return value;
}

/** Writes `value` as a signed 64-bit integer. Throws TLR_INTERNAL unless it is an integer within ±2^53. */
export function writeInt64(buffer: Buffer, value: number, position: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new TailraceError('TLR_INTERNAL', `${value} cannot be written as a 64-bit integer`);
  }
  buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), position);
  buffer.writeUInt32BE(value >>> 0, position + 4);
}
