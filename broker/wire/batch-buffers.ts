// Memory for large record batches, used again. Fresh memory costs a page fault every 4 KiB and a garbage collection every few dozen megabytes: together more than
// framing the lines. A builder takes a buffer, the batch travels in it, and the last of its holders gives it back. Whoever is shown a batch holds it; a reader
// that never says that it is done (nobody has to) leaves it to the garbage collector. Small batches that stay for a while share slabs: left in what a socket
// received, each would keep 64 KiB from being collected young.

/** Smaller buffers are not worth it. */
const leastBytes = 128 * 1024;
/** So much may lie idle. */
const idleLimitBytes = 16 * 1024 * 1024;
const slabBytes = 1024 * 1024;
/** Larger batches get a buffer of their own. */
const mostInSlabBytes = slabBytes / 4;

/** How many hold a buffer that was taken. */
const holders = new WeakMap<ArrayBufferLike, number>();
const idle: Buffer[] = [];
let idleBytes = 0;
/** Is being filled; held until it is full. */
let slab: Buffer | undefined;
let slabUsedBytes = 0;

/** A buffer of at least `neededBytes`; its content is undefined. */
export function takeBatchBuffer(neededBytes: number): Buffer {
  if (neededBytes < leastBytes) return Buffer.allocUnsafeSlow(neededBytes);
  // Sizes are powers of two, so that one batch's buffer fits the next.
  const capacityBytes = 2 ** Math.ceil(Math.log2(neededBytes));
  const index = idle.findIndex(({ length }) => length === capacityBytes);
  if (index >= 0) {
    const [found] = idle.splice(index, 1);
    idleBytes -= found!.length;
    holders.set(found!.buffer, 1);
    return found!;
  }
  const fresh = Buffer.allocUnsafeSlow(capacityBytes);
  holders.set(fresh.buffer, 1);
  return fresh;
}

/** One holder more for what `batch`, a view of a taken buffer, lies in. Other buffers are ignored. */
export function holdBatchBuffer(batch: Buffer): void {
  const count = holders.get(batch.buffer);
  if (count !== undefined) holders.set(batch.buffer, count + 1);
}

/** One holder less: it must not look at `batch` any more. Other buffers are ignored. */
export function giveBatchBuffer(batch: Buffer): void {
  const count = holders.get(batch.buffer);
  if (count === undefined) return;
  if (count > 1) {
    holders.set(batch.buffer, count - 1);
    return;
  }
  holders.delete(batch.buffer);
  const { byteLength } = batch.buffer;
  if (idleBytes + byteLength > idleLimitBytes) return;
  idleBytes += byteLength;
  idle.push(Buffer.from(batch.buffer));
}

/** The same bytes where they may stay, held once. */
export function copyBatch(batch: Buffer): Buffer {
  const kept =
    batch.length > mostInSlabBytes
      ? takeBatchBuffer(batch.length).subarray(0, batch.length)
      : placeInSlab(batch.length);
  batch.copy(kept);
  return kept;
}

function placeInSlab(bytes: number): Buffer {
  if (slab === undefined || slabUsedBytes + bytes > slab.length) {
    if (slab !== undefined) giveBatchBuffer(slab);
    slab = takeBatchBuffer(slabBytes);
    slabUsedBytes = 0;
  }
  const place = slab.subarray(slabUsedBytes, slabUsedBytes + bytes);
  slabUsedBytes += bytes;
  holdBatchBuffer(place);
  return place;
}
