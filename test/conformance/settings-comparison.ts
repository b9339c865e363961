// What DescribeConfigs of ours says beside what a real Kafka says, setting by setting: type, default, the broker setting it comes from. What differs on
// purpose stands here with its reason.
import type { ResponseOf } from '../../broker/wire/apis.ts';

type Entry = ResponseOf<'DescribeConfigs'>['results'][number]['configs'][number];

/** Settings of topics that Kafka has and we refuse, and why. */
const absentTopicSettings: Readonly<Record<string, string>> = {
  'compression.gzip.level': 'codecs run at their own levels',
  'compression.lz4.level': 'codecs run at their own levels',
  'compression.zstd.level': 'codecs run at their own levels',
  'follower.replication.throttled.replicas': 'there is one copy',
  'leader.replication.throttled.replicas': 'there is one copy',
  'local.retention.bytes': 'there is one tier of storage',
  'local.retention.ms': 'there is one tier of storage',
  'remote.log.copy.disable': 'there is one tier of storage',
  'remote.log.delete.on.disable': 'there is one tier of storage',
};

const smallNode = 'a single node starts faster with few partitions of its own';
const oneCopy = 'one node keeps one copy, and nothing else can be set';
const aDefault = 'stands for log.retention.hours and log.roll.hours too, which have the same default';

/** "name what": why it differs. */
const differences: Readonly<Record<string, string>> = {
  'message.timestamp.after.max.ms default': 'a sender whose clock is ahead must not be held up for good',
  'log.message.timestamp.after.max.ms default': 'a sender whose clock is ahead must not be held up for good',
  'min.insync.replicas source': 'Kafka fixes it for the whole cluster when it is formatted (KIP-966)',
  'retention.ms synonym': aDefault,
  'segment.ms synonym': aDefault,
  'log.retention.ms default': aDefault,
  'log.roll.ms default': aDefault,
  'flush.ms synonym': 'is accepted, and acts nowhere: everything is synced before it is visible',
  'segment.jitter.ms synonym': 'is accepted, and acts nowhere',
  'remote.storage.enable synonym': 'there is one tier of storage',
  'socket.listen.backlog.size default': 'many agents connect at once after a restart',
  'node.id default': 'one that is not given is 1',
  'queued.max.request.bytes default': 'memory is bounded unless told otherwise',
  'offset.metadata.max.bytes default': 'edges keep more beside their offsets',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms default':
    'a producer that was killed holds readers up for a second, not for ten',
  'log.retention.check.interval.ms default': 'closing segments by time and freeing disk are looked after more often',
  'group.initial.rebalance.delay.ms default': 'the edges of one process join at once',
  'offsets.topic.num.partitions default': smallNode,
  'transaction.state.log.num.partitions default': smallNode,
  'offsets.topic.replication.factor default': oneCopy,
  'transaction.state.log.replication.factor default': oneCopy,
  'offsets.topic.replication.factor type': oneCopy,
  'transaction.state.log.replication.factor type': oneCopy,
  'min.insync.replicas readOnly': oneCopy,
  'unclean.leader.election.enable readOnly': oneCopy,
};

const defaultSource = 5;

/** Every difference between the settings of a topic that has none of its own, without those that are known. */
export function topicDifferences(theirs: readonly Entry[], ours: readonly Entry[]): string[] {
  const known = new Map(ours.map((entry) => [entry.name, entry]));
  const missing = theirs.filter(({ name }) => !known.has(name) && absentTopicSettings[name] === undefined);
  const strange = ours.filter(({ name }) => !theirs.some((entry) => entry.name === name));
  return [
    ...missing.map(({ name }) => `${name} is missing`),
    ...strange.map(({ name }) => `Kafka has no ${name}`),
    ...theirs.flatMap((their) => {
      const our = known.get(their.name);
      if (our === undefined) return [];
      return unexplained(their.name, [
        ['type', their.configType, our.configType],
        ['default', their.value, our.value],
        ['source', their.configSource, our.configSource],
        ['readOnly', their.readOnly, our.readOnly],
        ['isSensitive', their.isSensitive, our.isSensitive],
        ['synonym', defaultOf(their)?.name, defaultOf(our)?.name],
      ]);
    }),
  ];
}

/** The same of the broker's settings, of which we have those that act here. */
export function brokerDifferences(theirs: readonly Entry[], ours: readonly Entry[]): string[] {
  const known = new Map(theirs.map((entry) => [entry.name, entry]));
  return ours.flatMap((our) => {
    const their = known.get(our.name);
    if (their === undefined) return [`Kafka has no ${our.name}`];
    return unexplained(our.name, [
      ['type', their.configType, our.configType],
      ['default', defaultOf(their)?.value, defaultOf(our)?.value],
      ['readOnly', their.readOnly, our.readOnly],
      ['isSensitive', their.isSensitive, our.isSensitive],
    ]);
  });
}

function unexplained(name: string, compared: readonly (readonly [what: string, theirs: unknown, ours: unknown])[]) {
  return compared
    .filter(([what, theirs, ours]) => theirs !== ours && differences[`${name} ${what}`] === undefined)
    .map(([what, theirs, ours]) => `${name} ${what}: ${String(theirs)}, ours: ${String(ours)}`);
}

function defaultOf({ synonyms }: Entry): Entry['synonyms'][number] | undefined {
  return synonyms.find(({ source }) => source === defaultSource);
}
