// Reads ranges of offsets once, from their beginnings to ends that are known before.
import type { FetchedBatches, KafkaClient } from '../broker/client/contract.ts';

/** `to` is behind the last offset. */
export interface ReadRange {
  topic: string;
  partition: number;
  from: number;
  to: number;
}

/**
 * Hands over what is in the ranges, each partition in order, until `take` says false. An answer may reach beyond the end of its range. Committed records alone
 * unless told otherwise: transactions that are open are waited for.
 */
export async function readRanges(
  client: KafkaClient,
  ranges: readonly ReadRange[],
  take: (fetched: FetchedBatches) => boolean | undefined,
  { signal, isolation = 'read_committed' }: { signal?: AbortSignal; isolation?: 'read_committed' | 'read_uncommitted' },
): Promise<void> {
  const open = ranges.filter(({ from, to }) => from < to);
  if (open.length === 0) return;
  const consumer = client.consumer({ isolation, maxWaitMs: 200 });
  try {
    await consumer.assign(open.map(({ topic, partition, from }) => ({ topic, partition, offset: from })));
    while (open.some((range) => consumer.position(range) < range.to)) {
      for (const fetched of await consumer.poll(signal)) if (take(fetched) === false) return;
      signal?.throwIfAborted();
    }
  } finally {
    await consumer.close();
  }
}
