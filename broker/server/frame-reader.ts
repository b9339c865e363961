// Cuts the bytes of a connection into frames: int32 size, then that many bytes. The size is checked before anything is kept for it, and no memory is
// taken for bytes that have not come.
import { TailraceError } from '../../base/errors.ts';

const sizeBytes = 4;
const httpMethods = new Set(['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC', 'PRI ']);

export class FrameReader {
  /** Frames above it are refused. */
  limitBytes: number;
  private chunks: Buffer[] = [];
  /** Bytes that came and are in no frame yet. */
  bufferedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Into how many pieces those bytes came. */
  get pieces(): number {
    return this.chunks.length;
  }

  /** Takes what came; the chunk belongs to the reader. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bufferedBytes += chunk.length;
  }

  /** The next whole frame without its size, undefined until it is there. Throws TLR_PROTOCOL when what came is no frame of ours. */
  next(): Buffer | undefined {
    if (this.bufferedBytes < sizeBytes) return undefined;
    if (this.chunks[0]!.length < sizeBytes) this.join();
    const first = this.chunks[0]!;
    const length = first.readInt32BE(0);
    if (length < 0 || length > this.limitBytes) throw this.refusal(first, length);
    const end = sizeBytes + length;
    if (this.bufferedBytes < end) return undefined;
    if (first.length < end) this.join();
    const whole = this.chunks[0]!;
    this.bufferedBytes -= end;
    if (whole.length === end) this.chunks.shift();
    else this.chunks[0] = whole.subarray(end);
    return whole.subarray(sizeBytes, end);
  }

  private join(): void {
    this.chunks = [Buffer.concat(this.chunks, this.bufferedBytes)];
  }

  private refusal(first: Buffer, length: number): TailraceError {
    if (httpMethods.has(first.toString('latin1', 0, sizeBytes))) {
      return new TailraceError('TLR_PROTOCOL', 'An HTTP request came to the Kafka port');
    }
    return new TailraceError(
      'TLR_PROTOCOL',
      `A request that claims ${length} bytes; at most ${this.limitBytes} are taken`,
    );
  }
}
