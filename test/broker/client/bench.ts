// What the behaviour suites share: a live broker, a client of it, and short ways to make topics and to read them.
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type {
  Consumer,
  ConsumerOptions,
  FetchedBatches,
  KafkaClient,
  Transport,
} from '../../../broker/client/contract.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { KafkaError } from '../../../broker/wire/errors.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';

export interface LiveBroker {
  transport: (clientId: string) => Transport;
  /** How long members may be silent; heartbeats come six times as often, and with them the news of a rebalance. */
  sessionTimeoutMs?: number;
  stop: () => Promise<void>;
}

let names = 0;
export const uniqueName = (what: string) => `${what}-${process.pid}-${++names}`;

export function recordsOf(fetched: readonly FetchedBatches[]): { partition: number; offset: number; value: string }[] {
  const cursor = new RecordCursor();
  const records: { partition: number; offset: number; value: string }[] = [];
  for (const { batches, fromOffset, partition } of fetched) {
    for (const batch of batches) {
      cursor.open(batch);
      while (cursor.next()) {
        if (cursor.offset < fromOffset) continue;
        records.push({ partition, offset: cursor.offset, value: cursor.value()?.toString() ?? '' });
      }
    }
  }
  return records;
}

/** Polls until `count` values came. */
export async function read(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = [];
  const deadline = AbortSignal.timeout(20_000);
  while (values.length < count && !deadline.aborted) {
    values.push(...recordsOf(await consumer.poll(deadline)).map(({ value }) => value));
  }
  return values;
}

export function batchOf(values: readonly string[]): BatchBuilder {
  const builder = new BatchBuilder();
  for (const value of values) builder.append(systemClock.now(), null, Buffer.from(value));
  return builder;
}

export const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** Kafka's name of what was thrown, if it is an error of Kafka's. */
export function nameOfError(error: unknown): string {
  return error instanceof KafkaError ? error.errorName : String(error);
}

/** What the tests of one live broker share; opens it before and closes it after them. */
export interface Bench {
  readonly client: KafkaClient;
  newTopic: (partitions?: number) => Promise<string>;
  newConsumer: (options: ConsumerOptions) => Consumer;
  /** The first `count` values of a topic. */
  readAll: (topic: string, count: number, options?: ConsumerOptions) => Promise<string[]>;
}

export function openBench(open: () => Promise<LiveBroker>): Bench {
  let broker: LiveBroker;
  let client: KafkaClient;
  beforeAll(async () => {
    broker = await open();
    client = createClient({
      transport: broker.transport('behaviour'),
      clientId: 'behaviour',
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  }, 120_000);
  afterAll(async () => {
    await client.close();
    await broker.stop();
  }, 60_000);
  const newConsumer = (options: ConsumerOptions) =>
    client.consumer({ maxWaitMs: 200, sessionTimeoutMs: broker.sessionTimeoutMs ?? 6000, ...options });
  return {
    get client() {
      return client;
    },
    async newTopic(partitions = 1) {
      const topic = uniqueName('topic');
      await client.admin().createTopic({ name: topic, partitions });
      return topic;
    },
    newConsumer,
    async readAll(topic, count, options = {}) {
      const consumer = newConsumer({ topics: [topic], ...options });
      await consumer.start();
      const values = await read(consumer, count);
      await consumer.close();
      return values;
    },
  };
}
