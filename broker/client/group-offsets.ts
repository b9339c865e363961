// A group's committed offsets: read (also waiting out open transactions, KIP-447) and written. Topics go by name here, so the versions from 10 on,
// which name them by id, are not used.
import { TailraceError } from '../../base/errors.ts';
import { apis } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { CommittedOffset, GroupMetadata, TopicPartition, TopicPartitionOffset } from './contract.ts';
import type { Cluster } from './metadata.ts';

export type CommittedOffsets = Map<string, Map<number, CommittedOffset>>;

/** The last versions that name topics by name: a deleted topic has no id that could be looked up. */
const lastByName = 9;

/**
 * What the group committed for `partitions`, or for all it has (undefined). Partitions without an offset are left out. With `stable` it is repeated while
 * a transaction that holds offsets of the group is open, for as long as such a transaction may last.
 */
export async function fetchGroupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | undefined,
  options: { stable: boolean; withinMs?: number; signal?: AbortSignal },
): Promise<CommittedOffsets> {
  const topics = partitions === undefined ? null : byTopic(partitions);
  return cluster.withCoordinator(
    'group',
    groupId,
    async (connection) => {
      const version = connection.versionOf('OffsetFetch', lastByName);
      if (options.stable && version < 7) {
        throw new TailraceError('TLR_PROTOCOL', 'the broker is too old to wait out open transactions (OffsetFetch 7)');
      }
      const draft =
        version >= 8
          ? { groups: [{ groupId, topics }], requireStable: options.stable }
          : { groupId, topics, ...(version >= 7 && { requireStable: options.stable }) };
      const body = apis.OffsetFetch.request.create(draft);
      const response = await connection.request('OffsetFetch', body, { maxVersion: lastByName });
      const group = version >= 8 ? response.groups[0] : response;
      if (group === undefined) throw new TailraceError('TLR_PROTOCOL', 'OffsetFetch was answered without the group');
      if (group.errorCode !== 0) throw new KafkaError(group.errorCode, `group ${groupId}`);
      return collect(groupId, group.topics);
    },
    {
      withinMs: options.withinMs ?? unstableMs,
      ...(options.signal !== undefined && { signal: options.signal }),
    },
  );
}

/** transaction.max.timeout.ms: no transaction is open for longer. */
const unstableMs = 15 * 60_000;

interface OffsetTopic {
  name: string;
  partitions: {
    partitionIndex: number;
    committedOffset: number;
    committedLeaderEpoch: number;
    metadata: string | null;
    errorCode: number;
  }[];
}

function collect(groupId: string, topics: readonly OffsetTopic[]): CommittedOffsets {
  const offsets: CommittedOffsets = new Map();
  for (const { name, partitions } of topics) {
    for (const { partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode } of partitions) {
      if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
      if (errorCode !== 0) throw new KafkaError(errorCode, `group ${groupId}, ${name}-${partitionIndex}`);
      if (committedOffset < 0) continue;
      const ofTopic = offsets.get(name) ?? new Map<number, CommittedOffset>();
      offsets.set(name, ofTopic);
      ofTopic.set(partitionIndex, {
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata: metadata ?? '',
      });
    }
  }
  return offsets;
}

/** OffsetCommit by a member, or for an empty group (generation -1, no member). Throws KafkaError for the first partition refused. */
export async function commitGroupOffsets(
  cluster: Cluster,
  group: GroupMetadata,
  offsets: readonly TopicPartitionOffset[],
): Promise<void> {
  if (offsets.length === 0) return;
  await cluster.withCoordinator('group', group.groupId, async (connection) => {
    const version = connection.versionOf('OffsetCommit', lastByName);
    const body = apis.OffsetCommit.request.create({
      groupId: group.groupId,
      generationIdOrMemberEpoch: group.generation,
      memberId: group.memberId,
      ...(version >= 7 && { groupInstanceId: group.instanceId ?? null }),
      topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, each]) => ({
        name,
        partitions: each.map(({ partition, offset, metadata }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedMetadata: metadata ?? '',
        })),
      })),
    });
    const response = await connection.request('OffsetCommit', body, { maxVersion: lastByName });
    for (const topic of response.topics) {
      for (const { partitionIndex, errorCode } of topic.partitions) {
        if (errorCode !== 0) throw new KafkaError(errorCode, `group ${group.groupId}, ${topic.name}-${partitionIndex}`);
      }
    }
  });
}

function byTopic(partitions: readonly TopicPartition[]): { name: string; partitionIndexes: number[] }[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, each]) => ({
    name,
    partitionIndexes: each.map(({ partition }) => partition),
  }));
}
