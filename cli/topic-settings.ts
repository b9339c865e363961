// Brings topics to what a configuration says: makes missing ones, sets what is declared.
import type { Logger } from '../base/logger.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { TopicChange } from '../pipelines/plan-difference.ts';

/** Makes missing topics, sets the settings of the others where they differ, and gives those in `dropped` their defaults back. */
export async function setTopics(client: KafkaClient, changes: readonly TopicChange[], logger: Logger): Promise<void> {
  if (changes.length === 0) return;
  const admin = client.admin();
  const known = new Map((await admin.topics()).map((topic) => [topic.name, topic]));
  for (const { topic, dropped } of changes) {
    const existing = known.get(topic.name);
    if (existing === undefined) {
      await admin.createTopic(
        {
          name: topic.name,
          ...(topic.partitions === undefined ? {} : { partitions: topic.partitions }),
          ...(topic.replicas === undefined ? {} : { replicationFactor: topic.replicas }),
          configs: { ...topic.configs },
        },
        { ifMissing: true },
      );
      continue;
    }
    const partitions = existing.partitions.length;
    if (topic.declared && partitions !== (topic.partitions ?? partitions)) {
      logger.warn('a topic keeps the partitions it was made with', {
        topic: topic.name,
        partitions,
        configured: topic.partitions,
      });
    }
    const replicas = Math.min(...existing.partitions.map((partition) => partition.replicas.length));
    if (replicas !== (topic.replicas ?? replicas)) {
      const configured = topic.replicas;
      logger.warn('a topic keeps the replicas it was made with', { topic: topic.name, replicas, configured });
    }
    const current = await admin.describeConfigs(topic.name);
    const set = Object.entries(topic.configs).filter(([name, value]) => current[name]?.value !== value);
    const altered = Object.fromEntries([...set, ...dropped.map((name) => [name, null] as const)]);
    if (Object.keys(altered).length > 0) await admin.alterConfigs(topic.name, altered);
  }
}
