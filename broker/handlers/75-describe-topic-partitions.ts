// DescribeTopicPartitions (key 75): topics page by page (KIP-966).
//
// Versions: 0.
// Behaviour
// - Topics come in the order of their names, without a list all of them; the cursor names the first partition of the next page.
// - No topic is created. There are no eligible leaders besides the one node: empty lists, since Java clients stumble over null.
import { ErrorCode } from '../wire/errors.ts';
import { describeTopicPartitionsResponse } from '../wire/messages/75-describe-topic-partitions.ts';
import { handler } from './handler.ts';
import { describePartitions, topicOperations } from './topics.ts';

const mostPartitions = 2000;

export const describeTopicPartitions = handler({
  api: 'DescribeTopicPartitions',
  versions: [0, 0],
  handle(request, context) {
    const { log } = context.broker;
    const { cursor } = request;
    const asked =
      request.topics.length === 0 ? log.topics().map(({ name }) => name) : request.topics.map(({ name }) => name);
    const names = [...new Set(asked)].sort().filter((name) => cursor === null || name >= cursor.topicName);
    let room = Math.max(1, Math.min(request.responsePartitionLimit, mostPartitions));
    const topics = [];
    for (const name of names) {
      const topic = log.topic(name);
      if (topic === undefined) {
        const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        topics.push({ name, errorCode, topicAuthorizedOperations: topicOperations });
        continue;
      }
      const first = cursor?.topicName === name ? cursor.partitionIndex : 0;
      if (room === 0) return page(topics, { topicName: name, partitionIndex: first });
      const partitions = describePartitions(context, topic)
        .slice(first, first + room)
        .map((partition) => ({ ...partition, eligibleLeaderReplicas: [], lastKnownElr: [] }));
      room -= partitions.length;
      const { topicId, isInternal } = topic;
      topics.push({ name, topicId, isInternal, partitions, topicAuthorizedOperations: topicOperations });
      const next = first + partitions.length;
      if (next < topic.partitions) return page(topics, { topicName: name, partitionIndex: next });
    }
    return page(topics, null);
  },
});

type Draft = NonNullable<Parameters<typeof describeTopicPartitionsResponse.create>[0]>;

function page(topics: Draft['topics'], nextCursor: { topicName: string; partitionIndex: number } | null) {
  return describeTopicPartitionsResponse.create({ topics, nextCursor });
}
