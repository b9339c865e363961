// Whole conversations with a real Kafka and with ours: transactions with their retries and fencing, a member's life in a group, groups that change their
// protocol. Each step's answer must say the same. Skipped where a real Kafka cannot be run.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { apis, type RequestOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import { Conversation } from '../support/conversation.ts';
import { RawClient } from '../support/raw-client.ts';
import { canRunRealKafka, type RealKafka, startRealKafka } from '../support/real-kafka.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { membership, newMembership } from './group-conversations.ts';
import { migration, staticMigration } from './migration-conversation.ts';

/** What tools show of a transaction; what is complete is complete when its markers are written. */
const described = (talk: Conversation, what: string, transactionalId: string) =>
  talk.ask(
    `described ${what}`,
    'DescribeTransactions',
    0,
    { transactionalIds: [transactionalId] },
    ({ transactionStates }) =>
      transactionStates.map(({ errorCode, transactionState, transactionTimeoutMs, transactionStartTimeMs, topics }) => [
        errorCode,
        transactionState.replace(/^Prepare/, 'Complete'),
        transactionTimeoutMs,
        transactionStartTimeMs > 0,
        transactionState.startsWith('Prepare') ? [] : topics,
      ]),
  );

async function oldTransactions(talk: Conversation): Promise<void> {
  const first = await talk.init('first', 'old');
  await talk.produce('before it was added', 9, 'old', first, 'early');
  await described(talk, 'before', 'old');
  await talk.add('added', 'old', first);
  await described(talk, 'while it is open', 'old');
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
  await described(talk, 'after the commit', 'old');
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
  await described(talk, 'when another has begun', 'old');
  await talk.end('nothing to end', 3, 'old', second, true);
  await talk.init('own identity', 'old', 4, second);
  await talk.init('a foreign identity', 'old', 4, { ...first, producerEpoch: 0 });
}

async function newTransactions(talk: Conversation): Promise<void> {
  const first = await talk.init('first', 'new', 5);
  await talk.produce('added by itself', 12, 'new', first, 'three');
  await talk.offsets('offsets by themselves', 5, 'new', first, 5);
  const next = await talk.end('commit', 5, 'new', first, true);
  await described(talk, 'after the commit', 'new');
  await talk.end('commit again', 5, 'new', first, true);
  await talk.produce('of the last transaction', 12, 'new', first, 'late', 1);
  await talk.produce('next', 12, 'new', next, 'four');
  const third = await talk.end('abort', 5, 'new', next, false);
  await described(talk, 'after the abort', 'new');
  await talk.end('abort of nothing', 5, 'new', third, false);
  await described(talk, 'after the abort of nothing', 'new');
  await talk.ask(
    'offsets hold',
    'OffsetFetch',
    7,
    { groupId: 'flow-group', topics: [{ name: 'flow', partitionIndexes: [0] }], requireStable: true },
    (answer) => answer.topics[0]?.partitions[0]?.committedOffset,
  );
}

/** A real Kafka answers before its coordinator knows a new topic. */
async function untilGroupsSee(client: RawClient, topics: readonly { name: string; numPartitions: number }[]) {
  const groupId = 'onlookers';
  const joins = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] };
  const patience = { timeout: 60_000, interval: 100 };
  for (const { name, numPartitions } of topics) {
    const beat = (draft: Draft<RequestOf<'ConsumerGroupHeartbeat'>>) => {
      const request = apis.ConsumerGroupHeartbeat.request.create({ groupId, memberId: name, ...draft });
      return client.request('ConsumerGroupHeartbeat', 1, request);
    };
    await vi.waitFor(async () => {
      const { assignment } = await beat({ ...joins, subscribedTopicNames: [name] });
      expect(assignment?.topicPartitions[0]?.partitions).toHaveLength(numPartitions);
    }, patience);
    await beat({ memberEpoch: -1 });
  }
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
    const topics = [
      { name: 'flow', numPartitions: 1, replicationFactor: 1 },
      { name: 'wide', numPartitions: 6, replicationFactor: 1 },
    ];
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
      await untilGroupsSee(client, topics);
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
    ['from the classic protocol to the new one and back', migration],
    ['static members that change their protocol', staticMigration],
  ])('%s', async (_, converse) => {
    const [expected, said] = [new Conversation(theirs), new Conversation(ours)];
    await converse(expected);
    await converse(said);
    expect(said.said).toEqual(expected.said);
  });
});
