// Delivery into a topic of the same cluster: records and offsets in one transaction. A record keeps its key and headers and gets the coordinates it was first
// read from in the header "o". Keyed records go to their key's partition, others keep their partition's number, so order is kept.
import type { ProducerTransaction } from '../broker/client/contract.ts';
import { BatchBuilder, encodeHeaders } from '../broker/wire/batch-builder.ts';
import { partitionForKey } from '../broker/wire/murmur2.ts';
import { addOrigin } from './origin.ts';
import type { SourceBatch } from './source-batch.ts';
import type { Target } from './target.ts';

const batchBytes = 512 * 1024;
/** A transaction is committed when it has gone on for this long, or holds this much. */
const transactionMs = 200;
const transactionBytes = 8 * 1024 * 1024;

export class TopicTarget implements Target {
  readonly name: string;
  readonly fieldPaths = [];
  readonly hasManifests = false;
  readonly overlaps = false;
  readonly scope = 'edge';
  private readonly topic: string;
  private readonly partitions: number;
  private readonly transaction: () => ProducerTransaction;
  private readonly monotonicMs: () => number;
  private readonly builders = new Map<number, BatchBuilder>();
  private startedMs: number | undefined;
  private takenBytes = 0;

  /** `transaction` gives the one that the next decision commits, starting it when there is none. */
  constructor(options: {
    topic: string;
    partitions: number;
    transaction: () => ProducerTransaction;
    monotonicMs: () => number;
  }) {
    this.name = `topic:${options.topic}`;
    this.topic = options.topic;
    this.partitions = options.partitions;
    this.transaction = options.transaction;
    this.monotonicMs = options.monotonicMs;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  async take(_scope: string, batch: SourceBatch): Promise<undefined> {
    this.startedMs ??= this.monotonicMs();
    const { topicId, partition } = batch.coordinates;
    const sent: Promise<void>[] = [];
    batch.forEach((delivery) => {
      const key = delivery.key();
      const headers = delivery.headers();
      addOrigin(headers, { topicId, partition, offset: delivery.offset, ordinal: delivery.ordinal });
      const to = key === null ? partition % this.partitions : partitionForKey(key, this.partitions);
      const builder = this.builder(to);
      builder.append(delivery.timestampMs, key, delivery.buffer, delivery.start, delivery.end, encodeHeaders(headers));
      if (builder.sizeBytes >= batchBytes) sent.push(this.send(to, builder));
    });
    await Promise.all(sent);
    return undefined;
  }

  isDue(_scope: string, nowMs: number): boolean {
    return (
      this.startedMs !== undefined && (nowMs - this.startedMs >= transactionMs || this.takenBytes >= transactionBytes)
    );
  }

  async prepare(): Promise<undefined> {
    const filled = [...this.builders].filter(([, builder]) => builder.count > 0);
    await Promise.all(filled.map(([partition, builder]) => this.send(partition, builder)));
    this.startedMs = undefined;
    this.takenBytes = 0;
    return undefined;
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private builder(partition: number): BatchBuilder {
    let builder = this.builders.get(partition);
    if (builder === undefined) this.builders.set(partition, (builder = new BatchBuilder(batchBytes * 1.25)));
    return builder;
  }

  private send(partition: number, builder: BatchBuilder): Promise<void> {
    this.takenBytes += builder.sizeBytes;
    return this.transaction().sendBatch(this.topic, partition, builder);
  }
}
