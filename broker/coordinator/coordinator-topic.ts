// One of the coordinators' own topics, __consumer_offsets or __transaction_state: made on first need, written in Kafka's
// record formats, read once at start. Keys begin with an int16 that names the kind of record, values with an int16 version
// (broker/wire/messages/coordinator-records.ts). Both topics are compacted: the last record of a key counts, a null value removes it.
import { messageOf } from '../../base/errors.ts';
import type { Appended, LogDirectory, PartitionLog } from '../log/contract.ts';
import { BatchBuilder } from '../wire/batch-builder.ts';
import { readControlRecord } from '../wire/control-batch.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { Reader } from '../wire/reader.ts';
import { type BatchHeader, forEachBatch, RecordCursor } from '../wire/record-batch.ts';
import type { Message } from '../wire/schema.ts';
import { Writer } from '../wire/writer.ts';

/** Keeps what groups consumed. */
export const OFFSETS_TOPIC = '__consumer_offsets';
/** Keeps what transactions decided. */
export const TRANSACTIONS_TOPIC = '__transaction_state';

const replayBytes = 1024 * 1024;
/** Only closed segments are compacted, and each start reads what is left. */
const segmentBytes = 16 * 1024 * 1024;

export interface CoordinatorRecord {
  key: Buffer;
  /** Null removes the key. */
  value: Buffer | null;
  /** As encodeHeaders makes them. */
  headers?: Buffer;
}

/** What a replay meets, in the order of each partition. */
export interface ReplayVisitor {
  /** `cursor` stands on the record and holds until the next call. */
  record(cursor: RecordCursor, batch: BatchHeader, partition: number): void;
  /** The end of a transaction in this topic. */
  marker(producerId: number, kind: 'commit' | 'abort', partition: number): void;
}

export class CoordinatorTopic {
  readonly name: string;
  private readonly log: LogDirectory;
  private readonly initialPartitions: number;
  private readonly builder = new BatchBuilder(4096);
  private creation: Promise<void> | undefined;

  /** `initialPartitions`: how many it gets when it has to be made. */
  constructor(log: LogDirectory, name: string, initialPartitions: number) {
    this.log = log;
    this.name = name;
    this.initialPartitions = initialPartitions;
  }

  get exists(): boolean {
    return this.log.topic(this.name) !== undefined;
  }

  /** Whether somebody waits for it to be made. */
  get isCreating(): boolean {
    return this.creation !== undefined;
  }

  /** The partition that holds everything about `id` (a group or a transactional id), chosen as Kafka does. */
  partitionFor(id: string): number {
    const partitions = this.log.topic(this.name)?.partitions ?? this.initialPartitions;
    return (javaHash(id) & 0x7fffffff) % partitions;
  }

  /** Makes the topic when it is missing; durable when it resolves. Callers at the same time share one creation. */
  async ensure(): Promise<void> {
    if (this.exists) return;
    this.creation ??= this.create().finally(() => (this.creation = undefined));
    await this.creation;
  }

  private async create(): Promise<void> {
    try {
      await this.log.createTopic({
        name: this.name,
        partitions: this.initialPartitions,
        configs: { 'cleanup.policy': 'compact', 'compression.type': 'producer', 'segment.bytes': String(segmentBytes) },
      });
    } catch (error) {
      if (!(error instanceof KafkaError) || error.errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) throw error;
    }
  }

  /**
   * Appends one batch. With `transaction` the records belong to a producer's transaction and count when it is committed. Throws KafkaError when it
   * is refused; nothing is appended then.
   */
  append(
    partition: number,
    records: readonly CoordinatorRecord[],
    timestampMs: number,
    transaction?: { producerId: number; producerEpoch: number },
  ): Appended {
    const log = this.partition(partition);
    this.builder.reset();
    for (const { key, value, headers } of records) {
      this.builder.append(timestampMs, key, value, 0, value?.length ?? 0, headers);
    }
    const batch = this.builder.build(transaction === undefined ? {} : { ...transaction, isTransactional: true });
    return log.append(batch, { origin: 'internal' });
  }

  /** Throws KafkaError COORDINATOR_NOT_AVAILABLE when there is no such partition. */
  partition(partition: number): PartitionLog {
    const log = this.log.partition(this.name, partition);
    if (log !== undefined) return log;
    throw new KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, `${this.name} has no partition ${partition}`);
  }

  /** Reads everything there is, partition by partition; nothing when the topic was never made. */
  async replay(visitor: ReplayVisitor): Promise<void> {
    const partitions = this.log.topic(this.name)?.partitions ?? 0;
    for (let partition = 0; partition < partitions; partition++) {
      try {
        await replayPartition(this.partition(partition), visitor);
      } catch (error) {
        throw new KafkaError(
          ErrorCode.COORDINATOR_NOT_AVAILABLE,
          `${this.name}-${partition} could not be read, so groups or transactions are unknown: ${messageOf(error)}`,
          { cause: error },
        );
      }
    }
  }
}

async function replayPartition(log: PartitionLog, visitor: ReplayVisitor): Promise<void> {
  const cursor = new RecordCursor();
  const end = log.logEndOffset;
  let offset = log.logStartOffset;
  while (offset < end) {
    const { records } = await log.read(offset, replayBytes, 'log_end');
    const from = offset;
    for (const chunk of records) {
      forEachBatch(chunk, (batch) => {
        if (batch.lastOffset < from) return;
        cursor.open(chunk, batch.position, batch);
        visitBatch(cursor, batch, log.partition, visitor);
        offset = batch.lastOffset + 1;
      });
    }
    // Compaction may have taken the last batches away; what is left has been read.
    if (offset === from) return;
  }
}

function visitBatch(cursor: RecordCursor, batch: BatchHeader, partition: number, visitor: ReplayVisitor): void {
  while (cursor.next()) {
    if (!batch.isControl) {
      visitor.record(cursor, batch, partition);
      continue;
    }
    const marker = readControlRecord(cursor);
    if (marker !== undefined) visitor.marker(batch.producerId, marker.kind, partition);
  }
}

/** Bytes of a key or value: the version, then the message in it. */
export function encodeVersioned<T>(message: Message<T>, version: number, value: T): Buffer {
  const writer = new Writer(128);
  writer.int16(version);
  message.write(writer, version, value);
  return writer.toBuffer();
}

/** The version that a key or value begins with; undefined when it is too short for one. */
export function versionOf(encoded: Buffer): number | undefined {
  return encoded.length < 2 ? undefined : encoded.readInt16BE(0);
}

/** Reads what encodeVersioned wrote. Throws TLR_PROTOCOL for anything else. */
export function decodeVersioned<T>(message: Message<T>, encoded: Buffer): T {
  const reader = new Reader(encoded);
  return message.read(reader, reader.int16());
}

/** String.hashCode of Java, over UTF-16 units. */
function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}
