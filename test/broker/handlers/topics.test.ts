// Topics over the in-process path: Metadata and its creation of topics, CreateTopics, DeleteTopics, CreatePartitions, settings.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { batchOf } from '../../support/text-batches.ts';
import { ask } from '../../support/in-process.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';

let server: TestBroker;
beforeAll(async () => {
  server = await startTestBroker({ socket: false, settings: { 'num.partitions': 3, 'log.retention.ms': 5000 } });
});
afterAll(() => server.close());

const create = (topic: object, options: object = {}) =>
  ask(server.broker, 'CreateTopics', { topics: [{ numPartitions: 1, replicationFactor: 1, ...topic }], ...options });

async function partitionsOf(name: string): Promise<number> {
  const { topics } = await ask(server.broker, 'Metadata', { topics: [{ name }], allowAutoTopicCreation: false });
  return topics[0]!.partitions.length;
}

describe('Metadata', () => {
  test('creates a topic that is asked for by name, with its partitions in the same answer', async () => {
    const answer = await ask(server.broker, 'Metadata', { topics: [{ name: 'made' }] });
    expect(answer.topics[0]).toMatchObject({ errorCode: 0, name: 'made', isInternal: false });
    expect(answer.topics[0]!.partitions).toMatchObject(
      [0, 1, 2].map((partitionIndex) => ({ partitionIndex, leaderId: 1, isrNodes: [1] })),
    );
    expect(answer.topics[0]!.topicAuthorizedOperations).toBe(-2147483648);
    expect(answer.brokers).toMatchObject([{ nodeId: 1, host: '127.0.0.1' }]);
    expect(answer.controllerId).toBe(1);
  });

  test('of two that ask at the same time one may have to ask again', async () => {
    const codes = await Promise.all(
      [1, 2].map(
        async () => (await ask(server.broker, 'Metadata', { topics: [{ name: 'raced' }] })).topics[0]!.errorCode,
      ),
    );
    expect(codes).toContain(0);
    expect([0, ErrorCode.LEADER_NOT_AVAILABLE]).toEqual(expect.arrayContaining(codes));
    expect(await partitionsOf('raced')).toBe(3);
  });

  test('creates nothing where the request or the name forbids it', async () => {
    const forbidden = await ask(server.broker, 'Metadata', {
      topics: [{ name: 'absent' }],
      allowAutoTopicCreation: false,
    });
    expect(forbidden.topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const bad = await ask(server.broker, 'Metadata', { topics: [{ name: 'not/a topic' }] });
    expect(bad.topics[0]!.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
    const internal = await ask(server.broker, 'Metadata', { topics: [{ name: '__transaction_state' }] });
    expect(internal.topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  test('finds by id, and creates nothing by id', async () => {
    const { topics } = await ask(server.broker, 'Metadata', { topics: [{ name: 'made' }] });
    const found = await ask(server.broker, 'Metadata', { topics: [{ name: null, topicId: topics[0]!.topicId }] });
    expect(found.topics[0]!.name).toBe('made');
    const unknown = await ask(server.broker, 'Metadata', { topics: [{ name: null, topicId: Buffer.alloc(16, 7) }] });
    expect(unknown.topics[0]).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null });
  });

  test('null means all topics, an empty list none, and in version 0 all', async () => {
    const count = (await ask(server.broker, 'Metadata', { topics: null })).topics.length;
    expect(count).toBeGreaterThan(0);
    expect((await ask(server.broker, 'Metadata', { topics: [] }, 1)).topics).toEqual([]);
    expect((await ask(server.broker, 'Metadata', { topics: [] }, 0)).topics).toHaveLength(count);
  });

  test('creates nothing when auto.create.topics.enable is false', async () => {
    const strict = await startTestBroker({ socket: false, settings: { 'auto.create.topics.enable': false } });
    const answer = await ask(strict.broker, 'Metadata', { topics: [{ name: 'absent' }] });
    expect(answer.topics[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await strict.close();
  });
});

describe('CreateTopics', () => {
  test('answers what was made', async () => {
    const { topics } = await create({
      name: 'new',
      numPartitions: -1,
      replicationFactor: -1,
      configs: [{ name: 'segment.bytes', value: '4096' }],
    });
    expect(topics[0]).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 1 });
    const configs = new Map(topics[0]!.configs!.map(({ name, value, configSource }) => [name, [value, configSource]]));
    expect(configs.get('segment.bytes')).toEqual(['4096', 1]);
    expect(configs.get('retention.ms')).toEqual(['5000', 4]);
    expect(configs.get('cleanup.policy')).toEqual(['delete', 5]);
  });

  test.each([
    ['a topic that is there', { name: 'made' }, 'TOPIC_ALREADY_EXISTS'],
    ['a bad name', { name: 'a b' }, 'INVALID_TOPIC_EXCEPTION'],
    ['no partitions', { name: 'x', numPartitions: 0 }, 'INVALID_PARTITIONS'],
    ['more partitions than one request may make', { name: 'x', numPartitions: 10_001 }, 'POLICY_VIOLATION'],
    ['two replicas', { name: 'x', replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
    ['an unknown setting', { name: 'x', configs: [{ name: 'no.such', value: '1' }] }, 'INVALID_CONFIG'],
    ['a setting without value', { name: 'x', configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG'],
    [
      'a replica elsewhere',
      { name: 'x', numPartitions: -1, replicationFactor: -1, assignments: [{ partitionIndex: 0, brokerIds: [2] }] },
      'INVALID_REPLICA_ASSIGNMENT',
    ],
  ] as const)('refuses %s, when validating only too', async (_, topic, error) => {
    for (const validateOnly of [true, false]) {
      const { topics } = await create(topic, { validateOnly });
      expect(topics[0]!.errorCode).toBe(ErrorCode[error]);
    }
    if (topic.name === 'x') expect(await partitionsOf('x')).toBe(0);
  });

  test('validating makes nothing', async () => {
    expect((await create({ name: 'tried' }, { validateOnly: true })).topics[0]).toMatchObject({
      errorCode: 0,
      numPartitions: 1,
    });
    expect(await partitionsOf('tried')).toBe(0);
  });

  test('a name that is twice in a request is refused once', async () => {
    const twin = { name: 'twin', numPartitions: 1, replicationFactor: 1 };
    const { topics } = await ask(server.broker, 'CreateTopics', { topics: [twin, twin] });
    expect(topics).toMatchObject([{ name: 'twin', errorCode: ErrorCode.INVALID_REQUEST }]);
  });
});

describe('DeleteTopics, CreatePartitions', () => {
  test('delete by name and by id, and what is not there', async () => {
    await create({ name: 'gone' });
    const { topics } = await create({ name: 'gone-by-id' });
    const deleted = await ask(server.broker, 'DeleteTopics', {
      topics: [
        { name: 'gone' },
        { name: null, topicId: topics[0]!.topicId },
        { name: 'gone' },
        { name: null, topicId: Buffer.alloc(16, 9) },
      ],
    });
    expect(deleted.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['gone', 0],
      ['gone-by-id', 0],
      ['gone', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      [null, ErrorCode.UNKNOWN_TOPIC_ID],
    ]);
  });

  test('a deleted and re-created topic has another id and no records', async () => {
    const first = (await create({ name: 'again' })).topics[0]!.topicId;
    const partitionData = [{ index: 0, records: batchOf(['old']) }];
    await ask(server.broker, 'Produce', { acks: -1, topicData: [{ topicId: first, partitionData }] });
    await ask(server.broker, 'DeleteTopics', { topics: [{ name: 'again' }] });
    const second = (await create({ name: 'again' })).topics[0]!.topicId;
    expect(second).not.toEqual(first);
    const stale = await ask(server.broker, 'Produce', {
      acks: -1,
      topicData: [{ topicId: first, partitionData: [{ index: 0, records: batchOf(['late']) }] }],
    });
    expect(stale.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
    const fetched = await ask(server.broker, 'Fetch', { topics: [{ topicId: second, partitions }] });
    expect(fetched.responses[0]!.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 0, records: [] });
  });

  test('more partitions, never fewer', async () => {
    await create({ name: 'wide' });
    const { results } = await ask(server.broker, 'CreatePartitions', {
      topics: [{ name: 'wide', count: 4, assignments: null }],
    });
    expect(results).toEqual([{ name: 'wide', errorCode: 0, errorMessage: null }]);
    expect(await partitionsOf('wide')).toBe(4);
    const fewer = await ask(server.broker, 'CreatePartitions', {
      topics: [{ name: 'wide', count: 2, assignments: null }],
    });
    expect(fewer.results[0]!.errorCode).toBe(ErrorCode.INVALID_PARTITIONS);
  });
});

describe('settings', () => {
  test('of a topic: set, append, subtract, delete', async () => {
    await create({ name: 'set' });
    const alter = (name: string, configOperation: number, value: string | null) =>
      ask(server.broker, 'IncrementalAlterConfigs', {
        resources: [{ resourceType: 2, resourceName: 'set', configs: [{ name, configOperation, value }] }],
      });
    const valueOf = async (name: string) => {
      const resources = [{ resourceType: 2, resourceName: 'set', configurationKeys: [name] }];
      const { results } = await ask(server.broker, 'DescribeConfigs', { resources, includeSynonyms: true });
      return [results[0]!.configs[0]!.value, results[0]!.configs[0]!.synonyms.length];
    };
    await alter('retention.ms', 0, '77');
    expect(await valueOf('retention.ms')).toEqual(['77', 3]);
    await alter('retention.ms', 1, null);
    expect(await valueOf('retention.ms')).toEqual(['5000', 2]);
    await alter('cleanup.policy', 2, 'compact');
    expect(await valueOf('cleanup.policy')).toEqual(['delete,compact', 2]);
    await alter('cleanup.policy', 3, 'delete');
    expect(await valueOf('cleanup.policy')).toEqual(['compact', 2]);
    expect((await alter('retention.ms', 2, '1')).responses[0]!.errorCode).toBe(ErrorCode.INVALID_CONFIG);
    expect((await alter('retention.ms', 0, 'soon')).responses[0]!.errorCode).toBe(ErrorCode.INVALID_CONFIG);
  });
});

test('takes the settings that tools put on every topic, and refuses what a node on its own cannot keep', async () => {
  const settings = {
    'min.insync.replicas': '1',
    'flush.messages': '1',
    'segment.jitter.ms': '1000',
    preallocate: 'true',
  };
  const configs = Object.entries(settings).map(([name, value]) => ({ name, value }));
  expect((await create({ name: 'by-a-tool', configs })).topics).toMatchObject([{ errorCode: 0 }]);
  for (const [name, value] of [
    ['min.insync.replicas', '2'],
    ['remote.storage.enable', 'true'],
  ]) {
    const { topics } = await create({ name: 'too-much', configs: [{ name, value }] });
    expect(topics).toMatchObject([{ errorCode: ErrorCode.INVALID_CONFIG }]);
  }
});
