// Resources of DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: Kafka's numbers of their types, and which broker a request may name.
import { messageOf } from '../../base/errors.ts';
import type { TopicDescription } from '../log/contract.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import type { HandlerContext } from './handler.ts';

export const resourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

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

/** What AlterConfigs and IncrementalAlterConfigs answer for one resource. */
export interface AlteredResource {
  errorCode: number;
  errorMessage: string | null;
  resourceType: number;
  resourceName: string;
}

/** Makes the changes that `changesOf` reads from each resource, all of a resource together or none; one that is refused does not hold others. */
export async function alterResources<Resource extends { resourceType: number; resourceName: string }>(
  request: { resources: readonly Resource[]; validateOnly: boolean },
  { broker }: HandlerContext,
  changesOf: (resource: Resource) => { name: string; value: string | null }[],
): Promise<AlteredResource[]> {
  const responses: AlteredResource[] = [];
  for (const resource of request.resources) {
    const { resourceType, resourceName } = resource;
    try {
      const changes = changesOf(resource);
      if (!request.validateOnly) await broker.log.alterConfigs(resourceName, changes);
      responses.push({ errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName });
    } catch (error) {
      responses.push({ errorCode: errorCodeOf(error), errorMessage: messageOf(error), resourceType, resourceName });
    }
  }
  return responses;
}
