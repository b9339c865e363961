// Groups of both kinds as tools see them through the handlers: described with what is allowed, and by our own client; settings of expiry that act.
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { systemClock } from '../../../base/clock.ts';
import { createClient } from '../../../broker/client/client.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import { ask } from '../../support/in-process.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../support/text-batches.ts';

let server: TestBroker | undefined;
afterEach(() => server?.close());

const operations = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

async function withMember() {
  server = await startTestBroker({ socket: false });
  const { broker } = server;
  await ask(broker, 'CreateTopics', { topics: [{ name: 'lines', numPartitions: 2, replicationFactor: 1 }] });
  await ask(broker, 'ConsumerGroupHeartbeat', {
    ...{ groupId: 'new', memberId: 'me', memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] },
    ...{ subscribedTopicNames: ['lines'], instanceId: 'one' },
  });
  const topics = [
    { topicId: broker.log.topic('lines')!.topicId, partitions: [{ partitionIndex: 0, committedOffset: 3 }] },
  ];
  await ask(broker, 'OffsetCommit', { groupId: 'classic', topics });
  return broker;
}

test('a group is described with what is allowed when that is asked for', async () => {
  const broker = await withMember();
  const classic = (includeAuthorizedOperations: boolean) =>
    ask(broker, 'DescribeGroups', { groups: ['classic', 'gone'], includeAuthorizedOperations });
  expect((await classic(true)).groups).toMatchObject([
    { authorizedOperations: operations },
    { authorizedOperations: -2147483648 },
  ]);
  expect((await classic(false)).groups[0]!.authorizedOperations).toBe(-2147483648);
  const groupIds = ['new', 'classic'];
  const described = await ask(broker, 'ConsumerGroupDescribe', { groupIds, includeAuthorizedOperations: true });
  expect(described.groups).toMatchObject([{ authorizedOperations: operations }, { authorizedOperations: -2147483648 }]);
});

test('our client describes groups of both kinds, and those that are not there', async () => {
  const broker = await withMember();
  const transport = new InProcessTransport(broker, 'test');
  const parts = { clientId: 'test', clock: systemClock, random: systemRandom, logger: silentLogger };
  const client = createClient({ transport, ...parts });
  const admin = client.admin();
  expect(await admin.describeGroup('new')).toMatchObject({
    ...{ groupId: 'new', state: 'Stable', protocolType: 'consumer' },
    members: [{ memberId: 'me', instanceId: 'one', assignment: new Map([['lines', [0, 1]]]) }],
  });
  expect(await admin.describeGroup('classic')).toMatchObject({ state: 'Empty', members: [] });
  expect(await admin.describeGroup('gone')).toMatchObject({ state: 'Dead', members: [] });
  expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['classic', 'new']);
  await client.close();
});

test('producer.id.expiration.ms acts', async () => {
  const clock = new ManualClock();
  const settings = { 'producer.id.expiration.ms': 60_000 };
  server = await startTestBroker({ socket: false, clock, settings });
  const { broker } = server;
  await ask(broker, 'CreateTopics', { topics: [{ name: 'lines', numPartitions: 1, replicationFactor: 1 }] });
  const partition = broker.log.partition('lines', 0)!;
  await partition.append(batchOf(['a'], { producerId: 7, producerEpoch: 0, baseSequence: 0 }), { origin: 'client' })
    .durable;
  await broker.log.maintain();
  clock.pass(59_000);
  await broker.log.maintain();
  expect(partition.producers()).toHaveLength(1);
  clock.pass(2000);
  await broker.log.maintain();
  expect(partition.producers()).toEqual([]);
});
