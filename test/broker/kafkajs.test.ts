// kafkajs, a client that is not ours, does its round trip over the socket: administration, produce and consume in a group, a transaction.
import { type Admin, type Consumer, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

let server: TestBroker;
let kafka: Kafka;
let admin: Admin;

beforeAll(async () => {
  server = await startTestBroker();
  kafka = new Kafka({ brokers: [server.bootstrap], clientId: 'kafkajs', logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  await admin.connect();
});
afterAll(async () => {
  await admin.disconnect();
  await server.close();
});

async function runConsumer(consumer: Consumer, topic: string, seen: string[]): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => {
      seen.push(message.value!.toString());
      return Promise.resolve();
    },
  });
}

test('administration: create, list, describe, alter, offsets, delete', async () => {
  const configEntries = [{ name: 'retention.ms', value: '1000000' }];
  expect(await admin.createTopics({ topics: [{ topic: 'managed', numPartitions: 3, configEntries }] })).toBe(true);
  expect(await admin.createTopics({ topics: [{ topic: 'managed' }] })).toBe(false);
  expect(await admin.listTopics()).toContain('managed');
  expect((await admin.fetchTopicMetadata({ topics: ['managed'] })).topics[0]!.partitions).toHaveLength(3);
  await admin.createPartitions({ topicPartitions: [{ topic: 'managed', count: 4 }] });
  expect(await admin.fetchTopicOffsets('managed')).toHaveLength(4);
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: 'managed' }],
  });
  const retention = described.resources[0]!.configEntries.find(({ configName }) => configName === 'retention.ms');
  expect(retention).toMatchObject({ configValue: '1000000', isDefault: false });
  await admin.deleteTopics({ topics: ['managed'] });
  expect(await admin.listTopics()).not.toContain('managed');
  expect((await admin.describeCluster()).brokers).toEqual([{ nodeId: 1, host: '127.0.0.1', port: server.port }]);
});

test('a group reads what was produced, commits, and goes on behind it', async () => {
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  await admin.createTopics({ topics: [{ topic: 'round', numPartitions: 2 }] });
  const messages = Array.from({ length: 20 }, (_, index) => ({ key: `k${index}`, value: `v${index}` }));
  await producer.send({ topic: 'round', messages, compression: CompressionTypes.GZIP });
  const seen: string[] = [];
  const first = kafka.consumer({ groupId: 'readers', sessionTimeout: 10_000, maxWaitTimeInMs: 100 });
  await runConsumer(first, 'round', seen);
  await vi.waitFor(() => expect(seen.toSorted()).toEqual(messages.map(({ value }) => value).toSorted()), 15_000);
  await first.disconnect();
  const committed = await admin.fetchOffsets({ groupId: 'readers', topics: ['round'] });
  expect(committed[0]!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0)).toBe(20);
  await producer.send({ topic: 'round', messages: [{ value: 'later' }] });
  const later: string[] = [];
  const second = kafka.consumer({ groupId: 'readers', sessionTimeout: 10_000, maxWaitTimeInMs: 100 });
  await runConsumer(second, 'round', later);
  await vi.waitFor(() => expect(later).toEqual(['later']), 15_000);
  const group = await admin.describeGroups(['readers']);
  expect(group.groups[0]).toMatchObject({
    state: 'Stable',
    protocolType: 'consumer',
    members: [{ clientId: 'kafkajs' }],
  });
  await second.disconnect();
  expect(await admin.deleteGroups(['readers'])).toMatchObject([{ groupId: 'readers', errorCode: 0 }]);
  await producer.disconnect();
});

test('a transaction: committed records are seen, aborted ones are not, offsets move with the commit alone', async () => {
  await admin.createTopics({ topics: [{ topic: 'atomic' }] });
  const producer = kafka.producer({ transactionalId: 'kafkajs-tx', maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  for (const outcome of ['aborted', 'committed', 'aborted', 'committed']) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: 'atomic', messages: [{ value: `${outcome} 1` }, { value: `${outcome} 2` }] });
    const offset = outcome === 'committed' ? '7' : '3';
    await transaction.sendOffsets({
      consumerGroupId: 'atomic-group',
      topics: [{ topic: 'atomic', partitions: [{ partition: 0, offset }] }],
    });
    await (outcome === 'committed' ? transaction.commit() : transaction.abort());
  }
  const seen: string[] = [];
  const consumer = kafka.consumer({ groupId: 'atomic-readers', readUncommitted: false, maxWaitTimeInMs: 100 });
  await runConsumer(consumer, 'atomic', seen);
  await vi.waitFor(() => expect(seen).toEqual(['committed 1', 'committed 2', 'committed 1', 'committed 2']), 15_000);
  const committed = await admin.fetchOffsets({ groupId: 'atomic-group', topics: ['atomic'] });
  expect(committed[0]!.partitions[0]).toMatchObject({ offset: '7' });
  await consumer.disconnect();
  await producer.disconnect();
});
