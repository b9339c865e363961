// What tools ask beside topics: transactions and their producers, folders, settings as a whole, and what a broker on its own has nothing of.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ask } from '../../support/in-process.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../support/text-batches.ts';

let server: TestBroker;
let producerId: number;

beforeAll(async () => {
  server = await startTestBroker({ socket: false });
  await ask(server.broker, 'CreateTopics', { topics: [{ name: 'lines', numPartitions: 2, replicationFactor: 1 }] });
  const open = { transactionalId: 'open', transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
  producerId = (await ask(server.broker, 'InitProducerId', open)).producerId;
  await ask(server.broker, 'InitProducerId', { ...open, transactionalId: 'idle' });
  const records = batchOf(['a', 'b'], { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true });
  const topicData = [{ name: 'lines', partitionData: [{ index: 1, records }] }];
  await ask(server.broker, 'Produce', { transactionalId: 'open', acks: -1, topicData }, 12);
});
afterAll(() => server.close());

describe('transactions', () => {
  test('DescribeTransactions tells of open ones what they touch', async () => {
    const transactionalIds = ['open', 'idle', 'nobody', ''];
    const { transactionStates } = await ask(server.broker, 'DescribeTransactions', { transactionalIds });
    const [open, idle, nobody, unnamed] = transactionStates;
    expect(open).toMatchObject({
      ...{ errorCode: 0, transactionState: 'Ongoing', transactionTimeoutMs: 60_000, producerId, producerEpoch: 0 },
      topics: [{ topic: 'lines', partitions: [1] }],
    });
    expect(open!.transactionStartTimeMs).toBeGreaterThan(0);
    expect(idle).toMatchObject({ errorCode: 0, transactionState: 'Empty', transactionStartTimeMs: -1, topics: [] });
    expect(nobody!.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
    expect(unnamed!.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  const list = async (filters: object) => {
    const answer = await ask(server.broker, 'ListTransactions', filters);
    return answer.transactionStates.map(({ transactionalId }) => transactionalId).sort();
  };

  test('ListTransactions filters by state, producer, age and name', async () => {
    expect(await list({})).toEqual(['idle', 'open']);
    expect(await list({ stateFilters: ['Ongoing'] })).toEqual(['open']);
    expect(await list({ producerIdFilters: [producerId] })).toEqual(['open']);
    expect(await list({ durationFilter: 3_600_000, stateFilters: ['Ongoing'] })).toEqual([]);
    expect(await list({ transactionalIdPattern: 'o.*' })).toEqual(['open']);
    expect(await list({ transactionalIdPattern: 'pe' })).toEqual([]);
  });

  test('ListTransactions names states that are none, and refuses a pattern that is none', async () => {
    const unknown = await ask(server.broker, 'ListTransactions', { stateFilters: ['Lost'] });
    expect(unknown).toMatchObject({ errorCode: 0, unknownStateFilters: ['Lost'], transactionStates: [] });
    const bad = await ask(server.broker, 'ListTransactions', { transactionalIdPattern: '(' });
    expect(bad.errorCode).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION);
  });

  test('DescribeProducers shows who writes, and where its transaction begins', async () => {
    const topics = [
      { name: 'lines', partitionIndexes: [0, 1, 2] },
      { name: 'none', partitionIndexes: [0] },
    ];
    const answer = await ask(server.broker, 'DescribeProducers', { topics });
    const [empty, written, missing] = answer.topics[0]!.partitions;
    expect(empty).toMatchObject({ errorCode: 0, activeProducers: [] });
    expect(written!.activeProducers).toMatchObject([
      { producerId, producerEpoch: 0, lastSequence: 1, currentTxnStartOffset: 0 },
    ]);
    expect(missing!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(answer.topics[1]!.partitions[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });
});

test('DescribeLogDirs shows the data directory, its partitions with their sizes, and the room', async () => {
  const { results } = await ask(server.broker, 'DescribeLogDirs', { topics: null });
  expect(results).toHaveLength(1);
  const [folder] = results;
  expect(folder).toMatchObject({ errorCode: 0, logDir: server.dataDirectory });
  expect(folder!.topics.find(({ name }) => name === 'lines')!.partitions).toMatchObject([
    { partitionIndex: 0, partitionSize: 0 },
    { partitionIndex: 1, partitionSize: server.broker.log.partition('lines', 1)!.sizeBytes },
  ]);
  expect(folder!.totalBytes).toBeGreaterThan(folder!.usableBytes);
  const asked = [
    { topic: 'lines', partitions: [1, 7] },
    { topic: 'none', partitions: [0] },
  ];
  const some = await ask(server.broker, 'DescribeLogDirs', { topics: asked });
  expect(some.results[0]!.topics).toMatchObject([{ name: 'lines', partitions: [{ partitionIndex: 1 }] }]);
});

test('AlterConfigs sets what it names and takes the rest back to the defaults', async () => {
  const topic = (configs: object[], resourceName = 'lines') => ({ resourceType: 2, resourceName, configs });
  const alter = async (resource: object, validateOnly = false) =>
    (await ask(server.broker, 'AlterConfigs', { resources: [resource], validateOnly })).responses[0]!.errorCode;
  const set = () => server.broker.log.topic('lines')!.configs;
  const first = [
    { name: 'retention.ms', value: '1000' },
    { name: 'segment.bytes', value: '2048' },
  ];
  expect(await alter(topic(first))).toBe(0);
  expect(set()).toEqual({ 'retention.ms': '1000', 'segment.bytes': '2048' });
  expect(await alter(topic([{ name: 'segment.bytes', value: '4096' }]), true)).toBe(0);
  expect(set()).toEqual({ 'retention.ms': '1000', 'segment.bytes': '2048' });
  expect(await alter(topic([{ name: 'segment.bytes', value: '4096' }]))).toBe(0);
  expect(set()).toEqual({ 'segment.bytes': '4096' });
  expect(await alter(topic([{ name: 'segment.bytes', value: 'x' }]))).toBe(ErrorCode.INVALID_CONFIG);
  expect(await alter(topic([{ name: 'segment.bytes', value: null }]))).toBe(ErrorCode.INVALID_REQUEST);
  expect(await alter(topic([first[0]!, first[0]!]))).toBe(ErrorCode.INVALID_REQUEST);
  expect(await alter(topic([], 'none'))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  expect(await alter({ resourceType: 4, resourceName: '1', configs: [] })).toBe(ErrorCode.INVALID_REQUEST);
  expect(set()).toEqual({ 'segment.bytes': '4096' });
});

test('access rules are answered as by a Kafka without an authorizer', async () => {
  const filter = { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 };
  const refused = { errorCode: ErrorCode.SECURITY_DISABLED };
  expect(await ask(server.broker, 'DescribeAcls', filter)).toMatchObject({ ...refused, resources: [] });
  const rule = {
    resourceType: 2,
    resourceName: 'lines',
    principal: 'User:a',
    host: '*',
    operation: 3,
    permissionType: 3,
  };
  expect((await ask(server.broker, 'CreateAcls', { creations: [rule, rule] })).results).toMatchObject([
    refused,
    refused,
  ]);
  expect((await ask(server.broker, 'DeleteAcls', { filters: [filter] })).filterResults).toMatchObject([
    { ...refused, matchingAcls: [] },
  ]);
});

test('there is nothing to elect and nothing on its way', async () => {
  const topicPartitions = [{ topic: 'lines', partitions: [0, 9] }];
  expect(await ask(server.broker, 'ElectLeaders', { topicPartitions })).toMatchObject({
    errorCode: 0,
    replicaElectionResults: [
      {
        topic: 'lines',
        partitionResult: [
          { partitionId: 0, errorCode: ErrorCode.ELECTION_NOT_NEEDED },
          { partitionId: 9, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION },
        ],
      },
    ],
  });
  expect(await ask(server.broker, 'ListPartitionReassignments', { topics: null })).toMatchObject({
    errorCode: 0,
    topics: [],
  });
});
