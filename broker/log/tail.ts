// The end of a partition in memory: the buffers that were appended last. Readers that have caught up are served from here without touching the disk, and
// what is not durable yet is here and nowhere else. Durable batches are dropped, oldest first, when the budget of all partitions is used up; their memory is
// used again once their readers are done with it.
import { giveBatchBuffer, holdBatchBuffer } from '../wire/batch-buffers.ts';

interface TailBatch {
  batch: Buffer;
  baseOffset: number;
  lastOffset: number;
  /** Bytes of the partition before this batch, counted from an arbitrary origin that stays the same. */
  bytesBefore: number;
}

/** One limit for the tails of all partitions: the oldest batch anywhere goes first. */
export class TailBudget {
  private readonly limitBytes: number;
  private usedBytes = 0;
  private order: Tail[] = [];
  private head = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  added(tail: Tail, bytes: number): void {
    this.usedBytes += bytes;
    this.order.push(tail);
    while (this.usedBytes > this.limitBytes && this.head < this.order.length) {
      const freed = this.order[this.head]!.dropOldest();
      if (freed === undefined) break;
      this.usedBytes -= freed;
      this.head++;
    }
    if (this.head > 1024 && this.head * 2 > this.order.length) {
      this.order = this.order.slice(this.head);
      this.head = 0;
    }
  }

  /** Forgets the `count` oldest batches of a tail, which dropped them by itself. */
  removed(tail: Tail, count: number, bytes: number): void {
    this.usedBytes -= bytes;
    let left = count;
    this.order = this.order.slice(this.head).filter((other) => other !== tail || left-- <= 0);
    this.head = 0;
  }
}

export class Tail {
  private readonly budget: TailBudget;
  private batches: TailBatch[] = [];
  private head = 0;
  private durableOffset = 0;
  private endBytes = 0;

  constructor(budget: TailBudget) {
    this.budget = budget;
  }

  add(batch: Buffer, baseOffset: number, lastOffset: number): void {
    this.batches.push({ batch, baseOffset, lastOffset, bytesBefore: this.endBytes });
    this.endBytes += batch.length;
    this.budget.added(this, batch.length);
  }

  /** Batches below `offset` are on disk and may be dropped. */
  durableBelow(offset: number): void {
    this.durableOffset = offset;
  }

  /** Drops the oldest batch: its bytes, or undefined when it must stay. */
  dropOldest(): number | undefined {
    const oldest = this.batches[this.head];
    if (oldest === undefined || oldest.lastOffset >= this.durableOffset) return undefined;
    this.head++;
    if (this.head > 256 && this.head * 2 > this.batches.length) {
      this.batches = this.batches.slice(this.head);
      this.head = 0;
    }
    const { length } = oldest.batch;
    giveBatchBuffer(oldest.batch);
    return length;
  }

  /** Drops everything. */
  clear(): void {
    this.dropBelow(Infinity);
  }

  /** Drops batches that end below `offset`: the log has something else there now. */
  dropBelow(offset: number): void {
    const kept = this.find(offset);
    const dropped = this.batches.slice(this.head, kept);
    const bytes = dropped.reduce((sum, { batch }) => sum + batch.length, 0);
    this.batches = this.batches.slice(kept);
    this.head = 0;
    this.budget.removed(this, dropped.length, bytes);
  }

  /** Whether the batch that holds `offset` is here. */
  holds(offset: number): boolean {
    const oldest = this.batches[this.head];
    return oldest !== undefined && offset >= oldest.baseOffset;
  }

  /**
   * Batches from the one that holds `offset` up to `limit` (exclusive, at a batch's start), within `maxBytes` but at least one. Empty when the
   * offset is at the limit. The caller is a holder of them (batch-buffers.ts).
   */
  read(offset: number, limit: number, maxBytes: number): { records: Buffer[]; sizeBytes: number; nextOffset: number } {
    const records: Buffer[] = [];
    let sizeBytes = 0;
    let nextOffset = offset;
    for (let index = this.find(offset); index < this.batches.length; index++) {
      const { batch, lastOffset } = this.batches[index]!;
      if (lastOffset >= limit || (records.length > 0 && sizeBytes + batch.length > maxBytes)) break;
      holdBatchBuffer(batch);
      records.push(batch);
      sizeBytes += batch.length;
      nextOffset = lastOffset + 1;
    }
    return { records, sizeBytes, nextOffset };
  }

  /** Bytes from the batch that holds `offset` to `limit`; both here. */
  bytesBetween(offset: number, limit: number): number {
    return this.bytesBefore(limit) - this.bytesBefore(offset);
  }

  private bytesBefore(offset: number): number {
    return this.batches[this.find(offset)]?.bytesBefore ?? this.endBytes;
  }

  /** Index of the first batch that ends at or after `offset`. */
  private find(offset: number): number {
    let low = this.head;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.batches[middle]!.lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
