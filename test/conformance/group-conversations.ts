// A member's life in a group, as whole conversations for differential-flows.test.ts: of the classic protocol, and of the new one (KIP-848).
import type { RequestOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import type { Conversation } from '../support/conversation.ts';

export async function membership(talk: Conversation): Promise<void> {
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
export async function newMembership(talk: Conversation): Promise<void> {
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
