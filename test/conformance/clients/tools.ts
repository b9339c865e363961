// The commands that come with Kafka: what each is asked, in order, and what it must print. The same with both brokers; NAME stands for a topic and a group
// of the run's own.
const T = 'org.apache.kafka.tools';
const mains = {
  'kafka-topics': `${T}.TopicCommand`,
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-console-producer': `${T}.ConsoleProducer`,
  'kafka-console-consumer': `${T}.consumer.ConsoleConsumer`,
  'kafka-get-offsets': `${T}.GetOffsetShell`,
  'kafka-consumer-groups': `${T}.consumer.group.ConsumerGroupCommand`,
  'kafka-groups': `${T}.GroupsCommand`,
  'kafka-delete-records': `${T}.DeleteRecordsCommand`,
  'kafka-log-dirs': `${T}.LogDirsCommand`,
  'kafka-client-metrics': `${T}.ClientMetricsCommand`,
  'kafka-cluster': `${T}.ClusterTool`,
  'kafka-broker-api-versions': `${T}.BrokerApiVersionsCommand`,
  'kafka-leader-election': `${T}.LeaderElectionCommand`,
  'kafka-acls': `${T}.AclCommand`,
  'kafka-features': `${T}.FeatureCommand`,
  'kafka-transactions': `${T}.TransactionsCommand`,
  'kafka-producer-perf-test': `${T}.ProducerPerformance`,
  'kafka-consumer-perf-test': `${T}.ConsumerPerformance`,
  'kafka-e2e-latency': `${T}.EndToEndLatency`,
  'kafka-client-compatibility-test': `${T}.ClientCompatibilityTest`,
  'kafka-metadata-quorum': `${T}.MetadataQuorumCommand`,
} as const;
export type ToolName = keyof typeof mains;

export interface Step {
  tool: ToolName;
  does: string;
  args: string;
  /** What it must print, and, with `code`, how it must end. */
  prints: RegExp;
  code?: number;
  input?: string;
  /** Why ours has no such thing: it is tried with Kafka alone. */
  notOurs?: string;
}

export const mainOf = (tool: ToolName): string => mains[tool];

const reset = (how: string, prints: RegExp, does: string): Step => ({
  ...{ tool: 'kafka-consumer-groups', does: `reset offsets ${does}`, prints },
  args: `--reset-offsets --group NAME --topic NAME ${how} --execute`,
});

/** Rows of the table that kafka-consumer-groups prints. */
const offsets = (zero: number, one: number) =>
  new RegExp(`(?=[^]*NAME +NAME +0 +${zero}\\b)(?=[^]*NAME +NAME +1 +${one}\\b)`);

export const steps: readonly Step[] = [
  {
    ...{ tool: 'kafka-topics', does: 'create', prints: /^Created topic NAME\.$/m },
    args: '--create --topic NAME --partitions 2 --config retention.ms=1234567',
  },
  {
    ...{ tool: 'kafka-topics', does: 'create what is there: refused', prints: /TopicExistsException/, code: 1 },
    args: '--create --topic NAME',
  },
  {
    ...{ tool: 'kafka-topics', does: 'create with three replicas: refused', code: 1 },
    ...{ args: '--create --topic NAME-three --replication-factor 3', prints: /InvalidReplicationFactorException/ },
  },
  { tool: 'kafka-topics', does: 'list', args: '--list', prints: /^NAME$/m },
  {
    ...{ tool: 'kafka-topics', does: 'describe', args: '--describe --topic NAME' },
    prints:
      /Topic: NAME\tTopicId: \S{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention.ms=1234567[^]*Partition: 1\tLeader: 1\tReplicas: 1\tIsr: 1/,
  },
  {
    ...{ tool: 'kafka-topics', does: 'add partitions', args: '--alter --topic NAME-more --partitions 4' },
    prints: /^$/,
  },
  {
    ...{ tool: 'kafka-topics', does: 'take partitions away: refused', code: 1, prints: /InvalidPartitionsException/ },
    args: '--alter --topic NAME-more --partitions 1',
  },
  {
    ...{ tool: 'kafka-topics', does: 'find under-replicated partitions', prints: /^$/ },
    args: '--describe --under-replicated-partitions',
  },
  {
    ...{
      tool: 'kafka-configs',
      does: 'change settings of a topic',
      prints: /Completed updating config for topic NAME\./,
    },
    args: '--alter --entity-type topics --entity-name NAME --add-config retention.ms=7654321,cleanup.policy=[compact,delete]',
  },
  {
    ...{ tool: 'kafka-configs', does: 'describe a topic', args: '--describe --entity-type topics --entity-name NAME' },
    prints:
      /cleanup.policy=compact,delete sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete\}/,
  },
  {
    ...{ tool: 'kafka-configs', does: 'remove a setting', prints: /Completed updating config for topic NAME\./ },
    args: '--alter --entity-type topics --entity-name NAME --delete-config cleanup.policy',
  },
  {
    ...{ tool: 'kafka-configs', does: 'refuse an unknown setting', code: 1, prints: /InvalidConfigurationException/ },
    args: '--alter --entity-type topics --entity-name NAME --add-config no.such=1',
  },
  {
    ...{ tool: 'kafka-configs', does: 'describe a broker', prints: /num.partitions=1 sensitive=false/ },
    args: '--describe --all --entity-type brokers --entity-name 1',
  },
  {
    ...{ tool: 'kafka-console-producer', does: 'send with keys', prints: /^$/, input: 'a:one\nb:two\nc:three\n' },
    args: '--topic NAME --reader-property parse.key=true --reader-property key.separator=:',
  },
  {
    ...{ tool: 'kafka-console-consumer', does: 'read in a group' },
    args: '--topic NAME --group NAME --from-beginning --max-messages 3 --timeout-ms 30000 --formatter-property print.key=true --formatter-property print.offset=true --formatter-property print.partition=true',
    prints: /^Partition:\d\tOffset:0\t[abc]\t(one|two|three)$/m,
  },
  {
    ...{ tool: 'kafka-console-consumer', does: 'read in a group of the new protocol', prints: /^(one|two|three)$/m },
    args: '--topic NAME --group NAME-new --from-beginning --max-messages 3 --timeout-ms 30000 --command-property group.protocol=consumer',
  },
  {
    ...{ tool: 'kafka-consumer-groups', does: 'list with types', args: '--list --type' },
    prints: /(?=[^]*NAME +Classic)(?=[^]*NAME-new +Consumer)/,
  },
  { tool: 'kafka-get-offsets', does: 'ends', args: '--topic NAME', prints: /NAME:0:(\d)\nNAME:1:(\d)/ },
  { tool: 'kafka-get-offsets', does: 'starts', args: '--topic NAME --time earliest', prints: /NAME:0:0\nNAME:1:0/ },
  {
    ...{ tool: 'kafka-get-offsets', does: 'newest record', args: '--topic NAME --time max-timestamp' },
    prints: /NAME:\d:\d/,
  },
  { tool: 'kafka-consumer-groups', does: 'list', args: '--list --state', prints: /NAME +Empty/ },
  {
    ...{ tool: 'kafka-consumer-groups', does: 'describe', args: '--describe --group NAME' },
    prints: /NAME +NAME +0 +(\d) +\1 +0 +- +- +-/,
  },
  {
    ...{ tool: 'kafka-consumer-groups', does: 'describe the state', args: '--describe --group NAME --state' },
    prints: /NAME +\S+ +\(1\) +- +Empty +0/,
  },
  {
    ...{ tool: 'kafka-consumer-groups', does: 'describe a group that is not there: said' },
    ...{ args: '--describe --group NAME-none', prints: /GroupIdNotFoundException/ },
  },
  reset('--to-earliest', offsets(0, 0), 'to the earliest'),
  reset('--to-latest', /NAME +NAME +\d +[123]/, 'to the latest'),
  reset('--shift-by -9', offsets(0, 0), 'by a number'),
  reset('--to-offset 0', offsets(0, 0), 'to an offset'),
  reset('--by-duration PT1H', offsets(0, 0), 'by a duration'),
  reset('--to-datetime 2020-01-01T00:00:00.000', offsets(0, 0), 'to a time'),
  reset('--to-current', offsets(0, 0), 'to where they are'),
  {
    ...{ tool: 'kafka-consumer-groups', does: 'delete offsets', prints: /NAME +0 +Successful/ },
    args: '--delete-offsets --group NAME --topic NAME:0',
  },
  { tool: 'kafka-groups', does: 'list', args: '--list', prints: /NAME +Classic/ },
  {
    ...{ tool: 'kafka-consumer-groups', does: 'delete', args: '--delete --group NAME' },
    prints: /Deletion of requested consumer groups \('NAME'\) was successful/,
  },
  {
    ...{ tool: 'kafka-delete-records', does: 'delete the oldest', args: '--offset-json-file DELETIONS' },
    prints: /partition: NAME-0\tlow_watermark: \d/,
  },
  {
    ...{ tool: 'kafka-log-dirs', does: 'describe', args: '--describe --topic-list NAME' },
    prints: /"partition":"NAME-0","size":\d+,"offsetLag":0,"isFuture":false/,
  },
  { tool: 'kafka-cluster', does: 'tell the id', args: 'cluster-id', prints: /Cluster ID: \S{22}/ },
  {
    tool: 'kafka-cluster',
    does: 'list brokers',
    args: 'list-endpoints',
    prints: /1 +127\.0\.0\.1 +\d+ +null +unfenced +broker/,
  },
  {
    ...{ tool: 'kafka-broker-api-versions', does: 'list what is served', args: '' },
    prints: /Produce\(0\): 0 to 13 \[usable: 13\],[^]*Fetch\(1\): 4 to 18 \[usable: 18\]/,
  },
  {
    tool: 'kafka-features',
    does: 'describe',
    args: 'describe',
    prints: /Feature: transaction.version\s+.*FinalizedVersionLevel: 2/,
  },
  {
    ...{
      tool: 'kafka-leader-election',
      does: 'nothing to elect',
      prints: /Valid replica already elected for partitions NAME-0/,
    },
    args: '--election-type preferred --topic NAME --partition 0',
  },
  {
    ...{ tool: 'kafka-acls', does: 'no authorizer: said', code: 1, prints: /SecurityDisabledException: No Authorizer/ },
    args: '--list',
  },
  { tool: 'kafka-transactions', does: 'list', args: 'list', prints: /NAME-open\s+1\s+\d+\s+Ongoing/ },
  {
    ...{ tool: 'kafka-transactions', does: 'describe', args: 'describe --transactional-id NAME-open' },
    prints: /1\s+NAME-open\s+\d+\s+\d+\s+Ongoing\s+60000\s+\d+\s+\d+\s+NAME-open-0/,
  },
  {
    ...{ tool: 'kafka-transactions', does: 'describe producers' },
    ...{ args: 'describe-producers --topic NAME-open --partition 0', prints: /\d+\s+\d+\s+-?\d+\s+0\s+\d+\s+0\s/ },
  },
  {
    ...{ tool: 'kafka-transactions', does: 'find hanging', args: 'find-hanging --broker-id 1' },
    prints: /Topic\s+Partition\s+ProducerId/,
  },
  {
    ...{ tool: 'kafka-transactions', does: 'abort', args: 'abort --topic NAME-open --partition 0 --start-offset 0' },
    prints: /^$/,
  },
  {
    ...{ tool: 'kafka-producer-perf-test', does: '10,000 records, acks=all' },
    args: '--topic NAME-load --num-records 10000 --record-size 100 --throughput -1',
    prints: /10000 records sent, .* 99\.9th/,
  },
  {
    ...{ tool: 'kafka-consumer-perf-test', does: '10,000 records', args: '--topic NAME-load --num-records 10000' },
    prints: /, 10000, /,
  },
  {
    ...{ tool: 'kafka-e2e-latency', does: '100 records', prints: /Percentiles: 50th = \d+/ },
    args: '--topic NAME-latency --num-records 100 --producer-acks all --record-size 100',
  },
  {
    ...{ tool: 'kafka-client-compatibility-test', does: 'all of it', prints: /SUCCESS/ },
    args: '--topic NAME-compatibility --offsets-for-times-supported true --cluster-id-supported true --expect-record-too-large-exception false --num-cluster-nodes 1 --create-topics-supported true --describe-acls-supported true --describe-configs-supported true --idempotent-producer-supported true',
  },
  {
    ...{ tool: 'kafka-configs', does: 'describe quotas', args: '--describe --entity-type clients', prints: /^$/ },
  },
  { tool: 'kafka-client-metrics', does: 'list', args: '--list', prints: /^\s*$/ },
  {
    ...{ tool: 'kafka-configs', does: 'set a quota', prints: /Completed updating config for client someone\./ },
    args: '--alter --entity-type clients --entity-name someone --add-config producer_byte_rate=1048576',
    notOurs: 'there are no quotas',
  },
  {
    ...{
      tool: 'kafka-configs',
      does: 'change a setting of a broker',
      prints: /Completed updating config for broker 1\./,
    },
    args: '--alter --entity-type brokers --entity-name 1 --add-config log.roll.ms=86400000',
  },
  {
    ...{
      tool: 'kafka-metadata-quorum',
      does: 'describe the quorum',
      args: 'describe --status',
      prints: /LeaderId: +1/,
    },
  },
  {
    ...{
      tool: 'kafka-metadata-quorum',
      does: 'describe its replicas',
      args: 'describe --replication',
      prints: /^1\s+\S+\s+\d+\s+0\s+\d+\s+\d+\s+Leader/m,
    },
  },
  { tool: 'kafka-topics', does: 'delete', args: '--delete --topic NAME', prints: /^$/ },
  {
    ...{
      tool: 'kafka-topics',
      does: 'delete what is not there: refused',
      code: 1,
      prints: /does not exist as expected/,
    },
    args: '--delete --topic NAME',
  },
];
