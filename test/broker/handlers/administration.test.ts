// What tools ask beside topics: transactions and their producers, folders, settings as a whole, and what a broker on its own has nothing of.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeResponse } from '../../../broker/wire/frame.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ask } from '../../support/in-process.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../support/text-batches.ts';

let server: TestBroker;
let producerId: number;

beforeAll(async () => {
  server = await startTestBroker({ socket: false });
  const topics = [
    { name: 'lines', numPartitions: 2, replicationFactor: 1 },
    { name: 'hanging', numPartitions: 1, replicationFactor: 1 },
  ];
  await ask(server.broker, 'CreateTopics', { topics });
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

test('WriteTxnMarkers ends a transaction that no coordinator knows, and readers go on', async () => {
  const { log } = server.broker;
  const partition = log.partition('hanging', 0)!;
  const hanging = { producerId: 77_777, producerEpoch: 3, baseSequence: 0, isTransactional: true };
  await partition.append(batchOf(['lost'], hanging), { origin: 'client' }).durable;
  await partition.append(batchOf(['behind']), { origin: 'client' }).durable;
  expect(partition.lastStableOffset).toBe(0);
  const write = async (marker: object, topics = [{ name: 'hanging', partitionIndexes: [0, 5] }]) => {
    const markers = [{ producerId: 77_777, producerEpoch: 3, transactionResult: false, topics, ...marker }];
    const answer = await ask(server.broker, 'WriteTxnMarkers', { markers });
    return answer.markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorCode);
  };
  const missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  expect(await write({ producerEpoch: 2 })).toEqual([ErrorCode.INVALID_PRODUCER_EPOCH, missing]);
  expect(partition.lastStableOffset).toBe(0);
  expect(await write({}, [{ name: 'none', partitionIndexes: [0] }])).toEqual([missing]);
  expect(await write({})).toEqual([0, missing]);
  expect(partition.lastStableOffset).toBe(3);
  const topics = [{ topic: 'hanging', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }];
  const { responses } = await ask(server.broker, 'Fetch', { maxBytes: 1 << 20, isolationLevel: 1, topics }, 12);
  expect(responses[0]!.partitions[0]!.abortedTransactions).toEqual([{ producerId: 77_777, firstOffset: 0 }]);
  expect(await write({ coordinatorEpoch: 9 })).toEqual([0, missing]);
  expect(await write({})).toEqual([ErrorCode.TRANSACTION_COORDINATOR_FENCED, missing]);
});

test('AddPartitionsToTxn between brokers takes many transactions, and looks without adding', async () => {
  const topics = [{ name: 'lines', partitions: [1] }];
  const open = { transactionalId: 'open', producerId, producerEpoch: 0, topics };
  const transactions = [
    { ...open, verifyOnly: true },
    { ...open, verifyOnly: true, topics: [{ name: 'lines', partitions: [0] }] },
    { ...open, verifyOnly: true, producerEpoch: 7 },
    { ...open, transactionalId: 'nobody' },
    { ...open, topics: [...topics, { name: 'none', partitions: [0] }] },
  ];
  const answer = await ask(server.broker, 'AddPartitionsToTxn', { transactions });
  const codes = answer.resultsByTransaction.map(({ topicResults }) =>
    topicResults.map(({ resultsByPartition }) => resultsByPartition[0]!.partitionErrorCode),
  );
  expect(codes).toEqual([
    [0],
    [ErrorCode.TRANSACTION_ABORTABLE],
    [ErrorCode.PRODUCER_FENCED],
    [ErrorCode.INVALID_PRODUCER_ID_MAPPING],
    [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
});

test('ListConfigResources names topics and this broker', async () => {
  const list = async (resourceTypes: number[], version = 1) => {
    const answer = await ask(server.broker, 'ListConfigResources', { resourceTypes }, version);
    return [
      answer.errorCode,
      answer.configResources.map(({ resourceType, resourceName }) => [resourceType, resourceName]),
    ];
  };
  expect(await list([4])).toEqual([0, [[4, '1']]]);
  const [, all] = await list([]);
  expect(all).toEqual(expect.arrayContaining([[2, 'lines'], [4, '1'], [8, '1']])); // prettier-ignore
  expect(await list([16, 32])).toEqual([0, []]);
  expect(await list([], 0)).toEqual([0, []]);
  expect(await list([1])).toEqual([ErrorCode.UNSUPPORTED_VERSION, []]);
});

test('there are no quotas, and none can be set', async () => {
  const entity = [{ entityType: 'user', entityName: 'alice' }];
  expect(await ask(server.broker, 'DescribeClientQuotas', { components: [] })).toMatchObject({
    errorCode: 0,
    entries: [],
  });
  const entries = [{ entity, ops: [{ key: 'producer_byte_rate', value: 1024 }] }];
  const answer = await ask(server.broker, 'AlterClientQuotas', { entries });
  expect(answer.entries).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST, entity }]);
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
  expect(await alter({ resourceType: 8, resourceName: '1', configs: [] })).toBe(ErrorCode.INVALID_REQUEST);
  expect(set()).toEqual({ 'segment.bytes': '4096' });
});

test('DescribeQuorum tells of one voter, and how many changes of the metadata there have been, also after a restart', async () => {
  const quorum = (topicName: string, partitionIndex = 0) => ({
    topics: [{ topicName, partitions: [{ partitionIndex }] }],
  });
  const position = async (topicName = '__cluster_metadata', partitionIndex = 0) => {
    const answer = await ask(server.broker, 'DescribeQuorum', quorum(topicName, partitionIndex));
    return answer.topics[0]!.partitions[0]!;
  };
  const before = await position();
  expect(before).toMatchObject({ errorCode: 0, leaderId: 1, observers: [] });
  expect(before.currentVoters).toMatchObject([{ replicaId: 1, logEndOffset: before.highWatermark }]);
  await ask(server.broker, 'CreateTopics', { topics: [{ name: 'counted', numPartitions: 1, replicationFactor: 1 }] });
  await server.restart();
  const after = await position();
  expect(after.highWatermark).toBeGreaterThan(before.highWatermark);
  expect(after.leaderEpoch).toBe(before.leaderEpoch);
  for (const version of [0, 1]) {
    const answer = await ask(server.broker, 'DescribeQuorum', quorum('__cluster_metadata'), version);
    expect(() => encodeResponse('DescribeQuorum', version, 1, answer)).not.toThrow();
  }
  expect((await position('lines')).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  expect((await position('__cluster_metadata', 1)).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
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
