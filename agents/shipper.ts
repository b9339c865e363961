// Ships lines to one topic: they are framed straight into record batches, one builder for each partition that is filling, and a flight takes
// all of them together with the position records through one transaction. While a flight is in the air the next one is filled, and its full batches leave as
// soon as the broker has taken all of the one in the air: they are written while that one is decided, so that the disk is never without work.
//
// A producer has one transaction at a time, so two take turns, each with a transactional id of its own. What one of them promises, both do: a flight is decided
// only after the one before it, its batches stand behind those of that one, and an earlier life is fenced from both before positions are read. The first
// flight is always the first one's: of two lives that begin at the same time, and fence each other crosswise, only one gets anywhere.
//
// Crash-only: when a flight fails the shipper is of no use any more. What it held was not committed; the agent starts anew with another one.
import { crashPoint } from '../base/crash-point.ts';
import { assert } from '../base/errors.ts';
import type {
  BatchSource,
  KafkaClient,
  OutgoingRecord,
  Producer,
  ProducerOptions,
  ProducerTransaction,
} from '../broker/client/contract.ts';
import { BatchBuilder, type LineRun } from '../broker/wire/batch-builder.ts';

/** What a batch has beside the lines at most: its header, and for each record lengths, deltas and the headers. */
export const recordOverheadBytes = 160;

export interface ShipperOptions {
  transactionalId: string;
  topic: string;
  /** No batch gets larger, unless a single line is. */
  batchBytes: number;
  compression: NonNullable<ProducerOptions['compression']>;
}

interface FullBatch {
  partition: number;
  batch: BatchSource;
  bytes: number;
}

/** What one flight has committed. */
export interface Flight {
  records: number;
  bytes: number;
}

export class Shipper {
  private readonly client: KafkaClient;
  private readonly options: ShipperOptions;
  /** They take turns; the first one is next. */
  private producers: Producer[] = [];
  /** The builder that takes lines, by partition; each holds one at least. */
  private open = new Map<number, BatchBuilder>();
  /** Batches that are full, in order; those that are to be compressed are under way to it. */
  private full: FullBatch[] = [];
  private readonly spare: BatchBuilder[] = [];
  /** Takes the batches of the next flight that have left already. */
  private transaction: ProducerTransaction | undefined;
  private sentBytes = 0;
  private lineBytes = 0;
  private lines = 0;
  private flying: Promise<Flight> | undefined;
  /** Nothing of the flight in the air is on its way to the broker any more. */
  private isAnswered = true;
  private failure: Error | undefined;

  constructor(client: KafkaClient, options: ShipperOptions) {
    this.client = client;
    this.options = options;
  }

  /** InitProducerId: from here on no earlier producer of the same identity can write. Throws TailraceError TLR_FENCED when fenced itself. */
  async init(): Promise<void> {
    const { transactionalId, compression, batchBytes } = this.options;
    this.producers = [transactionalId, `${transactionalId}/2`].map((id) =>
      this.client.producer({ transactionalId: id, compression, batchBytes, transactionTimeoutMs: 15_000 }),
    );
    await Promise.all(this.producers.map((producer) => producer.init()));
  }

  /** Bytes of the next flight. */
  get pendingBytes(): number {
    let bytes = this.sentBytes;
    for (const each of this.full) bytes += each.bytes;
    for (const builder of this.open.values()) bytes += builder.sizeBytes;
    return bytes;
  }

  get isFlying(): boolean {
    return this.flying !== undefined;
  }

  /** Resolves when nothing is in the air, whatever became of it. */
  async landed(): Promise<void> {
    await this.flying?.catch(() => undefined);
  }

  /** Something of the next flight has left already. */
  get isOpen(): boolean {
    return this.transaction !== undefined;
  }

  /**
   * Adds the line `source[start, end)`, with a key or without. `headers` are encoded with their count (broker/wire encodeHeaders). Nothing is kept of the arguments.
   */
  append(
    partition: number,
    timestampMs: number,
    source: Buffer,
    start: number,
    end: number,
    headers: Buffer,
    key?: Buffer,
  ): void {
    let builder = this.open.get(partition);
    const bytes = end - start + headers.length + (key?.length ?? 0) + 24;
    if (builder !== undefined && builder.sizeBytes + bytes > this.options.batchBytes) {
      this.open.delete(partition);
      this.finish(partition, builder);
      this.sendFull();
      builder = undefined;
    }
    builder ??= this.spareBuilder();
    if (key === undefined) builder.appendLine(timestampMs, source, start, end, headers);
    else builder.append(timestampMs, key, source, start, end, headers);
    this.took(partition, builder, 1, end - start + 1);
  }

  /**
   * Adds lines of `source[start, end)`, which ends each with a newline, as long as they are plain and the batch has room; what it leaves is for append.
   * Returns where it stopped and how many they were.
   */
  appendLines(
    partition: number,
    source: Buffer,
    start: number,
    end: number,
    run: LineRun,
  ): { end: number; count: number } {
    const builder = this.open.get(partition) ?? this.spareBuilder();
    const taken = builder.appendLines(source, start, end, run, this.options.batchBytes);
    if (taken.count > 0) this.took(partition, builder, taken.count, taken.end - start);
    else if (builder.count === 0) this.spare.push(builder);
    return taken;
  }

  private spareBuilder(): BatchBuilder {
    return this.spare.pop() ?? new BatchBuilder();
  }

  /** `builder` holds `lines` more: it is open from its first line on. */
  private took(partition: number, builder: BatchBuilder, lines: number, lineBytes: number): void {
    this.open.set(partition, builder);
    this.lineBytes += lineBytes;
    this.lines += lines;
  }

  /**
   * Commits everything appended so far together with `positions`, in one transaction. Resolves when it is durable; one flight at a time (landed). The bytes
   * are handed over before the call returns. Rejects at once when an earlier flight failed: a producer whose batch was refused can go on, and later
   * positions would be committed without the lines that were lost with it.
   */
  launch(positions: readonly OutgoingRecord[]): Promise<Flight> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    assert(!this.isFlying, 'a flight is in the air');
    for (const [partition, builder] of this.open) this.finish(partition, builder);
    this.open = new Map();
    const transaction = (this.transaction ??= this.begin());
    this.sendFull();
    this.isAnswered = false;
    const flight = { records: this.lines, bytes: this.lineBytes };
    this.transaction = undefined;
    this.sentBytes = 0;
    this.lineBytes = 0;
    this.lines = 0;
    this.flying = this.fly(transaction, positions)
      .then(
        () => flight,
        (error: unknown) => {
          this.failure = error instanceof Error ? error : new Error(String(error));
          throw this.failure;
        },
      )
      .finally(() => {
        this.flying = undefined;
        this.isAnswered = true;
        this.sendFull();
      });
    return this.flying;
  }

  /** Sends what is full, unless batches of an earlier flight are still under way: they come first. */
  private sendFull(): void {
    if (!this.isAnswered || this.failure !== undefined || this.full.length === 0) return;
    this.transaction ??= this.begin();
    for (const { partition, batch, bytes } of this.full.splice(0)) {
      this.sentBytes += bytes;
      // commit() tells when one was refused; here only the order matters.
      this.transaction.sendBatch(this.options.topic, partition, batch).catch(() => undefined);
      if (batch instanceof BatchBuilder) this.spareAgain(batch);
    }
  }

  /** What `builder` holds is a whole batch. */
  private finish(partition: number, builder: BatchBuilder): void {
    const { compression } = this.options;
    const bytes = builder.sizeBytes;
    const batch = compression === 'none' ? builder : builder.pack(compression);
    this.full.push({ partition, batch, bytes });
    if (batch !== builder) this.spareAgain(builder);
  }

  private spareAgain(builder: BatchBuilder): void {
    if (this.spare.length < 16) this.spare.push(builder);
  }

  private begin(): ProducerTransaction {
    const producer = this.producers.shift()!;
    this.producers.push(producer);
    return producer.begin();
  }

  private async fly(transaction: ProducerTransaction, positions: readonly OutgoingRecord[]): Promise<void> {
    if (positions.length > 0) transaction.send(positions);
    crashPoint('agent.flight-sent');
    await transaction.settled();
    this.isAnswered = true;
    this.sendFull();
    await transaction.commit();
    crashPoint('agent.flight-committed');
  }

  async close(): Promise<void> {
    // What has left ahead of a flight that never was: readers need not wait for the transaction's timeout.
    if (this.failure === undefined) await this.transaction?.abort().catch(() => undefined);
    for (const producer of this.producers) await producer.close();
  }
}
