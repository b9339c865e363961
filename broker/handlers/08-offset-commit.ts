// OffsetCommit (key 8): a member, or anybody for an empty group, commits where it is. See broker/coordinator/group-offsets.ts.
//
// Versions: 2-10.
// Behaviour
// - Each partition succeeds or fails by itself: UNKNOWN_TOPIC_OR_PARTITION for one that is not there.
// - Ids (version 10) are translated to names here; a topic whose id is unknown gets UNKNOWN_TOPIC_ID.
// Version notes: 3 throttle · 5 no retention time · 6 leader epoch · 7 static members (KIP-345) · 8 flexible · 9 KIP-848 members ·
//   10 topic ids (KIP-848)
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { handler, type HandlerContext } from './handler.ts';

export const offsetCommit = handler({
  api: 'OffsetCommit',
  versions: [2, 10],
  handle(request, context) {
    return context.version < 10 ? context.broker.groups.offsetCommit(request, context) : commitById(request, context);
  },
});

async function commitById(
  request: RequestOf<'OffsetCommit'>,
  context: HandlerContext,
): Promise<ResponseOf<'OffsetCommit'>> {
  const { log, groups } = context.broker;
  const asked = request.topics.map((topic) => ({ ...topic, name: log.topicById(topic.topicId)?.name ?? '' }));
  const known = asked.filter(({ name }) => name !== '');
  const response = await groups.offsetCommit({ ...request, topics: known }, context);
  // Answers come in the order of what was asked.
  const answers = response.topics.values();
  const topics = asked.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions:
      name === ''
        ? partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_ID }))
        : (answers.next().value?.partitions ?? []),
  }));
  return { ...response, topics };
}
