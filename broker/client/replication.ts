// How many replicas a topic gets that somebody makes without saying so: what the cluster's own default is, but three (or as many as there are brokers)
// where that is the one that Kafka comes with. A line that is acknowledged must not be lost with one machine, and nobody chooses that by leaving a
// setting alone. With three of them, two must have every record before it is acknowledged, so that writing goes on while one broker is away.
import type { BrokerConfigs } from './contract.ts';

/** More replicas than this are for those who ask for them. */
const wantedReplicas = 3;
/** Kafka's built-in default of default.replication.factor and min.insync.replicas. */
const kafkaDefault = 1;

export const minInSyncReplicas = 'min.insync.replicas';

/** Replicas and settings of a new topic; `configs` are those that were asked for and are kept. */
export function replicationOf(
  brokers: number,
  brokerConfigs: BrokerConfigs,
  configs: Readonly<Record<string, string>>,
): { replicationFactor: number; configs: Record<string, string> } {
  const clusterDefault = numberIn(brokerConfigs, 'default.replication.factor');
  const replicationFactor = clusterDefault > kafkaDefault ? clusterDefault : Math.min(wantedReplicas, brokers);
  const isSaid = minInSyncReplicas in configs || numberIn(brokerConfigs, minInSyncReplicas) > kafkaDefault;
  if (isSaid || replicationFactor < wantedReplicas) return { replicationFactor, configs: { ...configs } };
  return { replicationFactor, configs: { ...configs, [minInSyncReplicas]: '2' } };
}

function numberIn(configs: BrokerConfigs, name: string): number {
  return Number(configs[name]?.value ?? kafkaDefault) || kafkaDefault;
}
