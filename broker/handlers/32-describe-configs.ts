// DescribeConfigs (key 32): every setting of a topic or of the broker, with defaults.
//
// Versions: 1-4.
// Behaviour
// - A null list of names means all; names that are no setting are left out.
// - Topics (2) and this broker (4) have settings; a broker without name is all brokers: only what was altered for all of them is shown. Loggers (8) have none here, anything else is INVALID_REQUEST.
// Version notes: 1 synonyms (KIP-226) · 3 type and documentation (KIP-569) · 4 flexible
import { messageOf } from '../../base/errors.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { describeConfigsResponse } from '../wire/messages/32-describe-configs.ts';
import { brokerSettingsOf, type ConfigEntry, topicSettingsOf } from './configs.ts';
import { handler, type HandlerContext } from './handler.ts';
import { checkBrokerResource, resourceType } from './resources.ts';

type Resource = RequestOf<'DescribeConfigs'>['resources'][number];

export const describeConfigs = handler({
  api: 'DescribeConfigs',
  versions: [1, 4],
  handle(request, context) {
    const results = request.resources.map((resource) => {
      const { resourceType, resourceName, configurationKeys } = resource;
      try {
        const wanted = configurationKeys === null ? undefined : new Set(configurationKeys);
        const configs = settingsOf(resource, context)
          .filter(({ name }) => wanted?.has(name) ?? true)
          .map((entry) => ({
            ...entry,
            synonyms: request.includeSynonyms ? entry.synonyms : [],
            documentation: request.includeDocumentation ? entry.documentation : null,
          }));
        return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName, configs };
      } catch (error) {
        return {
          errorCode: errorCodeOf(error),
          errorMessage: messageOf(error),
          resourceType,
          resourceName,
          configs: [],
        };
      }
    });
    return describeConfigsResponse.create({ results });
  },
});

function settingsOf(resource: Resource, context: HandlerContext): ConfigEntry[] {
  switch (resource.resourceType) {
    case resourceType.topic: {
      const topic = context.broker.log.topic(resource.resourceName);
      if (topic === undefined)
        throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `Topic ${resource.resourceName}`);
      return topicSettingsOf(topic, context);
    }
    case resourceType.broker:
      checkBrokerResource(resource.resourceName, context);
      return brokerSettingsOf(resource.resourceName, context);
    case resourceType.brokerLogger:
      return [];
    default:
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `Resource type ${resource.resourceType} has no settings`);
  }
}
