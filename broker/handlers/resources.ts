// Resources of DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: Kafka's numbers of their types, and which broker a request may name.
import { messageOf } from '../../base/errors.ts';
import { brokerSettings, checkAlteration, type SettingDefinition } from '../config.ts';
import { checkSetting, topicSettings } from '../log/settings.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import type { HandlerContext } from './handler.ts';

export const resourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

/** Throws KafkaError INVALID_REQUEST unless `name` is this broker, or empty for all brokers. */
export function checkBrokerResource(name: string, { broker }: HandlerContext): void {
  if (name === '' || name === String(broker.nodeId)) return;
  throw new KafkaError(ErrorCode.INVALID_REQUEST, `This is broker ${broker.nodeId}, not ${name}`);
}

/** What has settings that requests can change. */
export interface Alterable {
  /** What is set on it, without defaults. */
  readonly configs: Readonly<Record<string, string>>;
  /** The value that APPEND and SUBTRACT begin with where nothing is set; undefined for what is no list. */
  listDefault(name: string): string | undefined;
  /** Throws KafkaError for a setting that is not there, or cannot have this value; null takes away what is set. */
  check(name: string, value: string | null): void;
  /** Durable when it resolves. */
  alter(changes: { name: string; value: string | null }[]): Promise<void>;
}

/** Throws KafkaError: INVALID_REQUEST for anything but a topic and this broker. */
function findAlterable(resource: { resourceType: number; resourceName: string }, context: HandlerContext): Alterable {
  const { log } = context.broker;
  const { resourceType: type, resourceName: name } = resource;
  if (type === resourceType.broker) {
    checkBrokerResource(name, context);
    return {
      configs: log.brokerConfigs().get(name) ?? {},
      listDefault: (setting) => defaultOfList(brokerSettings[setting]),
      check: checkAlteration,
      alter: (changes) => log.alterBrokerConfigs(name, changes),
    };
  }
  if (type !== resourceType.topic) {
    throw new KafkaError(
      ErrorCode.INVALID_REQUEST,
      'Only settings of topics and of the broker can be changed by request',
    );
  }
  const topic = log.topic(name);
  if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${name}`);
  return {
    configs: topic.configs,
    listDefault: (setting) => defaultOfList(topicSettings.find((known) => known.name === setting)),
    check: checkSetting,
    alter: (changes) => log.alterConfigs(name, changes),
  };
}

function defaultOfList(setting: Pick<SettingDefinition, 'type' | 'default'> | undefined): string | undefined {
  return setting?.type === 'list' ? String(setting.default) : undefined;
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
  context: HandlerContext,
  changesOf: (resource: Resource, target: Alterable) => { name: string; value: string | null }[],
): Promise<AlteredResource[]> {
  const responses: AlteredResource[] = [];
  for (const resource of request.resources) {
    const { resourceType, resourceName } = resource;
    try {
      const target = findAlterable(resource, context);
      const changes = changesOf(resource, target);
      if (!request.validateOnly) await target.alter(changes);
      responses.push({ errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName });
    } catch (error) {
      responses.push({ errorCode: errorCodeOf(error), errorMessage: messageOf(error), resourceType, resourceName });
    }
  }
  return responses;
}
