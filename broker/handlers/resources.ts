// Resources of DescribeConfigs and IncrementalAlterConfigs: Kafka's numbers of their types, and which broker a request may name.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { HandlerContext } from './handler.ts';

export const resourceType = { topic: 2, broker: 4, brokerLogger: 8 } as const;

/** Throws KafkaError INVALID_REQUEST unless `name` is this broker, or empty for all brokers. */
export function checkBrokerResource(name: string, { broker }: HandlerContext): void {
  if (name === '' || name === String(broker.nodeId)) return;
  throw new KafkaError(ErrorCode.INVALID_REQUEST, `This is broker ${broker.nodeId}, not ${name}`);
}
