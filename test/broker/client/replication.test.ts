import { expect, it } from 'vitest';
import { replicationOf } from '../../../broker/client/replication.ts';

const settings = (values: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { value, isDefault: false, isSensitive: false }]),
  );
const plain = settings({ 'default.replication.factor': '1', 'min.insync.replicas': '1' });

it.each([
  [2, plain, {}, { replicationFactor: 2, configs: {} }],
  [3, plain, {}, { replicationFactor: 3, configs: { 'min.insync.replicas': '2' } }],
  [
    7,
    plain,
    { 'retention.ms': '1' },
    { replicationFactor: 3, configs: { 'retention.ms': '1', 'min.insync.replicas': '2' } },
  ],
  [3, plain, { 'min.insync.replicas': '1' }, { replicationFactor: 3, configs: { 'min.insync.replicas': '1' } }],
  [5, settings({ 'default.replication.factor': '2' }), {}, { replicationFactor: 2, configs: {} }],
  [
    5,
    settings({ 'default.replication.factor': '5', 'min.insync.replicas': '3' }),
    {},
    { replicationFactor: 5, configs: {} },
  ],
])('with %d brokers', (brokers, brokerConfigs, configs, expected) => {
  expect(replicationOf(brokers, brokerConfigs, configs)).toEqual(expected);
});
