// What a cluster that others run must be like, so that what Tailrace promises holds on it: looked at when a configuration with `broker: kafka://…` starts, and by
// `tailrace check --reach`. A finding is an error when things cannot work at all, a warning when they work and lines could be lost or kept waiting by a
// failure. Each says what is so, what follows from it, and the setting that mends it.
import { TailraceError } from '../base/errors.ts';
import type { BrokerConfigs, KafkaClient, TopicMetadata } from '../broker/client/contract.ts';
import { positionsTopic } from '../broker/client/positions-record.ts';
import { KafkaError } from '../broker/wire/errors.ts';
import { decisionTimeoutMs } from '../pipelines/decide.ts';
import { memberSessionMs } from '../pipelines/edge-session.ts';
import { ledgerTopic } from '../pipelines/ledger-record.ts';
import { manifestsTopic } from '../pipelines/manifests.ts';
import type { Plan } from '../pipelines/plan.ts';

export interface Finding {
  severity: 'error' | 'warning';
  message: string;
}

/** What a topic is to this configuration. `state` topics hold Tailrace's own records by key, `kafka` ones those of Kafka's coordinators. */
export type TopicRole = 'lines' | 'read' | 'state' | 'kafka';

export interface TopicFacts {
  name: string;
  role: TopicRole;
  partitions: TopicMetadata['partitions'];
  configs: BrokerConfigs;
}

export interface ClusterFacts {
  brokers: number;
  /** Names of what Tailrace needs and the cluster does not offer. */
  missingApis: readonly string[];
  /** Of one broker; undefined where they may not be read. */
  brokerConfigs: BrokerConfigs | undefined;
  topics: readonly TopicFacts[];
}

/** With the least version that has what is needed: KIP-447 (offsets by member, require_stable) and static members. All are in Kafka 2.5. */
const neededApis = {
  InitProducerId: 0,
  AddOffsetsToTxn: 0,
  EndTxn: 0,
  TxnOffsetCommit: 3,
  OffsetFetch: 7,
  JoinGroup: 5,
  SyncGroup: 3,
  Heartbeat: 3,
} as const;

/** Batches of dead letters, manifests and positions are at most so large, headers included. */
const largestBatchBytes = 1_000_000;
const kafkaTopics = ['__consumer_offsets', '__transaction_state'] as const;
const offsetsRetentionMinutes = 7 * 24 * 60;

/** Asks the cluster. Throws TLR_UNREACHABLE (retriable) when it is away. */
export async function lookAtCluster(client: KafkaClient, plan: Plan): Promise<ClusterFacts> {
  const admin = client.admin();
  const brokers = await admin.brokers();
  const missingApis: string[] = [];
  for (const [api, version] of Object.entries(neededApis)) {
    const newest = await admin.newestVersion(api as keyof typeof neededApis);
    if (newest === undefined || newest < version) missingApis.push(api);
  }
  const roles = rolesOf(plan);
  const found = await admin.topics([...roles.keys()]);
  const topics = await Promise.all(
    found.map(async ({ name, partitions }) => {
      const configs = await unlessForbidden(admin.describeConfigs(name));
      return { name, role: roles.get(name)!, partitions, configs: configs ?? {} };
    }),
  );
  const brokerConfigs = brokers[0] === undefined ? undefined : await unlessForbidden(admin.brokerConfigs(brokers[0]));
  return { brokers: brokers.length, missingApis, brokerConfigs, topics };
}

/** Everything that is wrong, worst first. */
export function judgeCluster(facts: ClusterFacts): Finding[] {
  const findings = [
    ...facts.missingApis.map((api) => error(`the cluster does not offer ${api} as Tailrace needs it: Kafka 2.5 does`)),
    ...facts.topics.flatMap((topic) => [...judgeReplicas(topic, facts.brokers), ...judgeContents(topic)]),
    ...(facts.brokerConfigs === undefined
      ? [warning('settings of brokers may not be read by this user, so they were not checked')]
      : judgeBroker(facts.brokerConfigs, facts)),
  ];
  return findings.toSorted((left, right) => Number(right.severity === 'error') - Number(left.severity === 'error'));
}

function rolesOf(plan: Plan): Map<string, TopicRole> {
  const roles = new Map<string, TopicRole>(plan.topics.map(({ name }) => [name, 'read']));
  for (const { topic, definition, settings } of plan.agents)
    for (const name of [topic, ...(definition.topics?.(settings) ?? [])]) roles.set(name, 'lines');
  for (const { deadLetterTopic, edges } of plan.pipelines) {
    roles.set(deadLetterTopic, 'lines');
    for (const { target } of edges) if (target.kind === 'topic') roles.set(target.topic, 'lines');
  }
  for (const name of [positionsTopic, manifestsTopic]) roles.set(name, 'state');
  roles.set(ledgerTopic, 'lines');
  for (const name of kafkaTopics) roles.set(name, 'kafka');
  return roles;
}

async function unlessForbidden<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (reason) {
    if (reason instanceof KafkaError && reason.errorName.endsWith('AUTHORIZATION_FAILED')) return undefined;
    throw reason;
  }
}

function judgeReplicas({ name, role, partitions, configs }: TopicFacts, brokers: number): Finding[] {
  const replicas = Math.min(...partitions.map((partition) => partition.replicas.length));
  const inSync = numberOf(configs, 'min.insync.replicas') ?? 1;
  const own = role === 'kafka' ? '' : `; a topic that Tailrace makes gets more`;
  if (inSync > replicas)
    return [
      error(
        `topic ${name} has ${count(replicas, 'replica')} and min.insync.replicas=${inSync}: nothing can be written`,
      ),
    ];
  if (brokers > 1 && replicas === 1)
    return [
      warning(`topic ${name} has one replica: what is in it is lost with its broker, and waits while it is away${own}`),
    ];
  if (replicas === 1) return [];
  const findings: Finding[] = [];
  if (inSync === 1)
    findings.push(
      warning(`topic ${name} has min.insync.replicas=1: a record may be acknowledged that only one broker has; set 2`),
    );
  else if (inSync === replicas)
    findings.push(
      warning(`topic ${name} needs all of its ${replicas} replicas (min.insync.replicas): one broker away stops it`),
    );
  if (configs['unclean.leader.election.enable']?.value === 'true')
    findings.push(
      warning(`topic ${name} has unclean.leader.election.enable=true: a broker that lacks records may become leader`),
    );
  return findings;
}

function judgeContents({ name, role, configs }: TopicFacts): Finding[] {
  const policy = configs['cleanup.policy']?.value ?? '';
  const findings: Finding[] = [];
  if (role === 'state' && policy !== 'compact' && policy !== '')
    findings.push(
      error(
        `topic ${name} has cleanup.policy=${policy} and would forget what was read or published: run tailrace topics alter ${name} --config cleanup.policy=compact`,
      ),
    );
  if (role === 'lines' && policy.includes('compact'))
    findings.push(error(`topic ${name} has cleanup.policy=${policy}: Kafka takes no lines without keys there`));
  const largest = numberOf(configs, 'max.message.bytes');
  if (
    (role === 'state' || name === ledgerTopic || name.endsWith('.dlq')) &&
    largest !== undefined &&
    largest < largestBatchBytes
  )
    findings.push(
      error(`topic ${name} has max.message.bytes=${largest}: its records need ${largestBatchBytes} at least`),
    );
  return findings;
}

function judgeBroker(configs: BrokerConfigs, { brokers, topics }: ClusterFacts): Finding[] {
  const findings: Finding[] = [];
  const least = (name: string, value: number, severity: Finding['severity'], consequence: string) => {
    const found = numberOf(configs, name);
    if (found !== undefined && found < value)
      findings.push({ severity, message: `the brokers have ${name}=${found}: ${consequence}` });
  };
  least('transaction.max.timeout.ms', decisionTimeoutMs.cluster, 'error', `${decisionTimeoutMs.cluster} is needed`);
  least('group.max.session.timeout.ms', memberSessionMs, 'error', `${memberSessionMs} is needed`);
  least('offset.metadata.max.bytes', 256, 'error', 'edges keep their account there and need 256');
  least(
    'offsets.retention.minutes',
    offsetsRetentionMinutes,
    'warning',
    'an edge that does not run for so long begins anew, and delivers again what is in its topics',
  );
  const shortest = numberOf(configs, 'group.min.session.timeout.ms') ?? 0;
  if (shortest > memberSessionMs)
    findings.push(
      error(`the brokers have group.min.session.timeout.ms=${shortest}: ${memberSessionMs} must be allowed`),
    );
  const isMade = (name: string) => topics.some((topic) => topic.name === name);
  const [offsets, transactions] = kafkaTopics;
  if (brokers > 1 && !isMade(offsets))
    least('offsets.topic.replication.factor', 2, 'warning', `${offsets} will be lost with its broker; set 3`);
  if (!isMade(transactions)) judgeTransactionLog(configs, brokers).forEach((finding) => findings.push(finding));
  return findings;
}

/** Kafka makes the topic when the first transaction begins, and refuses to where there are too few brokers. */
function judgeTransactionLog(configs: BrokerConfigs, brokers: number): Finding[] {
  const replicas = numberOf(configs, 'transaction.state.log.replication.factor') ?? 1;
  const inSync = numberOf(configs, 'transaction.state.log.min.isr') ?? 1;
  if (replicas > brokers)
    return [
      error(
        `the brokers have transaction.state.log.replication.factor=${replicas} and there ${brokers === 1 ? 'is' : 'are'} ${count(brokers, 'broker')}: there can be no transactions`,
      ),
    ];
  if (inSync > replicas)
    return [error(`the brokers have transaction.state.log.min.isr=${inSync} of ${replicas} replicas`)];
  if (brokers === 1 || replicas > 1) return [];
  return [warning('the brokers have transaction.state.log.replication.factor=1: set 3 before the first start')];
}

function numberOf(configs: BrokerConfigs, name: string): number | undefined {
  const value = configs[name]?.value;
  return value === undefined || value === null || value === '' ? undefined : Number(value);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function error(message: string): Finding {
  return { severity: 'error', message };
}

function warning(message: string): Finding {
  return { severity: 'warning', message };
}

/** The errors among the findings as one. */
export function clusterError(findings: readonly Finding[]): TailraceError | undefined {
  const errors = findings.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  return errors.length === 0 ? undefined : new TailraceError('TLR_CONFIG', errors.join('; '));
}
