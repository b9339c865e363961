// CreateTopics (key 19): makes topics, durably, before it answers.
//
// Versions: 2-7.
// Behaviour
// - -1 partitions is num.partitions, replication factor -1 or 1 is what one node has; any other is INVALID_REPLICATION_FACTOR.
// - An assignment by hand must number the partitions from 0 and name this node alone.
// - validate_only checks everything that can be known without making the topic. A name that is twice in a request is INVALID_REQUEST.
// Version notes: 4 defaults by -1 (KIP-464) · 5 flexible, what was made (KIP-525) · 7 topic ids (KIP-516)
import { topicSettingsOf } from './configs.ts';
import { messageOf } from '../../base/errors.ts';
import { checkSetting } from '../log/settings.ts';
import { checkTopicName } from '../log/topic.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { createTopicsResponse } from '../wire/messages/19-create-topics.ts';
import { handler, type HandlerContext } from './handler.ts';

type AskedTopic = RequestOf<'CreateTopics'>['topics'][number];

/** Partitions that one request may make in all, as in Kafka. */
const mostPartitions = 10_000;

export const createTopics = handler({
  api: 'CreateTopics',
  versions: [2, 7],
  async handle(request, context) {
    const counts = new Map<string, number>();
    for (const { name } of request.topics) counts.set(name, (counts.get(name) ?? 0) + 1);
    const topics = [];
    for (const asked of request.topics.filter(
      (topic, index, all) => all.findIndex((t) => t.name === topic.name) === index,
    )) {
      try {
        if (counts.get(asked.name)! > 1)
          throw new KafkaError(ErrorCode.INVALID_REQUEST, 'The topic is twice in the request');
        topics.push(await create(asked, request.validateOnly, context));
      } catch (error) {
        if (!(error instanceof KafkaError)) {
          context.broker.logger.error('A topic could not be created', { topic: asked.name, error: messageOf(error) });
        }
        topics.push({ name: asked.name, errorCode: errorCodeOf(error), errorMessage: messageOf(error) });
      }
    }
    return createTopicsResponse.create({ topics });
  },
});

async function create(asked: AskedTopic, validateOnly: boolean, context: HandlerContext) {
  const { log } = context.broker;
  const partitions = partitionsOf(asked, context);
  const configs: Record<string, string> = {};
  for (const { name, value } of asked.configs) {
    if (value === null) throw new KafkaError(ErrorCode.INVALID_CONFIG, `Setting '${name}' has no value`);
    configs[name] = value;
  }
  const topic = validateOnly
    ? validated(asked.name, partitions, configs, context)
    : await log.createTopic({ name: asked.name, partitions, configs });
  return {
    ...{ name: asked.name, topicId: topic.topicId, errorCode: ErrorCode.NONE as number, errorMessage: null },
    ...{ numPartitions: topic.partitions, replicationFactor: 1 },
    configs: topicSettingsOf(topic, context).map(({ name, value, configSource }) => ({ name, value, configSource })),
  };
}

function validated(name: string, partitions: number, configs: Record<string, string>, { broker }: HandlerContext) {
  checkTopicName(name);
  if (broker.log.topic(name) !== undefined) throw new KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic ${name}`);
  for (const [key, value] of Object.entries(configs)) checkSetting(key, value);
  return { name, topicId: Buffer.alloc(16), partitions, configs, isInternal: false };
}

function partitionsOf(asked: AskedTopic, { broker }: HandlerContext): number {
  const { assignments, numPartitions, replicationFactor } = asked;
  if (assignments.length > 0) {
    if (numPartitions !== -1 || replicationFactor !== -1) {
      throw new KafkaError(
        ErrorCode.INVALID_REQUEST,
        'An assignment by hand goes without numbers of partitions and replicas',
      );
    }
    const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex));
    const dense = assignments.every((_, index) => indexes.has(index));
    const here = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === broker.nodeId);
    if (!dense || !here) {
      throw new KafkaError(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `Partitions from 0 on, each on broker ${broker.nodeId} alone`,
      );
    }
    return assignments.length;
  }
  if (replicationFactor !== -1 && replicationFactor !== 1) {
    throw new KafkaError(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Replication factor ${replicationFactor}, and there is 1 broker`,
    );
  }
  const partitions = numPartitions === -1 ? broker.settings.number('num.partitions') : numPartitions;
  if (partitions < 1) throw new KafkaError(ErrorCode.INVALID_PARTITIONS, `${partitions} partitions`);
  if (partitions > mostPartitions)
    throw new KafkaError(ErrorCode.POLICY_VIOLATION, `More than ${mostPartitions} partitions`);
  return partitions;
}
