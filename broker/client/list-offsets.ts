// Questions about offsets in the log: start, end, last stable end, or the first at or after a time. Asked of each partition's leader, those of one leader
// together, and repeated while leaders move.
import { TailraceError } from '../../base/errors.ts';
import { apis } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { TopicPartition } from './contract.ts';
import { type Cluster, settleMs } from './metadata.ts';
import { isRetriable, retry } from './retry.ts';

export type OffsetSpec = 'earliest' | 'latest' | 'latest-stable' | { readonly timestampMs: number };

/**
 * Offsets by topic, then partition. A time after the last record gives the end. Throws KafkaError for a topic that is not there. With `withinMs` partitions that
 * nobody leads, or whose disk failed, for so long are left out.
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  at: OffsetSpec,
  withinMs?: number,
): Promise<Map<string, Map<number, number>>> {
  const found = new Map<string, Map<number, number>>();
  const isolationLevel = at === 'latest-stable' ? 1 : 0;
  try {
    await ask(cluster, partitions, timestampOf(at), { isolationLevel, withinMs: withinMs ?? settleMs }, found);
  } catch (error) {
    if (withinMs === undefined || !isUnavailable(error)) throw error;
  }
  const behindEnd = partitions.filter(({ topic, partition }) => found.get(topic)?.get(partition) === -1);
  for (const { topic, partition } of behindEnd) found.get(topic)?.delete(partition);
  if (behindEnd.length > 0)
    await ask(cluster, behindEnd, timestampOf('latest'), { isolationLevel, withinMs: settleMs }, found);
  return found;
}

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof KafkaError)) return false;
  return error.errorCode === ErrorCode.LEADER_NOT_AVAILABLE || error.errorCode === ErrorCode.KAFKA_STORAGE_ERROR;
}

function timestampOf(at: OffsetSpec): number {
  if (typeof at === 'object') return at.timestampMs;
  return at === 'earliest' ? -2 : -1;
}

async function ask(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  { isolationLevel, withinMs }: { isolationLevel: number; withinMs: number },
  found: Map<string, Map<number, number>>,
): Promise<void> {
  let open = [...partitions];
  await retry(
    cluster.dependencies,
    async () => {
      const { byLeader, leaderless } = await groupByLeader(cluster, open);
      const answers = await Promise.allSettled(
        [...byLeader].map(([leader, led]) => askLeader(cluster, leader, led, timestamp, isolationLevel, found)),
      );
      const failed = answers.find((answer) => answer.status === 'rejected');
      open = open.filter(({ topic, partition }) => found.get(topic)?.has(partition) !== true);
      if (failed !== undefined) throw failed.reason;
      if (leaderless.length > 0) throw leaderless[0]!.error;
    },
    {
      withinMs,
      retriable: (error) => isRetriable(error) && !isMissing(error),
      onRetry: () => {
        for (const { topic } of open) cluster.forgetTopic(topic);
      },
    },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof KafkaError && error.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

/** Partitions by the broker that leads them, and those that nobody leads at the moment. Throws what is wrong with a topic as a whole. */
export async function groupByLeader<T extends TopicPartition>(
  cluster: Cluster,
  partitions: readonly T[],
): Promise<{ byLeader: Map<number, T[]>; leaderless: { entry: T; error: KafkaError }[] }> {
  const byLeader = new Map<number, T[]>();
  const leaderless: { entry: T; error: KafkaError }[] = [];
  for (const entry of partitions) {
    try {
      const leader = await cluster.leaderOf(entry.topic, entry.partition);
      const group = byLeader.get(leader);
      if (group === undefined) byLeader.set(leader, [entry]);
      else group.push(entry);
    } catch (error) {
      if (!(error instanceof KafkaError) || error.errorCode !== ErrorCode.LEADER_NOT_AVAILABLE) throw error;
      leaderless.push({ entry, error });
    }
  }
  return { byLeader, leaderless };
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  isolationLevel: number,
  found: Map<string, Map<number, number>>,
): Promise<void> {
  const connection = await cluster.node(leader);
  const body = apis.ListOffsets.request.create({
    replicaId: -1,
    isolationLevel,
    topics: [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, each]) => ({
      name,
      partitions: each.map(({ partition }) => ({ partitionIndex: partition, timestamp })),
    })),
    timeoutMs: settleMs,
  });
  const response = await connection.request('ListOffsets', body);
  let failure: Error | undefined;
  for (const topic of response.topics) {
    const offsets = found.get(topic.name) ?? new Map<number, number>();
    found.set(topic.name, offsets);
    for (const { partitionIndex, errorCode, offset } of topic.partitions) {
      if (errorCode === 0) offsets.set(partitionIndex, offset);
      else failure ??= new KafkaError(errorCode, `topic ${topic.name}, partition ${partitionIndex}`);
    }
  }
  if (failure !== undefined) throw failure;
}

/** The offset of one partition in what listOffsets found. */
export function offsetIn(
  found: ReadonlyMap<string, ReadonlyMap<number, number>>,
  { topic, partition }: TopicPartition,
): number {
  const offset = found.get(topic)?.get(partition);
  if (offset === undefined) throw new TailraceError('TLR_PROTOCOL', `no offset was given for ${topic}-${partition}`);
  return offset;
}
