// Where bounded jobs end, and whether a group has come so far.
import type { KafkaClient, TopicPartition } from '../broker/client/contract.ts';
import type { JobRecord } from './manifests.ts';
import type { ReplayEnd } from './plan.ts';

/** By topic, then partition. */
export type Ends = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** Where a job ends in each partition; 0 where it is not to read at all. */
export async function jobEnds(
  client: KafkaClient,
  topic: string,
  until: ReplayEnd,
  only: number | undefined,
): Promise<Record<string, number>> {
  const isOffset = typeof until === 'object' && 'offset' in until;
  const offsets = await client.admin().offsets(topic, until === 'now' || isOffset ? 'latest' : until);
  const endOf = (partition: number, end: number) => {
    if (only !== undefined && partition !== only) return 0;
    return isOffset ? Math.min(end, until.offset) : end;
  };
  return Object.fromEntries([...offsets].map(([partition, end]) => [String(partition), endOf(partition, end)]));
}

/** The ends a job keeps, as a map. */
export function endsOf(job: JobRecord): Ends {
  return new Map(
    Object.entries(job.ends).map(([topic, partitions]) => [
      topic,
      new Map(Object.entries(partitions).map(([partition, offset]) => [Number(partition), offset])),
    ]),
  );
}

/** Whether the group has committed all ends; what was deleted before them is nobody's to deliver. */
export async function haveCommitted(
  client: KafkaClient,
  group: string,
  ends: readonly (TopicPartition & { end: number })[],
): Promise<boolean> {
  const admin = client.admin();
  const committed = await admin.groupOffsets(group, { stable: true, partitions: ends });
  for (const { topic, partition, end } of ends) {
    if ((committed.get(topic)?.get(partition)?.offset ?? 0) >= end) continue;
    if (((await admin.offsets(topic, 'earliest')).get(partition) ?? 0) < end) return false;
  }
  return true;
}
