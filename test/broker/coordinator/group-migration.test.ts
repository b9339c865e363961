// Groups that change their protocol while they have members (KIP-848), over a real log: what the policy allows, restarts, a disk that refuses. The
// conversation with a real Kafka is in test/conformance/migration-conversation.ts, who owns what in ownership.test.ts.
import { expect, it } from 'vitest';
import { decodeVersioned, encodeVersioned } from '../../../broker/coordinator/coordinator-topic.ts';
import type { RequestOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { describeGroupsRequest } from '../../../broker/wire/messages/15-describe-groups.ts';
import { heartbeatRequest } from '../../../broker/wire/messages/12-heartbeat.ts';
import { joinGroupRequest } from '../../../broker/wire/messages/11-join-group.ts';
import { syncGroupRequest } from '../../../broker/wire/messages/14-sync-group.ts';
import { consumerGroupHeartbeatRequest } from '../../../broker/wire/messages/68-consumer-group-heartbeat.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../broker/wire/messages/coordinator-records.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { openWorld, sender, type World } from '../../support/coordinators.ts';

const all = [0, 1, 2, 3];

async function open(options: Parameters<typeof openWorld>[0] = {}): Promise<World> {
  const world = await openWorld(options);
  if (world.log.topic('app') === undefined) await world.log.createTopic({ name: 'app', partitions: 4 });
  return world;
}

interface Joining {
  memberId?: string;
  owned?: readonly number[];
  inProcess?: boolean;
}

function join(world: World, { memberId = '', owned = [], inProcess = false }: Joining = {}) {
  const subscription = consumerProtocolSubscription.create({
    topics: ['app'],
    ownedPartitions: owned.length === 0 ? [] : [{ topic: 'app', partitions: [...owned] }],
  });
  // A version newer than ours, which begins like it.
  const metadata = encodeVersioned(consumerProtocolSubscription, 3, subscription);
  metadata.writeInt16BE(9);
  const request = joinGroupRequest.create({
    ...{ groupId: 'group', memberId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 30_000 },
    ...{ protocolType: 'consumer', protocols: [{ name: 'cooperative-sticky', metadata }] },
  });
  return world.groups.joinGroup(request, sender(3, inProcess));
}

async function sync(world: World, memberId: string, generationId: number, leads = false) {
  const value = { assignedPartitions: [{ topic: 'app', partitions: all }], userData: null };
  const assignment = encodeVersioned(consumerProtocolAssignment, 1, value);
  const assignments = leads ? [{ memberId, assignment }] : [];
  const request = syncGroupRequest.create({ groupId: 'group', memberId, generationId, assignments });
  const answer = await world.groups.syncGroup(request, sender(3));
  if (answer.errorCode !== ErrorCode.NONE) return answer.errorCode;
  return decodeVersioned(consumerProtocolAssignment, answer.assignment).assignedPartitions[0]?.partitions ?? [];
}

/** A classic member that leads itself and has everything: its id. */
async function alone(world: World, inProcess = false): Promise<string> {
  const { memberId, generationId } = await join(world, { inProcess });
  expect(await sync(world, memberId, generationId, true)).toEqual(all);
  return memberId;
}

const joins = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['app'], topicPartitions: [] };

function heartbeat(world: World, draft: Partial<RequestOf<'ConsumerGroupHeartbeat'>> = joins) {
  const request = consumerGroupHeartbeatRequest.create({ groupId: 'group', memberId: 'new', ...draft });
  return world.groups.consumerGroupHeartbeat(request, sender(1));
}

async function beat(world: World, memberId: string, generationId: number): Promise<number> {
  const request = heartbeatRequest.create({ groupId: 'group', memberId, generationId });
  return (await world.groups.heartbeat(request, sender(3))).errorCode;
}

/** What each kind of description says that it is. */
async function kinds(world: World): Promise<[asClassic: string, asNew: string]> {
  const request = describeGroupsRequest.create({ groups: ['group'] });
  const classic = await world.groups.describeGroups(request, sender(5));
  const asNew = await world.groups.consumerGroupDescribe(
    { groupIds: ['group'], includeAuthorizedOperations: false },
    sender(1),
  );
  return [classic.groups[0]!.groupState, asNew.groups[0]!.groupState];
}

it.each([
  ['bidirectional', 0, 'PreparingRebalance'],
  ['upgrade', 0, 'Dead'],
  ['downgrade', ErrorCode.GROUP_ID_NOT_FOUND, 'Stable'],
  ['disabled', ErrorCode.GROUP_ID_NOT_FOUND, 'Stable'],
])('with the policy %s a group goes up and down as it says', async (policy, errorCode, stateAfter) => {
  const world = await open({ settings: { 'group.consumer.migration.policy': policy.toUpperCase() } });
  await alone(world);
  expect((await heartbeat(world)).errorCode).toBe(errorCode);
  if (errorCode === 0) await heartbeat(world, { memberEpoch: -1 });
  expect((await kinds(world))[0]).toBe(stateAfter);
  await world.close();
});

it('a new group takes classic members, unless the policy forbids it', async () => {
  for (const [policy, expected] of [
    ['upgrade', ErrorCode.NONE],
    ['disabled', ErrorCode.INCONSISTENT_GROUP_PROTOCOL],
  ] as const) {
    const world = await open({ settings: { 'group.consumer.migration.policy': policy } });
    await heartbeat(world);
    expect((await join(world)).errorCode).toBe(expected);
    await world.close();
  }
});

it('stays classic when it is too large, or no group of consumers', async () => {
  const world = await open({ settings: { 'group.consumer.max.size': 1 } });
  await alone(world);
  expect((await heartbeat(world)).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  expect(await kinds(world)).toEqual(['Stable', '']);
  const request = joinGroupRequest.create({
    ...{ groupId: 'connect', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 30_000 },
    ...{ protocolType: 'connect', protocols: [{ name: 'v1', metadata: Buffer.from('x') }] },
  });
  await world.groups.joinGroup(request, sender(3));
  const refused = await heartbeat(world, { ...joins, groupId: 'connect' });
  expect([refused.errorCode, refused.errorMessage]).toEqual([
    ErrorCode.GROUP_ID_NOT_FOUND,
    expect.stringContaining('connect') as string,
  ]);
  await world.close();
});

it('goes on over restarts, in either direction', async () => {
  const files = new CrashFiles();
  let world = await open({ files });
  const memberId = await alone(world);
  await heartbeat(world);
  await world.close();
  world = await open({ files });
  expect(await kinds(world)).toEqual(['Dead', 'Reconciling']);
  expect(await beat(world, memberId, 1)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  expect((await join(world, { memberId, owned: all })).generationId).toBe(1);
  const kept = (await sync(world, memberId, 1)) as number[];
  expect(kept).toHaveLength(2);
  expect((await join(world, { memberId, owned: kept })).generationId).toBe(2);
  await heartbeat(world, { memberEpoch: -1 });
  await world.close();
  world = await open({ files });
  expect(await kinds(world)).toEqual(['Stable', '']);
  expect(await sync(world, memberId, 2)).toEqual(kept);
  expect((await join(world, { memberId, owned: kept })).leader).toBe(memberId);
  await world.close();
});

it('members of the process that ended are gone after a restart, those of others are not', async () => {
  const files = new CrashFiles();
  let world = await open({ files });
  await alone(world, true);
  const { memberId } = await heartbeat(world);
  await world.close();
  world = await open({ files });
  const { groups } = await world.groups.consumerGroupDescribe(
    { groupIds: ['group'], includeAuthorizedOperations: false },
    sender(1),
  );
  expect(groups[0]!.members).toMatchObject([{ memberId, memberType: 1 }]);
  await world.close();
});

it('waits for those who hold something while a generation forms', async () => {
  const world = await open();
  const memberId = await alone(world);
  const joining = join(world, { memberId, owned: all });
  expect(await joining).toMatchObject({ errorCode: 0, generationId: 2 });
  // It leads, has not said yet who gets what, and reads on.
  expect((await heartbeat(world)).assignment!.topicPartitions).toEqual([]);
  expect(await sync(world, memberId, 2, true)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  await join(world, { memberId, owned: all });
  expect(await sync(world, memberId, 2)).toHaveLength(2);
  await world.close();
});

it('is what it was when the disk refuses the change', async () => {
  const files = new CrashFiles();
  const world = await open({ files });
  const memberId = await alone(world);
  const refuse = (call: { kind: string }) => (call.kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
  files.inject = refuse;
  expect((await heartbeat(world)).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  files.inject = undefined;
  expect((await kinds(world))[1]).toBe('');
  const again = await join(world, { memberId, owned: all });
  expect(again.leader).toBe(memberId);
  expect(await sync(world, memberId, again.generationId, true)).toEqual(all);
  const { memberEpoch } = await heartbeat(world);
  files.inject = refuse;
  expect((await heartbeat(world, { memberEpoch: -1 })).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  files.inject = undefined;
  expect(await kinds(world)).toEqual(['Dead', 'Reconciling']);
  expect((await heartbeat(world, { memberEpoch, topicPartitions: [] })).errorCode).toBe(ErrorCode.NONE);
  await world.close();
});
