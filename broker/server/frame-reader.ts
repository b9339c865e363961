// Cuts the bytes of a connection into frames: int32 size, then that many bytes. The size is checked before anything is kept for it, and no memory is
// taken for bytes that have not come.
//
// What a socket receives is fresh memory, 64 KiB a read. V8 counts it, and left to the garbage collector it makes V8 mark the whole heap for every few dozen
// megabytes; so it goes back to the system as soon as its last frame has been dealt with.
import { TailraceError } from '../../base/errors.ts';

const sizeBytes = 4;
const httpMethods = new Set(['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC', 'PRI ']);

export class FrameReader {
  /** Frames above it are refused. */
  limitBytes: number;
  /** Each has its memory for itself. */
  private chunks: Buffer[] = [];
  /** What the last frame lay in, when nothing else does. */
  private spent: Buffer | undefined;
  /** Bytes that came and are in no frame yet. */
  bufferedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Into how many pieces those bytes came. */
  get pieces(): number {
    return this.chunks.length;
  }

  /** Takes what came; the chunk belongs to the reader, which frees its memory. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const isAlone = chunk.length === chunk.buffer.byteLength;
    this.chunks.push(isAlone ? chunk : joined([chunk], chunk.length));
    this.bufferedBytes += chunk.length;
  }

  /**
   * The next whole frame without its size, undefined until it is there. Its bytes are there until the next call, not longer. Throws TLR_PROTOCOL when what
   * came is no frame of ours.
   */
  next(): Buffer | undefined {
    if (this.spent !== undefined) free(this.spent);
    this.spent = undefined;
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
    if (whole.length === end) this.spent = this.chunks.shift();
    else this.chunks[0] = whole.subarray(end);
    return whole.subarray(sizeBytes, end);
  }

  private join(): void {
    const pieces = this.chunks;
    this.chunks = [joined(pieces, this.bufferedBytes)];
    pieces.forEach(free);
  }

  private refusal(first: Buffer, length: number): TailraceError {
    if (httpMethods.has(first.toString('latin1', 0, sizeBytes))) {
      return new TailraceError('TLR_PROTOCOL', 'An HTTP request came to the Kafka port');
    }
    // A record of TLS with a handshake: 0x16, and a version that begins with 3.
    if (first.readUInt16BE() === 0x1603) {
      return new TailraceError('TLR_PROTOCOL', 'TLS came to a listener that does not speak it');
    }
    return new TailraceError(
      'TLR_PROTOCOL',
      `A request that claims ${length} bytes; at most ${this.limitBytes} are taken`,
    );
  }
}

/** The same bytes in memory of their own. */
function joined(pieces: readonly Buffer[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(bytes);
  let position = 0;
  for (const piece of pieces) position += piece.copy(whole, position);
  return whole;
}

function free({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
