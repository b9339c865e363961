// The hash by which Kafka's clients choose a partition for a key: murmur2, 32 bits, with the seed of the Java client, so that every
// client puts a key into the same partition.

/** murmur2 of `bytes`, a signed 32-bit number as in Java. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const multiplier = 0x5bd1e995;
  let hash = 0x9747b28c ^ length;
  const wholeWords = length & ~3;
  for (let index = 0; index < wholeWords; index += 4) {
    let word = bytes[index]! | (bytes[index + 1]! << 8) | (bytes[index + 2]! << 16) | (bytes[index + 3]! << 24);
    word = Math.imul(word, multiplier);
    word ^= word >>> 24;
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier);
  }
  const rest = length & 3;
  if (rest > 2) hash ^= bytes[wholeWords + 2]! << 16;
  if (rest > 1) hash ^= bytes[wholeWords + 1]! << 8;
  if (rest > 0) hash = Math.imul(hash ^ bytes[wholeWords]!, multiplier);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  return hash ^ (hash >>> 15);
}

/** The partition of a key among `partitions` (DefaultPartitioner: the sign bit is masked, not negated). */
export function partitionForKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
