// Group membership against a scripted coordinator: what no other member of a real group does on command.
import { describe, expect, it } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import type { Consumer, ConsumerOptions, GroupMetadata } from '../../../broker/client/contract.ts';
import { encodeAssignment, encodeSubscription } from '../../../broker/client/group-assignor.ts';
import { apis } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ScriptedBroker } from './scripted-broker.ts';

/** A coordinator that takes everybody in as a follower and gives partition 0 of topic t. */
function coordinator(): ScriptedBroker {
  const broker = new ScriptedBroker();
  let generation = 0;
  broker.script.JoinGroup = ({ memberId }) =>
    memberId === ''
      ? apis.JoinGroup.response.create({
          errorCode: ErrorCode.MEMBER_ID_REQUIRED,
          memberId: `member-${broker.bodies('JoinGroup').length}`,
        })
      : apis.JoinGroup.response.create({ memberId, generationId: ++generation, leader: 'someone else' });
  broker.script.SyncGroup = () =>
    apis.SyncGroup.response.create({ assignment: encodeAssignment(new Map([['t', [0]]])) });
  broker.script.Heartbeat = () => apis.Heartbeat.response.create();
  broker.script.LeaveGroup = () => apis.LeaveGroup.response.create();
  broker.script.OffsetFetch = () => apis.OffsetFetch.response.create({ groups: [{ groupId: 'g' }] });
  broker.script.ListOffsets = () =>
    apis.ListOffsets.response.create({ topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 5 }] }] });
  broker.script.Fetch = () => apis.Fetch.response.create();
  return broker;
}

function memberOf(broker: ScriptedBroker, options: Partial<ConsumerOptions> = {}): Consumer {
  return broker
    .client('remote')
    .consumer({ groupId: 'g', topics: ['t'], maxWaitMs: 20, sessionTimeoutMs: 30, ...options });
}

describe('a member', () => {
  it('takes the id it is given, and its partitions from where the log begins', async () => {
    const broker = coordinator();
    const consumer = memberOf(broker);
    await consumer.start();
    expect(broker.bodies('JoinGroup').map(({ memberId }) => memberId)).toEqual(['', 'member-1']);
    expect(consumer.groupMetadata()).toMatchObject({ generation: 1, memberId: 'member-1' });
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(5);
    await consumer.close();
    expect(broker.bodies('LeaveGroup')[0]?.members).toMatchObject([{ memberId: 'member-1' }]);
  });

  it('that the group threw out keeps its old name for what it still has to hand in, then joins as a new one', async () => {
    const broker = coordinator();
    const handedIn: GroupMetadata[] = [];
    const consumer = memberOf(broker, {
      onRevoked: () => {
        handedIn.push(consumer.groupMetadata());
        return Promise.resolve();
      },
    });
    await consumer.start();
    broker.script.Heartbeat = () => apis.Heartbeat.response.create({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID });
    await expect
      .poll(() => consumer.poll().then(() => handedIn))
      .toMatchObject([{ generation: 1, memberId: 'member-1' }]);
    expect(consumer.groupMetadata()).toMatchObject({ generation: 2, memberId: 'member-3' });
    await consumer.close();
  });

  it('joins again when the group moved on between join and sync', async () => {
    const broker = coordinator();
    const sync = broker.script.SyncGroup!;
    broker.script.SyncGroup = (body, version) =>
      broker.bodies('SyncGroup').length === 1
        ? apis.SyncGroup.response.create({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS })
        : sync(body, version);
    const consumer = memberOf(broker);
    await consumer.start();
    expect(consumer.groupMetadata()).toMatchObject({ generation: 2, memberId: 'member-1' });
    await consumer.close();
  });

  it('goes on beating while its owner finishes its work for a rebalance', async () => {
    const broker = coordinator();
    let release: () => void = () => undefined;
    const consumer = memberOf(broker, { onRevoked: () => new Promise((resolve) => (release = resolve)) });
    await consumer.start();
    broker.script.Heartbeat = () => apis.Heartbeat.response.create({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS });
    const joins = broker.bodies('JoinGroup').length;
    await expect.poll(() => broker.bodies('Heartbeat').length).toBeGreaterThan(0);
    const polled = consumer.poll();
    const beats = broker.bodies('Heartbeat').length;
    await expect.poll(() => broker.bodies('Heartbeat').length).toBeGreaterThan(beats + 2);
    expect(broker.bodies('JoinGroup')).toHaveLength(joins);
    broker.script.Heartbeat = () => apis.Heartbeat.response.create();
    release();
    await polled;
    expect(broker.bodies('JoinGroup').length).toBeGreaterThan(joins);
    await consumer.close();
  });

  it('reports through poll() what it cannot heal', async () => {
    const broker = coordinator();
    const consumer = memberOf(broker, { instanceId: 'one' });
    broker.script.JoinGroup = () => apis.JoinGroup.response.create({ memberId: 'm', generationId: 1, leader: 'other' });
    await consumer.start();
    broker.script.Heartbeat = () => apis.Heartbeat.response.create({ errorCode: ErrorCode.FENCED_INSTANCE_ID });
    await expect
      .poll(() =>
        consumer.poll().then(
          () => '',
          (error: unknown) => (error instanceof TailraceError ? error.code : String(error)),
        ),
      )
      .toBe('TLR_FENCED');
    await consumer.close();
  });

  it.each(['is told to skip the assignment', 'is told by an old broker that its former self leads'])(
    'that leads, is static and comes back has topics assigned that came meanwhile: it %s',
    async (how) => {
      const broker = coordinator();
      if (how.includes('old')) broker.newest = { JoinGroup: 7 };
      const subscription = encodeSubscription(['t']);
      const members = [{ memberId: 'm', groupInstanceId: 'one', metadata: subscription }];
      let assignment = encodeAssignment(new Map());
      broker.script.JoinGroup = (_, version) => {
        const isBack = broker.bodies('JoinGroup').length === 1;
        const leads = version >= 9 || !isBack;
        return apis.JoinGroup.response.create({
          ...{ memberId: 'm', generationId: isBack ? 1 : 2, protocolName: 'range' },
          ...(leads ? { leader: 'm', members, skipAssignment: isBack } : { leader: 'its former self' }),
        });
      };
      broker.script.SyncGroup = ({ assignments }) => {
        if (assignments.length > 0) assignment = assignments[0]!.assignment;
        return apis.SyncGroup.response.create({ assignment });
      };
      broker.script.DescribeGroups = () =>
        apis.DescribeGroups.response.create({
          groups: [{ groupId: 'g', groupState: 'Stable', members: [{ memberId: 'm', memberAssignment: assignment }] }],
        });
      const consumer = memberOf(broker, { instanceId: 'one' });
      await consumer.start();
      expect(consumer.assignment()).toEqual([]);
      await expect
        .poll(() => consumer.poll().then(() => consumer.assignment()), { timeout: 30_000 })
        .toEqual([{ topic: 't', partition: 0 }]);
      const joins = broker.bodies('JoinGroup').length;
      const beats = broker.bodies('Heartbeat').length;
      await expect.poll(() => broker.bodies('Heartbeat').length, { timeout: 30_000 }).toBeGreaterThan(beats + 3);
      expect(broker.bodies('JoinGroup')).toHaveLength(joins);
      await consumer.close();
    },
  );

  it('gives up joining when it is closed', async () => {
    const broker = coordinator();
    broker.script.JoinGroup = () => apis.JoinGroup.response.create({ errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE });
    const consumer = memberOf(broker);
    const starting = consumer.start();
    await expect.poll(() => broker.bodies('JoinGroup').length).toBeGreaterThan(1);
    await consumer.close();
    await expect(starting).rejects.toMatchObject({ code: 'TLR_CLOSED' });
  });
});
