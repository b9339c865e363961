// Groups that change from the classic protocol to the new one and back while they have members (KIP-848), as whole conversations for
// differential-flows.test.ts. Which partitions a member gets may differ, how many may not.
import { decodeVersioned, encodeVersioned } from '../../broker/coordinator/coordinator-topic.ts';
import type { RequestOf } from '../../broker/wire/apis.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../broker/wire/messages/coordinator-records.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import type { Conversation } from '../support/conversation.ts';

type Heartbeat = Draft<RequestOf<'ConsumerGroupHeartbeat'>>;
type TopicPartitions = { topicId: Buffer; partitions: readonly number[] }[];

/** Of this topic there are six partitions, so that two members and three have shares of the same size, whoever comes first. */
const topic = 'wide';

/** A member of the classic protocol that gives back only what it has to (KIP-429). */
class ClassicMember {
  memberId = '';
  generationId = -1;
  owned: readonly number[] = [];
  private readonly talk: Conversation;
  private readonly groupId: string;
  private readonly name: string;
  private readonly instanceId: string | null;

  constructor(talk: Conversation, groupId: string, name: string, instanceId: string | null = null) {
    this.talk = talk;
    this.groupId = groupId;
    this.name = name;
    this.instanceId = instanceId;
  }

  async join(step: string, draft: Partial<RequestOf<'JoinGroup'>> = {}): Promise<void> {
    const subscription = consumerProtocolSubscription.create({
      topics: [topic],
      ownedPartitions: this.owned.length === 0 ? [] : [{ topic, partitions: [...this.owned] }],
    });
    const metadata = encodeVersioned(consumerProtocolSubscription, 1, subscription);
    const { groupId, memberId, instanceId: groupInstanceId } = this;
    const request = {
      ...{ groupId, memberId, groupInstanceId, sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 60_000 },
      ...{ protocolType: 'consumer', protocols: [{ name: 'cooperative-sticky', metadata }], ...draft },
    };
    const answer = await this.talk.ask(`${this.name} ${step}`, 'JoinGroup', 7, request, (said) => {
      const { errorCode, generationId, protocolType, protocolName, leader, members } = said;
      if (errorCode !== 0) return { errorCode, hasId: said.memberId !== '' };
      return { generationId, protocolType, protocolName, leads: leader === said.memberId, members: members.length };
    });
    if (answer.memberId !== '') this.memberId = answer.memberId;
    if (answer.errorCode === 0) this.generationId = answer.generationId;
  }

  /** `leads`: it gives itself everything. */
  async sync(step: string, leads = false): Promise<void> {
    const { groupId, memberId, generationId, instanceId: groupInstanceId } = this;
    const all = { assignedPartitions: [{ topic, partitions: [0, 1, 2, 3, 4, 5] }], userData: null };
    const assignment = encodeVersioned(consumerProtocolAssignment, 1, all);
    const draft = {
      ...{ groupId, memberId, generationId, groupInstanceId },
      ...{ protocolType: 'consumer', protocolName: 'cooperative-sticky' },
      assignments: leads ? [{ memberId, assignment }] : [],
    };
    const given = (bytes: Buffer) =>
      decodeVersioned(consumerProtocolAssignment, bytes).assignedPartitions.flatMap(({ partitions }) => partitions);
    const answer = await this.talk.ask(`${this.name} ${step}`, 'SyncGroup', 5, draft, (said) => {
      if (said.errorCode !== 0) return { errorCode: said.errorCode };
      return { ...said, assignment: given(said.assignment).length };
    });
    if (answer.errorCode === 0) this.owned = given(answer.assignment);
  }

  async beat(step: string, draft: Partial<RequestOf<'Heartbeat'>> = {}): Promise<void> {
    const { groupId, memberId, generationId, instanceId: groupInstanceId } = this;
    await this.talk.ask(
      `${this.name} ${step}`,
      'Heartbeat',
      4,
      { groupId, memberId, generationId, groupInstanceId, ...draft },
      ({ errorCode }) => ({ errorCode }),
    );
  }

  async commit(step: string, generation = this.generationId): Promise<void> {
    const partitions = [{ partitionIndex: this.owned[0]!, committedOffset: 9, committedMetadata: 'm' }];
    const { groupId, memberId } = this;
    const draft = { groupId, memberId, generationIdOrMemberEpoch: generation, topics: [{ name: topic, partitions }] };
    await this.talk.ask(`${this.name} ${step}`, 'OffsetCommit', 7, draft, (said) => ({
      errorCode: said.topics[0]?.partitions[0]?.errorCode,
    }));
  }
}

/** A member of the new protocol, which obeys at once. */
class NewMember {
  memberEpoch = 0;
  private owned: TopicPartitions = [];
  private readonly talk: Conversation;
  private readonly groupId: string;
  private readonly memberId: string;
  private readonly instanceId: string | null;

  constructor(talk: Conversation, groupId: string, memberId: string, instanceId: string | null = null) {
    this.talk = talk;
    this.groupId = groupId;
    this.memberId = memberId;
    this.instanceId = instanceId;
  }

  join(step: string): Promise<void> {
    return this.beat(step, { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: [topic] });
  }

  async beat(step: string, draft: Heartbeat = {}): Promise<void> {
    const { groupId, memberId, memberEpoch, instanceId, owned: topicPartitions } = this;
    const request = { groupId, memberId, memberEpoch, instanceId, topicPartitions, ...draft };
    const answer = await this.talk.ask(`${this.memberId} ${step}`, 'ConsumerGroupHeartbeat', 1, request, (said) => {
      if (said.errorCode !== 0) return { errorCode: said.errorCode };
      return { memberEpoch: said.memberEpoch, given: said.assignment && countOf(said.assignment.topicPartitions) };
    });
    if (answer.errorCode !== 0) return;
    this.memberEpoch = answer.memberEpoch;
    if (answer.assignment !== null) this.owned = answer.assignment.topicPartitions;
  }
}

function countOf(topics: readonly { partitions: readonly number[] }[]): number {
  return topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
}

async function describeBoth(talk: Conversation, step: string, groupId: string): Promise<void> {
  await talk.ask(step, 'ConsumerGroupDescribe', 1, { groupIds: [groupId] }, ({ groups }) => {
    const { errorCode, groupState, groupEpoch, assignmentEpoch, members } = groups[0]!;
    const seen = members.map(({ memberEpoch, memberType, instanceId, assignment, targetAssignment }) => {
      const counts = [countOf(assignment.topicPartitions), countOf(targetAssignment.topicPartitions)];
      return JSON.stringify({ memberEpoch, memberType, instanceId, counts });
    });
    return { errorCode, groupState, groupEpoch, assignmentEpoch, seen: seen.sort() };
  });
  await talk.ask(step, 'DescribeGroups', 5, { groups: [groupId] }, ({ groups }) => {
    const { errorCode, groupState, protocolType, protocolData, members } = groups[0]!;
    return { errorCode, groupState, protocolType, protocolData, members: members.length };
  });
}

const leaveGroup = (
  talk: Conversation,
  step: string,
  groupId: string,
  members: readonly { memberId: string; groupInstanceId?: string }[],
) =>
  talk.ask(step, 'LeaveGroup', 5, { groupId, members: [...members] }, (answer) => ({
    errorCode: answer.errorCode,
    members: answer.members.map(({ errorCode, groupInstanceId }) => [errorCode, groupInstanceId]),
  }));

/** A classic group takes a member of the new protocol, shares with it, takes another classic one, and is classic again when the new one has left. */
export async function migration(talk: Conversation): Promise<void> {
  const groupId = 'moving';
  const old = new ClassicMember(talk, groupId, 'old');
  await old.join('without id');
  await old.join('joins');
  await old.sync('leads', true);
  const fresh = new NewMember(talk, groupId, 'fresh');
  await fresh.join('joins');
  await describeBoth(talk, 'upgraded', groupId);
  await talk.ask('listed', 'ListGroups', 5, {}, ({ groups }) =>
    groups.filter((group) => group.groupId === groupId).map(({ groupType, groupState }) => [groupType, groupState]),
  );
  await old.commit('still commits');
  await old.commit('in a coming generation', 7);
  await old.sync('has to join');
  await old.beat('has to join');
  await old.beat('in another generation', { generationId: 9 });
  await old.beat('is a stranger', { memberId: 'stranger' });
  await fresh.beat('waits');
  await old.join('has to give back');
  await old.sync('has half');
  await old.beat('has given back');
  await fresh.beat('waits still');
  await old.join('is in the new epoch');
  await old.sync('has half');
  await old.beat('is content');
  await fresh.beat('gets the other half');
  await describeBoth(talk, 'shared', groupId);
  await old.commit('commits in its epoch');
  await old.commit('in an old generation, what it has held since', 1);
  await old.commit('in a coming generation', 9);
  const second = new ClassicMember(talk, groupId, 'second');
  await second.join('of another kind', { protocolType: 'connect' });
  await second.join('with a protocol that others do not know', {
    protocols: [{ name: 'x', metadata: Buffer.alloc(0) }],
  });
  await second.join('without id');
  await second.join('joins');
  await second.sync('has nothing yet');
  await second.beat('waits');
  await old.beat('has to join');
  await old.join('joins');
  await old.sync('has its share');
  await fresh.beat('has its share', { topicPartitions: null });
  await leaveGroup(talk, 'second leaves, with strangers', groupId, [
    { memberId: second.memberId },
    { memberId: 'stranger' },
    { memberId: '', groupInstanceId: 'nobody' },
  ]);
  await second.beat('has left');
  await describeBoth(talk, 'without the second', groupId);
  await fresh.beat('leaves', { memberEpoch: -1 });
  await describeBoth(talk, 'downgraded', groupId);
  await old.beat('has to join, or is in an old generation');
  await old.join('leads again');
  await old.sync('leads again', true);
  await old.beat('is content');
  await describeBoth(talk, 'classic', groupId);
  await leaveGroup(talk, 'old leaves', groupId, [{ memberId: old.memberId }]);
}

/** Static members change their protocol one after the other, up and down; an operator throws out the rest by their instances. */
export async function staticMigration(talk: Conversation): Promise<void> {
  const groupId = 'moving-statics';
  const first = new ClassicMember(talk, groupId, 'first', 'one');
  await first.join('joins');
  await first.sync('leads', true);
  const upgraded = new NewMember(talk, groupId, 'first-new', 'one');
  await upgraded.join('takes the place of its former self');
  await describeBoth(talk, 'upgraded', groupId);
  await first.beat('is fenced');
  const other = new NewMember(talk, groupId, 'other', 'two');
  await other.join('joins');
  await upgraded.beat('gives back');
  await upgraded.beat('has given back');
  await other.beat('takes');
  await describeBoth(talk, 'of the new protocol', groupId);
  const back = new ClassicMember(talk, groupId, 'first-again', 'one');
  await back.join('is classic again');
  await back.sync('has its share');
  await back.beat('is content');
  await describeBoth(talk, 'of both', groupId);
  const last = new ClassicMember(talk, groupId, 'other-again', 'two');
  await last.join('is classic, the last');
  await describeBoth(talk, 'classic', groupId);
  await last.sync('has its share');
  await last.beat('is content');
  await back.beat('is content');
  const guest = new NewMember(talk, groupId, 'guest');
  await guest.join('upgrades once more');
  await leaveGroup(talk, 'thrown out', groupId, [
    { memberId: '', groupInstanceId: 'one' },
    { memberId: 'wrong', groupInstanceId: 'two' },
    { memberId: '', groupInstanceId: 'two' },
  ]);
  await describeBoth(talk, 'the guest alone', groupId);
  await leaveGroup(talk, 'thrown out by its id', groupId, [{ memberId: 'guest' }]);
  await describeBoth(talk, 'empty', groupId);
}
