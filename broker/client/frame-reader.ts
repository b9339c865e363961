// Cuts a stream of chunks into frames (int32 size, then that many bytes). A frame that lies within one chunk is a view of it; one that
// spans chunks is put together in a buffer of its own, each byte copied once. Sizes are checked before memory is taken.
import { TailraceError } from '../../base/errors.ts';

export class FrameReader {
  private readonly maxBytes: number;
  private readonly onFrame: (frame: Buffer) => void;
  /** A size field that came in pieces. */
  private sizeBytes = 0;
  private readonly size = Buffer.alloc(4);
  private frame: Buffer | undefined;
  private filled = 0;

  constructor(maxBytes: number, onFrame: (frame: Buffer) => void) {
    this.maxBytes = maxBytes;
    this.onFrame = onFrame;
  }

  /** Takes the next bytes. Throws TLR_PROTOCOL for a size that cannot be; whatever onFrame throws passes through. */
  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.frame === undefined) position = this.begin(chunk, position);
      else position = this.fill(this.frame, chunk, position);
    }
  }

  private begin(chunk: Buffer, position: number): number {
    while (this.sizeBytes < 4 && position < chunk.length) this.size[this.sizeBytes++] = chunk[position++]!;
    if (this.sizeBytes < 4) return position;
    this.sizeBytes = 0;
    const length = this.size.readInt32BE(0);
    if (length < 0 || length > this.maxBytes) {
      throw new TailraceError(
        'TLR_PROTOCOL',
        `an answer of ${length} bytes: this is not a Kafka broker, or it went astray`,
      );
    }
    if (position + length <= chunk.length) {
      this.onFrame(chunk.subarray(position, position + length));
      return position + length;
    }
    this.frame = Buffer.allocUnsafeSlow(length);
    this.filled = 0;
    return position;
  }

  private fill(frame: Buffer, chunk: Buffer, position: number): number {
    const copied = chunk.copy(frame, this.filled, position);
    this.filled += copied;
    if (this.filled === frame.length) {
      this.frame = undefined;
      this.onFrame(frame);
    }
    return position + copied;
  }
}
