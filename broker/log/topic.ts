// A topic of a data directory as it is held in memory, and which names and numbers of partitions a topic can have.
import type { TailraceError } from '../../base/errors.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { TopicDescription } from './contract.ts';
import type { TopicMetadata } from './metadata-log.ts';
import type { Partition } from './partition.ts';

export interface Topic {
  metadata: TopicMetadata;
  id: Buffer;
  /** By number; in place of one that is offline, why it is. */
  partitions: (Partition | TailraceError)[];
}

const greatestNameLength = 249;
const greatestPartitionCount = 10_000;

/** One whose partitions are to be opened. */
export function emptyTopic(metadata: TopicMetadata): Topic {
  return { metadata, id: Buffer.from(metadata.topicId, 'base64url'), partitions: [] };
}

export function describeTopic({ metadata, id, partitions }: Topic): TopicDescription {
  return {
    name: metadata.name,
    topicId: id,
    partitions: partitions.length,
    configs: metadata.configs,
    isInternal: metadata.name === '__consumer_offsets' || metadata.name === '__transaction_state',
  };
}

/** Throws KafkaError INVALID_TOPIC_EXCEPTION unless `name` is one that Kafka accepts. */
export function checkTopicName(name: string): void {
  const problem =
    name === ''
      ? 'is empty'
      : name === '.' || name === '..'
        ? 'is not allowed'
        : name.length > greatestNameLength
          ? `has more than ${greatestNameLength} characters`
          : /^[a-zA-Z0-9._-]+$/.test(name)
            ? undefined
            : 'has characters other than letters, digits, ".", "_" and "-"';
  if (problem !== undefined) {
    throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, `topic name ${JSON.stringify(name)} ${problem}`);
  }
}

/** Throws KafkaError INVALID_PARTITIONS. */
export function checkPartitionCount(count: number): void {
  if (Number.isInteger(count) && count > 0 && count <= greatestPartitionCount) return;
  throw new KafkaError(
    ErrorCode.INVALID_PARTITIONS,
    `${count} partitions; 1 to ${greatestPartitionCount} are possible`,
  );
}
