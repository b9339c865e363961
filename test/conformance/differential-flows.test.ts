// Whole conversations with a real Kafka and with ours: transactions with their retries and fencing, a member's life in a group. Each step's answer
// must say the same. Skipped where a real Kafka cannot be run.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import { RawClient } from '../support/raw-client.ts';
import { canRunRealKafka, type RealKafka, startRealKafka } from '../support/real-kafka.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { batchOf, valuesOf } from '../support/text-batches.ts';

/** What one broker said: step by step, with what no two brokers share left out. */
class Conversation {
  readonly said: [step: string, answer: unknown][] = [];
  private readonly client: RawClient;

  constructor(client: RawClient) {
    this.client = client;
  }

  /** Asks, again while a coordinator is loading or a decision is being carried out, and notes what `see` makes of the answer. */
  async ask<K extends ApiName>(
    step: string,
    api: K,
    version: number,
    draft: Draft<RequestOf<K>>,
    see: (answer: ResponseOf<K>) => unknown,
  ): Promise<ResponseOf<K>> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.client.request(api, version, apis[api].request.create(draft));
      const seen = see(answer);
      if (attempt < 100 && /^(14|15|16|51)$/.test(String(seen))) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.said.push([`${step}: ${api} ${version}`, seen]);
      return answer;
    }
  }

  init(step: string, transactionalId: string, version = 4, own: object = {}) {
    const draft = { transactionalId, transactionTimeoutMs: 60_000, ...own };
    return this.ask(step, 'InitProducerId', version, draft, ({ errorCode, producerEpoch }) =>
      errorCode === 0 ? `epoch ${producerEpoch}` : errorCode,
    );
  }

  add(step: string, transactionalId: string, producer: Identity) {
    const draft = {
      ...{ v3AndBelowTransactionalId: transactionalId, v3AndBelowTopics: [{ name: 'flow', partitions: [0] }] },
      ...{ v3AndBelowProducerId: producer.producerId, v3AndBelowProducerEpoch: producer.producerEpoch },
    };
    return this.ask(
      step,
      'AddPartitionsToTxn',
      3,
      draft,
      (answer) => answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode,
    );
  }

  produce(step: string, version: number, transactionalId: string, producer: Identity, value: string, baseSequence = 0) {
    const { producerId, producerEpoch } = producer;
    const identity = { producerId, producerEpoch, baseSequence, isTransactional: true };
    // Of now: Kafka begins a segment when times are far apart, and reads from one segment at a time.
    const records = batchOf([value], identity, Date.now());
    const topicData = [{ name: 'flow', partitionData: [{ index: 0, records }] }];
    return this.ask(step, 'Produce', version, { transactionalId, acks: -1, timeoutMs: 5000, topicData }, (answer) => {
      return answer.responses[0]?.partitionResponses[0]?.errorCode;
    });
  }

  end(step: string, version: number, transactionalId: string, producer: Identity, committed: boolean) {
    const { producerId, producerEpoch } = producer;
    const draft = { transactionalId, producerId, producerEpoch, committed };
    return this.ask(step, 'EndTxn', version, draft, (answer) => {
      if (answer.errorCode !== 0) return answer.errorCode;
      return version < 5 ? 'ended' : `next epoch ${answer.producerEpoch}, same id ${answer.producerId === producerId}`;
    });
  }

  offsets(step: string, version: number, transactionalId: string, producer: Identity, committedOffset: number) {
    const { producerId, producerEpoch } = producer;
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
    const draft = {
      transactionalId,
      groupId: 'flow-group',
      producerId,
      producerEpoch,
      topics: [{ name: 'flow', partitions }],
    };
    return this.ask(step, 'TxnOffsetCommit', version, draft, (answer) => answer.topics[0]?.partitions[0]?.errorCode);
  }

  /** What read_committed readers see, once the marker of what was decided is there. */
  async committed(step: string, count: number): Promise<void> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const draft = {
      maxWaitMs: 50,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      topics: [{ topic: 'flow', partitions }],
    };
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await this.client.request('Fetch', 11, apis.Fetch.request.create(draft));
      const partition = answer.responses[0]!.partitions[0]!;
      if (partition.lastStableOffset < partition.highWatermark || partition.highWatermark < count) continue;
      const aborted = partition.abortedTransactions?.map(({ firstOffset }) => firstOffset);
      this.said.push([step, { values: valuesOf(partition.records), aborted, end: partition.highWatermark }]);
      return;
    }
    this.said.push([step, 'never']);
  }
}

interface Identity {
  producerId: number;
  producerEpoch: number;
}

async function oldTransactions(talk: Conversation): Promise<void> {
  const first = await talk.init('first', 'old');
  await talk.produce('before it was added', 9, 'old', first, 'early');
  await talk.add('added', 'old', first);
  await talk.produce('written', 9, 'old', first, 'one');
  await talk.offsets('offsets before they were added', 3, 'old', first, 1);
  await talk.ask(
    'offsets',
    'AddOffsetsToTxn',
    3,
    { transactionalId: 'old', ...first, groupId: 'flow-group' },
    (a) => a.errorCode,
  );
  await talk.offsets('offsets', 3, 'old', first, 1);
  await talk.ask(
    'unstable offsets',
    'OffsetFetch',
    7,
    { groupId: 'flow-group', topics: [{ name: 'flow', partitionIndexes: [0] }], requireStable: true },
    (answer) => answer.topics[0]?.partitions[0]?.errorCode,
  );
  await talk.end('commit', 3, 'old', first, true);
  await talk.end('commit again', 3, 'old', first, true);
  await talk.end('abort what was committed', 3, 'old', first, false);
  await talk.committed('after the commit', 2);
  await talk.add('next', 'old', first);
  await talk.produce('next', 9, 'old', first, 'two', 1);
  const second = await talk.init('fencing', 'old');
  await talk.produce('fenced', 9, 'old', first, 'late', 2);
  await talk.end('fenced', 3, 'old', first, true);
  await talk.add('fenced', 'old', first);
  await talk.committed('what was open is aborted', 4);
  await talk.end('nothing to end', 3, 'old', second, true);
  await talk.init('own identity', 'old', 4, second);
  await talk.init('a foreign identity', 'old', 4, { ...first, producerEpoch: 0 });
}

async function newTransactions(talk: Conversation): Promise<void> {
  const first = await talk.init('first', 'new', 5);
  await talk.produce('added by itself', 12, 'new', first, 'three');
  await talk.offsets('offsets by themselves', 5, 'new', first, 5);
  const next = await talk.end('commit', 5, 'new', first, true);
  await talk.end('commit again', 5, 'new', first, true);
  await talk.produce('of the last transaction', 12, 'new', first, 'late', 1);
  await talk.produce('next', 12, 'new', next, 'four');
  const third = await talk.end('abort', 5, 'new', next, false);
  await talk.end('abort of nothing', 5, 'new', third, false);
  await talk.ask(
    'offsets hold',
    'OffsetFetch',
    7,
    { groupId: 'flow-group', topics: [{ name: 'flow', partitionIndexes: [0] }], requireStable: true },
    (answer) => answer.topics[0]?.partitions[0]?.committedOffset,
  );
}

async function membership(talk: Conversation): Promise<void> {
  const protocols = [{ name: 'range', metadata: Buffer.from('000000000001000466' + '6c6f77' + '00000000', 'hex') }];
  const draft = {
    groupId: 'life',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols,
  };
  const { memberId } = await talk.ask('first', 'JoinGroup', 5, draft, ({ errorCode, memberId: id }) => [
    errorCode,
    id !== '',
  ]);
  const joined = await talk.ask('again', 'JoinGroup', 5, { ...draft, memberId }, (answer) => {
    const { errorCode, generationId, protocolName, leader, members } = answer;
    return { errorCode, generationId, protocolName, leads: leader === memberId, members: members.length };
  });
  const { generationId } = joined;
  const me = { groupId: 'life', generationId, memberId };
  await talk.ask('before sync', 'Heartbeat', 3, me, ({ errorCode }) => errorCode);
  const commit = (generation: number) => ({
    ...{ groupId: 'life', generationIdOrMemberEpoch: generation, memberId },
    topics: [{ name: 'flow', partitions: [{ partitionIndex: 0, committedOffset: 9, committedMetadata: 'm' }] }],
  });
  await talk.ask(
    'before sync',
    'OffsetCommit',
    7,
    commit(generationId),
    (answer) => answer.topics[0]?.partitions[0]?.errorCode,
  );
  const assignments = [{ memberId, assignment: Buffer.from('mine') }];
  await talk.ask('leader', 'SyncGroup', 3, { ...me, assignments }, ({ errorCode, assignment }) => [
    errorCode,
    assignment.toString(),
  ]);
  await talk.ask('again', 'SyncGroup', 3, me, ({ errorCode, assignment }) => [errorCode, assignment.toString()]);
  await talk.ask('stable', 'Heartbeat', 3, me, ({ errorCode }) => errorCode);
  await talk.ask('of another generation', 'Heartbeat', 3, { ...me, generationId: 7 }, ({ errorCode }) => errorCode);
  await talk.ask('of another generation', 'SyncGroup', 3, { ...me, generationId: 7 }, ({ errorCode }) => errorCode);
  await talk.ask('of a stranger', 'Heartbeat', 3, { ...me, memberId: 'stranger' }, ({ errorCode }) => errorCode);
  await talk.ask(
    'stable',
    'OffsetCommit',
    7,
    commit(generationId),
    (answer) => answer.topics[0]?.partitions[0]?.errorCode,
  );
  await talk.ask(
    'of another generation',
    'OffsetCommit',
    7,
    commit(7),
    (answer) => answer.topics[0]?.partitions[0]?.errorCode,
  );
  await talk.ask(
    'from outside',
    'OffsetCommit',
    7,
    { ...commit(-1), memberId: '' },
    (answer) => answer.topics[0]?.partitions[0]?.errorCode,
  );
  const other = { ...draft, memberId, protocolType: 'connect' };
  await talk.ask('of another kind', 'JoinGroup', 5, other, ({ errorCode }) => errorCode);
  await talk.ask('described', 'DescribeGroups', 5, { groups: ['life'] }, ({ groups }) => {
    const [group] = groups;
    return [
      group?.groupState,
      group?.protocolType,
      group?.protocolData,
      group?.members[0]?.memberAssignment.toString(),
    ];
  });
  await talk.ask('in use', 'DeleteGroups', 2, { groupsNames: ['life'] }, ({ results }) => results[0]?.errorCode);
  await talk.ask(
    'subscribed',
    'OffsetDelete',
    0,
    { groupId: 'life', topics: [{ name: 'flow', partitions: [{ partitionIndex: 0 }] }] },
    (answer) => [answer.errorCode, answer.topics[0]?.partitions[0]?.errorCode],
  );
  await talk.ask('leaves', 'LeaveGroup', 3, { groupId: 'life', members: [{ memberId }] }, (answer) => [
    answer.errorCode,
    answer.members[0]?.errorCode,
  ]);
  await talk.ask('left', 'Heartbeat', 3, me, ({ errorCode }) => errorCode);
  await talk.ask('empty', 'DescribeGroups', 5, { groups: ['life'] }, ({ groups }) => [
    groups[0]?.groupState,
    groups[0]?.protocolType,
    groups[0]?.protocolData,
  ]);
  await talk.ask('gone', 'DeleteGroups', 2, { groupsNames: ['life'] }, ({ results }) => results[0]?.errorCode);
  await talk.ask('gone', 'DescribeGroups', 5, { groups: ['life'] }, ({ groups }) => [
    groups[0]?.errorCode,
    groups[0]?.groupState,
  ]);
}

/** A life in a group of the new protocol (KIP-848): what is refused, two members and one partition, a lost answer, static members, offsets, the end. */
async function newMembership(talk: Conversation): Promise<void> {
  const groupId = 'new-life';
  const beat = (step: string, draft: Draft<RequestOf<'ConsumerGroupHeartbeat'>>) =>
    talk.ask(step, 'ConsumerGroupHeartbeat', 1, { groupId, ...draft }, (answer) => {
      const { errorCode, memberEpoch, heartbeatIntervalMs, assignment } = answer;
      if (errorCode !== 0) return errorCode;
      return {
        memberEpoch,
        heartbeatIntervalMs,
        given: assignment?.topicPartitions.map(({ partitions }) => partitions),
      };
    });
  const joining = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['flow'], topicPartitions: [] };
  const join = (step: string, memberId: string, draft: Draft<RequestOf<'ConsumerGroupHeartbeat'>> = {}) =>
    beat(step, { ...joining, memberId, ...draft });
  for (const [step, draft] of [
    ['without id', { memberId: '' }],
    ['without timeout', { rebalanceTimeoutMs: -1 }],
    ['without partitions', { topicPartitions: null }],
    ['without subscription', { subscribedTopicNames: null }],
    ['nameless instance', { instanceId: '' }],
    ['nowhere', { rackId: '' }],
    ['no epoch', { memberEpoch: -3 }],
    ['away without instance', { memberEpoch: -2 }],
    ['no expression', { subscribedTopicNames: null, subscribedTopicRegex: 'a(' }],
    ['no assignor', { serverAssignor: 'mine' }],
    ['no such group', { memberEpoch: 1, subscribedTopicNames: null }],
  ] as const) {
    await join(step, 'a', draft);
  }
  const { assignment } = await join('first', 'a');
  const owned = assignment!.topicPartitions;
  await beat('nothing new', { memberId: 'a', memberEpoch: 2 });
  await join('second', 'b');
  await beat('next epoch', { memberId: 'a', memberEpoch: 2, topicPartitions: owned });
  await beat('lost answer', { memberId: 'a', memberEpoch: 2, topicPartitions: owned });
  await beat('lost answer, says nothing', { memberId: 'a', memberEpoch: 2 });
  await beat('too far', { memberId: 'a', memberEpoch: 9 });
  await beat('stranger', { memberId: 'z', memberEpoch: 3 });
  await join('once more', 'a');
  const describe = (step: string, version = 1) =>
    talk.ask(step, 'ConsumerGroupDescribe', version, { groupIds: [groupId] }, ({ groups }) => {
      const { errorCode, groupState, groupEpoch, assignmentEpoch, assignorName, members } = groups[0]!;
      const seen = members.map((member) => {
        const { memberId, instanceId, memberEpoch, subscribedTopicNames, subscribedTopicRegex, memberType } = member;
        const shares = [member.assignment, member.targetAssignment].map(({ topicPartitions }) =>
          topicPartitions.map(({ topicName, partitions }) => [topicName, partitions]),
        );
        return { memberId, instanceId, memberEpoch, subscribedTopicNames, subscribedTopicRegex, memberType, shares };
      });
      seen.sort((left, right) => (left.memberId < right.memberId ? -1 : 1));
      return { errorCode, groupState, groupEpoch, assignmentEpoch, assignorName, seen };
    });
  await describe('two members');
  for (const version of [5, 6]) {
    await talk.ask('as a classic group', 'DescribeGroups', version, { groups: [groupId] }, ({ groups }) => [
      groups[0]?.errorCode,
      groups[0]?.groupState,
    ]);
  }
  await talk.ask('listed', 'ListGroups', 5, { typesFilter: ['CONSUMER'], statesFilter: ['stable'] }, ({ groups }) =>
    groups.map((group) => [group.groupId, group.groupState, group.groupType, group.protocolType]),
  );
  const commit = (step: string, version: number, memberId: string, epoch: number, group = groupId) => {
    const partitions = [{ partitionIndex: 0, committedOffset: 9, committedMetadata: 'm' }];
    const draft = {
      groupId: group,
      generationIdOrMemberEpoch: epoch,
      memberId,
      topics: [{ name: 'flow', partitions }],
    };
    return talk.ask(step, 'OffsetCommit', version, draft, (answer) => answer.topics[0]?.partitions[0]?.errorCode);
  };
  await commit('in its epoch', 9, 'a', 3);
  await commit('in an old epoch', 9, 'a', 2);
  await commit('of another, in an old epoch', 9, 'b', 2);
  await commit('in a coming epoch', 9, 'a', 4);
  await commit('too old a version', 8, 'a', 3);
  await commit('stranger', 9, 'z', 3);
  await commit('from outside', 9, '', -1);
  await commit('to no group', 9, 'a', 2, 'no-such-group');
  await commit('to no group, old version', 8, 'a', 2, 'no-such-group');
  for (const [step, memberId, memberEpoch] of [
    ['in its epoch', 'a', 3],
    ['in another epoch', 'a', 2],
    ['stranger', 'z', 3],
    ['from outside', null, -1],
  ] as const) {
    const topics = [{ name: 'flow', partitionIndexes: [0] }];
    await talk.ask(step, 'OffsetFetch', 9, { groups: [{ groupId, memberId, memberEpoch, topics }] }, ({ groups }) => [
      groups[0]!.errorCode,
      groups[0]!.topics[0]?.partitions[0]?.committedOffset,
    ]);
  }
  const topics = [{ name: 'flow', partitions: [{ partitionIndex: 0 }] }];
  await talk.ask('subscribed', 'OffsetDelete', 0, { groupId, topics }, (answer) => [
    answer.errorCode,
    answer.topics[0]?.partitions[0]?.errorCode,
  ]);
  await talk.ask('in use', 'DeleteGroups', 2, { groupsNames: [groupId] }, ({ results }) => results[0]?.errorCode);
  await beat('leaves', { memberId: 'a', memberEpoch: -1 });
  await beat('has left', { memberId: 'a', memberEpoch: 3 });
  await beat('gets the rest', { memberId: 'b', memberEpoch: 3, topicPartitions: [] });
  await join('static', 'c', { instanceId: 'one' });
  await join('place is taken', 'd', { instanceId: 'one' });
  await beat('away', { memberId: 'c', instanceId: 'one', memberEpoch: -2 });
  await describe('one is away');
  await join('heir', 'd', { instanceId: 'one' });
  await beat('former', { memberId: 'c', instanceId: 'one', memberEpoch: 5 });
  await beat('unknown instance', { memberId: 'c', instanceId: 'two', memberEpoch: 5 });
  await beat('leaves for good', { memberId: 'd', instanceId: 'one', memberEpoch: -1 });
  await beat('leaves', { memberId: 'b', memberEpoch: -1 });
  await describe('empty');
  await talk.ask('gone', 'DeleteGroups', 2, { groupsNames: [groupId] }, ({ results }) => results[0]?.errorCode);
  await describe('gone', 0);
}

describe.skipIf(!canRunRealKafka())('the same conversation with a real Kafka and with ours', () => {
  let kafka: RealKafka;
  let server: TestBroker;
  let theirs: RawClient;
  let ours: RawClient;

  beforeAll(async () => {
    // At once, as ours does, and not gathered for a while (KIP-1263).
    const assigns = { 'group.consumer.assignment.interval.ms': '0', 'group.consumer.assignor.offload.enable': 'false' };
    kafka = await startRealKafka({ settings: { ...assigns, 'group.consumer.min.assignment.interval.ms': '0' } });
    server = await startTestBroker();
    theirs = await RawClient.connect(kafka.port);
    ours = await RawClient.connect(server.port);
    const topics = [{ name: 'flow', numPartitions: 1, replicationFactor: 1 }];
    for (const client of [theirs, ours]) {
      await client.request('CreateTopics', 6, apis.CreateTopics.request.create({ topics, timeoutMs: 10_000 }));
      for (const [keyType, key] of [
        [0, 'life'],
        [1, 'old'],
      ] as const) {
        await client.request(
          'FindCoordinator',
          4,
          apis.FindCoordinator.request.create({ keyType, coordinatorKeys: [key] }),
        );
      }
    }
  });
  afterAll(async () => {
    theirs.close();
    ours.close();
    await kafka.stop();
    await server.close();
  });

  test.each([
    ['transactions as before KIP-890', oldTransactions],
    ['transactions of KIP-890', newTransactions],
    ['membership', membership],
    ['membership of the new protocol', newMembership],
  ])('%s', async (_, converse) => {
    const [expected, said] = [new Conversation(theirs), new Conversation(ours)];
    await converse(expected);
    await converse(said);
    expect(said.said).toEqual(expected.said);
  });
});
