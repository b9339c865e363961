// Reads segments ahead of those who read on, one answer after the other: while they work on the last answer the disk fetches the next one. A Java consumer asks
// only when it has nothing left, so what it waits for is all that counts. One limit for all partitions; what was read ahead longest ago, and nobody has come
// for, goes first. The memory is used again (batch-buffers.ts).
import { giveBatchBuffer, takeBatchBuffer } from '../wire/batch-buffers.ts';
import type { Segment } from './segment.ts';

const limitBytes = 16 * 1024 * 1024;
/** Who asks for more at once, as the edges of this process do, has something to work on meanwhile. */
const mostAheadBytes = 2 * 1024 * 1024;

/** What is read, or being read, for whoever comes for it. */
export interface ChunkAhead {
  readonly lengthBytes: number;
  /** Undefined when it could not be read, or not all of it. */
  readonly bytes: Promise<Buffer | undefined>;
}

export class ReadAhead {
  private usedBytes = 0;
  private readonly waiting = new Set<ChunkAhead>();

  /** Begins to read; undefined when that is more than may be read ahead. */
  begin(segment: Segment, position: number, lengthBytes: number): ChunkAhead | undefined {
    if (lengthBytes > mostAheadBytes) return undefined;
    for (const oldest of this.waiting) {
      if (this.usedBytes + lengthBytes <= limitBytes) break;
      this.drop(oldest);
    }
    // Whoever comes for it reads again, and meets the error.
    const chunk = { lengthBytes, bytes: readChunk(segment, position, lengthBytes).catch(() => undefined) };
    this.waiting.add(chunk);
    this.usedBytes += lengthBytes;
    return chunk;
  }

  /** The bytes, which the caller holds from now on; undefined when they are gone. */
  take(chunk: ChunkAhead): Promise<Buffer | undefined> {
    if (!this.waiting.delete(chunk)) return Promise.resolve(undefined);
    this.usedBytes -= chunk.lengthBytes;
    return chunk.bytes;
  }

  /** Nobody will come for it. */
  drop(chunk: ChunkAhead): void {
    void this.take(chunk).then((bytes) => bytes && giveBatchBuffer(bytes));
  }
}

/** Reads so many bytes of a segment; the caller holds them. Undefined when there are fewer. */
export async function readChunk(segment: Segment, position: number, lengthBytes: number): Promise<Buffer | undefined> {
  const chunk = takeBatchBuffer(lengthBytes).subarray(0, lengthBytes);
  const read = await (await segment.open()).read(chunk, position);
  if (read === lengthBytes) return chunk;
  giveBatchBuffer(chunk);
  return undefined;
}
