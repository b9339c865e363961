// How far a group is behind the end of what it reads: in records, exactly up to markers of transactions; in seconds and bytes by a look at the next batch,
// for Kafka has no request that would tell them.
import type { Clock } from '../base/clock.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { readBatchHeader } from '../broker/wire/record-batch.ts';

export interface PartitionLag {
  topic: string;
  partition: number;
  /** Undefined when nothing was committed yet. */
  committed: number | undefined;
  /** Undefined while it cannot be read, as of a partition that is offline; then nothing else is known either. */
  end: number | undefined;
  /** Undefined, too, where only a member knows where it began. */
  lagRecords: number | undefined;
  /** Estimated from the size of the next batch. */
  lagBytes: number | undefined;
  /** Since the first record that is not consumed; undefined when it could not be read. */
  lagSeconds: number | undefined;
}

const lookMs = 200;
const looks = 3;
/** A partition whose ends are not to be had for so long is offline. */
const offlineMs = 500;

/** One small fetch. */
async function lookAt(
  client: KafkaClient,
  clock: Clock,
  place: { topic: string; partition: number; offset: number },
  lagRecords: number,
): Promise<{ seconds: number; bytes: number } | undefined> {
  const consumer = client.consumer({ isolation: 'read_uncommitted', maxBytes: 1, maxWaitMs: lookMs });
  try {
    await consumer.assign([place]);
    for (let attempt = 0; attempt < looks; attempt++) {
      const batch = (await consumer.poll())[0]?.batches[0];
      if (batch === undefined) continue;
      const header = readBatchHeader(batch, 0);
      return {
        seconds: Math.max(0, (clock.now() - header.baseTimestampMs) / 1000),
        bytes: Math.round((batch.length / Math.max(1, header.recordCount)) * lagRecords),
      };
    }
    return undefined;
  } finally {
    await consumer.close();
  }
}

/**
 * By partition, in order. Of what the group has committed offsets in, of `topics`: those have, where nothing was committed, everything before them; and
 * of the partitions `assigned` to members, by topic.
 */
export async function groupLag(
  client: KafkaClient,
  clock: Clock,
  group: string,
  topics: readonly string[] = [],
  assigned: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<PartitionLag[]> {
  const admin = client.admin();
  const committed = await admin.groupOffsets(group);
  const rows: PartitionLag[] = [];
  for (const topic of [...new Set([...committed.keys(), ...topics, ...assigned.keys()])].sort()) {
    const [found] = await admin.topics([topic]);
    const [ends, starts] =
      found === undefined
        ? [undefined, undefined]
        : await Promise.all([
            admin.offsets(topic, 'latest-stable', { withinMs: offlineMs }),
            admin.offsets(topic, 'earliest', { withinMs: offlineMs }),
          ]);
    const known = committed.get(topic);
    const isWhole = topics.includes(topic);
    const all = isWhole ? (found?.partitions.map(({ partition }) => partition) ?? []) : [];
    const partitions = new Set([...(known?.keys() ?? []), ...all, ...(assigned.get(topic) ?? [])]);
    for (const partition of [...partitions].sort((left, right) => left - right)) {
      const offset = known?.get(partition)?.offset;
      const from = Math.max(offset ?? 0, starts?.get(partition) ?? 0);
      const end = ends?.get(partition);
      if (end === undefined || (offset === undefined && !isWhole)) {
        const unknown = { lagRecords: undefined, lagBytes: undefined, lagSeconds: undefined };
        rows.push({ topic, partition, committed: offset, end, ...unknown });
        continue;
      }
      const lagRecords = Math.max(0, end - from);
      const place = { topic, partition, offset: from };
      const lag = lagRecords === 0 ? { seconds: 0, bytes: 0 } : await lookAt(client, clock, place, lagRecords);
      const common = { topic, partition, committed: offset, end };
      rows.push({ ...common, lagRecords, lagBytes: lag?.bytes, lagSeconds: lag?.seconds });
    }
  }
  return rows;
}
