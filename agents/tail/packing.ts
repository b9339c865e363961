// Compressed logs: what rotators leave of old files. UnpackedFile shows the bytes that were packed, so that whoever reads lines, heads and anchors
// need not know. It goes forward: decoding begins anew when somebody asks for bytes that have passed by.
//
// gzip: one member or several; zstd: one frame or several (also those of pzstd, with skippable frames between). xz, bzip2, lz4, zip and compress are
// known by their first bytes, so that they are never taken for text; they are not read.
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { FileStat, OpenFile } from '../../base/files.ts';
import { readRange } from './identity.ts';

export type Packing = 'gzip' | 'zstd';

const chunkBytes = 256 * 1024;
const leastChunkBytes = 4 * 1024;
/** Up to this size, and as long as it does not grow beyond that, a file is unpacked in one go: thousands of small ones may be there, and a stream for each costs more than its bytes. */
const atOncePackedBytes = 64 * 1024;
const atOnceUnpackedBytes = 1024 * 1024;
/** The beginning is kept: it is asked for again and again. */
const headBytes = 1024;

const foreign = ['fd377a585a00', '425a68', '04224d18', '504b0304', '1f9d'].map((hex) => Buffer.from(hex, 'hex'));

/** How a file with this beginning is packed; 'foreign' when it is, but in a form that is not read here. */
export function packingOf(head: Buffer): Packing | 'foreign' | undefined {
  const starts = (signature: Buffer) => head.subarray(0, signature.length).equals(signature);
  if (starts(Buffer.of(0x1f, 0x8b, 0x08))) return 'gzip';
  if (isZstdFrame(head)) return 'zstd';
  return foreign.some(starts) && !isTextAfterBZh(head) ? 'foreign' : undefined;
}

/** "BZh" alone may begin a word; a bzip2 file goes on with a digit and the digits of pi. */
function isTextAfterBZh(head: Buffer): boolean {
  return head.toString('latin1', 0, 3) === 'BZh' && head.toString('hex', 4, 10) !== '314159265359';
}

const zstdMagic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);

function isZstdFrame(head: Buffer): boolean {
  if (head.length < 4) return false;
  const magic = head.readUInt32LE(0);
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5;
}

/** The whole of a small file; undefined when that is much, or not to be had like this: decoding in chunks goes as far as it can, and says what is wrong. */
function unpackedAtOnce(packed: Buffer, packing: Packing): Buffer | undefined {
  // What may be a second frame would not be unpacked.
  if (packing === 'zstd' && packed.lastIndexOf(zstdMagic) !== 0) return undefined;
  const unpack = packing === 'gzip' ? gunzipSync : zstdDecompressSync;
  try {
    return unpack(packed, {
      maxOutputLength: atOnceUnpackedBytes,
      chunkSize: Math.max(packed.length * 8, leastChunkBytes),
    });
  } catch {
    return undefined;
  }
}

/** Called again and again while much is unpacked at once, so that others get their turn. */
export type Breathe = () => Promise<void>;

/** The unpacked bytes of a packed file. Positions are those of unpacked bytes; `size` and `stat` are of the packed file. */
export class UnpackedFile implements OpenFile {
  readonly path: string;
  readonly packing: Packing;
  private readonly raw: OpenFile;
  /** Not while it is read for its lines: then whoever reads takes turns. */
  breathe: Breathe | undefined;
  private stream: AsyncGenerator<Buffer> | undefined;
  private head = Buffer.alloc(0);
  /** Unpacked and not passed by yet: `chunks` begin at `windowStart`, decoding has reached `windowEnd`. */
  private chunks: Buffer[] = [];
  private windowStart = 0;
  private windowEnd = 0;
  private ended = false;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(raw: OpenFile, packing: Packing, breathe?: Breathe) {
    this.raw = raw;
    this.breathe = breathe;
    this.packing = packing;
    this.path = raw.path;
  }

  /** Goes to the end and tells how many bytes it holds unpacked. Throws as read() does. */
  unpackAll(): Promise<number> {
    return this.inTurn(async () => {
      while (!this.ended) {
        await this.unpackMore(this.windowEnd);
        await this.breathe?.();
      }
      return this.windowEnd;
    });
  }

  /** There is one place that unpacking has reached: one call after the other moves it. */
  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.turn.then(action, action);
    this.turn = result;
    return result;
  }

  size(): Promise<number> {
    return this.raw.size();
  }

  stat(): Promise<FileStat> {
    return this.raw.stat();
  }

  /** Throws TailraceError TLR_UNREADABLE when the file is cut short or damaged. */
  read(target: Uint8Array, position: number): Promise<number> {
    return this.inTurn(() => this.unpack(target, position));
  }

  private async unpack(target: Uint8Array, position: number): Promise<number> {
    if (position + target.length <= this.head.length) return this.head.copy(target, 0, position);
    if (position < this.windowStart) await this.rewind();
    while (!this.ended && this.windowEnd < position + target.length) {
      await this.unpackMore(position);
      await this.breathe?.();
    }
    let filled = 0;
    let start = this.windowStart;
    for (const chunk of this.chunks) {
      const from = position + filled - start;
      if (from >= 0 && from < chunk.length && filled < target.length)
        filled += chunk.copy(target, filled, from, from + target.length - filled);
      start += chunk.length;
    }
    return filled;
  }

  private async unpackMore(wanted: number): Promise<void> {
    this.stream ??= this.unpacked();
    let next: IteratorResult<Buffer, unknown>;
    try {
      next = await this.stream.next();
    } catch (error) {
      await this.rewind();
      const { path, packing } = this;
      throw new TailraceError('TLR_UNREADABLE', `${path} is not whole as ${packing}: ${messageOf(error)}`, {
        retriable: true,
      });
    }
    if (next.done === true) {
      this.ended = true;
      return;
    }
    const chunk = next.value;
    if (this.head.length < headBytes)
      this.head = Buffer.concat([this.head, chunk.subarray(0, headBytes - this.head.length)]);
    this.chunks.push(chunk);
    this.windowEnd += chunk.length;
    while (this.chunks.length > 1 && this.windowStart + this.chunks[0]!.length <= wanted)
      this.windowStart += this.chunks.shift()!.length;
  }

  private async *unpacked(): AsyncGenerator<Buffer> {
    const size = await this.raw.size();
    // One byte more shows whether it grows. No more than that, for there may be thousands one after the other.
    const packed = size > atOncePackedBytes ? undefined : await readRange(this.raw, 0, size + 1);
    const whole = packed?.length === size ? unpackedAtOnce(packed, this.packing) : undefined;
    if (whole === undefined) yield* this.unpackedInChunks();
    else yield whole;
  }

  private async *unpackedInChunks(): AsyncGenerator<Buffer> {
    let start = 0;
    do {
      const source = Readable.from(this.packed(start), { highWaterMark: 1 });
      const options = { chunkSize: chunkBytes };
      const decoder = this.packing === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
      source.on('error', (error) => decoder.destroy(error));
      try {
        for await (const chunk of source.pipe(decoder)) yield chunk as Buffer;
      } finally {
        source.destroy();
        decoder.destroy();
      }
      start += decoder.bytesWritten;
    } while (this.packing === 'zstd' && (await this.hasFrame(start)));
  }

  private async hasFrame(start: number): Promise<boolean> {
    const head = Buffer.alloc(4);
    return isZstdFrame(head.subarray(0, await this.raw.read(head, start)));
  }

  private async *packed(start: number): AsyncGenerator<Buffer> {
    for (let position = start; ;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const count = await this.raw.read(chunk, position);
      if (count > 0) yield chunk.subarray(0, count);
      if (count < chunk.length) return;
      position += count;
    }
  }

  private async rewind(): Promise<void> {
    await this.stream?.return(undefined).catch(() => undefined);
    this.stream = undefined;
    this.head = Buffer.alloc(0);
    this.chunks = [];
    this.windowStart = 0;
    this.windowEnd = 0;
    this.ended = false;
  }

  close(): Promise<void> {
    return this.inTurn(async () => {
      await this.rewind();
      await this.raw.close();
    });
  }

  readSync(): number {
    throw new Error('a packed file is not read at once');
  }

  write(): Promise<void> {
    return Promise.reject(new Error('a packed file is not written'));
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  truncate(): Promise<void> {
    return this.write();
  }
}
