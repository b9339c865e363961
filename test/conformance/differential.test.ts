// The same requests to a real Kafka and to ours: the answers must say the same. What must differ (ids, ports, times, words of messages) is taken out
// before comparing; what differs on purpose is named with its reason. Skipped where a real Kafka cannot be run.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ApiName, apis, type RequestOf } from '../../broker/wire/apis.ts';
import type { Message } from '../../broker/wire/schema.ts';
import { RawClient } from '../support/raw-client.ts';
import { canRunRealKafka, type RealKafka, startRealKafka } from '../support/real-kafka.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { batchOf } from '../support/text-batches.ts';
import { alterationsInSteps, alteredSettings, refusedOrTaken } from './broker-alterations.ts';
import { brokerDifferences, topicDifferences } from './settings-comparison.ts';

/** Fields that no two brokers share. */
const own = new Set([
  'topicId',
  'clusterId',
  'host',
  'port',
  'errorMessage',
  'batchIndexErrorMessage',
  'logAppendTimeMs',
  'leaderEpoch',
  'producerId',
  'logDir',
  'usableBytes',
]);
const ownPosition = ['highWatermark', 'logEndOffset', 'lastFetchTimestamp', 'lastCaughtUpTimestamp'];
/** Ours has no listener for controllers. */
const ownOfQuorum = new Set([...own, ...ownPosition, 'listeners']);

function comparable(value: unknown, hidden: ReadonlySet<string>): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) return value.map((held) => comparable(held, hidden));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, held]) => [key, hidden.has(key) ? key : comparable(held, hidden)]);
  return Object.fromEntries(fields);
}

function corrupted(): Buffer {
  const batch = batchOf(['x']);
  batch[batch.length - 1]! ^= 1;
  return batch;
}

/** A sound batch with `value` in the last four bytes of a field, outside of the checksum. */
function rewritten(at: number, value: number): Buffer {
  const batch = batchOf(['x']);
  batch.writeInt32BE(value, at + 4);
  return batch;
}

const produce = (records: Buffer | null, options: object = {}, name = 'same') => ({
  ...{ acks: -1, timeoutMs: 5000, topicData: [{ name, partitionData: [{ index: 0, records }] }] },
  ...options,
});
const fetch = (fetchOffset: number, options: object = {}, topic = 'same') => ({
  ...{ maxWaitMs: 10, minBytes: 1, maxBytes: 1 << 20 },
  topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20, ...options }] }],
});
const create = (topic: object, validateOnly = false) => ({
  ...{ timeoutMs: 5000, validateOnly },
  topics: [{ name: 'fresh', numPartitions: 1, replicationFactor: 1, ...topic }],
});
const listAt = (timestamp: number, partitionIndex = 0) => ({
  ...{ replicaId: -1 },
  topics: [{ name: 'same', partitions: [{ partitionIndex, timestamp }] }],
});
const join = (options: object) => ({
  ...{
    groupId: 'differ',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
  },
  ...{ protocols: [{ name: 'range', metadata: Buffer.from('00000000000000000000', 'hex') }] },
  ...options,
});
const commit = (options: object, topic = 'same', partitionIndex = 0) => ({
  ...{ groupId: 'simple', generationIdOrMemberEpoch: -1, memberId: '' },
  topics: [{ name: topic, partitions: [{ partitionIndex, committedOffset: 3, committedMetadata: 'words' }] }],
  ...options,
});

const foreign = (name = 'same') => ({
  ...{ transactionalId: 'unknown', producerId: 1, producerEpoch: 0, topics: [{ name, partitions: [0] }] },
});
const marker = (partition: number, options: object = {}) => ({
  ...{ producerId: 4321, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0 },
  topics: [{ name: 'same', partitionIndexes: [partition] }],
  ...options,
});
const quorum = (topicName: string) => ({ topics: [{ topicName, partitions: [{ partitionIndex: 0 }] }] });
const latest = { coordinatorEpoch: 7, transactionVersion: 2 };
const scram = (options: object = {}) => ({
  ...{ name: 'scram', mechanism: 1, iterations: 4096, salt: Buffer.from('salt'), saltedPassword: Buffer.alloc(32, 1) },
  ...options,
});

interface Case {
  what: string;
  api: ApiName;
  version: number;
  draft: object;
}

const ask = (what: string, api: ApiName, version: number, draft: object = {}): Case => ({ what, api, version, draft });

const cases: Case[] = [
  ask('a batch is appended', 'Produce', 9, produce(batchOf(['a', 'b']))),
  ask('in the oldest version', 'Produce', 3, produce(batchOf(['c']))),
  ask('a batch with a wrong checksum', 'Produce', 9, produce(corrupted())),
  ask('to an unknown topic', 'Produce', 9, produce(batchOf(['x']), {}, 'nowhere')),
  ask('acks 2', 'Produce', 9, produce(batchOf(['x']), { acks: 2 })),
  ask(
    'a gap in the sequence',
    'Produce',
    9,
    produce(batchOf(['x'], { producerId: 4000, producerEpoch: 0, baseSequence: 0 })),
  ),
  ask(
    'a gap in the sequence, seen',
    'Produce',
    9,
    produce(batchOf(['x'], { producerId: 4000, producerEpoch: 0, baseSequence: 7 })),
  ),
  ask(
    'the same batch again',
    'Produce',
    9,
    produce(batchOf(['x'], { producerId: 4000, producerEpoch: 0, baseSequence: 0 })),
  ),
  ask('an older epoch', 'Produce', 9, produce(batchOf(['x'], { producerId: 4001, producerEpoch: 5, baseSequence: 0 }))),
  ask(
    'an older epoch, seen',
    'Produce',
    9,
    produce(batchOf(['x'], { producerId: 4001, producerEpoch: 4, baseSequence: 1 })),
  ),
  ask('a control batch of a client', 'Produce', 9, produce(batchOf(['x'], { isControl: true }))),
  ask('zstd too early', 'Produce', 6, produce(batchOf(['x'], { compression: 'zstd' }))),
  ask('zstd', 'Produce', 7, produce(batchOf(['x'], { compression: 'zstd' }))),
  ask('keys are missing', 'Produce', 9, produce(batchOf(['x', 'y']), {}, 'compacted')),
  ask('dated long ago', 'Produce', 9, produce(batchOf(['x', 'y'], {}, 1000), {}, 'dated')),
  ask('a batch with an offset', 'Produce', 9, produce(rewritten(0, 77), {}, 'compacted')),
  ask('a batch of an epoch', 'Produce', 9, produce(rewritten(8, 99), {}, 'other')),
  ask('no batch', 'Produce', 9, produce(Buffer.alloc(0))),
  ask('two batches', 'Produce', 9, produce(Buffer.concat([batchOf(['x']), batchOf(['y'])]), {}, 'other')),
  ask('all of it', 'Fetch', 12, fetch(0)),
  ask('from inside a batch', 'Fetch', 4, fetch(1)),
  ask('committed', 'Fetch', 11, { ...fetch(0), isolationLevel: 1 }),
  ask('at the end', 'Fetch', 12, fetch(5)),
  ask('beyond the end', 'Fetch', 12, fetch(500)),
  ask('a partition that is not there', 'Fetch', 12, fetch(0, { partition: 5 })),
  ask('an unknown topic', 'Fetch', 12, fetch(0, {}, 'nowhere')),
  ask('with a leader epoch of the future', 'Fetch', 12, fetch(0, { currentLeaderEpoch: 50 })),
  ask('with a session that is not', 'Fetch', 12, { ...fetch(0), sessionId: 99, sessionEpoch: 3 }),
  ask('latest', 'ListOffsets', 7, listAt(-1)),
  ask('earliest', 'ListOffsets', 7, listAt(-2)),
  ask('greatest timestamp', 'ListOffsets', 7, listAt(-3)),
  ask('greatest timestamp, too old a version', 'ListOffsets', 6, listAt(-3)),
  ask('earliest local', 'ListOffsets', 8, listAt(-4)),
  ask('latest tiered', 'ListOffsets', 9, listAt(-5)),
  ask('by time', 'ListOffsets', 5, listAt(1)),
  ask('by time to come', 'ListOffsets', 5, listAt(9e12)),
  ask('of no partition', 'ListOffsets', 5, listAt(-1, 9)),
  ask('of a topic', 'Metadata', 12, { topics: [{ name: 'same' }], allowAutoTopicCreation: false }),
  ask('with operations', 'Metadata', 9, {
    ...{ topics: [{ name: 'same' }], includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true },
  }),
  ask('of no topics', 'Metadata', 1, { topics: [] }),
  ask('of an unknown topic', 'Metadata', 4, { topics: [{ name: 'nowhere' }], allowAutoTopicCreation: false }),
  ask('of a bad name', 'Metadata', 4, { topics: [{ name: 'no/name' }], allowAutoTopicCreation: true }),
  ask('by an unknown id', 'Metadata', 12, { topics: [{ name: null, topicId: Buffer.alloc(16, 3) }] }),
  ask('one is there', 'CreateTopics', 6, create({ name: 'same' })),
  ask('a bad name', 'CreateTopics', 6, create({ name: 'no/name' })),
  ask('no partitions', 'CreateTopics', 6, create({ numPartitions: 0 })),
  ask('two replicas', 'CreateTopics', 6, create({ replicationFactor: 2 })),
  ask('an unknown setting', 'CreateTopics', 6, create({ configs: [{ name: 'no.such', value: '1' }] })),
  ask('a bad value', 'CreateTopics', 6, create({ configs: [{ name: 'retention.ms', value: 'x' }] })),
  ask('an unknown topic', 'DeleteTopics', 5, { topicNames: ['nowhere'], timeoutMs: 5000 }),
  ask('an unknown id', 'DeleteTopics', 6, { topics: [{ name: null, topicId: Buffer.alloc(16, 3) }], timeoutMs: 5000 }),
  ask('fewer', 'CreatePartitions', 3, { topics: [{ name: 'same', count: 1, assignments: null }], timeoutMs: 5000 }),
  ask('of an unknown topic', 'CreatePartitions', 3, {
    topics: [{ name: 'nowhere', count: 3, assignments: null }],
    timeoutMs: 5000,
  }),
  ask('beyond the end', 'DeleteRecords', 2, {
    topics: [{ name: 'same', partitions: [{ partitionIndex: 0, offset: 500 }] }],
    timeoutMs: 5000,
  }),
  ask('of an unknown topic', 'DeleteRecords', 2, {
    topics: [{ name: 'nowhere', partitions: [{ partitionIndex: 0, offset: 0 }] }],
    timeoutMs: 5000,
  }),
  ask('of a group', 'FindCoordinator', 4, { keyType: 0, coordinatorKeys: ['differ'] }),
  ask('the old way', 'FindCoordinator', 2, { keyType: 0, key: 'differ' }),
  ask('without a member id', 'JoinGroup', 3, join({ groupId: '' })),
  ask('too short a session', 'JoinGroup', 9, join({ sessionTimeoutMs: 1 })),
  ask('an unknown member', 'JoinGroup', 9, join({ memberId: 'nobody' })),
  ask('no protocols', 'JoinGroup', 9, join({ protocols: [] })),
  ask('of an unknown group', 'Heartbeat', 4, { groupId: 'unknown', generationId: 1, memberId: 'm' }),
  ask('of an unknown group', 'SyncGroup', 5, {
    groupId: 'unknown',
    generationId: 1,
    memberId: 'm',
    protocolType: 'consumer',
    protocolName: 'range',
  }),
  ask('of an unknown group', 'LeaveGroup', 5, { groupId: 'unknown', members: [{ memberId: 'm' }] }),
  ask('of an unknown group', 'DescribeGroups', 5, { groups: ['unknown'] }),
  ask('of an unknown group, new', 'DescribeGroups', 6, { groups: ['unknown'] }),
  ask('of an unknown group', 'DeleteGroups', 2, { groupsNames: ['unknown'] }),
  ask('without members', 'OffsetCommit', 8, commit({})),
  ask('to an unknown topic', 'OffsetCommit', 8, commit({}, 'nowhere')),
  ask('to no partition', 'OffsetCommit', 8, commit({}, 'same', 9)),
  ask('with a generation', 'OffsetCommit', 8, commit({ generationIdOrMemberEpoch: 3, memberId: 'm' })),
  ask('of an unknown group', 'OffsetFetch', 7, {
    groupId: 'unknown',
    topics: [{ name: 'same', partitionIndexes: [0] }],
  }),
  ask('what was committed', 'OffsetFetch', 7, { groupId: 'simple', topics: null }),
  ask('what was committed, new', 'OffsetFetch', 9, {
    groups: [{ groupId: 'simple', topics: null }],
    requireStable: true,
  }),
  ask('of an empty group', 'DescribeGroups', 5, { groups: ['simple'] }),
  ask('all', 'ListGroups', 4, { statesFilter: ['Empty'] }),
  ask('of an unknown group', 'OffsetDelete', 0, {
    groupId: 'unknown',
    topics: [{ name: 'same', partitions: [{ partitionIndex: 0 }] }],
  }),
  ask('without an id', 'InitProducerId', 4, { transactionalId: null, transactionTimeoutMs: 1000 }),
  ask('an empty id', 'InitProducerId', 4, { transactionalId: '', transactionTimeoutMs: 1000 }),
  ask('too long a timeout', 'InitProducerId', 4, { transactionalId: 'long', transactionTimeoutMs: 2_000_000_000 }),
  ask('of a transactional id', 'FindCoordinator', 4, { keyType: 1, coordinatorKeys: ['unknown'] }),
  ask('of an unknown id', 'EndTxn', 3, {
    transactionalId: 'unknown',
    producerId: 1,
    producerEpoch: 0,
    committed: true,
  }),
  ask('of an unknown id', 'AddOffsetsToTxn', 3, {
    transactionalId: 'unknown',
    producerId: 1,
    producerEpoch: 0,
    groupId: 'simple',
  }),
  ask('of an unknown id', 'AddPartitionsToTxn', 3, {
    ...{ v3AndBelowTransactionalId: 'unknown', v3AndBelowProducerId: 1, v3AndBelowProducerEpoch: 0 },
    v3AndBelowTopics: [{ name: 'same', partitions: [0] }],
  }),
  ask('of an unknown topic', 'AddPartitionsToTxn', 3, {
    ...{ v3AndBelowTransactionalId: 'unknown', v3AndBelowProducerId: 1, v3AndBelowProducerEpoch: 0 },
    v3AndBelowTopics: [{ name: 'nowhere', partitions: [0] }],
  }),
  ask('of an unknown topic', 'DescribeConfigs', 4, {
    resources: [{ resourceType: 2, resourceName: 'nowhere', configurationKeys: null }],
  }),
  ask('of one setting', 'DescribeConfigs', 1, {
    resources: [{ resourceType: 2, resourceName: 'same', configurationKeys: ['cleanup.policy'] }],
  }),
  ask('of an unknown broker', 'DescribeConfigs', 4, {
    resources: [{ resourceType: 4, resourceName: '77', configurationKeys: null }],
  }),
  ask('an unknown setting', 'IncrementalAlterConfigs', 1, {
    resources: [{ resourceType: 2, resourceName: 'same', configs: [{ name: 'no.such', value: '1' }] }],
  }),
  ask('append to what is no list', 'IncrementalAlterConfigs', 1, {
    resources: [
      { resourceType: 2, resourceName: 'same', configs: [{ name: 'retention.ms', configOperation: 2, value: '1' }] },
    ],
  }),
  ask('of an unknown topic', 'IncrementalAlterConfigs', 1, {
    resources: [{ resourceType: 2, resourceName: 'nowhere', configs: [{ name: 'retention.ms', value: '1' }] }],
  }),
  ...refusedOrTaken.map(({ what, draft }) => ask(what, 'IncrementalAlterConfigs', 1, draft)),
  ask('nothing of the broker', 'AlterConfigs', 2, { resources: [{ resourceType: 4, resourceName: '1' }] }),
  ask('an epoch', 'OffsetForLeaderEpoch', 4, {
    topics: [{ topic: 'same', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  }),
  ask('an epoch to come', 'OffsetForLeaderEpoch', 4, {
    topics: [{ topic: 'same', partitions: [{ partition: 0, leaderEpoch: 70 }] }],
  }),
  ask('of the metadata', 'DescribeQuorum', 2, quorum('__cluster_metadata')),
  ask('of a topic', 'DescribeQuorum', 2, quorum('same')),
  ask('the brokers', 'DescribeCluster', 2),
  ask('the controllers', 'DescribeCluster', 1, { endpointType: 2 }),
  ask('page by page', 'DescribeTopicPartitions', 0, { topics: [{ name: 'same' }], responsePartitionLimit: 1 }),
  ask('an unknown topic', 'DescribeTopicPartitions', 0, { topics: [{ name: 'nowhere' }], responsePartitionLimit: 10 }),
  ask('where nobody is asked', 'SaslHandshake', 1, { mechanism: 'PLAIN' }),
  ask('where nobody is asked', 'SaslAuthenticate', 2, { authBytes: Buffer.from('x') }),
  ask('all', 'DescribeAcls', 3, { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 }),
  ask('one', 'CreateAcls', 3, {
    creations: [
      { resourceType: 2, resourceName: 'same', principal: 'User:a', host: '*', operation: 3, permissionType: 3 },
    ],
  }),
  ask('one', 'DeleteAcls', 3, {
    filters: [{ resourceTypeFilter: 2, patternTypeFilter: 3, operation: 1, permissionType: 1 }],
  }),
  ask('an unknown setting', 'AlterConfigs', 2, {
    resources: [{ resourceType: 2, resourceName: 'same', configs: [{ name: 'no.such', value: '1' }] }],
  }),
  ask('of an unknown topic', 'AlterConfigs', 2, {
    resources: [{ resourceType: 2, resourceName: 'nowhere', configs: [{ name: 'retention.ms', value: '1' }] }],
  }),
  ask('back to the defaults', 'AlterConfigs', 1, { resources: [{ resourceType: 2, resourceName: 'same' }] }),
  ask('that is not needed', 'ElectLeaders', 2, { topicPartitions: [{ topic: 'same', partitions: [0] }] }),
  ask('of an unknown topic', 'ElectLeaders', 2, { topicPartitions: [{ topic: 'nowhere', partitions: [0] }] }),
  ask('all that are under way', 'ListPartitionReassignments', 0, { topics: null }),
  ask('of no partition', 'DescribeProducers', 0, { topics: [{ name: 'same', partitionIndexes: [9] }] }),
  ask('of none', 'DescribeProducers', 0, { topics: [{ name: 'same', partitionIndexes: [1] }] }),
  ask('of an unknown topic', 'DescribeProducers', 0, { topics: [{ name: 'nowhere', partitionIndexes: [0] }] }),
  ask('of an unknown id', 'DescribeTransactions', 0, { transactionalIds: ['unknown'] }),
  ask('in states that are none', 'ListTransactions', 0, { stateFilters: ['Ongoing', 'Lost'] }),
  ask('by a pattern that is none', 'ListTransactions', 2, { transactionalIdPattern: '(' }),
  ask('an unknown id, between brokers', 'AddPartitionsToTxn', 4, { transactions: [foreign()] }),
  ask('an unknown id, only looking', 'AddPartitionsToTxn', 5, { transactions: [{ ...foreign(), verifyOnly: true }] }),
  ask('an unknown topic, between brokers', 'AddPartitionsToTxn', 5, { transactions: [foreign('nowhere')] }),
  ask('of a producer that wrote nothing', 'WriteTxnMarkers', 1, { markers: [marker(0)] }),
  ask('of an older producer', 'WriteTxnMarkers', 1, { markers: [marker(0, { producerId: 4001, producerEpoch: 4 })] }),
  ask('of a newer coordinator', 'WriteTxnMarkers', 1, { markers: [marker(0, { coordinatorEpoch: 7 })] }),
  ask('of an older coordinator', 'WriteTxnMarkers', 1, { markers: [marker(0, { coordinatorEpoch: 6 })] }),
  ask('without a new epoch', 'WriteTxnMarkers', 2, { markers: [marker(0, { ...latest, producerEpoch: 0 })] }),
  ask('with a new epoch', 'WriteTxnMarkers', 2, { markers: [marker(0, { ...latest, producerEpoch: 1 })] }),
  ask('on no partition', 'WriteTxnMarkers', 2, { markers: [marker(9)] }),
  ask('all', 'DescribeUserScramCredentials', 0, { users: null }),
  ask('of nobody', 'DescribeUserScramCredentials', 0, { users: [{ name: 'nobody' }] }),
  ask('twice', 'DescribeUserScramCredentials', 0, { users: [{ name: 'nobody' }, { name: 'nobody' }] }),
  ask('of nobody', 'AlterUserScramCredentials', 0, { deletions: [{ name: 'nobody', mechanism: 1 }] }),
  ask('without a name', 'AlterUserScramCredentials', 0, { upsertions: [scram({ name: '' })] }),
  ask('of no mechanism', 'AlterUserScramCredentials', 0, { upsertions: [scram({ mechanism: 0 })] }),
  ask('of another mechanism', 'AlterUserScramCredentials', 0, { deletions: [{ name: 'nobody', mechanism: 9 }] }),
  ask('too easy', 'AlterUserScramCredentials', 0, { upsertions: [scram({ iterations: 4095 })] }),
  ask('too hard', 'AlterUserScramCredentials', 0, { upsertions: [scram({ iterations: 16385 })] }),
  ask('twice', 'AlterUserScramCredentials', 0, { upsertions: [scram(), scram()] }),
  ask('set and deleted', 'AlterUserScramCredentials', 0, {
    upsertions: [scram()],
    deletions: [{ name: 'scram', mechanism: 1 }],
  }),
  ask('one', 'AlterUserScramCredentials', 0, { upsertions: [scram()] }),
  ask('no longer', 'AlterUserScramCredentials', 0, { deletions: [{ name: 'scram', mechanism: 1 }] }),
  ask('both ways at once', 'AlterUserScramCredentials', 0, { upsertions: [scram(), scram({ mechanism: 2 })] }),
  ask('one is wrong', 'AlterUserScramCredentials', 0, { upsertions: [scram(), scram({ mechanism: 0 })] }),
  ask('of everybody', 'DescribeClientQuotas', 1, { components: [] }),
  ask('of a user', 'DescribeClientQuotas', 1, { components: [{ entityType: 'user', matchType: 0, match: 'a' }] }),
  ask('brokers', 'ListConfigResources', 1, { resourceTypes: [4] }),
  ask('metrics', 'ListConfigResources', 0),
  ask('of no kind', 'ListConfigResources', 1, { resourceTypes: [3] }),
  ask('of nothing', 'DescribeLogDirs', 5, { topics: [] }),
];

describe.skipIf(!canRunRealKafka())('the same requests to a real Kafka and to ours', () => {
  let kafka: RealKafka;
  let server: TestBroker;
  let theirs: RawClient;
  let ours: RawClient;

  beforeAll(async () => {
    kafka = await startRealKafka();
    server = await startTestBroker({ settings: { 'node.id': 1 } });
    theirs = await RawClient.connect(kafka.port);
    ours = await RawClient.connect(server.port);
    const set = (name: string, value: string) => ({
      replicationFactor: 1,
      numPartitions: 1,
      configs: [{ name, value }],
    });
    const topics = [
      { name: 'same', numPartitions: 2, replicationFactor: 1 },
      { name: 'other', numPartitions: 1, replicationFactor: 1 },
      { name: 'compacted', ...set('cleanup.policy', 'compact') },
      { name: 'dated', ...set('message.timestamp.before.max.ms', '1000') },
    ];
    for (const client of [theirs, ours]) {
      await client.request('CreateTopics', 6, apis.CreateTopics.request.create({ topics, timeoutMs: 10_000 }));
      await vi.waitFor(async () => expect(await leadsAll(client, topics)).toBe(true), { timeout: 60_000 });
    }
  });
  afterAll(async () => {
    theirs.close();
    ours.close();
    await kafka.stop();
    await server.close();
  });

  /** A real Kafka says that a topic is there before it leads its partitions. */
  async function leadsAll(client: RawClient, topics: readonly { name: string; numPartitions: number }[]) {
    const asked = topics.map(({ name, numPartitions }) => ({
      name,
      partitions: Array.from({ length: numPartitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 })),
    }));
    const answer = await client.request(
      'ListOffsets',
      5,
      apis.ListOffsets.request.create({ replicaId: -1, topics: asked }),
    );
    return answer.topics.every(({ partitions }) => partitions.every(({ errorCode }) => errorCode === 0));
  }

  async function answerOf(client: RawClient, { api, version, draft }: Case) {
    const { request }: { request: Pick<Message<RequestOf<ApiName>>, 'create'> } = apis[api];
    const body = request.create(draft);
    const hidden = api === 'DescribeQuorum' ? ownOfQuorum : own;
    for (let attempt = 0; ; attempt++) {
      const answer = comparable(await client.request(api, version, body), hidden);
      // A real Kafka loads its coordinators' topics on first need.
      const isLoading = /"errorCode":(14|15|16|51)\b/.test(JSON.stringify(answer));
      if (!isLoading || attempt === 100) return answer;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  test.each(cases)('$api $version: $what', async (asked) => {
    const expected = await answerOf(theirs, asked);
    expect(await answerOf(ours, asked)).toEqual(expected);
  });

  test('settings of a topic and of the broker: types, defaults, where they come from', async () => {
    const of = async (client: RawClient, resourceType: number, resourceName: string) => {
      const resources = [{ resourceType, resourceName, configurationKeys: null }];
      const body = apis.DescribeConfigs.request.create({ resources, includeSynonyms: true });
      return (await client.request('DescribeConfigs', 4, body)).results[0]!.configs;
    };
    expect(topicDifferences(await of(theirs, 2, 'other'), await of(ours, 2, 'other'))).toEqual([]);
    expect(brokerDifferences(await of(theirs, 4, '1'), await of(ours, 4, '1'))).toEqual([]);
  });

  test('settings of the broker that requests have altered: which of the values counts, in topics too', async () => {
    for (const step of alterationsInSteps) {
      for (const client of [theirs, ours]) {
        expect((await client.request('IncrementalAlterConfigs', 1, step)).responses[0]!.errorCode).toBe(0);
      }
      const own = await alteredSettings(ours);
      // A real Kafka answers before it has taken over what was altered.
      await vi.waitFor(async () => expect(own).toEqual(await alteredSettings(theirs)), { timeout: 60_000 });
    }
  });
});
