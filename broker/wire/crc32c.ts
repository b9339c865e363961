// CRC-32C (Castagnoli), the checksum of record batches (RFC 3720 B.4). Long inputs go to native code; below a few hundred bytes the call
// itself costs more than a table look-up for each byte.
import { createRequire } from 'node:module';
import type * as crc32Package from '@node-rs/crc32';

const nativeFromBytes = 256;
const table = makeTable();
let native: ((input: Buffer) => number) | undefined;

/** Checksum of `bytes`, an unsigned 32-bit number. */
export function crc32c(bytes: Buffer): number {
  if (bytes.length >= nativeFromBytes) return (native ??= loadNative())(bytes) >>> 0;
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

function loadNative(): (input: Buffer) => number {
  const loaded = createRequire(import.meta.url)('@node-rs/crc32') as typeof crc32Package;
  return (input) => loaded.crc32c(input);
}

function makeTable(): Int32Array {
  const entries = new Int32Array(256);
  for (let index = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    entries[index] = crc;
  }
  return entries;
}
