import { describe, expect, it } from 'vitest';
import {
  clusterError,
  type ClusterFacts,
  judgeCluster,
  lookAtCluster,
  type TopicFacts,
} from '../../cli/cluster-check.ts';
import { planFromObject } from '../../pipelines/load.ts';
import { loadOptions } from '../../cli/registries.ts';
import { PipelineWorld } from '../support/pipeline-world.ts';

const settings = (values: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { value, isDefault: false, isSensitive: false }]),
  );

function topic(
  name: string,
  change: Partial<Omit<TopicFacts, 'configs'>> & { replicas?: number; configs?: Record<string, string> } = {},
): TopicFacts {
  const { replicas = 3, configs = {}, ...rest } = change;
  const ids = Array.from({ length: replicas }, (_, index) => index + 1);
  const partitions = [{ partition: 0, leader: 1, leaderEpoch: 0, replicas: ids, inSyncReplicas: ids }];
  const own = { 'min.insync.replicas': '2', 'cleanup.policy': rest.role === 'state' ? 'compact' : 'delete' };
  return { name, role: 'lines', partitions, ...rest, configs: settings({ ...own, ...configs }) };
}

const kafkas = [topic('__consumer_offsets', { role: 'kafka' }), topic('__transaction_state', { role: 'kafka' })];

function judge(facts: Partial<ClusterFacts>): string[] {
  const well: ClusterFacts = { brokers: 3, missingApis: [], brokerConfigs: {}, topics: kafkas };
  return judgeCluster({ ...well, ...facts }).map(({ severity, message }) => `${severity}: ${message}`);
}

describe('a cluster', () => {
  it('that is as it should be gives nothing to say', () => {
    const topics = [...kafkas, topic('app'), topic('__tailrace_positions', { role: 'state' })];
    expect(judge({ topics })).toEqual([]);
    expect(
      judge({ brokers: 1, topics: [topic('app', { replicas: 1, configs: { 'min.insync.replicas': '1' } })] }),
    ).toEqual([]);
  });

  it.each([
    [{ replicas: 1, configs: { 'min.insync.replicas': '1' } }, /^warning: topic app has one replica/],
    [{ replicas: 1 }, /^error: topic app has 1 replica and min.insync.replicas=2: nothing can be written/],
    [{ configs: { 'min.insync.replicas': '1' } }, /^warning: topic app has min.insync.replicas=1/],
    [{ configs: { 'min.insync.replicas': '3' } }, /^warning: topic app needs all of its 3 replicas/],
    [{ configs: { 'unclean.leader.election.enable': 'true' } }, /^warning: .*may become leader/],
    [{ configs: { 'cleanup.policy': 'compact' } }, /^error: .*no lines without keys/],
    [
      { role: 'state', configs: { 'cleanup.policy': 'delete' } },
      /^error: .*topics alter app --config cleanup.policy=compact/,
    ],
    [{ role: 'state', configs: { 'max.message.bytes': '1000' } }, /^error: .*max.message.bytes=1000/],
  ] as const)('whose topic has %j is told about', (change, expected) => {
    const found = judge({ topics: [...kafkas, topic('app', change)] });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it.each([
    [{ 'transaction.max.timeout.ms': '5000' }, /^error: .*15000 is needed/],
    [{ 'group.min.session.timeout.ms': '30000' }, /^error: .*6000 must be allowed/],
    [{ 'group.max.session.timeout.ms': '5000' }, /^error: .*6000 is needed/],
    [{ 'offset.metadata.max.bytes': '0' }, /^error: .*keep their account/],
    [{ 'offsets.retention.minutes': '60' }, /^warning: .*begins anew/],
  ])('whose brokers have %j is told about', (configs, expected) => {
    const found = judge({ brokerConfigs: settings(configs) });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  it('is told about before its coordinators have their topics', () => {
    const log = (factor: string, isr: string) =>
      settings({ 'transaction.state.log.replication.factor': factor, 'transaction.state.log.min.isr': isr });
    const alone = { topics: [], brokers: 1 };
    expect(judge({ ...alone, brokerConfigs: log('1', '1') })).toEqual([]);
    expect(judge({ ...alone, brokerConfigs: log('3', '2') })[0]).toMatch(
      /^error: .*there is 1 broker: there can be no/,
    );
    expect(judge({ topics: [], brokerConfigs: log('1', '1') })[0]).toMatch(/^warning: .*set 3 before the first start/);
  });

  it('that is too old or does not show its settings is told about, errors first', () => {
    const found = judge({ missingApis: ['TxnOffsetCommit'], brokerConfigs: undefined });
    expect(found.map((each) => each.slice(0, 29))).toEqual([
      'error: the cluster does not o',
      'warning: settings of brokers ',
    ]);
    expect(
      clusterError(judgeCluster({ brokers: 1, missingApis: ['EndTxn'], brokerConfigs: {}, topics: [] })),
    ).toMatchObject({
      code: 'TLR_CONFIG',
    });
  });
});

it('is fine when it is another Tailrace', async () => {
  const world = await PipelineWorld.open({ socket: true });
  const client = world.socketClient();
  try {
    await world.createTopic('app');
    const config = {
      broker: 'kafka://127.0.0.1:1',
      agents: { app: 'tail:///tmp/none.log' },
      pipelines: { all: { from: 'app', to: 'out' } },
      sinks: { out: 'stdout:' },
    };
    const { plan, problems } = planFromObject(config, loadOptions);
    expect(problems).toEqual([]);
    const facts = await lookAtCluster(client, plan!);
    expect(facts.topics.map(({ name, role }) => `${name} ${role}`)).toContain('app lines');
    expect(judgeCluster(facts)).toEqual([]);
  } finally {
    await client.close();
    await world.close();
  }
});
