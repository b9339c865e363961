// kafkajs, in this process. Its compressions other than gzip are plug-ins; these stand on the same packages as the published ones.
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import {
  CompressionCodecs,
  CompressionTypes,
  ConfigResourceTypes,
  type ConsumerConfig,
  Kafka,
  type KafkaMessage,
  logLevel,
} from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import { compress, uncompress } from 'snappy';
import { until } from '../../support/command.ts';
import { versionOf } from '../../support/programs.ts';
import { administer, resumeReading, watchRebalance } from './courses.ts';
import type { Codec, Driver, Place } from './features.ts';

const types: Record<Codec, CompressionTypes> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
type Transform = (bytes: Buffer) => Promise<Buffer>;
const plugIn = (pack: Transform, unpack: Transform) => () => ({
  compress: ({ buffer }: { buffer: Buffer }) => pack(buffer),
  decompress: (bytes: Buffer) => unpack(bytes),
});
Object.assign(CompressionCodecs, {
  [types.snappy]: plugIn(compress, async (bytes) => Buffer.from(await uncompress(bytes))),
  [types.lz4]: plugIn(compressFrame, decompressFrame),
  [types.zstd]: plugIn(promisify(zstdCompress), promisify(zstdDecompress)),
});

const kafkaAt = ({ bootstrap }: Place) =>
  new Kafka({ brokers: [bootstrap], clientId: 'kafkajs', logLevel: logLevel.NOTHING });

type SentMessage = { key?: string; value: string; headers?: Record<string, string>; timestamp?: string };

async function send(place: Place, messages: SentMessage[], codec: Codec = 'none'): Promise<void> {
  const producer = kafkaAt(place).producer();
  await producer.connect();
  await producer.send({ topic: place.name, messages, compression: types[codec] });
  await producer.disconnect();
}

/** A member of the group that reads until it is stopped. */
async function member(place: Place, options: Partial<ConsumerConfig> = {}) {
  const consumer = kafkaAt(place).consumer({
    ...{ groupId: place.name, sessionTimeout: 10_000, heartbeatInterval: 500, maxWaitTimeInMs: 100 },
    ...options,
  });
  const messages: KafkaMessage[] = [];
  let partitions = 0;
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    partitions = Object.values(payload.memberAssignment).flat().length;
  });
  await consumer.connect();
  await consumer.subscribe({ topic: place.name, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      messages.push(message);
      return Promise.resolve();
    },
  });
  const values = () => messages.map(({ value }) => value!.toString());
  return { messages, values, partitions: () => partitions, stop: () => consumer.disconnect() };
}

async function take(place: Place, count: number, options: Partial<ConsumerConfig> = {}): Promise<KafkaMessage[]> {
  const reader = await member(place, options);
  await until(`${count} messages`, () => reader.messages.length >= count, 60_000);
  await reader.stop();
  return reader.messages;
}
const valuesOf = (messages: readonly KafkaMessage[]) => messages.map(({ value }) => value!.toString());
const plain = (values: readonly string[]) => values.map((value) => ({ value }));

export function openKafkajs(): Driver {
  return {
    version: versionOf('kafkajs'),
    async records(place, records) {
      const messages = records.map(({ headers, timestamp, ...record }) => ({
        ...record,
        headers: Object.fromEntries(headers),
        timestamp: String(timestamp),
      }));
      await send(place, messages);
      return (await take(place, records.length)).map(({ key, value, headers, timestamp }) => ({
        key: key!.toString(),
        value: value!.toString(),
        headers: Object.entries(headers!).map(([name, text]) => [name, String(text)] as [string, string]),
        timestamp: Number(timestamp),
      }));
    },
    async compression(place, codec, values) {
      await send(place, plain(values), codec);
      return valuesOf(await take(place, values.length));
    },
    rebalance: async (place, values) =>
      watchRebalance(await Promise.all([member(place), member(place)]), values, (half) => send(place, plain(half))),
    resume: (place, values) =>
      resumeReading(
        values,
        (some) => send(place, plain(some)),
        async (count) => valuesOf(await take(place, count)),
      ),
    async transactions(place, outcomes) {
      const { name: topic } = place;
      const producer = kafkaAt(place).producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
      await producer.connect();
      for (const { ends, values, offset } of outcomes) {
        const transaction = await producer.transaction();
        await transaction.send({ topic, messages: plain(values) });
        const topics = [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }];
        await transaction.sendOffsets({ consumerGroupId: topic, topics });
        await (ends === 'committed' ? transaction.commit() : transaction.abort());
      }
      await producer.disconnect();
      // A last record says that everything before it has been read.
      await send(place, plain(['end']));
      const committed = { groupId: `${topic}-readers`, readUncommitted: false };
      const reader = await member(place, committed);
      await until('the end', () => reader.values().includes('end'), 60_000);
      await reader.stop();
      return reader.values().slice(0, -1);
    },
    admin: administration,
    async times(place, timestamp) {
      const admin = kafkaAt(place).admin();
      await admin.connect();
      const [found] = await admin.fetchTopicOffsetsByTimestamp(place.name, timestamp);
      const [ends] = await admin.fetchTopicOffsets(place.name);
      await admin.disconnect();
      return { offset: Number(found!.offset), end: Number(ends!.high) };
    },
  };
}

async function administration(place: Place) {
  const { name: topic } = place;
  const admin = kafkaAt(place).admin();
  await admin.connect();
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const setting = (value: string) => [{ name: 'retention.ms', value }];
  const observed = await administer({
    create: () => admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries: setting('12345') }] }),
    isListed: async () => (await admin.listTopics()).includes(topic),
    partitions: async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions.length,
    retention: async () => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
      return resources[0]!.configEntries.find(({ configName }) => configName === 'retention.ms')!.configValue;
    },
    addPartition: () => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }),
    alter: () =>
      admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: setting('54321') }] }),
    remove: () => admin.deleteTopics({ topics: [topic] }),
  });
  await admin.disconnect();
  return observed;
}
