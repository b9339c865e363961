// `.timeindex` of a segment: the greatest timestamp so far, to find records by time.
//
//   entry (12 bytes): int64 timestamp | int32 last offset of the batch that has it - base offset of the segment
//
// An entry says: before its batch no record of the segment has a later timestamp. Timestamps grow strictly, offsets too.
// Kafka's own format (kafka.log TimeIndex).
import type { Files } from '../../base/files.ts';
import { EntryFile, lastWhere } from './entry-file.ts';

const entryBytes = 12;

export interface TimeEntry {
  timestampMs: number;
  offset: number;
}

export class TimeIndex extends EntryFile {
  private readonly baseOffset: number;

  constructor(files: Files, path: string, baseOffset: number, fresh: boolean) {
    super(files, path, entryBytes, fresh);
    this.baseOffset = baseOffset;
  }

  /** Adds an entry unless the last one has this timestamp or a later one. */
  maybeAppend(timestampMs: number, offset: number): void {
    const last = this.last;
    if (timestampMs < 0 || (last !== undefined && (timestampMs <= last.timestampMs || offset <= last.offset))) return;
    const at = this.extend();
    this.entries.writeBigInt64BE(BigInt(timestampMs), at);
    this.entries.writeInt32BE(offset - this.baseOffset, at + 8);
  }

  get last(): TimeEntry | undefined {
    return this.count === 0 ? undefined : this.entryAt(this.count - 1);
  }

  /** The last entry whose timestamp is below `timestampMs`: nothing before its batch is at or after that time. */
  lookup(timestampMs: number): TimeEntry | undefined {
    const index = lastWhere(this.count, (i) => this.entryAt(i).timestampMs < timestampMs);
    return index < 0 ? undefined : this.entryAt(index);
  }

  /** Drops entries of batches whose last offset is at or after `offset`. */
  truncateToOffset(offset: number): void {
    this.keepFirst(lastWhere(this.count, (i) => this.entryAt(i).offset < offset) + 1);
  }

  protected override saneCount(content: Buffer): number {
    const whole = Math.floor(content.length / entryBytes);
    for (let index = 0; index < whole; index++) {
      const at = index * entryBytes;
      const grows =
        index === 0
          ? content.readBigInt64BE(at) >= 0n && content.readInt32BE(at + 8) >= 0 && !isZeroEntry(content, at)
          : content.readBigInt64BE(at) > content.readBigInt64BE(at - 12) &&
            content.readInt32BE(at + 8) > content.readInt32BE(at - 4);
      if (!grows) return index;
    }
    return whole;
  }

  private entryAt(index: number): TimeEntry {
    const at = index * entryBytes;
    return {
      timestampMs: Number(this.entries.readBigInt64BE(at)),
      offset: this.baseOffset + this.entries.readInt32BE(at + 8),
    };
  }
}

function isZeroEntry(content: Buffer, at: number): boolean {
  return content.readBigInt64BE(at) === 0n && content.readInt32BE(at + 8) === 0;
}
