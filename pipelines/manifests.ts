// The topic `__tailrace_sinks` (compacted, one partition): what two-phase sinks have decided to publish, written in the transactions that commit the
// offsets, and the ends of bounded jobs.
//   key    JSON array [edge, scope]; scope is "<topic id, hex>/<partition>", "edge" (appended files that partitions share), or "job"
//   value  JSON object with "v": 1: { manifest } as the sink has it, or for jobs { ends: { topic: { partition: offset } }, done, records }
// Only the last record of a key counts. Read up to the end E that was taken after the reader's own producer was fenced in: records of
// other edges' open transactions below E are waited for, they end within seconds.
import { compactedTopicConfigs } from '../broker/client/own-topics.ts';
import { TailraceError } from '../base/errors.ts';
import type { Consumer, KafkaClient, OutgoingRecord } from '../broker/client/contract.ts';
import type { Coordinates, Manifest, WriterScope } from '../sinks/sink.ts';
import { createLedgerTopic } from './ledger-record.ts';
import { PassThroughBatch } from './source-batch.ts';

export const manifestsTopic = '__tailrace_sinks';

/** A bounded job: fixed when it first starts. */
export interface JobRecord {
  /** Topic, then partition, to the offset where the job ends. */
  ends: Record<string, Record<string, number>>;
  done: boolean;
  /** Of settling dead letters (dead-letters.ts): where an unfinished run writes. */
  target?: string;
}

/** The part of the key that names the scope. */
export function scopeKey(scope: WriterScope): string {
  return scope.kind === 'edge' ? 'edge' : `${scope.coordinates.topicId.toString('hex')}/${scope.coordinates.partition}`;
}

/** The partition that such a key is of, whatever its topic's name is; undefined for the other keys. */
export function partitionOfKey(key: string): Pick<Coordinates, 'topicId' | 'partition'> | undefined {
  const [id, partition] = key.split('/');
  return partition === undefined ? undefined : { topicId: Buffer.from(id!, 'hex'), partition: Number(partition) };
}

function record(edge: string, scope: string, body: Record<string, unknown>): OutgoingRecord {
  const key = Buffer.from(JSON.stringify([edge, scope]));
  return { topic: manifestsTopic, partition: 0, key, value: Buffer.from(JSON.stringify({ v: 1, ...body })) };
}

export function manifestRecord(edge: string, scope: string, manifest: Manifest): OutgoingRecord {
  return record(edge, scope, { manifest });
}

export function jobRecord(edge: string, job: JobRecord): OutgoingRecord {
  return record(edge, 'job', { ...job });
}

/** Reads the topic once for all edges of a process and goes on from there. */
export class ManifestStore {
  private readonly client: KafkaClient;
  private readonly values = new Map<string, Record<string, unknown>>();
  private consumer: Consumer | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(client: KafkaClient) {
    this.client = client;
  }

  /** Makes the topic, and that of the ledger, when they are missing. */
  async create(): Promise<void> {
    const topic = {
      name: manifestsTopic,
      partitions: 1,
      configs: compactedTopicConfigs,
    };
    await this.client.admin().createTopic(topic, { ifMissing: true });
    await createLedgerTopic(this.client.admin());
  }

  /** Reads everything committed up to now. */
  async refresh(signal?: AbortSignal): Promise<void> {
    const turn = this.reading.then(() => this.readUp(signal));
    this.reading = turn.catch(() => undefined);
    await turn;
  }

  /** The last decided manifest. Valid as of the last refresh. */
  manifest(edge: string, scope: string): Manifest | undefined {
    return this.value(edge, scope)?.['manifest'] as Manifest | undefined;
  }

  /** All of an edge, by scope. */
  manifests(edge: string): Map<string, Manifest> {
    const found = new Map<string, Manifest>();
    for (const key of this.values.keys()) {
      const [owner, scope] = JSON.parse(key) as [string, string];
      const manifest = owner === edge ? this.manifest(edge, scope) : undefined;
      if (manifest !== undefined) found.set(scope, manifest);
    }
    return found;
  }

  job(edge: string): JobRecord | undefined {
    const value = this.value(edge, 'job');
    if (value === undefined) return undefined;
    const target = typeof value['target'] === 'string' ? { target: value['target'] } : {};
    return { ends: value['ends'] as JobRecord['ends'], done: value['done'] === true, ...target };
  }

  async close(): Promise<void> {
    await this.reading;
    await this.consumer?.close();
  }

  private value(edge: string, scope: string): Record<string, unknown> | undefined {
    const value = this.values.get(JSON.stringify([edge, scope]));
    if (value === undefined || value['v'] === 1) return value;
    throw new TailraceError(
      'TLR_DATA_VERSION',
      `${manifestsTopic}: the record of ${edge} was written by a newer Tailrace`,
    );
  }

  private async readUp(signal: AbortSignal | undefined): Promise<void> {
    const end = (await this.client.admin().offsets(manifestsTopic, 'latest')).get(0) ?? 0;
    if (this.consumer === undefined) {
      const consumer = this.client.consumer({ isolation: 'read_committed', start: 'earliest', maxWaitMs: 200 });
      await consumer.start();
      await consumer.assign([{ topic: manifestsTopic, partition: 0, offset: 0 }]);
      this.consumer = consumer;
    }
    while (this.consumer.position({ topic: manifestsTopic, partition: 0 }) < end) {
      for (const fetched of await this.consumer.poll(signal)) this.take(new PassThroughBatch(fetched));
      signal?.throwIfAborted();
    }
  }

  private take(batch: PassThroughBatch): void {
    batch.forEach((delivery) => {
      const key = delivery.key()?.toString('utf8');
      if (key === undefined) return;
      const text = delivery.buffer.toString('utf8', delivery.start, delivery.end);
      if (text === '') this.values.delete(key);
      else this.values.set(key, JSON.parse(text) as Record<string, unknown>);
    });
  }
}
