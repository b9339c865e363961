// DeleteTopics (key 20): removes topics by name, from version 6 on by name or id.
//
// Versions: 1-6.
// Behaviour
// - Answers when the removal is durable. Committed offsets of the topic go with it, so that a later topic of the name starts anew; what a crash
//   left of them goes at the next start (broker.ts).
// - The coordinators' own topics cannot be deleted.
// Version notes: 1 throttle · 4 flexible · 5 error message (KIP-599) · 6 topic ids (KIP-516)
import { messageOf } from '../../base/errors.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { deleteTopicsResponse } from '../wire/messages/20-delete-topics.ts';
import { handler, type HandlerContext } from './handler.ts';
import { isCoordinatorTopic } from './topics.ts';

export const deleteTopics = handler({
  api: 'DeleteTopics',
  versions: [1, 6],
  async handle(request, context) {
    const noId = Buffer.alloc(16);
    const asked: typeof request.topics =
      context.version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: noId }));
    const responses = [];
    for (const { name, topicId } of asked) {
      const topic = name === null ? context.broker.log.topicById(topicId) : context.broker.log.topic(name);
      const found = { name: topic?.name ?? name, topicId: topic?.topicId ?? topicId };
      try {
        if (topic === undefined) {
          throw new KafkaError(name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
        }
        await remove(topic.name, context);
        responses.push(found);
      } catch (error) {
        responses.push({ ...found, errorCode: errorCodeOf(error), errorMessage: messageOf(error) });
      }
    }
    return deleteTopicsResponse.create({ responses });
  },
});

async function remove(name: string, { broker }: HandlerContext): Promise<void> {
  if (!broker.settings.boolean('delete.topic.enable')) {
    throw new KafkaError(ErrorCode.TOPIC_DELETION_DISABLED, 'delete.topic.enable is false');
  }
  if (isCoordinatorTopic(name)) {
    throw new KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, `${name} is where this broker keeps its own state`);
  }
  await broker.log.deleteTopic(name);
  await broker.groups.forgetTopic(name);
}
