// What a partition knows of its producers: epochs, the last five batches of each (to recognise repeats, KIP-98), open transactions and the last
// stable offset. A pure state machine over batches in the order of the log: the same batches give the same state, which is how recovery
// makes it again. `producer-snapshot.ts` stores it.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { AbortedEntry } from './transaction-index.ts';
import type { ProducerInfo } from './contract.ts';

/** Kafka clients have at most five batches of a partition under way, so a repeat is among the last five. */
const rememberedBatches = 5;
const greatestSequence = 0x7fffffff;

/** What the state needs of a batch's header. */
export interface SequencedBatch {
  producerId: number;
  producerEpoch: number;
  baseSequence: number;
  lastOffsetDelta: number;
  maxTimestampMs: number;
  isTransactional: boolean;
}

/** A batch that is in the log. */
export interface RememberedBatch {
  firstSequence: number;
  lastSequence: number;
  firstOffset: number;
  lastOffset: number;
  timestampMs: number;
}

export interface ProducerEntry {
  producerId: number;
  producerEpoch: number;
  coordinatorEpoch: number;
  /** Oldest first, at most five. */
  batches: RememberedBatch[];
  lastTimestampMs: number;
  /** -1 when no transaction is open. */
  transactionStartOffset: number;
  /** Since when expire() has seen no batch of it; not stored. Records' own times say nothing about that. */
  idleSinceMs?: number;
}

export interface Marker {
  producerId: number;
  producerEpoch: number;
  coordinatorEpoch: number;
  kind: 'commit' | 'abort';
}

/** The sequence `delta` after `sequence`; after 2147483647 comes 0. */
export function sequenceAfter(sequence: number, delta: number): number {
  const sum = sequence + delta;
  return sum > greatestSequence ? sum - greatestSequence - 1 : sum;
}

export class ProducerState {
  private readonly entries = new Map<number, ProducerEntry>();
  /** Open transactions, producer id → first offset, in the order they began. */
  private readonly open = new Map<number, number>();
  /** Ended transactions whose marker is not durable yet: still unstable. */
  private ended: { firstOffset: number; lastOffset: number }[] = [];

  get size(): number {
    return this.entries.size;
  }

  all(): IterableIterator<ProducerEntry> {
    return this.entries.values();
  }

  /** Puts an entry of a snapshot in place. */
  restore(entry: ProducerEntry): void {
    this.entries.set(entry.producerId, entry);
  }

  /** After all entries are restored: open transactions in order of their start. */
  restoreTransactions(): void {
    const started = [...this.entries.values()].filter((entry) => entry.transactionStartOffset >= 0);
    started.sort((left, right) => left.transactionStartOffset - right.transactionStartOffset);
    for (const entry of started) this.open.set(entry.producerId, entry.transactionStartOffset);
  }

  /** The batch of the log that `batch` repeats, undefined when it is new. */
  findDuplicate(batch: SequencedBatch): RememberedBatch | undefined {
    const entry = this.entries.get(batch.producerId);
    if (entry?.producerEpoch !== batch.producerEpoch || batch.baseSequence < 0) return undefined;
    const lastSequence = sequenceAfter(batch.baseSequence, batch.lastOffsetDelta);
    return entry.batches.find(
      (known) => known.firstSequence === batch.baseSequence && known.lastSequence === lastSequence,
    );
  }

  /**
   * Throws INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER or INVALID_TXN_STATE when the batch may not follow what is there. A producer
   * that is not known (its state expired, its records were deleted) may begin with any sequence.
   */
  check(batch: SequencedBatch, where: string): void {
    const entry = this.entries.get(batch.producerId);
    if (entry === undefined) return;
    if (batch.producerEpoch < entry.producerEpoch) {
      throw new KafkaError(
        ErrorCode.INVALID_PRODUCER_EPOCH,
        `${where}: producer ${batch.producerId} has epoch ${batch.producerEpoch}, the log has ${entry.producerEpoch}`,
      );
    }
    const expected = this.expectedSequence(entry, batch.producerEpoch);
    if (batch.baseSequence >= 0 && batch.baseSequence !== expected) {
      throw new KafkaError(
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        `${where}: producer ${batch.producerId} sent sequence ${batch.baseSequence} where ${expected} was expected`,
      );
    }
    if (entry.transactionStartOffset >= 0 && !batch.isTransactional) {
      throw new KafkaError(
        ErrorCode.INVALID_TXN_STATE,
        `${where}: producer ${batch.producerId} wrote outside its open transaction`,
      );
    }
  }

  /** Throws INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED when the marker comes from the past. */
  checkMarker(marker: Marker, where: string): void {
    const entry = this.entries.get(marker.producerId);
    if (entry === undefined) return;
    if (marker.producerEpoch < entry.producerEpoch) {
      throw new KafkaError(
        ErrorCode.INVALID_PRODUCER_EPOCH,
        `${where}: marker with epoch ${marker.producerEpoch} for producer ${marker.producerId} at ${entry.producerEpoch}`,
      );
    }
    if (marker.coordinatorEpoch < entry.coordinatorEpoch) {
      throw new KafkaError(
        ErrorCode.TRANSACTION_COORDINATOR_FENCED,
        `${where}: marker of coordinator epoch ${marker.coordinatorEpoch}, the log has ${entry.coordinatorEpoch}`,
      );
    }
  }

  /** Takes in a data batch that was given offsets. */
  append(batch: SequencedBatch, firstOffset: number, lastOffset: number): void {
    const entry = this.entryFor(batch.producerId);
    if (batch.producerEpoch !== entry.producerEpoch) {
      entry.producerEpoch = batch.producerEpoch;
      entry.batches = [];
    }
    // The coordinators' own batches have a producer but no sequence: they are never sent twice.
    if (batch.baseSequence >= 0) {
      if (entry.batches.length === rememberedBatches) entry.batches.shift();
      entry.batches.push({
        firstSequence: batch.baseSequence,
        lastSequence: sequenceAfter(batch.baseSequence, batch.lastOffsetDelta),
        firstOffset,
        lastOffset,
        timestampMs: batch.maxTimestampMs,
      });
    }
    entry.lastTimestampMs = batch.maxTimestampMs;
    if (batch.isTransactional && entry.transactionStartOffset < 0) {
      entry.transactionStartOffset = firstOffset;
      this.open.set(batch.producerId, firstOffset);
    }
  }

  /** Takes in a marker at `offset`. Returns the entry for the transaction index when it ended a transaction by aborting it. */
  appendMarker(marker: Marker, offset: number, timestampMs: number): AbortedEntry | undefined {
    const entry = this.entryFor(marker.producerId);
    if (marker.producerEpoch !== entry.producerEpoch) {
      entry.producerEpoch = marker.producerEpoch;
      entry.batches = [];
    }
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestampMs = timestampMs;
    const firstOffset = entry.transactionStartOffset;
    if (firstOffset < 0) return undefined;
    entry.transactionStartOffset = -1;
    this.open.delete(marker.producerId);
    this.ended.push({ firstOffset, lastOffset: offset });
    if (marker.kind === 'commit') return undefined;
    return {
      producerId: marker.producerId,
      firstOffset,
      lastOffset: offset,
      lastStableOffset: this.firstOpenOffset ?? offset + 1,
    };
  }

  /** First offset of the oldest transaction that has not ended. */
  get firstOpenOffset(): number | undefined {
    for (const offset of this.open.values()) return offset;
    return undefined;
  }

  /** First offset that read_committed must not pass: of an open transaction, or of one whose end is not durable. */
  get firstUnstableOffset(): number | undefined {
    let first = this.firstOpenOffset;
    for (const { firstOffset } of this.ended) if (first === undefined || firstOffset < first) first = firstOffset;
    return first;
  }

  /** Everything below `highWatermark` is durable now. */
  advance(highWatermark: number): void {
    if (this.ended.length > 0) this.ended = this.ended.filter(({ lastOffset }) => lastOffset >= highWatermark);
  }

  /** Forgets producers without an open transaction that wrote nothing for `expiryMs`, as far as calls of this method have seen. */
  expire(nowMs: number, expiryMs: number): void {
    for (const entry of this.entries.values()) {
      entry.idleSinceMs ??= nowMs;
      if (entry.transactionStartOffset < 0 && nowMs - entry.idleSinceMs > expiryMs) {
        this.entries.delete(entry.producerId);
      }
    }
  }

  describe(): ProducerInfo[] {
    return [...this.entries.values()].map((entry) => ({
      producerId: entry.producerId,
      producerEpoch: entry.producerEpoch,
      lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
      lastTimestampMs: entry.lastTimestampMs,
      coordinatorEpoch: entry.coordinatorEpoch,
      currentTransactionStartOffset: entry.transactionStartOffset,
    }));
  }

  private expectedSequence(entry: ProducerEntry, epoch: number): number {
    const last = entry.producerEpoch === epoch ? entry.batches.at(-1) : undefined;
    return last === undefined ? 0 : sequenceAfter(last.lastSequence, 1);
  }

  private entryFor(producerId: number): ProducerEntry {
    let entry = this.entries.get(producerId);
    if (entry === undefined) {
      entry = {
        producerId,
        producerEpoch: -1,
        coordinatorEpoch: -1,
        batches: [],
        lastTimestampMs: -1,
        transactionStartOffset: -1,
      };
      this.entries.set(producerId, entry);
    }
    delete entry.idleSinceMs;
    return entry;
  }
}
