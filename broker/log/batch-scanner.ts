// Walks over the batches of a log file in order, in large reads: for recovery, for rebuilding indexes, for looking up times. It only judges whether
// a whole batch stands where one is expected; what damage means is the caller's business.
import type { OpenFile } from '../../base/files.ts';
import { messageOf } from '../../base/errors.ts';
import {
  batchHeaderBytes,
  batchSizeAt,
  type BatchHeader,
  isBatchIntact,
  readBatchHeader,
} from '../wire/record-batch.ts';

const chunkBytes = 1024 * 1024;
/** No batch that was ever accepted is larger (max.message.bytes is an int32, and requests are limited far below). */
const greatestBatchBytes = 2 ** 31 - 1;

export class BatchScanner {
  /** After next() said 'batch': the batch, whole, at header.position of `buffer`, until the next call. */
  buffer: Buffer = Buffer.alloc(0);
  header!: BatchHeader;
  /** Where the batch (or the damage) begins in the file. */
  filePosition: number;
  /** After next() said 'damaged': what is wrong, for people. */
  damage = '';

  private readonly file: OpenFile;
  private readonly end: number;
  private bufferStart: number;
  private nextPosition: number;

  /** Scans [from, end) of `file`; `from` must be where a batch begins. */
  constructor(file: OpenFile, from: number, end: number) {
    this.file = file;
    this.filePosition = from;
    this.nextPosition = from;
    this.bufferStart = from;
    this.end = end;
  }

  /** Goes to the next batch. 'end' only when the last batch ended exactly there. */
  async next(): Promise<'batch' | 'end' | 'damaged'> {
    this.filePosition = this.nextPosition;
    const left = this.end - this.filePosition;
    if (left === 0) return 'end';
    if (left < batchHeaderBytes) return this.damaged(`${left} bytes at the end are no batch`);
    await this.hold(batchHeaderBytes);
    const position = this.filePosition - this.bufferStart;
    const sizeBytes = batchSizeAt(this.buffer, position) ?? 0;
    if (sizeBytes < batchHeaderBytes || sizeBytes > left || sizeBytes > greatestBatchBytes) {
      return this.damaged(`a batch length of ${sizeBytes} bytes where ${left} are left`);
    }
    await this.hold(sizeBytes);
    try {
      this.header = readBatchHeader(this.buffer, this.filePosition - this.bufferStart);
    } catch (error) {
      return this.damaged(messageOf(error));
    }
    this.nextPosition = this.filePosition + sizeBytes;
    return 'batch';
  }

  /** Whether the checksum of the present batch is right. */
  isIntact(): boolean {
    return isBatchIntact(this.buffer, this.header);
  }

  private damaged(what: string): 'damaged' {
    this.damage = what;
    return 'damaged';
  }

  /** Makes `count` bytes from filePosition on be in the buffer. */
  private async hold(count: number): Promise<void> {
    if (this.filePosition - this.bufferStart + count <= this.buffer.length) return;
    const length = Math.min(Math.max(count, chunkBytes), this.end - this.filePosition);
    const chunk = Buffer.allocUnsafeSlow(length);
    const read = await this.file.read(chunk, this.filePosition);
    this.buffer = chunk.fill(0, read);
    this.bufferStart = this.filePosition;
  }
}
