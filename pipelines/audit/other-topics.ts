// What stands in the topics that edges write to: dead letters, and records of pipelines into topics, each with the place where its record was read.
import type { FetchedBatches, KafkaClient } from '../../broker/client/contract.ts';
import { readLetter } from '../dead-letter.ts';
import { type Origin, originIn } from '../origin.ts';
import { readRanges } from '../range-reader.ts';
import { PassThroughBatch, type SourceDelivery } from '../source-batch.ts';

/** One record among all topics. */
export function placeName({ topicId, partition, offset, ordinal }: Origin): string {
  return `${topicId.toString('hex')}/${partition}/${offset}/${ordinal}`;
}

/** Visits the committed records of a topic, from its beginning to the end that it has now. False when there is no such topic. */
export async function forEachInTopic(
  client: KafkaClient,
  topic: string,
  visit: (delivery: SourceDelivery, partition: number) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const admin = client.admin();
  if ((await admin.topics([topic])).length === 0) return false;
  const ends = await admin.offsets(topic, 'latest');
  const starts = await admin.offsets(topic, 'earliest');
  const ranges = [...ends].map(([partition, to]) => ({ topic, partition, from: starts.get(partition) ?? 0, to }));
  const take = (fetched: FetchedBatches) => {
    const end = ends.get(fetched.partition);
    new PassThroughBatch(fetched, end).forEach((delivery) => visit(delivery, fetched.partition));
    return true;
  };
  await readRanges(client, ranges, take, { signal });
  return true;
}

/** The dead letters of a pipeline, by edge: places of the records that they were. */
export class LetterIndex {
  private readonly places = new Map<string, Set<string>>();
  /** Where letters were deleted for their age. */
  private isCut = false;

  static async read(client: KafkaClient, topic: string, signal: AbortSignal): Promise<LetterIndex> {
    const index = new LetterIndex();
    const isThere = await forEachInTopic(
      client,
      topic,
      (delivery) => {
        const { edge, at } = readLetter(delivery.headers(), delivery.timestampMs);
        if (edge === undefined || at === undefined) return;
        const places = index.places.get(edge);
        if (places === undefined) index.places.set(edge, new Set([placeName(at)]));
        else places.add(placeName(at));
      },
      signal,
    );
    const starts = isThere ? await client.admin().offsets(topic, 'earliest') : new Map<number, number>();
    index.isCut = [...starts.values()].some((start) => start > 0);
    return index;
  }

  get isComplete(): boolean {
    return !this.isCut;
  }

  has(edge: string, place: Origin): boolean {
    return this.places.get(edge)?.has(placeName(place)) === true;
  }

  /** Letters of an edge whose records were in this range. */
  count(edge: string, topicId: string, partition: number, from: number, to: number): number {
    const start = `${topicId}/${partition}/`;
    let count = 0;
    for (const place of this.places.get(edge) ?? []) {
      if (!place.startsWith(start)) continue;
      const offset = Number(place.slice(start.length, place.lastIndexOf('/')));
      if (offset >= from && offset < to) count++;
    }
    return count;
  }
}

/** The records of a topic by their origin. */
export class OriginIndex {
  readonly topic: string;
  private readonly places = new Set<string>();
  isComplete = true;

  private constructor(topic: string) {
    this.topic = topic;
  }

  static async read(client: KafkaClient, topic: string, signal: AbortSignal): Promise<OriginIndex> {
    const index = new OriginIndex(topic);
    const isThere = await forEachInTopic(
      client,
      topic,
      (delivery) => {
        const origin = originIn(delivery.headers());
        if (origin !== undefined) index.places.add(placeName(origin));
      },
      signal,
    );
    const starts = isThere ? await client.admin().offsets(topic, 'earliest') : new Map<number, number>();
    index.isComplete = [...starts.values()].every((start) => start === 0);
    return index;
  }

  has(origin: Origin): boolean {
    return this.places.has(placeName(origin));
  }
}
