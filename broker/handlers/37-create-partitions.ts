// CreatePartitions (key 37): more partitions for topics (KIP-195).
//
// Versions: 0-3.
// Behaviour
// - The count is the new total and must be greater than the present one: INVALID_PARTITIONS. An assignment must name this node alone.
// - The coordinators' own topics stay as they are: their number of partitions decides where a group's state is.
// Version notes: 2 flexible · 3 throttling (KIP-599; none here)
import { messageOf } from '../../base/errors.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { createPartitionsResponse } from '../wire/messages/37-create-partitions.ts';
import { handler, type HandlerContext } from './handler.ts';
import { isCoordinatorTopic } from './topics.ts';

type AskedTopic = RequestOf<'CreatePartitions'>['topics'][number];

const mostPartitions = 10_000;

export const createPartitions = handler({
  api: 'CreatePartitions',
  versions: [0, 3],
  async handle(request, context) {
    const results = [];
    for (const asked of request.topics) {
      try {
        check(asked, context);
        if (!request.validateOnly) await context.broker.log.createPartitions(asked.name, asked.count);
        results.push({ name: asked.name });
      } catch (error) {
        results.push({ name: asked.name, errorCode: errorCodeOf(error), errorMessage: messageOf(error) });
      }
    }
    return createPartitionsResponse.create({ results });
  },
});

function check({ name, count, assignments }: AskedTopic, { broker }: HandlerContext): void {
  const topic = broker.log.topic(name);
  if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${name}`);
  if (isCoordinatorTopic(name))
    throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic ${name} is the broker's own`);
  if (count <= topic.partitions) {
    throw new KafkaError(ErrorCode.INVALID_PARTITIONS, `Topic ${name} has ${topic.partitions} partitions already`);
  }
  if (count > mostPartitions)
    throw new KafkaError(ErrorCode.INVALID_PARTITIONS, `More than ${mostPartitions} partitions`);
  const here = assignments?.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === broker.nodeId) ?? true;
  if (!here || (assignments !== null && assignments.length !== count - topic.partitions)) {
    throw new KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `One list [${broker.nodeId}] for each new partition`);
  }
}
