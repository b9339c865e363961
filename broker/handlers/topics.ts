// What several handlers need to know about topics: found by name or by id (KIP-516), described for Metadata, and which of them are not for
// clients to write to.
import type { PartitionLog, TopicDescription } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { HandlerContext } from './handler.ts';

/** Bits of every operation on a topic, a group and the cluster: what is allowed where there are no ACLs (KIP-430). */
export const topicOperations = 0b1101_1111_1000;
const groupOperations = 0b1101_0100_1000;
export const clusterOperations = 0b1_1111_1010_0000;
/** "Was not asked for." */
export const operationsOmitted = -2147483648;

/** Answers of DescribeGroups and ConsumerGroupDescribe, with what is allowed where that was asked for. */
export function withGroupOperations<G extends { errorCode: number; authorizedOperations: number }>(
  groups: readonly G[],
  isAsked: boolean,
): G[] {
  return groups.map((group) =>
    isAsked && group.errorCode === 0 ? { ...group, authorizedOperations: groupOperations } : group,
  );
}

/** A topic by the name or, in versions that have ids, the id of a request. */
export function findTopic(
  context: HandlerContext,
  asked: { name?: string; topic?: string; topicId: Buffer },
  firstVersionWithIds = 13,
): { name: string | undefined; errorCode: number } {
  const { log } = context.broker;
  if (context.version >= firstVersionWithIds) {
    const found = log.topicById(asked.topicId);
    return { name: found?.name, errorCode: found === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.NONE };
  }
  const name = asked.name ?? asked.topic ?? '';
  const known = log.topic(name) !== undefined;
  return { name, errorCode: known ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
}

/** The partition, or the error code that the client gets for it. */
export function findPartition(
  context: HandlerContext,
  topic: string,
  index: number,
  currentLeaderEpoch = -1,
): PartitionLog | number {
  try {
    const partition = context.broker.log.partition(topic, index);
    if (partition === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch < partition.leaderEpoch) return ErrorCode.FENCED_LEADER_EPOCH;
    if (currentLeaderEpoch > partition.leaderEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH;
    return partition;
  } catch (error) {
    if (error instanceof KafkaError) return error.errorCode;
    throw error;
  }
}

/** The topics that coordinators keep their state in: nobody else may write or delete them. */
export function isCoordinatorTopic(name: string): boolean {
  return name === '__consumer_offsets' || name === '__transaction_state';
}

/** One entry a partition for Metadata and DescribeTopicPartitions: this node leads all of them, alone. */
export function describePartitions(context: HandlerContext, topic: TopicDescription) {
  const { nodeId } = context.broker;
  return Array.from({ length: topic.partitions }, (_, partitionIndex) => {
    const found = findPartition(context, topic.name, partitionIndex);
    const online = typeof found !== 'number';
    return {
      errorCode: online ? ErrorCode.NONE : found,
      partitionIndex,
      leaderId: online ? nodeId : -1,
      leaderEpoch: online ? found.leaderEpoch : -1,
      replicaNodes: [nodeId],
      isrNodes: online ? [nodeId] : [],
      offlineReplicas: online ? [] : [nodeId],
    };
  });
}
