// What members of consumer groups trip over on young brokers, one test for each trap, over the socket (see traps.test.ts).
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ErrorCode } from '../../broker/wire/errors.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

let server: TestBroker;
const clients: RawClient[] = [];

beforeAll(async () => {
  server = await startTestBroker();
  await ask(await connect(), 'CreateTopics', 7, {
    topics: [{ name: 'lines', numPartitions: 2, replicationFactor: 1 }],
  });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await server.close();
});

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  clients.push(client);
  return client;
}

function ask<K extends ApiName>(
  client: RawClient,
  api: K,
  version: number,
  draft: Draft<RequestOf<K>>,
): Promise<ResponseOf<K>> {
  return client.request(api, version, apis[api].request.create(draft));
}

/** A member of a group, on a connection of its own. */
class Member {
  memberId = '';
  generationId = -1;
  private readonly client: RawClient;
  private readonly groupId: string;
  private readonly protocols: readonly string[];

  constructor(client: RawClient, groupId: string, protocols: readonly string[] = ['range']) {
    this.client = client;
    this.groupId = groupId;
    this.protocols = protocols;
  }

  async join(version = 9, own: object = {}): Promise<ResponseOf<'JoinGroup'>> {
    const protocols = this.protocols.map((name) => ({ name, metadata: Buffer.from(name) }));
    const answer = await ask(this.client, 'JoinGroup', version, {
      ...{ groupId: this.groupId, memberId: this.memberId, protocolType: 'consumer', protocols },
      ...{ sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000 },
      ...own,
    });
    ({ memberId: this.memberId, generationId: this.generationId } = answer);
    return answer;
  }

  /** Both steps of the first join of a dynamic member. */
  async enter(): Promise<ResponseOf<'JoinGroup'>> {
    expect((await this.join()).errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
    return this.join();
  }

  sync(shares: Record<string, string> = {}): Promise<ResponseOf<'SyncGroup'>> {
    const { groupId, memberId, generationId } = this;
    const assignments = Object.entries(shares).map(([id, share]) => ({ memberId: id, assignment: Buffer.from(share) }));
    return ask(this.client, 'SyncGroup', 3, { groupId, memberId, generationId, assignments });
  }

  async beat(): Promise<number> {
    const { groupId, memberId, generationId } = this;
    return (await ask(this.client, 'Heartbeat', 3, { groupId, memberId, generationId })).errorCode;
  }
}

/** Two members in a stable generation; the first leads. */
async function pair(groupId: string): Promise<[Member, Member]> {
  const [first, second] = [new Member(await connect(), groupId), new Member(await connect(), groupId)];
  await first.enter();
  await first.sync({ [first.memberId]: 'all' });
  const entered = second.enter();
  await expect.poll(() => first.beat(), { timeout: 30_000 }).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  await Promise.all([first.join(), entered]);
  await Promise.all([second.sync(), first.sync({ [first.memberId]: 'one', [second.memberId]: 'two' })]);
  return [first, second];
}

test('new clients: from version 4 a dynamic member is given an id first; before, and with an instance id, it joins at once', async () => {
  const members = await Promise.all(['newest', 'older', 'static'].map(async (id) => new Member(await connect(), id)));
  const [newest, older, fixed] = members as [Member, Member, Member];
  const first = await newest.join(4);
  expect(first).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, generationId: -1 });
  expect(first.memberId).not.toBe('');
  expect((await older.join(3)).errorCode).toBe(0);
  expect((await fixed.join(9, { groupInstanceId: 'edge' })).errorCode).toBe(0);
});

test('Java clients: a follower that joins again as it was gets the old answer, a leader begins a rebalance', async () => {
  const [leader, follower] = await pair('again');
  const generation = follower.generationId;
  expect(await follower.join()).toMatchObject({ errorCode: 0, generationId: generation, leader: leader.memberId });
  expect(await leader.beat()).toBe(0);
  const again = leader.join();
  await expect.poll(() => follower.beat(), { timeout: 30_000 }).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  expect((await follower.join()).generationId).toBe(generation + 1);
  await again;
});

test('rolling upgrades: the protocol that all members know is chosen, by vote', async () => {
  const [old, fresh] = [
    new Member(await connect(), 'vote', ['range', 'roundrobin']),
    new Member(await connect(), 'vote', ['cooperative-sticky', 'roundrobin', 'range']),
  ];
  expect((await old.enter()).protocolName).toBe('range');
  await old.sync({ [old.memberId]: 'all' });
  const entered = fresh.enter();
  await expect.poll(() => old.beat(), { timeout: 30_000 }).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  const [first, second] = await Promise.all([old.join(), entered]);
  expect(['range', 'roundrobin']).toContain(first.protocolName);
  expect(second.protocolName).toBe(first.protocolName);
  const stranger = new Member(await connect(), 'vote', ['other']);
  expect((await stranger.join()).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
});

test('every client: SyncGroup of a follower waits for the leader, and metadata of members goes to the leader only', async () => {
  const [leader, follower] = [new Member(await connect(), 'waits'), new Member(await connect(), 'waits')];
  await leader.enter();
  await leader.sync({ [leader.memberId]: 'all' });
  const entered = follower.enter();
  await expect.poll(() => leader.beat(), { timeout: 30_000 }).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  const [asLeader, asFollower] = await Promise.all([leader.join(), entered]);
  expect([asLeader.members.length, asFollower.members.length]).toEqual([2, 0]);
  let isAnswered = false;
  const waiting = follower.sync().finally(() => (isAnswered = true));
  expect(isAnswered).toBe(false);
  await leader.sync({ [leader.memberId]: 'one', [follower.memberId]: 'two' });
  expect((await waiting).assignment.toString()).toBe('two');
});

test('kafka-python, Sarama: nothing committed is offset -1, leader epoch -1 and no text; what was committed comes back with its text', async () => {
  const client = await connect();
  const fetch = async () => {
    const groups = [{ groupId: 'texts', topics: [{ name: 'lines', partitionIndexes: [0] }] }];
    const answer = await ask(client, 'OffsetFetch', 8, { groups });
    return answer.groups[0]!.topics[0]!.partitions[0]!;
  };
  expect(await fetch()).toMatchObject({ committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 });
  const partitions = [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 0, committedMetadata: 'größe' }];
  const topics = [{ name: 'lines', partitions }];
  await ask(client, 'OffsetCommit', 8, { groupId: 'texts', generationIdOrMemberEpoch: -1, topics });
  expect(await fetch()).toMatchObject({ committedOffset: 7, metadata: 'größe', errorCode: 0 });
});

test('every client: a commit to an unknown partition is refused for that partition alone', async () => {
  const commit = (name: string, partitionIndex: number) => ({
    name,
    partitions: [{ partitionIndex, committedOffset: 1, committedMetadata: '' }],
  });
  const topics = [commit('nowhere', 0), commit('lines', 9), commit('lines', 1)];
  const draft = { groupId: 'parts', generationIdOrMemberEpoch: -1, topics };
  const answer = await ask(await connect(), 'OffsetCommit', 8, draft);
  const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
  expect(codes).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0]);
});

test('librdkafka: a member that was thrown out hears UNKNOWN_MEMBER_ID, also in the middle of a rebalance', async () => {
  const [leader, follower] = await pair('thrown');
  const members = [{ memberId: follower.memberId }];
  await ask(await connect(), 'LeaveGroup', 3, { groupId: 'thrown', members });
  expect(await leader.beat()).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  expect(await follower.beat()).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  expect((await follower.join()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  await leader.join();
});
