// Metadata (key 3): the one broker of this cluster, and topics with their partitions and ids.
//
// Versions: 0-13.
// Behaviour
// - Version 0: an empty list means all topics; from 1 on null does, and an empty list means none.
// - A topic that is named and not there is created with defaults, where the broker's settings (auto.create.topics.enable) and the request
//   allow it; it is in the answer then, with its partitions. Asking by id creates nothing.
// - Clients are sent to the listener that they came in on, by the address it advertises.
// Version notes: 1 rack, controller, internal · 2 cluster id · 4 allow_auto_topic_creation · 5 offline replicas · 7 leader epoch ·
//   8 authorized operations (KIP-430) · 9 flexible · 10, 12 topic ids (KIP-516) · 13 top-level error (KIP-1102)
import { messageOf } from '../../base/errors.ts';
import type { TopicDescription } from '../log/contract.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { metadataResponse } from '../wire/messages/03-metadata.ts';
import { handler, type HandlerContext } from './handler.ts';
import {
  clusterOperations,
  describePartitions,
  isCoordinatorTopic,
  operationsOmitted,
  topicOperations,
} from './topics.ts';

type MetadataRequest = RequestOf<'Metadata'>;
type AskedTopic = NonNullable<MetadataRequest['topics']>[number];

export const metadata = handler({
  api: 'Metadata',
  versions: [0, 13],
  async handle(request, context) {
    const { broker, endpoint, version } = context;
    const operations = request.includeTopicAuthorizedOperations ? topicOperations : operationsOmitted;
    const asked = request.topics;
    const topics = [];
    if (asked === null || (version === 0 && asked.length === 0)) {
      for (const topic of broker.log.topics()) topics.push(describe(context, topic, operations));
    } else {
      for (const topic of asked) topics.push(await find(context, request, topic, operations));
    }
    return metadataResponse.create({
      brokers: [{ nodeId: broker.nodeId, host: endpoint.host, port: endpoint.port }],
      clusterId: broker.log.clusterId,
      controllerId: broker.nodeId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? clusterOperations : operationsOmitted,
    });
  },
});

function describe(context: HandlerContext, topic: TopicDescription, operations: number) {
  return {
    errorCode: ErrorCode.NONE as number,
    name: topic.name as string | null,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: describePartitions(context, topic),
    topicAuthorizedOperations: operations,
  };
}

async function find(context: HandlerContext, request: MetadataRequest, asked: AskedTopic, operations: number) {
  const { log } = context.broker;
  const unknown = (errorCode: number) => ({
    ...{ errorCode, name: asked.name, topicId: asked.topicId },
    ...{ isInternal: false, partitions: [], topicAuthorizedOperations: operations },
  });
  if (asked.name === null) {
    const topic = log.topicById(asked.topicId);
    return topic === undefined ? unknown(ErrorCode.UNKNOWN_TOPIC_ID) : describe(context, topic, operations);
  }
  const topic = log.topic(asked.name);
  if (topic !== undefined) return describe(context, topic, operations);
  if (!mayCreate(context, request, asked.name)) return unknown(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const created = await create(context, asked.name);
  return typeof created === 'number' ? unknown(created) : describe(context, created, operations);
}

function mayCreate(context: HandlerContext, request: MetadataRequest, name: string): boolean {
  if (isCoordinatorTopic(name)) return false;
  return request.allowAutoTopicCreation && context.broker.settings.boolean('auto.create.topics.enable');
}

/** Creates a topic that was asked for. Returns the error code where it is refused; a client asks again while another creates it. */
async function create(context: HandlerContext, name: string): Promise<TopicDescription | number> {
  const { log, logger, settings } = context.broker;
  try {
    return await log.createTopic({ name, partitions: settings.number('num.partitions') });
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === ErrorCode.TOPIC_ALREADY_EXISTS) return log.topic(name) ?? ErrorCode.LEADER_NOT_AVAILABLE;
    if (!(error instanceof KafkaError)) {
      logger.error('A topic could not be created', { topic: name, error: messageOf(error) });
    }
    return code;
  }
}
