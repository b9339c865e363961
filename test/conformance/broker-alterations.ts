// Settings of the broker altered by request, beside a real Kafka: what it refuses and takes, and which of several values counts then.
import { apis } from '../../broker/wire/apis.ts';
import type { RawClient } from '../support/raw-client.ts';

const operation = { set: 0, delete: 1, append: 2, subtract: 3 };

function alteration(resourceName: string, what: keyof typeof operation, name: string, value: string | null = null) {
  return {
    resources: [{ resourceType: 4, resourceName, configs: [{ name, value, configOperation: operation[what] }] }],
  };
}

/** Each is answered with the same error code; '' is all brokers. Settings that only Kafka acts on are not among them: ours refuses those. */
export const refusedOrTaken = [
  alteration('1', 'set', 'num.partitions', '5'),
  alteration('', 'set', 'node.id', '5'),
  alteration('', 'set', 'group.max.size', '5'),
  alteration('', 'set', 'connections.max.idle.ms', '5000'),
  alteration('1', 'delete', 'num.partitions'),
  alteration('1', 'set', 'log.retention.ms', 'soon'),
  alteration('1', 'set', 'log.retention.ms'),
  alteration('', 'append', 'log.retention.ms', '1'),
  alteration('7', 'set', 'log.retention.ms', '1'),
  alteration('1', 'set', 'compression.type', 'none'),
  alteration('1', 'set', 'max.connections', '0'),
  alteration('', 'set', 'max.connections.per.ip', '77'),
  alteration('', 'set', 'producer.id.expiration.ms', '77000'),
  alteration('', 'set', 'log.cleanup.policy', 'delete'),
  alteration('', 'append', 'log.cleanup.policy', 'compact'),
  alteration('', 'subtract', 'log.cleanup.policy', 'compact'),
].map((draft) => ({ what: `of the broker: ${JSON.stringify(draft.resources[0]!)}`, draft }));

/** One after the other; `alteredSettings` says the same of both after each. */
export const alterationsInSteps = [
  alteration('', 'set', 'log.segment.bytes', '2000000'),
  alteration('1', 'set', 'log.segment.bytes', '3000000'),
  alteration('1', 'set', 'message.max.bytes', '900000'),
  alteration('1', 'delete', 'log.segment.bytes'),
  alteration('', 'delete', 'log.segment.bytes'),
].map((draft) => apis.IncrementalAlterConfigs.request.create(draft));

/** What the steps alter, of the broker, of all brokers and of a topic, with everything a value stands before. */
export async function alteredSettings(client: RawClient) {
  const brokerNames = ['log.segment.bytes', 'message.max.bytes'];
  const resources = [
    { resourceType: 4, resourceName: '1', configurationKeys: brokerNames },
    { resourceType: 4, resourceName: '', configurationKeys: brokerNames },
    { resourceType: 2, resourceName: 'other', configurationKeys: ['segment.bytes', 'max.message.bytes'] },
  ];
  const body = apis.DescribeConfigs.request.create({ resources, includeSynonyms: true });
  const { results } = await client.request('DescribeConfigs', 4, body);
  return results.map(({ configs }) => configs.sort((left, right) => (left.name < right.name ? -1 : 1)));
}
