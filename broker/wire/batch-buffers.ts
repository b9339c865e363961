// Memory for large record batches, used again. Fresh memory costs a page fault every 4 KiB and a garbage collection every few dozen megabytes: together more than
// framing the lines. A builder takes a buffer, the batch travels in it, and whoever lets go of the batch last gives it back; one that was shown to readers is
// never given back (nobody knows how long they look at it) and goes to the garbage collector.

/** Smaller buffers are not worth it. */
const leastBytes = 128 * 1024;
/** So much may lie idle. */
const idleLimitBytes = 16 * 1024 * 1024;

const lent = new WeakSet<ArrayBufferLike>();
const idle: Buffer[] = [];
let idleBytes = 0;

/** A buffer of at least `neededBytes`; its content is undefined. */
export function takeBatchBuffer(neededBytes: number): Buffer {
  if (neededBytes < leastBytes) return Buffer.allocUnsafeSlow(neededBytes);
  // Sizes are powers of two, so that one batch's buffer fits the next.
  const capacityBytes = 2 ** Math.ceil(Math.log2(neededBytes));
  const index = idle.findIndex(({ length }) => length === capacityBytes);
  if (index >= 0) {
    const [found] = idle.splice(index, 1);
    idleBytes -= found!.length;
    lent.add(found!.buffer);
    return found!;
  }
  const fresh = Buffer.allocUnsafeSlow(capacityBytes);
  lent.add(fresh.buffer);
  return fresh;
}

/** Gives back what `batch`, a view of a taken buffer, lies in: nobody may look at it any more. Other buffers are ignored. */
export function giveBatchBuffer(batch: Buffer): void {
  if (!lent.delete(batch.buffer)) return;
  const { byteLength } = batch.buffer;
  if (idleBytes + byteLength > idleLimitBytes) return;
  idleBytes += byteLength;
  idle.push(Buffer.from(batch.buffer));
}
