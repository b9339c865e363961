// Reads a topic of Tailrace's own state (`__tailrace_positions`, unless told) from its beginning to its end, and later on to its new end. The latest
// record of a key counts.
import { type Clock, sleep } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { RecordCursor } from '../wire/record-batch.ts';
import { compactedTopicConfigs } from './own-topics.ts';
import type { Admin, Consumer, KafkaClient } from './contract.ts';
import { positionsTopic } from './positions-record.ts';

/** How long the reader of committed records waits for transactions of others: they time out well before. */
const catchUpDeadlineMs = 120_000;

/** Makes the topic unless it is there. */
export async function createPositionsTopic(admin: Admin): Promise<void> {
  await admin.createTopic({ name: positionsTopic, partitions: 1, configs: compactedTopicConfigs }, { ifMissing: true });
}

export class PositionsLog {
  private readonly client: KafkaClient;
  private readonly isolation: 'read_committed' | 'read_uncommitted';
  private readonly clock: Clock;
  private readonly topic: string;
  private readonly visit: (key: Buffer, value: Buffer | null) => void;
  private consumer: Consumer | undefined;
  private partitions: number[] = [];

  /** `visit` gets key and value of each record, in order; both are views that hold until it returns. */
  constructor(
    client: KafkaClient,
    options: { isolation: 'read_committed' | 'read_uncommitted'; clock: Clock; topic?: string },
    visit: (key: Buffer, value: Buffer | null) => void,
  ) {
    this.client = client;
    this.isolation = options.isolation;
    this.clock = options.clock;
    this.topic = options.topic ?? positionsTopic;
    this.visit = visit;
  }

  /**
   * Reads up to the end the topic has now, committed or not: what other agents' transactions hold back is waited for. Returns at once when there
   * is no such topic. Throws TailraceError TLR_TIMEOUT when a transaction does not end.
   */
  async readToEnd(signal?: AbortSignal): Promise<void> {
    const admin = this.client.admin();
    if (this.consumer === undefined) {
      const [topic] = await admin.topics([this.topic]);
      if (topic === undefined) return;
      this.partitions = topic.partitions.map(({ partition }) => partition);
      const consumer = this.client.consumer({
        isolation: this.isolation,
        start: 'earliest',
        maxWaitMs: 20,
        minBytes: 1,
      });
      this.consumer = consumer;
      await consumer.assign(this.partitions.map((partition) => ({ topic: this.topic, partition })));
      await consumer.start();
    }
    const { consumer } = this;
    const ends = await admin.offsets(this.topic, 'latest');
    const deadlineMs = this.clock.monotonicMs() + catchUpDeadlineMs;
    const isBehind = () =>
      this.partitions.some(
        (partition) => consumer.position({ topic: this.topic, partition }) < (ends.get(partition) ?? 0),
      );
    while (isBehind()) {
      if (signal?.aborted === true)
        throw new TailraceError('TLR_CLOSED', `Stopped while reading ${this.topic}`, { retriable: true });
      if (this.clock.monotonicMs() > deadlineMs) {
        throw new TailraceError('TLR_TIMEOUT', `A transaction on ${this.topic} does not end`, { retriable: true });
      }
      const fetched = await consumer.poll(signal);
      for (const { batches, fromOffset } of fetched) this.take(batches, fromOffset);
      if (fetched.length === 0 && isBehind()) await sleep(this.clock, 5, signal);
    }
  }

  private take(batches: readonly Buffer[], fromOffset: number): void {
    const cursor = new RecordCursor();
    for (const batch of batches) {
      cursor.open(batch);
      while (cursor.next()) {
        const key = cursor.key();
        if (key !== null && cursor.offset >= fromOffset) this.visit(key, cursor.value());
      }
    }
  }

  async close(): Promise<void> {
    await this.consumer?.close();
    this.consumer = undefined;
  }
}
