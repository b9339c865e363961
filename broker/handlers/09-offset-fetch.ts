// OffsetFetch (key 9): committed offsets of one group or of several. See broker/coordinator/offsets.ts.
//
// Versions: 1-10.
// Behaviour
// - What was never committed has offset -1, leader epoch -1 and empty metadata, and no error.
// - Ids (version 10) are translated to names here; a topic whose id is unknown gets UNKNOWN_TOPIC_ID.
// Version notes: 2 null topics = all · 3 throttle · 5 leader epoch · 6 flexible · 7 require_stable (KIP-447) · 8 several groups (KIP-709) ·
//   9 KIP-848 members · 10 topic ids (KIP-848)
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { handler, type HandlerContext } from './handler.ts';

type AskedGroup = RequestOf<'OffsetFetch'>['groups'][number];
type GroupAnswer = ResponseOf<'OffsetFetch'>['groups'][number];
type TopicAnswer = GroupAnswer['topics'][number];

export const offsetFetch = handler({
  api: 'OffsetFetch',
  versions: [1, 10],
  async handle(request, context) {
    if (context.version < 10) return context.broker.groups.offsetFetch(request, context);
    const groups = request.groups.map((group) => withNames(group, context));
    const response = await context.broker.groups.offsetFetch({ ...request, groups }, context);
    return {
      ...response,
      groups: response.groups.map((answer, index) => withIds(answer, request.groups[index]!, context)),
    };
  },
});

function withNames(group: AskedGroup, { broker }: HandlerContext): AskedGroup {
  if (group.topics === null) return group;
  const topics = group.topics.flatMap((topic) => {
    const name = broker.log.topicById(topic.topicId)?.name;
    return name === undefined ? [] : [{ ...topic, name }];
  });
  return { ...group, topics };
}

function withIds(answer: GroupAnswer, asked: AskedGroup, { broker }: HandlerContext): GroupAnswer {
  // Offsets of a topic that is gone have no id to be answered by; Kafka leaves them out too.
  const topics = answer.topics.flatMap((topic): TopicAnswer[] => {
    const topicId = broker.log.topic(topic.name)?.topicId;
    return topicId === undefined ? [] : [{ ...topic, topicId }];
  });
  if (answer.errorCode !== ErrorCode.NONE) return { ...answer, topics };
  for (const topic of asked.topics ?? []) {
    if (broker.log.topicById(topic.topicId) !== undefined) continue;
    topics.push({ name: '', topicId: topic.topicId, partitions: topic.partitionIndexes.map(unknownPartition) });
  }
  return { ...answer, topics };
}

function unknownPartition(partitionIndex: number) {
  const none = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '' };
  return { partitionIndex, ...none, errorCode: ErrorCode.UNKNOWN_TOPIC_ID };
}
