// A Kafka cluster of a few lines in memory, for tests that stop agents at any moment: transactions are atomic, a new producer of the same
// transactional id fences the older one, and a commit can be made to fail before or after it took effect.
import { TailraceError } from '../../../base/errors.ts';
import type {
  Admin,
  BatchSource,
  Consumer,
  FetchedBatches,
  KafkaClient,
  OutgoingRecord,
  Producer,
  ProducerTransaction,
} from '../../../broker/client/contract.ts';
import { decodeFileReference, fileReferenceHeader } from '../../../broker/client/positions-record.ts';
import { BatchBuilder, encodeHeaders } from '../../../broker/wire/batch-builder.ts';
import { RecordCursor, setBaseOffset } from '../../../broker/wire/record-batch.ts';

/** A committed line. */
export interface CommittedLine {
  partition: number;
  key: string | undefined;
  text: string;
  file: string;
  position: number;
  mark: Buffer | undefined;
}

interface Batch {
  bytes: Buffer;
  count: number;
}

const unsupported = () => Promise.reject(new Error('not a part of the fake'));

export class FakeCluster {
  readonly topics = new Map<string, { partitions: Batch[][]; ends: number[] }>();
  commits = 0;
  /** Partitions of all topics that nobody leads. */
  readonly offline = new Set<number>();
  /** Decides about a commit: undefined lets it pass. */
  onCommit: ((number: number) => 'fail-before' | 'fail-after' | undefined) | undefined;
  private readonly epochs = new Map<string, number>();

  createTopic(name: string, partitions = 1): void {
    if (this.topics.has(name)) return;
    const numbers = Array.from({ length: partitions });
    this.topics.set(name, { partitions: numbers.map(() => []), ends: numbers.map(() => 0) });
  }

  /** Everything committed to `topic`, by partition and offset. */
  lines(topic: string): CommittedLine[] {
    const lines: CommittedLine[] = [];
    for (const [partition, batches] of (this.topics.get(topic)?.partitions ?? []).entries()) {
      for (const { bytes } of batches) {
        const cursor = new RecordCursor(bytes);
        while (cursor.next()) {
          const { file, position } = decodeFileReference(cursor.header(fileReferenceHeader)!);
          const [key, text] = [cursor.key()?.toString(), cursor.value()!.toString('latin1')];
          lines.push({ partition, key, text, file, position, mark: cursor.header('l') });
        }
      }
    }
    return lines;
  }

  /** Every record of `topic` in its order, as text. */
  records(topic: string): { key: string; value: string | null }[] {
    const records: { key: string; value: string | null }[] = [];
    for (const { bytes } of this.topics.get(topic)?.partitions.flat() ?? []) {
      const cursor = new RecordCursor(bytes);
      while (cursor.next()) records.push({ key: cursor.key()!.toString(), value: cursor.value()?.toString() ?? null });
    }
    return records;
  }

  /** `isDead`: from then on nobody gets an answer, as when the process has been killed. */
  client(isDead: () => boolean = () => false): KafkaClient {
    return {
      inProcess: true,
      admin: () => this.admin(),
      producer: (options) => this.producer(options?.transactionalId ?? '', isDead),
      consumer: () => this.consumer(),
      close: () => Promise.resolve(),
    };
  }

  private admin(): Admin {
    return {
      topics: (names) =>
        Promise.resolve(
          [...this.topics]
            .filter(([name]) => names?.includes(name) ?? true)
            .map(([name, { partitions }]) => ({
              ...{ name, topicId: Buffer.alloc(16), isInternal: false },
              partitions: partitions.map((_batches, partition) => ({
                ...{
                  partition,
                  leader: this.offline.has(partition) ? -1 : 0,
                  leaderEpoch: 0,
                  replicas: [0],
                  inSyncReplicas: [0],
                },
              })),
            })),
        ),
      createTopic: ({ name, partitions }) => {
        this.createTopic(name, partitions);
        return Promise.resolve();
      },
      offsets: (topic) => Promise.resolve(new Map(this.topics.get(topic)!.ends.map((end, index) => [index, end]))),
      describeConfigs: () => Promise.resolve({}),
      deleteTopic: unsupported,
      alterConfigs: unsupported,
      brokers: unsupported,
      brokerConfigs: unsupported,
      newestVersion: unsupported,
      listGroups: unsupported,
      describeGroup: unsupported,
      deleteGroup: unsupported,
      groupOffsets: unsupported,
      commitGroupOffsets: unsupported,
    } satisfies Partial<Admin>;
  }

  private producer(transactionalId: string, isDead: () => boolean): Producer {
    let epoch = -1;
    const checkFence = () => {
      if (this.epochs.get(transactionalId) !== epoch)
        throw new TailraceError('TLR_FENCED', `${transactionalId} was fenced`);
    };
    return {
      init: () => {
        if (isDead()) return new Promise(() => undefined);
        epoch = (this.epochs.get(transactionalId) ?? 0) + 1;
        this.epochs.set(transactionalId, epoch);
        return Promise.resolve();
      },
      send: unsupported,
      begin: () => this.transaction(checkFence),
      close: () => Promise.resolve(),
    } satisfies Partial<Producer>;
  }

  private transaction(checkFence: () => void): ProducerTransaction {
    const staged: { topic: string; partition: number; batch: Batch }[] = [];
    const stage = (topic: string, partition: number, builder: BatchSource) => {
      const { count } = builder;
      const identity = { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true };
      const bytes = builder.build(identity);
      if (bytes instanceof Promise) throw new Error('the fake cluster takes no batches that are compressed');
      staged.push({ topic, partition, batch: { bytes, count } });
    };
    return {
      sendBatch: (topic, partition, builder) => {
        stage(topic, partition, builder);
        return Promise.resolve();
      },
      send: (records: readonly OutgoingRecord[]) => {
        for (const { topic, partition, key, value, headers, timestampMs } of records) {
          const builder = new BatchBuilder();
          const bytes = value === null ? null : Buffer.from(value);
          builder.append(timestampMs ?? 0, key ?? null, bytes, 0, bytes?.length ?? 0, encodeHeaders(headers ?? []));
          stage(topic, partition ?? 0, builder);
        }
      },
      sendOffsets: unsupported,
      settled: () => Promise.resolve(),
      commit: async () => {
        // As a real one: the answer comes later, and the caller may be gone by then.
        await new Promise((resolve) => setImmediate(resolve));
        checkFence();
        this.commits++;
        const failure = this.onCommit?.(this.commits);
        if (failure === 'fail-before')
          throw new TailraceError('TLR_UNREACHABLE', 'the answer is not to be had', { retriable: true });
        for (const { topic, partition, batch } of staged) this.append(topic, partition, batch);
        if (failure === 'fail-after')
          throw new TailraceError('TLR_UNREACHABLE', 'the answer is not to be had', { retriable: true });
      },
      abort: () => Promise.resolve(),
    };
  }

  private append(topic: string, partition: number, batch: Batch): void {
    const { partitions, ends } = this.topics.get(topic)!;
    setBaseOffset(batch.bytes, ends[partition]!);
    partitions[partition]!.push(batch);
    // One more for the marker, as in a real log: offsets are not dense.
    ends[partition]! += batch.count + 1;
  }

  private consumer(): Consumer {
    const positions = new Map<string, number>();
    const read = new Map<string, number>();
    let assigned: { topic: string; partition: number }[] = [];
    const keyOf = ({ topic, partition }: { topic: string; partition: number }) => `${topic}-${partition}`;
    return {
      start: () => Promise.resolve(),
      assign: (partitions) => {
        assigned = [...partitions];
        return Promise.resolve();
      },
      poll: () => {
        const fetched: FetchedBatches[] = [];
        for (const each of assigned) {
          const { partitions, ends } = this.topics.get(each.topic)!;
          const batches = partitions[each.partition]!.slice(read.get(keyOf(each)) ?? 0).map(({ bytes }) => bytes);
          read.set(keyOf(each), partitions[each.partition]!.length);
          const end = ends[each.partition]!;
          const position = { fromOffset: positions.get(keyOf(each)) ?? 0, nextOffset: end };
          if (batches.length > 0) {
            fetched.push({
              ...each,
              ...position,
              topicId: Buffer.alloc(16),
              batches,
              highWatermark: end,
              lastStableOffset: end,
            });
          }
          positions.set(keyOf(each), end);
        }
        return Promise.resolve(fetched);
      },
      position: (each) => positions.get(keyOf(each)) ?? 0,
      close: () => Promise.resolve(),
    } satisfies Partial<Consumer> as Consumer;
  }
}
