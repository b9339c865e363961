// Reads followed files chunk by chunk. Every read begins with the anchor: bytes that were read before are read once more and compared, so that a file that was
// truncated and written anew is never taken for the old one, however fast it grew.
//
// While one chunk is framed, the next one of the same file may be on its way already: its anchor is the end of the chunk before it, and what that chunk leaves
// (the beginning of a line) is put in front of it. Where anything about it is in doubt it is dropped, and the ordinary read decides.
import type { OpenFile } from '../../base/files.ts';
import { anchorLimitBytes } from './identity.ts';
import type { TailedFile } from './tailed-file.ts';

const leastBufferBytes = 1024 * 1024;
/** So much is read and framed at once: the commit that is under way waits for each of these turns of the loop. */
const defaultSliceBytes = 512 * 1024;

/** `buffer[start, end)` are the bytes from the file's position on; they hold until the next read. */
export interface Chunk {
  buffer: Buffer;
  start: number;
  end: number;
  /** Nothing more is there at present, or is to be read. */
  atEnd: boolean;
}

interface Ahead {
  file: TailedFile;
  handle: OpenFile;
  /** The chunk before it. */
  previous: Chunk;
  /** Where its bytes begin in the file: at the end of the chunk before it. */
  position: number;
  buffer: Buffer;
  wantedBytes: number;
  /** Undefined when it failed. */
  count: Promise<number | undefined>;
}

export class ChunkReader {
  private readonly sliceBytes: number;
  /** Room in front of a chunk that is read ahead for what the one before it leaves. */
  private readonly headroomBytes: number;
  /** Holds the longest line, or a chunk that was read ahead. */
  private readonly buffer: Buffer;
  private second: Buffer | undefined;
  private ahead: Ahead | undefined;

  /** `neededBytes`: a chunk must hold so much. */
  constructor(neededBytes: number, sliceBytes = defaultSliceBytes) {
    this.sliceBytes = sliceBytes;
    this.headroomBytes = anchorLimitBytes + sliceBytes;
    this.buffer = Buffer.allocUnsafeSlow(Math.max(leastBufferBytes, neededBytes) + this.headroomBytes);
  }

  /**
   * The next chunk of `file`, undefined when its content is another one. With `readsAhead` the one after it is begun. Throws what the system says.
   */
  async read(file: TailedFile, handle: OpenFile, readsAhead: boolean): Promise<Chunk | undefined> {
    const chunk = (await this.takeAhead(file, handle)) ?? (await this.readNow(file, handle));
    if (chunk !== undefined && readsAhead && !chunk.atEnd) this.readAhead(file, handle, chunk);
    return chunk;
  }

  private async readNow(file: TailedFile, handle: OpenFile): Promise<Chunk | undefined> {
    const { anchor } = file.imprint;
    const back = anchor.length;
    const slice = file.outgrewSlice ? Infinity : this.sliceBytes;
    const wanted = Math.min(this.buffer.length, back + Math.min(roomOf(file, file.position), slice));
    const count = await handle.read(this.buffer.subarray(0, wanted), file.position - back);
    if (count < back || this.buffer.compare(anchor, 0, back, 0, back) !== 0) return undefined;
    const atEnd = count < wanted || roomOf(file, file.position + count - back) === 0;
    return { buffer: this.buffer, start: back, end: count, atEnd };
  }

  private readAhead(file: TailedFile, handle: OpenFile, previous: Chunk): void {
    if (previous.end < anchorLimitBytes) return;
    const position = file.position + previous.end - previous.start;
    const buffer = previous.buffer === this.buffer ? (this.second ??= this.makeSecond()) : this.buffer;
    const wantedBytes = anchorLimitBytes + Math.min(roomOf(file, position), this.sliceBytes);
    const from = this.headroomBytes - anchorLimitBytes;
    const count = handle
      .read(buffer.subarray(from, from + wantedBytes), position - anchorLimitBytes)
      .catch(() => undefined);
    this.ahead = { file, handle, previous, position, buffer, wantedBytes, count };
  }

  private async takeAhead(file: TailedFile, handle: OpenFile): Promise<Chunk | undefined> {
    const { ahead } = this;
    if (ahead === undefined) return undefined;
    this.ahead = undefined;
    const count = await ahead.count;
    if (count === undefined || count < anchorLimitBytes || ahead.file !== file || ahead.handle !== handle)
      return undefined;
    const { previous, position, buffer, wantedBytes } = ahead;
    const left = position - file.position;
    if (left < 0 || left > Math.min(this.headroomBytes, previous.end)) return undefined;
    const anchorAt = this.headroomBytes - anchorLimitBytes;
    const before = previous.buffer;
    if (buffer.compare(before, previous.end - anchorLimitBytes, previous.end, anchorAt, this.headroomBytes) !== 0)
      return undefined;
    before.copy(buffer, this.headroomBytes - left, previous.end - left, previous.end);
    const end = anchorAt + count;
    const atEnd = count < wantedBytes || roomOf(file, position + end - this.headroomBytes) === 0;
    return { buffer, start: this.headroomBytes - left, end, atEnd };
  }

  private makeSecond(): Buffer {
    return Buffer.allocUnsafeSlow(this.headroomBytes + this.sliceBytes);
  }
}

/** Bytes that may be read from `position` on. */
function roomOf(file: TailedFile, position: number): number {
  return file.endPosition === undefined ? Infinity : Math.max(file.endPosition - position, 0);
}
