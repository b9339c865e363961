// New consumer groups (KIP-848) over a real log: the requests as clients send them, time, restarts, a full disk, and the change from and to classic groups.
import { describe, expect, it } from 'vitest';
import type { RequestOf, ResponseOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { joinGroupRequest } from '../../../broker/wire/messages/11-join-group.ts';
import { listGroupsRequest } from '../../../broker/wire/messages/16-list-groups.ts';
import { offsetDeleteRequest } from '../../../broker/wire/messages/47-offset-delete.ts';
import { consumerGroupHeartbeatRequest } from '../../../broker/wire/messages/68-consumer-group-heartbeat.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { commitOffset, fetchOffset, openWorld, sender, type World } from '../../support/coordinators.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Heartbeat = RequestOf<'ConsumerGroupHeartbeat'>;
type Answer = ResponseOf<'ConsumerGroupHeartbeat'>;

const joins = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['app'], topicPartitions: [] };

function heartbeat(world: World, draft: Partial<Heartbeat>, version = 1): Promise<Answer> {
  const request = consumerGroupHeartbeatRequest.create({ groupId: 'group', ...draft });
  return world.groups.consumerGroupHeartbeat(request, sender(version));
}

async function join(world: World, memberId: string, draft: Partial<Heartbeat> = {}): Promise<Answer> {
  const answer = await heartbeat(world, { ...joins, memberId, ...draft });
  expect(answer).toMatchObject({ errorCode: 0, memberId });
  return answer;
}

/** Beats with what the member was told last, as a client that obeys at once, until nothing changes any more; gives its partitions of `topic`. */
async function settle(world: World, answers: Answer[]): Promise<number[][]> {
  for (let round = 0; round < 6; round++) {
    for (const [index, { memberId, memberEpoch, assignment }] of answers.entries()) {
      const topicPartitions = assignment?.topicPartitions ?? [];
      const answer = await heartbeat(world, { memberId: memberId!, memberEpoch, topicPartitions });
      expect(answer.errorCode).toBe(0);
      answers[index] = { ...answer, assignment: answer.assignment ?? assignment };
    }
  }
  return answers.map(({ assignment }) => assignment!.topicPartitions.flatMap(({ partitions }) => partitions));
}

async function describeGroup(world: World, groupId = 'group') {
  const request = { groupIds: [groupId], includeAuthorizedOperations: false };
  return (await world.groups.consumerGroupDescribe(request, sender(1))).groups[0]!;
}

async function open(options: Parameters<typeof openWorld>[0] = {}): Promise<World> {
  const world = await openWorld(options);
  if (world.log.topic('app') === undefined) await world.log.createTopic({ name: 'app', partitions: 4 });
  return world;
}

describe('a new consumer group', () => {
  it('shares, and gives back before it gives anew', async () => {
    const world = await open();
    const first = await join(world, 'a');
    expect(first).toMatchObject({ memberEpoch: 2, heartbeatIntervalMs: 5000 });
    expect(first.assignment!.topicPartitions).toMatchObject([{ partitions: [0, 1, 2, 3] }]);
    const second = await join(world, 'b');
    // The first has everything still.
    expect(second).toMatchObject({ memberEpoch: 3, assignment: { topicPartitions: [] } });
    const owned = first.assignment!.topicPartitions;
    const revoking = await heartbeat(world, { memberId: 'a', memberEpoch: 2, topicPartitions: owned });
    expect(revoking).toMatchObject({ memberEpoch: 2 });
    expect(revoking.assignment!.topicPartitions[0]!.partitions).toHaveLength(2);
    expect(await describeGroup(world)).toMatchObject({ groupState: 'Reconciling', groupEpoch: 3, assignmentEpoch: 3 });
    expect((await heartbeat(world, { memberId: 'b', memberEpoch: 3 })).assignment).toBeNull();
    const shares = await settle(world, [revoking, second]);
    expect(shares.flat().sort()).toEqual([0, 1, 2, 3]);
    expect(shares.map((share) => share.length)).toEqual([2, 2]);
    expect(await describeGroup(world)).toMatchObject({
      ...{ groupState: 'Stable', assignorName: 'uniform' },
      members: [
        { memberId: 'a', memberEpoch: 3, memberType: 1, subscribedTopicNames: ['app'] },
        { memberId: 'b', memberEpoch: 3, clientId: 'client', clientHost: '/127.0.0.1' },
      ],
    });
    expect(await heartbeat(world, { memberId: 'b', memberEpoch: -1 })).toMatchObject({ errorCode: 0, memberEpoch: -1 });
    expect(await settle(world, [{ ...second, memberId: 'a', assignment: null }])).toEqual([[0, 1, 2, 3]]);
    await world.close();
  });

  it('fences who is silent, and who does not give back in time', async () => {
    const clock = new ManualClock();
    const world = await open({ clock, settings: { 'group.consumer.session.timeout.ms': 10_000 } });
    const first = await join(world, 'a', { rebalanceTimeoutMs: 15_000 });
    await join(world, 'b');
    const owned = first.assignment!.topicPartitions;
    for (let seconds = 0; seconds < 14; seconds += 2) {
      await heartbeat(world, { memberId: 'a', memberEpoch: 2, topicPartitions: owned });
      clock.pass(2000);
    }
    // The other one has been silent for longer than its session, the first is still to give back.
    expect((await describeGroup(world)).members.map(({ memberId }) => memberId)).toEqual(['a']);
    clock.pass(2000);
    expect((await describeGroup(world)).members).toEqual([]);
    expect((await describeGroup(world)).groupState).toBe('Empty');
    const answer = await heartbeat(world, { memberId: 'a', memberEpoch: 2, topicPartitions: owned });
    expect(answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    await world.close();
  });

  it('notices topics that come, grow and go, by name and by expression', async () => {
    const world = await open();
    const member = await join(world, 'a', { subscribedTopicNames: ['later'], subscribedTopicRegex: 'ap+' });
    const answers = [member];
    expect(await settle(world, answers)).toEqual([[0, 1, 2, 3]]);
    await world.log.createTopic({ name: 'later', partitions: 2 });
    await world.log.createTopic({ name: 'apppp', partitions: 1 });
    await world.log.createTopic({ name: 'not-app', partitions: 1 });
    expect((await settle(world, answers))[0]!.sort()).toEqual([0, 0, 0, 1, 1, 2, 3]);
    await world.log.createPartitions('later', 3);
    expect((await settle(world, answers))[0]).toHaveLength(8);
    await world.log.deleteTopic('later');
    expect((await settle(world, answers))[0]).toHaveLength(5);
    const refused = await heartbeat(world, { ...joins, memberId: 'b', subscribedTopicRegex: 'a(' });
    expect(refused.errorCode).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION);
    expect(refused.errorMessage).toContain('a(');
    await world.close();
  });

  it('keeps the place of a static member that is away, and lets nobody else in', async () => {
    const clock = new ManualClock();
    const world = await open({ clock });
    const answers = [await join(world, 'a', { instanceId: 'one' }), await join(world, 'b')];
    const shares = await settle(world, answers);
    const { memberEpoch } = answers[0]!;
    const taken = await heartbeat(world, { ...joins, memberId: 'c', instanceId: 'one' });
    expect(taken.errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID);
    const away = await heartbeat(world, { memberId: 'a', instanceId: 'one', memberEpoch: -2 });
    expect(away).toMatchObject({ errorCode: 0, memberEpoch: -2 });
    const back = await join(world, 'c', { instanceId: 'one' });
    expect(back.memberEpoch).toBe(memberEpoch);
    expect(back.assignment!.topicPartitions[0]!.partitions).toEqual(shares[0]);
    const former = await heartbeat(world, { memberId: 'a', instanceId: 'one', memberEpoch });
    expect(former.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    await heartbeat(world, { memberId: 'c', instanceId: 'one', memberEpoch: -2 });
    const rest = [answers[1]!];
    for (let seconds = 0; seconds < 60; seconds += 5) {
      clock.pass(5000);
      await settle(world, rest);
    }
    expect(await settle(world, rest)).toEqual([[0, 1, 2, 3]]);
    await world.close();
  });

  it('takes members that subscribe to nothing yet', async () => {
    const world = await open();
    const { memberEpoch, assignment } = await join(world, 'a', { subscribedTopicNames: [] });
    expect([memberEpoch, assignment!.topicPartitions]).toEqual([1, []]);
    const later = await heartbeat(world, { memberId: 'a', memberEpoch, subscribedTopicNames: ['app'] });
    expect(later).toMatchObject({ memberEpoch: 2, assignment: { topicPartitions: [{ partitions: [0, 1, 2, 3] }] } });
    await world.close();
  });

  it('refuses what does not fit', async () => {
    const world = await open({ settings: { 'group.consumer.max.size': 1 } });
    const code = async (draft: Partial<Heartbeat>, version = 1) => (await heartbeat(world, draft, version)).errorCode;
    expect(await code({ memberId: 'a', memberEpoch: 4 })).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    for (const wrong of [
      { groupId: '', memberId: 'a' },
      { memberId: '' },
      { memberId: 'a', rebalanceTimeoutMs: -1 },
      { memberId: 'a', topicPartitions: null },
      { memberId: 'a', subscribedTopicNames: null },
      { memberId: 'a', instanceId: '' },
      { memberId: 'a', rackId: '' },
      { memberId: 'a', memberEpoch: -3 },
      { memberId: 'a', memberEpoch: -2 },
    ]) {
      expect([wrong, await code({ ...joins, ...wrong })]).toEqual([wrong, ErrorCode.INVALID_REQUEST]);
    }
    expect(await code({ ...joins, memberId: 'a', serverAssignor: 'mine' })).toBe(ErrorCode.UNSUPPORTED_ASSIGNOR);
    const named = await heartbeat(world, joins, 0);
    expect(named).toMatchObject({ errorCode: 0, memberId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    expect(await code({ ...joins, memberId: 'b' })).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    expect(await code({ memberId: named.memberId!, memberEpoch: 3 })).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    await world.close();
  });

  it('lets members commit and fetch in their epoch, and in an older one what they have held since', async () => {
    const world = await open();
    const first = await join(world, 'a');
    const commit = (memberId: string, epoch: number, version = 10) =>
      commitOffset(world, 'group', 'app', 7, { memberId, generationIdOrMemberEpoch: epoch }, version);
    expect(await commit('a', 2)).toBe(ErrorCode.NONE);
    expect(await commit('a', 3)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await commit('a', 3, 8)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect(await commit('b', 2)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit('', -1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commitOffset(world, 'other', 'app', 7, { generationIdOrMemberEpoch: 1 }, 9)).toBe(
      ErrorCode.GROUP_ID_NOT_FOUND,
    );
    await join(world, 'b');
    await heartbeat(world, { memberId: 'a', memberEpoch: 2, topicPartitions: first.assignment!.topicPartitions });
    const answer = await heartbeat(world, { memberId: 'a', memberEpoch: 2, topicPartitions: [] });
    expect(answer.memberEpoch).toBe(3);
    // It has not heard of its new epoch yet.
    const [kept, given] = (await describeGroup(world)).members.map(({ assignment }) => assignment.topicPartitions);
    expect(given).toEqual([]);
    const of = (partition: number) => ({
      topics: [{ name: 'app', topicId: Buffer.alloc(16), partitions: [offsetOf(partition)] }],
    });
    const late = (partition: number) =>
      commitOffset(world, 'group', 'app', 9, { memberId: 'a', generationIdOrMemberEpoch: 2, ...of(partition) }, 10);
    const mine = kept![0]!.partitions[0]!;
    expect(await late(mine)).toBe(ErrorCode.NONE);
    expect(await late([0, 1, 2, 3].find((partition) => !kept![0]!.partitions.includes(partition))!)).toBe(
      ErrorCode.STALE_MEMBER_EPOCH,
    );
    await world.close();
  });

  it('is found, listed, and deleted when nobody is in it', async () => {
    const world = await open();
    await join(world, 'a');
    await commitOffset(world, 'group', 'app', 7, { memberId: 'a', generationIdOrMemberEpoch: 2 }, 9);
    const list = async (draft: Parameters<typeof listGroupsRequest.create>[0]) =>
      (await world.groups.listGroups(listGroupsRequest.create(draft), sender(5))).groups;
    const listed = { groupId: 'group', protocolType: 'consumer', groupState: 'Stable', groupType: 'consumer' };
    expect(await list({})).toEqual([listed]);
    expect(await list({ typesFilter: ['Consumer'], statesFilter: ['stable'] })).toEqual([listed]);
    expect(await list({ typesFilter: ['classic'] })).toEqual([]);
    const asClassic = await world.groups.describeGroups(
      { groups: ['group'], includeAuthorizedOperations: false },
      sender(6),
    );
    expect(asClassic.groups[0]).toMatchObject({ groupState: 'Dead', errorCode: ErrorCode.GROUP_ID_NOT_FOUND });
    const remove = async () =>
      (await world.groups.deleteGroups({ groupsNames: ['group'] }, sender(2))).results[0]!.errorCode;
    expect(await remove()).toBe(ErrorCode.NON_EMPTY_GROUP);
    const topics = [{ name: 'app', partitions: [{ partitionIndex: 0 }] }];
    const deleted = await world.groups.offsetDelete(
      offsetDeleteRequest.create({ groupId: 'group', topics }),
      sender(0),
    );
    expect(deleted.topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
    await heartbeat(world, { memberId: 'a', memberEpoch: -1 });
    expect(await remove()).toBe(ErrorCode.NONE);
    expect((await describeGroup(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await world.close();
  });
});

function offsetOf(partitionIndex: number) {
  return { partitionIndex, committedOffset: 9, committedLeaderEpoch: -1, committedMetadata: null };
}

describe('over a restart', () => {
  it('goes on as it was, and gives members a session to be heard of', async () => {
    const files = new CrashFiles();
    const clock = new ManualClock();
    let world = await open({ files, clock });
    const answers = [
      await join(world, 'a', { instanceId: 'one' }),
      await join(world, 'b', { subscribedTopicNames: null, subscribedTopicRegex: 'a.*', serverAssignor: 'range' }),
    ];
    const shares = await settle(world, answers);
    const before = await describeGroup(world);
    await world.close();
    world = await open({ files, clock });
    expect(await describeGroup(world)).toEqual(before);
    expect(
      await settle(
        world,
        answers.map((answer, index) => ({ ...answer, assignment: held(world, shares[index]!) })),
      ),
    ).toEqual(shares);
    expect((await describeGroup(world)).groupEpoch).toBe(before.groupEpoch);
    clock.pass(46_000);
    expect((await describeGroup(world)).groupState).toBe('Empty');
    await world.close();
  });

  it('says in its record that a member is none of the classic protocol, as Kafka does', async () => {
    const world = await open();
    await join(world, 'a');
    const { records } = await world.log.partition('__consumer_offsets', 0)!.read(0, 1 << 20, 'log_end');
    const cursor = new RecordCursor(records[0]);
    cursor.next();
    expect(cursor.key()!.toString('hex')).toBe('0005' + '0005' + '67726f7570' + '0001' + '61');
    // Version, no instance, no rack, client, host, one topic, no expression, timeout, no assignor; then one tag, 0, of one byte: null.
    const client = '07' + '636c69656e74' + '0b' + '2f3132372e302e302e31';
    expect(cursor.value()!.toString('hex')).toBe(`00000000${client}0204617070010000ea600001000100`);
    await world.close();
  });

  it('what was deleted stays deleted', async () => {
    const files = new CrashFiles();
    let world = await open({ files });
    await join(world, 'a', { subscribedTopicRegex: 'a.*' });
    await heartbeat(world, { memberId: 'a', memberEpoch: -1 });
    await world.groups.deleteGroups({ groupsNames: ['group'] }, sender(2));
    await world.close();
    world = await open({ files });
    expect((await describeGroup(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await world.close();
  });
});

function held(world: World, partitions: number[]) {
  return { topicPartitions: [{ topicId: world.log.topic('app')!.topicId, partitions }] };
}

describe('when the disk refuses', () => {
  it('nothing is claimed, and the group is what is on disk', async () => {
    const files = new CrashFiles();
    const world = await open({ files });
    const first = await join(world, 'a');
    files.inject = (call) => (call.kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
    const refused = await Promise.all(['b', 'c'].map((memberId) => heartbeat(world, { ...joins, memberId })));
    expect(refused.map(({ errorCode }) => errorCode)).toEqual([1, 2].map(() => ErrorCode.COORDINATOR_NOT_AVAILABLE));
    const fresh = await heartbeat(world, { ...joins, groupId: 'other', memberId: 'd' });
    expect(fresh.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(await describeGroup(world)).toMatchObject({
      groupState: 'Stable',
      groupEpoch: 2,
      members: [{ memberId: 'a' }],
    });
    expect((await describeGroup(world, 'other')).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    files.inject = undefined;
    const answers = [first, await join(world, 'b')];
    expect((await settle(world, answers)).flat().sort()).toEqual([0, 1, 2, 3]);
    await world.close();
  });
});

describe('of the two kinds', () => {
  it('an empty group becomes the other by its first member, with its offsets', async () => {
    const files = new CrashFiles();
    let world = await open({ files });
    await commitOffset(world, 'group', 'app', 7);
    const member = await join(world, 'a');
    const protocols = [{ name: 'range', metadata: Buffer.from('meta') }];
    const classic = joinGroupRequest.create({
      ...{
        groupId: 'group',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 30_000,
        protocolType: 'consumer',
        protocols,
      },
    });
    // What it says of itself is no subscription.
    const refused = await world.groups.joinGroup(classic, sender(3));
    expect(refused.errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    await heartbeat(world, { memberId: member.memberId!, memberEpoch: -1 });
    const joined = await world.groups.joinGroup(classic, sender(3));
    expect(joined).toMatchObject({ errorCode: 0, generationId: 1 });
    expect((await describeGroup(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    const busy = await heartbeat(world, { ...joins, memberId: 'b' });
    expect(busy.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await world.close();
    world = await open({ files });
    expect((await describeGroup(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await join(world, 'b');
    expect(await fetchOffset(world, 'group', 'app')).toBe(7);
    await world.close();
    world = await open({ files });
    expect((await describeGroup(world)).members).toMatchObject([{ memberId: 'b' }]);
    await world.close();
  });
});
