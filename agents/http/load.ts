// A load: the records of the requests that share one transaction, framed into record batches, one builder for each partition that is filling, while
// the load before it is made durable.
import type { ProducerTransaction } from '../../broker/client/contract.ts';
import { BatchBuilder } from '../../broker/wire/batch-builder.ts';
import { partitionForKey } from '../../broker/wire/murmur2.ts';
import type { KeyedRequest } from './keys.ts';

/** What a record takes in its batch beside key and value, at most. */
const recordOverheadBytes = 32;
/** Builders kept for later loads. */
const spareLimit = 16;

/** How a topic takes records. */
export interface TopicLimits {
  partitions: number;
  /** Those that take records: all, unless some are offline. */
  usable: readonly number[];
  /** No batch gets larger. */
  batchBytes: number;
}

/** Records of a request for one topic: `source[spans[2n], spans[2n + 1])`. Nothing is kept of it. */
export interface Part {
  topic: string;
  source: Buffer;
  spans: readonly number[];
  /** By record; null where it has none. */
  keys?: readonly (Buffer | null)[];
}

/** A partition that would have to take records of the part and cannot, as far as is known; undefined when there is none. */
export function unusable({ keys }: Part, { partitions, usable }: TopicLimits): number | undefined {
  if (usable.length === partitions) return undefined;
  const all = keys ?? [null];
  const wanted = all.map((key) => (key === null ? (usable[0] ?? 0) : partitionForKey(key, partitions)));
  return wanted.find((partition) => !usable.includes(partition));
}

interface Batch {
  topic: string;
  partition: number;
  builder: BatchBuilder;
}

export class Load {
  /** No other load of any life has this name. */
  readonly name: string;
  /** Settles when it is known how the transaction ended. */
  readonly done = Promise.withResolvers<boolean>();
  readonly linesByTopic = new Map<string, number>();
  readonly keyed: KeyedRequest[] = [];
  bytes = 0;
  requests = 0;
  private readonly full: Batch[] = [];
  private readonly open = new Map<string, Batch>();

  private readonly spare: BatchBuilder[];

  /** `spare`: builders that earlier loads have left; they come with memory that is large enough. */
  constructor(name: string, spare: BatchBuilder[]) {
    this.name = name;
    this.spare = spare;
    this.done.promise.catch(() => undefined);
  }

  /** Records with a key go where it says, the others of the request into one in turn. See `unusable`. */
  add(part: Part, limits: TopicLimits, turn: number, timestampMs: number): void {
    const { topic, source, spans, keys } = part;
    const { partitions, usable, batchBytes } = limits;
    const own = usable[turn % usable.length]!;
    let batch: Batch | undefined;
    for (let index = 0; index < spans.length; index += 2) {
      const key = keys?.[index / 2] ?? null;
      const start = spans[index]!;
      const end = spans[index + 1]!;
      const partition = key === null ? own : partitionForKey(key, partitions);
      if (batch?.partition !== partition) batch = this.batchFor(topic, partition);
      const bytes = end - start + (key?.length ?? 0) + recordOverheadBytes;
      if (batch.builder.count > 0 && batch.builder.sizeBytes + bytes > batchBytes) batch = this.next(batch);
      if (key === null) batch.builder.appendLine(timestampMs, source, start, end);
      else batch.builder.append(timestampMs, key, source, start, end);
      this.bytes += end - start;
    }
    this.linesByTopic.set(topic, (this.linesByTopic.get(topic) ?? 0) + spans.length / 2);
  }

  /** Hands everything over to the transaction. commit() tells when something was refused. */
  send(transaction: ProducerTransaction): void {
    for (const { topic, partition, builder } of [...this.full, ...this.open.values()]) {
      transaction.sendBatch(topic, partition, builder).catch(() => undefined);
      if (this.spare.length < spareLimit) this.spare.push(builder);
    }
    this.full.length = 0;
    this.open.clear();
  }

  private batchFor(topic: string, partition: number): Batch {
    const name = `${partition} ${topic}`;
    let batch = this.open.get(name);
    if (batch === undefined) {
      batch = { topic, partition, builder: this.spare.pop() ?? new BatchBuilder() };
      this.open.set(name, batch);
    }
    return batch;
  }

  private next({ topic, partition, builder }: Batch): Batch {
    this.full.push({ topic, partition, builder });
    this.open.delete(`${partition} ${topic}`);
    return this.batchFor(topic, partition);
  }
}
