// The record of a transactional id in __transaction_state: Kafka's TransactionLogKey and TransactionLogValue (version 1), so Kafka's own tools read it.
//
// One thing is ours: a decision (PrepareCommit, PrepareAbort) carries the record header `tailrace.extent`, which says how far each partition of the
// transaction reached when it was decided. The decision may reach the disk in the same sync round as the data it decides on; after a crash it
// counts only when all of that is there (transaction-recovery.ts). Kafka ignores headers here.
//
//   extent  version int8 (1) · partition*      partition  topic id, 16 bytes · index int32 · end offset int64 · last crc int64 (-1 not known)
import { encodeHeaders } from '../wire/batch-builder.ts';
import { transactionLogKey, transactionLogValue } from '../wire/messages/coordinator-records.ts';
import { Reader } from '../wire/reader.ts';
import type { RecordCursor } from '../wire/record-batch.ts';
import { Writer } from '../wire/writer.ts';
import { decodeVersioned, encodeVersioned, type CoordinatorRecord } from './coordinator-topic.ts';
import { newTransaction, partitionKey, type TransactionPartition, type TransactionPhase } from './transaction.ts';
import type { TransactionState } from './transaction.ts';

/** How far a partition reached when a transaction was decided. */
export interface Extent {
  readonly topicId: Buffer;
  readonly partition: number;
  /** Its end offset; everything below belongs to the decision. */
  readonly endOffset: number;
  /** Checksum of its last batch; undefined when that was appended before this process began (and so is durable). */
  readonly lastCrc: number | undefined;
}

const extentHeader = 'tailrace.extent';
const extentBytes = 16 + 4 + 8 + 8;

/** Kafka's numbers of the phases; 7 (PrepareEpochFence) exists in memory only. */
const phases: readonly TransactionPhase[] = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
];

export function transactionRecord(state: TransactionState, extents?: readonly Extent[]): CoordinatorRecord {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of state.partitions.values()) {
    const indexes = topics.get(topic);
    if (indexes === undefined) topics.set(topic, [partition]);
    else indexes.push(partition);
  }
  const value = transactionLogValue.create({
    producerId: state.producerId,
    previousProducerId: state.previousProducerId,
    nextProducerId: state.nextProducerId,
    producerEpoch: state.producerEpoch,
    nextProducerEpoch: state.nextProducerId < 0 ? -1 : 0,
    transactionTimeoutMs: state.timeoutMs,
    transactionStatus: phases.indexOf(state.phase),
    // Kafka reads null as "no transaction", and partitions only where there is one.
    transactionPartitions:
      state.phase === 'Empty' ? null : [...topics].map(([topic, partitionIds]) => ({ topic, partitionIds })),
    transactionLastUpdateTimestampMs: state.updatedAtMs,
    transactionStartTimestampMs: state.startedAtMs,
    clientTransactionVersion: state.clientVersion,
  });
  return {
    key: encodeVersioned(transactionLogKey, 0, { transactionalId: state.transactionalId }),
    value: encodeVersioned(transactionLogValue, 1, value),
    ...(extents === undefined
      ? {}
      : { headers: encodeHeaders([{ key: extentHeader, value: encodeExtents(extents) }]) }),
  };
}

/** The record that removes a transactional id. */
export function transactionTombstone(transactionalId: string): CoordinatorRecord {
  return { key: encodeVersioned(transactionLogKey, 0, { transactionalId }), value: null };
}

export interface ReadTransaction {
  transactionalId: string;
  /** Undefined for a removed id. */
  state: TransactionState | undefined;
  /** Undefined when the record carries none: not a decision of ours. */
  extents: readonly Extent[] | undefined;
}

/** Reads the record the cursor stands on. Throws TLR_PROTOCOL when it is none. */
export function readTransactionRecord(cursor: RecordCursor): ReadTransaction {
  const { transactionalId } = decodeVersioned(transactionLogKey, cursor.key() ?? Buffer.alloc(0));
  const encoded = cursor.value();
  if (encoded === null) return { transactionalId, state: undefined, extents: undefined };
  const value = decodeVersioned(transactionLogValue, encoded);
  const partitions = new Map<string, TransactionPartition>();
  for (const { topic, partitionIds } of value.transactionPartitions ?? []) {
    for (const partition of partitionIds) partitions.set(partitionKey({ topic, partition }), { topic, partition });
  }
  const state: TransactionState = {
    ...newTransaction(transactionalId),
    phase: phases[value.transactionStatus] ?? 'Dead',
    producerId: value.producerId,
    producerEpoch: value.producerEpoch,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    timeoutMs: value.transactionTimeoutMs,
    partitions,
    startedAtMs: value.transactionStartTimestampMs,
    updatedAtMs: value.transactionLastUpdateTimestampMs,
    clientVersion: value.clientTransactionVersion,
  };
  const extents = cursor.header(extentHeader);
  return { transactionalId, state, extents: extents && decodeExtents(extents) };
}

/** The bytes of the header; see the top of the file. */
export function encodeExtents(extents: readonly Extent[]): Buffer {
  const writer = new Writer(1 + extents.length * extentBytes);
  writer.int8(1);
  for (const { topicId, partition, endOffset, lastCrc } of extents) {
    writer.uuid(topicId);
    writer.int32(partition);
    writer.int64(endOffset);
    writer.int64(lastCrc ?? -1);
  }
  return writer.toBuffer();
}

/** Throws TLR_PROTOCOL for anything encodeExtents did not write. */
export function decodeExtents(encoded: Buffer): Extent[] {
  const reader = new Reader(encoded);
  const version = reader.int8();
  if (version !== 1) throw reader.malformed(`extents of version ${version} instead of 1`);
  const extents: Extent[] = [];
  while (reader.remaining > 0) {
    const topicId = Buffer.from(reader.uuid());
    const [partition, endOffset, crc] = [reader.int32(), reader.int64(), reader.int64()];
    extents.push({ topicId, partition, endOffset, lastCrc: crc < 0 ? undefined : crc });
  }
  return extents;
}
