// Groups over a real log: the requests as Kafka's clients send them, time, restarts, and what is kept in __consumer_offsets.
import { describe, expect, it } from 'vitest';
import type { RequestOf, ResponseOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { offsetCommitRequest } from '../../../broker/wire/messages/08-offset-commit.ts';
import { joinGroupRequest } from '../../../broker/wire/messages/11-join-group.ts';
import { leaveGroupRequest } from '../../../broker/wire/messages/13-leave-group.ts';
import { syncGroupRequest } from '../../../broker/wire/messages/14-sync-group.ts';
import { encodeVersioned } from '../../../broker/coordinator/coordinator-topic.ts';
import { offsetDeleteRequest } from '../../../broker/wire/messages/47-offset-delete.ts';
import { consumerProtocolSubscription } from '../../../broker/wire/messages/coordinator-records.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { commitOffset, fetchOffset, openWorld, sender, type World } from '../../support/coordinators.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Join = ResponseOf<'JoinGroup'>;
const turn = () => new Promise<void>(setImmediate);

function join(world: World, draft: Partial<RequestOf<'JoinGroup'>> = {}, version = 9, inProcess = false) {
  const request = joinGroupRequest.create({
    ...{ groupId: 'group', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 30_000, protocolType: 'consumer' },
    protocols: [{ name: 'range', metadata: Buffer.from('meta') }],
    ...draft,
  });
  return world.groups.joinGroup(request, sender(version, inProcess));
}

/** Both steps of a dynamic member's first join (KIP-394). */
async function enter(world: World, draft: Partial<RequestOf<'JoinGroup'>> = {}, inProcess = false): Promise<Join> {
  const { errorCode, memberId } = await join(world, draft, 9, inProcess);
  expect(errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
  return join(world, { ...draft, memberId }, 9, inProcess);
}

function sync(
  world: World,
  { memberId, generationId }: Join,
  shares: Record<string, string> = {},
  instanceId?: string,
) {
  const assignments = Object.entries(shares).map(([id, share]) => ({ memberId: id, assignment: Buffer.from(share) }));
  const request = syncGroupRequest.create({
    ...{ groupId: 'group', memberId, generationId, assignments, groupInstanceId: instanceId ?? null },
    ...{ protocolType: 'consumer', protocolName: 'range' },
  });
  return world.groups.syncGroup(request, sender(5));
}

async function beat(world: World, { memberId, generationId }: Join, instanceId: string | null = null): Promise<number> {
  const request = { groupId: 'group', memberId, generationId, groupInstanceId: instanceId };
  return (await world.groups.heartbeat(request, sender(4))).errorCode;
}

async function leave(world: World, memberId: string, instanceId: string | null = null): Promise<number> {
  const members = [{ memberId, groupInstanceId: instanceId }];
  const answer = await world.groups.leaveGroup(leaveGroupRequest.create({ groupId: 'group', members }), sender(5));
  return answer.members[0]!.errorCode;
}

async function stateOf(world: World): Promise<string> {
  const request = { groups: ['group'], includeAuthorizedOperations: false };
  return (await world.groups.describeGroups(request, sender(5))).groups[0]!.groupState;
}

/** Two members, in a stable generation; the first leads. */
async function pair(world: World): Promise<[Join, Join]> {
  const alone = await enter(world);
  const second = enter(world);
  await turn();
  const [first, other] = await Promise.all([join(world, { memberId: alone.memberId }), second]);
  const shares = { [first.memberId]: 'one', [other.memberId]: 'two' };
  const answers = await Promise.all([sync(world, other), sync(world, first, shares)]);
  expect(answers.map(({ assignment }) => assignment.toString())).toEqual(['two', 'one']);
  return [first, other];
}

describe('a group', () => {
  it('forms, shares, notices who leaves and who falls silent', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock });
    const [first, other] = await pair(world);
    expect(first).toMatchObject({ leader: first.memberId, generationId: 2, protocolName: 'range' });
    expect(first.members.map(({ memberId }) => memberId)).toEqual([first.memberId, other.memberId]);
    expect(other).toMatchObject({ leader: first.memberId, generationId: 2, members: [] });
    expect(await stateOf(world)).toBe('Stable');
    clock.pass(8000);
    expect(await beat(world, first)).toBe(ErrorCode.NONE);
    clock.pass(8000);
    expect(await beat(world, first)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(await beat(world, other)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    const next = await join(world, { memberId: first.memberId });
    expect(next.generationId).toBe(3);
    expect((await sync(world, next, { [next.memberId]: 'all' })).assignment.toString()).toBe('all');
    expect(await beat(world, first)).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await leave(world, next.memberId)).toBe(ErrorCode.NONE);
    expect(await stateOf(world)).toBe('Empty');
    await world.close();
  });

  it('waits for more members when it is joined first, as long as they keep coming and at most for its rebalance timeout', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock, settings: { 'group.initial.rebalance.delay.ms': 3000 } });
    const answered: string[] = [];
    const comes = (name: string) => {
      const joined = join(world, { groupInstanceId: name, rebalanceTimeoutMs: 8000 });
      void joined.then(() => answered.push(name));
      return joined;
    };
    const joins = [comes('a')];
    // Rounds of 3, 3 and 2 seconds: each but the last is followed by another because somebody came in it.
    for (const name of ['b', 'c']) {
      await turn();
      joins.push(comes(name));
      await turn();
      clock.pass(3000);
    }
    await turn();
    expect(answered).toEqual([]);
    clock.pass(2000);
    const answers = await Promise.all(joins);
    expect(answers.map(({ generationId }) => generationId)).toEqual([1, 1, 1]);
    expect(answers[0]!.members).toHaveLength(3);
    await world.close();
  });

  it('waits no longer than one round when nobody else comes, and not at all for a group that is at work', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock, settings: { 'group.initial.rebalance.delay.ms': 3000 } });
    const first = join(world, { groupInstanceId: 'a' });
    await turn();
    clock.pass(3000);
    const alone = await first;
    expect(alone).toMatchObject({ generationId: 1, leader: alone.memberId });
    const second = join(world, { groupInstanceId: 'b' });
    await turn();
    const [again] = await Promise.all([join(world, { memberId: alone.memberId, groupInstanceId: 'a' }), second]);
    expect(again.generationId).toBe(2);
    await world.close();
  });

  it('drops a leader that beats but never brings the assignment', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock });
    const alone = await enter(world);
    const second = enter(world);
    await turn();
    const [leader, other] = await Promise.all([join(world, { memberId: alone.memberId }), second]);
    const waiting = sync(world, other);
    for (let passed = 0; passed < 30_000; passed += 5000) {
      expect(await beat(world, leader)).toBe(ErrorCode.NONE);
      clock.pass(5000);
    }
    expect((await waiting).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    expect(await beat(world, leader)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect((await join(world, { memberId: other.memberId })).leader).toBe(other.memberId);
    await world.close();
  });

  it('goes on without a member that does not come back in time', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock });
    const [first, other] = await pair(world);
    const again = join(world, { memberId: first.memberId });
    for (let passed = 0; passed < 30_000; passed += 6000) {
      expect(await beat(world, other)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
      clock.pass(6000);
    }
    expect((await again).members).toHaveLength(1);
    expect(await beat(world, other)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    await world.close();
  });

  it('refuses what does not fit', async () => {
    const world = await openWorld({ settings: { 'group.max.size': 1 } });
    const code = async (draft: Partial<RequestOf<'JoinGroup'>>) => (await join(world, draft, 3)).errorCode;
    expect(await code({ groupId: '' })).toBe(ErrorCode.INVALID_GROUP_ID);
    expect(await code({ sessionTimeoutMs: 1 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
    expect(await code({ memberId: 'nobody' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await code({ protocols: [] })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(await code({})).toBe(ErrorCode.NONE);
    expect(await code({ protocolType: 'connect' })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(await code({})).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    await world.close();
  });

  it('gives a consumer without a share an assignment that it can read', async () => {
    const world = await openWorld();
    const member = await enter(world);
    expect((await sync(world, member)).assignment.toString('hex')).toBe('000000000000ffffffff');
    await world.close();
  });
});

describe('a static member', () => {
  it('comes back under a new id without a rebalance, and fences its former self (KIP-345, KIP-814)', async () => {
    const world = await openWorld();
    const before = await join(world, { groupInstanceId: 'edge' });
    expect(before.errorCode).toBe(ErrorCode.NONE);
    await sync(world, before, { [before.memberId]: 'share' }, 'edge');
    const after = await join(world, { groupInstanceId: 'edge' });
    expect(after).toMatchObject({ generationId: before.generationId, skipAssignment: true, leader: after.memberId });
    expect(after.memberId).not.toBe(before.memberId);
    expect((await sync(world, after, {}, 'edge')).assignment.toString()).toBe('share');
    expect(await beat(world, before, 'edge')).toBe(ErrorCode.FENCED_INSTANCE_ID);
    const older = await join(world, { groupInstanceId: 'edge' }, 8);
    expect(older).toMatchObject({ skipAssignment: false, leader: after.memberId, members: [] });
    expect(await leave(world, '', 'edge')).toBe(ErrorCode.NONE);
    expect(await stateOf(world)).toBe('Empty');
    await world.close();
  });
});

describe('after a restart', () => {
  it('members of sockets go on as they were; those of the process that ended are gone at once', async () => {
    const files = new CrashFiles();
    let world = await openWorld({ files });
    const [first, other] = await pair(world);
    await world.close();
    world = await openWorld({ files });
    expect(await stateOf(world)).toBe('Stable');
    expect(await beat(world, first)).toBe(ErrorCode.NONE);
    expect((await sync(world, other)).assignment.toString()).toBe('two');
    await leave(world, first.memberId);
    await leave(world, other.memberId);
    const inside = await enter(world, {}, true);
    await sync(world, inside, { [inside.memberId]: 'all' });
    await world.close();

    world = await openWorld({ files });
    expect(await stateOf(world)).toBe('Empty');
    const next = await enter(world, {}, true);
    expect(next.generationId).toBeGreaterThan(inside.generationId);
    expect(next.members).toHaveLength(1);
    await world.close();
  });
});

describe('offsets', () => {
  const topics = async (world: World) => {
    for (const name of ['lines', 'other']) await world.log.createTopic({ name, partitions: 1 });
  };

  it('are for members of the current generation, or for anybody while the group is empty', async () => {
    const world = await openWorld();
    await topics(world);
    expect(await commitOffset(world, 'group', 'lines', 4)).toBe(ErrorCode.NONE);
    expect(await commitOffset(world, 'group', 'nowhere', 4)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const { memberId, generationId } = await enter(world);
    const commit = (generation: number, member = memberId) =>
      commitOffset(world, 'group', 'lines', 5, { generationIdOrMemberEpoch: generation, memberId: member });
    expect(await commit(generationId)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    await sync(world, { memberId, generationId } as Join, { [memberId]: 'all' });
    expect(await commit(-1, '')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit(generationId - 1)).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await commit(generationId, 'nobody')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(4);
    expect(await commit(generationId)).toBe(ErrorCode.NONE);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(5);
    expect(await fetchOffset(world, 'unknown', 'lines')).toBe(-1);
    await world.close();
  });

  it('outlive restarts until they, their topic or their group are deleted', async () => {
    const files = new CrashFiles();
    let world = await openWorld({ files });
    await topics(world);
    for (const group of ['group', 'second']) {
      for (const topic of ['lines', 'other']) expect(await commitOffset(world, group, topic, 7)).toBe(ErrorCode.NONE);
    }
    const remove = offsetDeleteRequest.create({
      groupId: 'group',
      topics: [{ name: 'lines', partitions: [{ partitionIndex: 0 }] }],
    });
    expect((await world.groups.offsetDelete(remove, sender(0))).errorCode).toBe(ErrorCode.NONE);
    const deleted = await world.groups.deleteGroups({ groupsNames: ['second', 'nobody'] }, sender(2));
    expect(deleted.results.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND]);
    await world.close();
    world = await openWorld({ files });
    const left = async () => [
      await fetchOffset(world, 'group', 'lines'),
      await fetchOffset(world, 'group', 'other'),
      await fetchOffset(world, 'second', 'other'),
    ];
    expect(await left()).toEqual([-1, 7, -1]);
    await world.groups.forgetTopic('other');
    await world.close();
    world = await openWorld({ files });
    expect(await left()).toEqual([-1, -1, -1]);
    await world.close();
  });

  it('committed while a large group is being deleted are kept, and the same after a restart', async () => {
    const files = new CrashFiles();
    let world = await openWorld({ files });
    const partitions = 1001;
    await world.log.createTopic({ name: 'wide', partitions });
    const topics = [
      {
        name: 'wide',
        partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, committedOffset: 4 })),
      },
    ];
    const groups = ['0', '1', '2', '3', '4', '5'];
    for (const groupId of groups) {
      const commit = offsetCommitRequest.create({ groupId, generationIdOrMemberEpoch: -1, topics });
      await world.groups.offsetCommit(commit, sender(8));
      const deletion = world.groups.deleteGroups({ groupsNames: [groupId] }, sender(2));
      for (let turns = Number(groupId); turns > 0; turns--) await turn();
      expect(await commitOffset(world, groupId, 'wide', 9)).toBe(ErrorCode.NONE);
      expect((await deletion).results[0]!.errorCode).toBe(ErrorCode.NONE);
    }
    const kept = async () => Promise.all(groups.map((groupId) => fetchOffset(world, groupId, 'wide')));
    expect(await kept()).toEqual(groups.map(() => 9));
    await world.close();
    world = await openWorld({ files });
    expect(await kept()).toEqual(groups.map(() => 9));
    await world.close();
  });

  it('of a group with members are not deleted', async () => {
    const world = await openWorld();
    await topics(world);
    await commitOffset(world, 'group', 'lines', 7);
    await enter(world);
    const { results } = await world.groups.deleteGroups({ groupsNames: ['group'] }, sender(2));
    expect(results[0]!.errorCode).toBe(ErrorCode.NON_EMPTY_GROUP);
    await world.close();
  });

  it('expire while the group is at work when it reads their topic no more', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock, settings: { 'offsets.retention.minutes': 60 } });
    await topics(world);
    await world.log.createTopic({ name: 'former', partitions: 1 });
    const metadata = encodeVersioned(
      consumerProtocolSubscription,
      0,
      consumerProtocolSubscription.create({ topics: ['lines'] }),
    );
    const member = await enter(world, { protocols: [{ name: 'range', metadata }] });
    await sync(world, member, { [member.memberId]: 'all' });
    const { memberId, generationId } = member;
    for (const topic of ['lines', 'former']) {
      await commitOffset(world, 'group', topic, 7, { generationIdOrMemberEpoch: generationId, memberId });
    }
    for (let minute = 0; minute < 90; minute++) {
      for (let beats = 0; beats < 10; beats++) {
        clock.pass(6000);
        expect(await beat(world, member)).toBe(ErrorCode.NONE);
        await turn();
      }
    }
    expect(await fetchOffset(world, 'group', 'lines')).toBe(7);
    expect(await fetchOffset(world, 'group', 'former')).toBe(-1);
    expect(await stateOf(world)).toBe('Stable');
    await world.close();
  });

  it('expire a while after the group has become empty', async () => {
    const clock = new ManualClock();
    const world = await openWorld({ clock, settings: { 'offsets.retention.minutes': 60 } });
    await topics(world);
    const member = await enter(world);
    await sync(world, member, { [member.memberId]: 'all' });
    const { memberId, generationId } = member;
    await commitOffset(world, 'group', 'lines', 7, { generationIdOrMemberEpoch: generationId, memberId });
    for (let minute = 0; minute < 90; minute++) {
      for (let beats = 0; beats < 10; beats++) {
        clock.pass(6000);
        expect(await beat(world, member)).toBe(ErrorCode.NONE);
      }
    }
    expect(await fetchOffset(world, 'group', 'lines')).toBe(7);
    await leave(world, memberId);
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute += 5) {
        clock.pass(5 * 60_000);
        for (let count = 0; count < 10; count++) await turn();
      }
    };
    await pass(50);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(7);
    await pass(30);
    expect(await fetchOffset(world, 'group', 'lines')).toBe(-1);
    expect(await stateOf(world)).toBe('Dead');
    await world.close();
  });
});

describe('when the disk refuses', () => {
  it('nothing is claimed: commits and rebalances fail, and go on when it is well again', async () => {
    const files = new CrashFiles();
    const world = await openWorld({ files });
    await world.log.createTopic({ name: 'lines', partitions: 1 });
    await commitOffset(world, 'group', 'lines', 1);
    const member = await enter(world);
    files.inject = (call) => (call.kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
    expect((await sync(world, member, { [member.memberId]: 'all' })).errorCode).toBe(
      ErrorCode.COORDINATOR_NOT_AVAILABLE,
    );
    expect(await commitOffset(world, 'other', 'lines', 2)).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(await fetchOffset(world, 'other', 'lines')).toBe(-1);
    files.inject = undefined;
    const again = await join(world, { memberId: member.memberId });
    expect((await sync(world, again, { [again.memberId]: 'all' })).assignment.toString()).toBe('all');
    expect(await commitOffset(world, 'other', 'lines', 2)).toBe(ErrorCode.NONE);
    await world.close();
  });
});
