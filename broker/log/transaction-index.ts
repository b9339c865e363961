// `.txnindex` of a segment: the transactions whose abort marker is in it, in the order of the markers.
//
//   entry (34 bytes): int16 version = 0 | int64 producer id | int64 first offset | int64 last offset (the marker) | int64 last stable offset
//
// "last stable offset" is the one right after the marker was appended: a reader that is past it has seen every aborted transaction before.
// Kafka's own format (kafka.log TransactionIndex, AbortedTxn).
import type { Files } from '../../base/files.ts';
import { EntryFile, lastWhere } from './entry-file.ts';

const entryBytes = 34;

export interface AbortedEntry {
  producerId: number;
  firstOffset: number;
  lastOffset: number;
  lastStableOffset: number;
}

export class TransactionIndex extends EntryFile {
  constructor(files: Files, path: string, fresh: boolean) {
    super(files, path, entryBytes, fresh);
  }

  append(entry: AbortedEntry): void {
    const at = this.extend();
    this.entries.writeInt16BE(0, at);
    this.entries.writeBigInt64BE(BigInt(entry.producerId), at + 2);
    this.entries.writeBigInt64BE(BigInt(entry.firstOffset), at + 10);
    this.entries.writeBigInt64BE(BigInt(entry.lastOffset), at + 18);
    this.entries.writeBigInt64BE(BigInt(entry.lastStableOffset), at + 26);
  }

  /**
   * Adds to `found` the transactions that overlap [from, to). False when later segments may hold more of them, true when the search is over
   * (an entry was met after whose marker everything below `to` was stable).
   */
  collect(from: number, to: number, found: AbortedEntry[]): boolean {
    const skipped = lastWhere(this.count, (i) => this.entryAt(i).lastOffset < from) + 1;
    for (let index = skipped; index < this.count; index++) {
      const entry = this.entryAt(index);
      if (entry.firstOffset < to) found.push(entry);
      if (entry.lastStableOffset >= to) return true;
    }
    return false;
  }

  /** Drops entries whose marker is at or after `offset`. */
  truncateToOffset(offset: number): void {
    this.keepFirst(lastWhere(this.count, (i) => this.entryAt(i).lastOffset < offset) + 1);
  }

  protected override saneCount(content: Buffer): number {
    const whole = Math.floor(content.length / entryBytes);
    for (let index = 0; index < whole; index++) {
      const at = index * entryBytes;
      const first = content.readBigInt64BE(at + 10);
      const last = content.readBigInt64BE(at + 18);
      const previous = index === 0 ? -1n : content.readBigInt64BE(at + 18 - entryBytes);
      if (content.readInt16BE(at) !== 0 || first < 0n || last <= first || last <= previous) return index;
    }
    return whole;
  }

  private entryAt(index: number): AbortedEntry {
    const at = index * entryBytes;
    return {
      producerId: Number(this.entries.readBigInt64BE(at + 2)),
      firstOffset: Number(this.entries.readBigInt64BE(at + 10)),
      lastOffset: Number(this.entries.readBigInt64BE(at + 18)),
      lastStableOffset: Number(this.entries.readBigInt64BE(at + 26)),
    };
  }
}
