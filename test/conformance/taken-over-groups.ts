// Groups of every kind, for kafka-files.test.ts: made with one broker, and described in the same words by the one that takes over its __consumer_offsets.
// Shares are left out: they name topics by id, and a topic has another id with every broker.
import { encodeVersioned } from '../../broker/coordinator/coordinator-topic.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../broker/wire/messages/coordinator-records.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import type { RawClient } from '../support/raw-client.ts';

/** Longer than a broker takes to start. */
const sessionTimeoutMs = 600_000;

class Maker {
  private readonly client: RawClient;
  private readonly topic: string;

  constructor(client: RawClient, topic: string) {
    this.client = client;
    this.topic = topic;
  }

  async ask<K extends ApiName>(api: K, version: number, draft: Draft<RequestOf<K>>): Promise<ResponseOf<K>> {
    const answer = await this.client.request(api, version, apis[api].request.create(draft));
    const { errorCode } = answer as { errorCode?: number };
    if (errorCode !== undefined && errorCode !== 0) throw new Error(`${api} was answered with ${errorCode}`);
    return answer;
  }

  /** Joins by JoinGroup; the first one of a classic group gets everything, and commits. */
  async classic(groupId: string, groupInstanceId: string, leads: boolean): Promise<string> {
    const { topic } = this;
    const subscription = consumerProtocolSubscription.create({ topics: [topic] });
    const protocols = [{ name: 'range', metadata: encodeVersioned(consumerProtocolSubscription, 3, subscription) }];
    const { memberId, generationId } = await this.ask('JoinGroup', 7, {
      ...{ groupId, groupInstanceId, protocolType: 'consumer', protocols },
      ...{ sessionTimeoutMs, rebalanceTimeoutMs: sessionTimeoutMs },
    });
    const value = { assignedPartitions: [{ topic, partitions: [0] }], userData: null };
    const assignment = encodeVersioned(consumerProtocolAssignment, 3, value);
    const assignments = leads ? [{ memberId, assignment }] : [];
    await this.ask('SyncGroup', 4, { groupId, memberId, generationId, groupInstanceId, assignments });
    await this.commit(groupId, memberId, generationId, groupInstanceId);
    return memberId;
  }

  async commit(groupId: string, memberId = '', generation = -1, groupInstanceId: string | null = null): Promise<void> {
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 0, committedMetadata: groupId }];
    const { topics } = await this.ask('OffsetCommit', 7, {
      ...{ groupId, memberId, generationIdOrMemberEpoch: generation, groupInstanceId },
      topics: [{ name: this.topic, partitions }],
    });
    const { errorCode } = topics[0]!.partitions[0]!;
    if (errorCode !== 0) throw new Error(`The commit of ${groupId} was answered with ${errorCode}`);
  }

  beat(draft: Draft<RequestOf<'ConsumerGroupHeartbeat'>>) {
    const joins = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] };
    return this.ask('ConsumerGroupHeartbeat', 1, { ...joins, ...draft });
  }
}

const kinds = ['simple', 'classic', 'downgraded', 'new', 'upgraded', 'left', 'deleted'] as const;

/** Makes one group of each kind: offsets alone, classic, new with an expression, changed up, changed down, and one that everybody has left. */
export async function makeGroups(client: RawClient, topic: string, prefix: string): Promise<void> {
  const maker = new Maker(client, topic);
  const [classic, fresh, upgraded, downgraded] = ['classic', 'new', 'upgraded', 'downgraded'].map(
    (kind) => `${prefix}-${kind}`,
  ) as [string, string, string, string];
  const names = { subscribedTopicNames: [topic] };
  await maker.commit(`${prefix}-simple`);
  await maker.classic(classic, 'one', true);
  await maker.beat({ groupId: fresh, memberId: 'a', ...names, rackId: 'rack', serverAssignor: 'range' });
  await maker.beat({ groupId: fresh, memberId: 'b', subscribedTopicRegex: `${topic}.*`, instanceId: 'two' });
  await maker.classic(upgraded, 'three', true);
  await maker.beat({ groupId: upgraded, memberId: 'c', ...names });
  await maker.classic(downgraded, 'four', true);
  await maker.beat({ groupId: downgraded, memberId: 'd', ...names, instanceId: 'five' });
  await maker.beat({ groupId: downgraded, memberId: 'd', instanceId: 'five', memberEpoch: -1 });
  for (const groupId of [`${prefix}-left`, `${prefix}-deleted`]) {
    await maker.beat({ groupId, memberId: 'e', ...names, subscribedTopicRegex: 'x.*' });
    await maker.beat({ groupId, memberId: 'e', memberEpoch: -1 });
  }
  await maker.ask('DeleteGroups', 2, { groupsNames: [`${prefix}-deleted`] });
}

/** Everything that a broker says of these groups. */
export async function describeGroups(client: RawClient, prefix: string) {
  const ask = <K extends ApiName>(api: K, version: number, draft: Draft<RequestOf<K>>): Promise<ResponseOf<K>> =>
    client.request(api, version, apis[api].request.create(draft));
  const groupIds = kinds.map((kind) => `${prefix}-${kind}`);
  const listed = await ask('ListGroups', 5, {});
  const classic = await ask('DescribeGroups', 5, { groups: groupIds });
  const asNew = await ask('ConsumerGroupDescribe', 1, { groupIds });
  const offsets = await ask('OffsetFetch', 8, { groups: groupIds.map((groupId) => ({ groupId, topics: null })) });
  return {
    listed: listed.groups.filter(({ groupId }) => groupIds.includes(groupId)).sort(byGroupId),
    classic: classic.groups,
    new: asNew.groups.map((group) => ({
      ...group,
      errorMessage: null,
      members: group.members
        .map((member) => ({ ...member, assignment: null, targetAssignment: null }))
        .sort((left, right) => (left.memberId < right.memberId ? -1 : 1)),
    })),
    offsets: offsets.groups,
  };
}

function byGroupId(left: { groupId: string }, right: { groupId: string }): number {
  return left.groupId < right.groupId ? -1 : 1;
}
