// `.index` of a segment: where in the log file a batch begins. Sparse: one entry for each index.interval.bytes.
//
//   entry (8 bytes): int32 last offset of the batch - base offset of the segment | int32 position of the batch
//
// Entries grow strictly in both fields. Kafka's own format (kafka.log OffsetIndex).
import type { Files } from '../../base/files.ts';
import { EntryFile, lastWhere } from './entry-file.ts';

const entryBytes = 8;

export class OffsetIndex extends EntryFile {
  private readonly baseOffset: number;

  constructor(files: Files, path: string, baseOffset: number, fresh: boolean) {
    super(files, path, entryBytes, fresh);
    this.baseOffset = baseOffset;
  }

  append(lastOffset: number, position: number): void {
    const at = this.extend();
    this.entries.writeInt32BE(lastOffset - this.baseOffset, at);
    this.entries.writeInt32BE(position, at + 4);
  }

  /** A position at or before the batch that holds `offset`: the nearest that the index knows, else 0. */
  lookup(offset: number): number {
    const index = lastWhere(this.count, (i) => this.offsetAt(i) <= offset);
    return index < 0 ? 0 : this.entries.readInt32BE(index * entryBytes + 4);
  }

  /** Position of the last entry, -1 when there is none. */
  get lastPosition(): number {
    return this.count === 0 ? -1 : this.entries.readInt32BE((this.count - 1) * entryBytes + 4);
  }

  /** Drops entries of batches whose last offset is at or after `offset`. */
  truncateToOffset(offset: number): void {
    this.keepFirst(lastWhere(this.count, (i) => this.offsetAt(i) < offset) + 1);
  }

  protected override saneCount(content: Buffer): number {
    const whole = Math.floor(content.length / entryBytes);
    for (let index = 0; index < whole; index++) {
      const at = index * entryBytes;
      const offset = content.readInt32BE(at);
      const position = content.readInt32BE(at + 4);
      const grows =
        index === 0
          ? offset >= 0 && position > 0
          : offset > content.readInt32BE(at - 8) && position > content.readInt32BE(at - 4);
      if (!grows) return index;
    }
    return whole;
  }

  private offsetAt(index: number): number {
    return this.baseOffset + this.entries.readInt32BE(index * entryBytes);
  }
}
