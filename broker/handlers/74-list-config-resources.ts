// ListConfigResources (key 74): what has settings: topics and this broker. Groups and client metrics have none of their own here.
//
// Versions: 0-1.
// Behaviour
// - No types ask for all. A type that Kafka does not list either is UNSUPPORTED_VERSION.
// Version notes: 0 client metrics only, of which there are none · 1 any type (KIP-1142)
import { ErrorCode } from '../wire/errors.ts';
import { listConfigResourcesResponse } from '../wire/messages/74-list-config-resources.ts';
import { handler, type HandlerContext } from './handler.ts';
import { resourceType } from './resources.ts';

const listedTypes: readonly number[] = Object.values(resourceType);

export const listConfigResources = handler({
  api: 'ListConfigResources',
  versions: [0, 1],
  handle(request, context) {
    const { clientMetrics } = resourceType;
    const asked = request.resourceTypes.length === 0 ? listedTypes : request.resourceTypes;
    const types = context.version === 0 ? [clientMetrics] : asked;
    if (types.some((type) => !listedTypes.includes(type))) {
      return listConfigResourcesResponse.create({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    }
    const configResources = types.flatMap((type) =>
      namesOf(type, context).map((resourceName) => ({ resourceName, resourceType: type })),
    );
    return listConfigResourcesResponse.create({ configResources });
  },
});

function namesOf(type: number, { broker }: HandlerContext): string[] {
  if (type === resourceType.topic) return broker.log.topics().map(({ name }) => name);
  return type === resourceType.broker || type === resourceType.brokerLogger ? [String(broker.nodeId)] : [];
}
