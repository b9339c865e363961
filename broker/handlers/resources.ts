// Resources of DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: Kafka's numbers of their types, and which broker a request may name.
import type { TopicDescription } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { HandlerContext } from './handler.ts';

export const resourceType = { topic: 2, broker: 4, brokerLogger: 8 } as const;

/** Throws KafkaError INVALID_REQUEST unless `name` is this broker, or empty for all brokers. */
export function checkBrokerResource(name: string, { broker }: HandlerContext): void {
  if (name === '' || name === String(broker.nodeId)) return;
  throw new KafkaError(ErrorCode.INVALID_REQUEST, `This is broker ${broker.nodeId}, not ${name}`);
}

/** The topic whose settings a request changes. Throws KafkaError: INVALID_REQUEST for anything but a topic. */
export function findAlterableTopic(
  resource: { resourceType: number; resourceName: string },
  { broker }: HandlerContext,
): TopicDescription {
  if (resource.resourceType !== resourceType.topic) {
    throw new KafkaError(ErrorCode.INVALID_REQUEST, 'Only settings of topics can be changed by request');
  }
  const topic = broker.log.topic(resource.resourceName);
  if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${resource.resourceName}`);
  return topic;
}
