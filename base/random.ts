// Randomness as an argument, so that a seeded simulation repeats itself.
import { randomBytes } from 'node:crypto';

export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` random bytes. */
  bytes(length: number): Buffer;
}

/** The system's randomness: for everything outside a simulation. */
export const systemRandom: Random = { next: () => Math.random(), bytes: (length) => randomBytes(length) };

/** A repeatable generator (mulberry32): the same seed gives the same sequence. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    bytes(length) {
      const bytes = Buffer.allocUnsafe(length);
      for (let index = 0; index < length; index++) bytes[index] = Math.floor(next() * 256);
      return bytes;
    },
  };
}

/** A random UUID (version 4) as 16 bytes; never one that Kafka reserves (all zero, or one). */
export function randomUuid(random: Random): Buffer {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
