// What members of the classic protocol tell each other inside JoinGroup and SyncGroup (protocol type "consumer"), as far as the coordinator looks into
// it: what a member subscribes to and holds, what it was given. Partitions are named by their topic's id here, by its name there.
import { messageOf } from '../../base/errors.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { consumerProtocolAssignment, consumerProtocolSubscription } from '../wire/messages/coordinator-records.ts';
import type { Message } from '../wire/schema.ts';
import {
  byTopic,
  type PartitionKey,
  partitionKey,
  type SubscribedTopic,
  type TopicsView,
} from './consumer-group-state.ts';
import { decodeVersioned, encodeVersioned, versionOf } from './coordinator-topic.ts';

/** What a member says of itself when it joins. */
export interface Subscription {
  /** In alphabetical order. */
  readonly topicNames: readonly string[];
  readonly rackId: string | null;
  /** What it holds and goes on holding; nothing for one that gives everything back before it joins. */
  readonly owned: ReadonlySet<PartitionKey>;
}

/** Reads the metadata of a member's protocol. Throws KafkaError INCONSISTENT_GROUP_PROTOCOL when it is no subscription. */
export function readSubscription(metadata: Buffer, topics: Pick<TopicsView, 'topic'>): Subscription {
  const { topics: names, ownedPartitions, rackId } = decode(consumerProtocolSubscription, metadata);
  return { topicNames: [...new Set(names)].sort(), rackId, owned: keysByName(ownedPartitions, topics) };
}

/**
 * Reads the assignment of a member; of no bytes, one of nothing. Throws KafkaError INCONSISTENT_GROUP_PROTOCOL when it is none, or says more than
 * partitions: only an assignor of the members' own could read that.
 */
export function readAssignment(assignment: Buffer, topics: Pick<TopicsView, 'topic'>): ReadonlySet<PartitionKey> {
  if (assignment.length === 0) return new Set();
  const { assignedPartitions, userData } = decode(consumerProtocolAssignment, assignment);
  if (userData !== null && userData.length > 0) {
    throw new KafkaError(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
      'an assignor of its own has data beside the partitions',
    );
  }
  return keysByName(assignedPartitions, topics);
}

/** An assignment in the version of the member's own metadata; partitions of topics that are gone are left out. */
export function writeAssignment(
  keys: Iterable<PartitionKey>,
  metadata: Buffer,
  topics: ReadonlyMap<string, SubscribedTopic>,
): Buffer {
  const names = new Map([...topics].map(([name, { topicId }]) => [topicId, name]));
  const assignedPartitions = byTopic(keys).flatMap(({ topicId, partitions }) => {
    const topic = names.get(topicId.toString('hex'));
    return topic === undefined ? [] : [{ topic, partitions }];
  });
  const version = Math.min(versionOf(metadata) ?? 0, consumerProtocolAssignment.versions[1]);
  return encodeVersioned(consumerProtocolAssignment, version, { assignedPartitions, userData: null });
}

function keysByName(
  named: readonly { topic: string; partitions: readonly number[] }[],
  topics: Pick<TopicsView, 'topic'>,
): ReadonlySet<PartitionKey> {
  const keys = new Set<PartitionKey>();
  for (const { topic: name, partitions } of named) {
    const topic = topics.topic(name);
    for (const partition of topic === undefined ? [] : partitions) keys.add(partitionKey(topic!.topicId, partition));
  }
  return keys;
}

/** Members may be newer than we are: a version above ours is read as ours, what follows is left alone. */
function decode<T>(message: Message<T>, encoded: Buffer): T {
  const newest = message.versions[1];
  try {
    if ((versionOf(encoded) ?? 0) <= newest) return decodeVersioned(message, encoded);
    const readable = Buffer.from(encoded);
    readable.writeInt16BE(newest);
    return decodeVersioned(message, readable);
  } catch (error) {
    throw new KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, messageOf(error), { cause: error });
  }
}
