// @platformatic/kafka, in this process.
import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { until } from '../../support/command.ts';
import { versionOf } from '../../support/programs.ts';
import { administer, resumeReading, watchRebalance } from './courses.ts';
import type { Codec, Driver, Outcome, Place } from './features.ts';

type Text = Message<string, string, string, string>;
type TextConsumer = Consumer<string, string, string, string>;
const clientOf = ({ bootstrap }: Place) => ({ clientId: 'platformatic', bootstrapBrokers: [bootstrap] });
const producerAt = (place: Place, options: { transactionalId?: string } = {}) =>
  new Producer({
    ...clientOf(place),
    ...options,
    serializers: stringSerializers,
    idempotent: options.transactionalId !== undefined,
  });

interface SentMessage {
  key?: string;
  value: string;
  headers?: Record<string, string>;
  timestamp?: bigint;
}

async function send(place: Place, messages: readonly SentMessage[], codec: Codec = 'none'): Promise<void> {
  const producer = producerAt(place);
  await producer.send({ messages: messages.map((message) => ({ ...message, topic: place.name })), compression: codec });
  await producer.close();
}
const plain = (values: readonly string[]) => values.map((value) => ({ value }));

function consumerAt(place: Place, groupId = place.name) {
  return new Consumer({
    ...clientOf(place),
    groupId,
    deserializers: stringDeserializers,
    ...{ sessionTimeout: 10_000, heartbeatInterval: 500, rebalanceTimeout: 10_000, maxWaitTime: 100 },
  });
}

/** Closes it with its streams; the overload for this takes a callback. */
const leave = (consumer: TextConsumer) =>
  new Promise<void>((resolve, reject) =>
    consumer.close(true, (error) => {
      if (error === null) resolve();
      else reject(error);
    }),
  );

/** A member of the group that reads, and commits what it reads, until it is stopped. */
async function member(place: Place, groupId = place.name, isolationLevel = 0) {
  const consumer = consumerAt(place, groupId);
  const messages: Text[] = [];
  const stream = await consumer.consume({
    ...{ topics: [place.name], autocommit: true, mode: 'committed', fallbackMode: 'earliest', isolationLevel },
  });
  stream.on('data', (message) => messages.push(message));
  stream.on('error', () => undefined);
  return {
    messages,
    values: () => messages.map(({ value }) => value),
    partitions: () => (consumer.assignments ?? []).flatMap(({ partitions }) => partitions).length,
    stop: () => leave(consumer),
  };
}

async function take(place: Place, count: number): Promise<Text[]> {
  const reader = await member(place);
  await until(`${count} messages`, () => reader.messages.length >= count, 60_000);
  await reader.stop();
  return reader.messages;
}
const valuesOf = (messages: readonly Text[]) => messages.map(({ value }) => value);

export function openPlatformatic(): Driver {
  return {
    version: versionOf('@platformatic/kafka'),
    fails: {
      transactions: {
        why: 'its filter of read_committed shows the first of two aborted transactions',
        throws: /aborted 0 0/,
      },
    },
    async records(place, records) {
      const sent = records.map(({ headers, timestamp, ...record }) => ({
        ...record,
        headers: Object.fromEntries(headers),
        timestamp: BigInt(timestamp),
      }));
      await send(place, sent);
      return (await take(place, records.length)).map(({ key, value, headers, timestamp }) => ({
        ...{ key, value, headers: [...headers], timestamp: Number(timestamp) },
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
    transactions,
    admin: administration,
    async times(place, timestamp) {
      const consumer = consumerAt(place);
      const topics = [place.name];
      const found = await consumer.listOffsets({ topics, timestamp: BigInt(timestamp) });
      const ends = await consumer.listOffsets({ topics });
      await consumer.close();
      return { offset: Number(found.get(place.name)![0]), end: Number(ends.get(place.name)![0]) };
    },
  };
}

async function transactions(place: Place, outcomes: readonly Outcome[]): Promise<string[]> {
  const { name: topic } = place;
  const producer = producerAt(place, { transactionalId: topic });
  const consumer = consumerAt(place);
  consumer.topics.trackAll(topic);
  await consumer.joinGroup();
  for (const { ends, values, offset } of outcomes) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: values.map((value) => ({ topic, value })) });
    await transaction.addConsumer(consumer);
    await transaction.addOffset(messageAt(topic, offset - 1, consumer));
    await (ends === 'committed' ? transaction.commit() : transaction.abort());
  }
  await leave(consumer);
  await producer.close();
  // A last record says that everything before it has been read.
  await send(place, plain(['end']));
  const reader = await member(place, `${topic}-readers`, 1);
  await until('the end', () => reader.values().includes('end'), 60_000);
  await reader.stop();
  return reader.values().slice(0, -1);
}

/** What addOffset takes: a message that the consumer would have read there. */
function messageAt(topic: string, offset: number, consumer: TextConsumer): Text {
  const { groupId, generationId, memberId, coordinatorId } = consumer;
  const message = {
    ...{
      topic,
      partition: 0,
      key: '',
      value: '',
      headers: new Map<string, string>(),
      headerEntries: [],
      leaderEpoch: 0,
    },
    ...{
      offset: BigInt(offset),
      timestamp: 0n,
      metadata: { consumer: { groupId, generationId, memberId, coordinatorId } },
    },
  };
  const shown = { ...message, headers: [], timestamp: '0', offset: String(offset) };
  return { ...message, commit: () => undefined, toJSON: () => shown };
}

async function administration(place: Place) {
  const { name: topic } = place;
  const admin = new Admin(clientOf(place));
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
  const setting = { name: 'retention.ms', configOperation: IncrementalAlterConfigOperationTypes.SET, value: '54321' };
  const observed = await administer({
    create: () =>
      admin.createTopics({ topics: [topic], partitions: 2, configs: [{ name: 'retention.ms', value: '12345' }] }),
    isListed: async () => (await admin.listTopics()).includes(topic),
    partitions: async () =>
      (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)!.partitionsCount,
    retention: async () => {
      const resources = [{ ...resource, configurationKeys: ['retention.ms'] }];
      const [described] = await admin.describeConfigs({ resources });
      return described!.configs[0]!.value!;
    },
    addPartition: () =>
      admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [1] }] }] }),
    alter: () => admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [setting] }] }),
    remove: () => admin.deleteTopics({ topics: [topic] }),
  });
  await admin.close();
  return observed;
}
