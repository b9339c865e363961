// OffsetCommit (key 8): a member, or anybody for an empty group, commits where it is. See broker/coordinator/offsets.ts.
//
// Versions: 2-10.
// Behaviour
// - Offsets of topics and partitions that are not there are refused one by one: UNKNOWN_TOPIC_OR_PARTITION, by id UNKNOWN_TOPIC_ID.
// Version notes: 3 throttle · 5 no retention time · 6 leader epoch · 7 static members (KIP-345) · 8 flexible · 9 KIP-848 members ·
//   10 topic ids (KIP-848)
import { type ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { offsetCommitResponse } from '../wire/messages/08-offset-commit.ts';
import { handler } from './handler.ts';
import { findTopic } from './topics.ts';

type TopicAnswer = ResponseOf<'OffsetCommit'>['topics'][number];

export const offsetCommit = handler({
  api: 'OffsetCommit',
  versions: [2, 10],
  async handle(request, context) {
    const { log, groups } = context.broker;
    const answers: TopicAnswer[] = [];
    const known: typeof request.topics = [];
    for (const topic of request.topics) {
      const found = findTopic(context, topic, 10);
      const total = found.name === undefined ? 0 : (log.topic(found.name)?.partitions ?? 0);
      const missing = found.errorCode === ErrorCode.NONE ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : found.errorCode;
      const answer: TopicAnswer = { name: topic.name, topicId: topic.topicId, partitions: [] };
      const isThere = (index: number) => index >= 0 && index < total;
      for (const { partitionIndex } of topic.partitions) {
        if (!isThere(partitionIndex)) answer.partitions.push({ partitionIndex, errorCode: missing });
      }
      const partitions = topic.partitions.filter(({ partitionIndex }) => isThere(partitionIndex));
      if (partitions.length > 0) known.push({ ...topic, name: found.name ?? topic.name, partitions });
      answers.push(answer);
    }
    const response = await groups.offsetCommit({ ...request, topics: known }, context);
    for (const { name, partitions } of response.topics) {
      const answer = answers.find((topic) => topic.name === name || log.topicById(topic.topicId)?.name === name);
      answer?.partitions.push(...partitions);
    }
    return offsetCommitResponse.create({ topics: answers });
  },
});
