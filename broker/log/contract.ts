// What the log offers to coordinators, handlers and the composition root. The log knows records as bytes (batch v2),
// offsets and durability; it knows nothing of groups, requests or sockets.
import type { TailraceError } from '../../base/errors.ts';
import type { Histogram } from '../../base/histogram.ts';
import type { BrokerConfigs, CredentialChanges, StoredCredential } from './metadata-log.ts';

/** What a client's append must satisfy and where the batch comes from. */
export interface AppendOptions {
  /**
   * 'client' batches are validated fully; of 'in-process' ones (agents and pipelines of this process, which built the bytes a moment ago) checksum and
   * records are not looked at again; 'internal' ones (coordinators) skip the size limits and the disk reserve.
   */
  origin: 'client' | 'in-process' | 'internal';
  /** Refuse when this is not the partition's leader epoch (KIP-320); -1 to skip. */
  currentLeaderEpoch?: number;
}

export interface Appended {
  baseOffset: number;
  lastOffset: number;
  /** -1 unless message.timestamp.type is LogAppendTime. */
  logAppendTimeMs: number;
  logStartOffset: number;
  /** True for a batch of an idempotent producer that was there already: offsets are those of the first time. */
  duplicate: boolean;
  /** Resolves when the batch is on disk, synced, and visible; rejects when the log has failed. */
  durable: Promise<void>;
}

export interface AbortedTransaction {
  producerId: number;
  firstOffset: number;
}

export type Isolation = 'read_uncommitted' | 'read_committed' | 'log_end';

export interface ReadResult {
  /** Whole batches, in order; the first may begin before the asked offset. Empty at the end. */
  records: readonly Buffer[];
  sizeBytes: number;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
  /** Set for read_committed: transactions that were aborted and overlap `records`. */
  abortedTransactions: readonly AbortedTransaction[] | undefined;
}

/** State of one producer on a partition, for DescribeProducers and for tests. */
export interface ProducerInfo {
  producerId: number;
  producerEpoch: number;
  lastSequence: number;
  lastTimestampMs: number;
  coordinatorEpoch: number;
  /** -1 when no transaction is open. */
  currentTransactionStartOffset: number;
}

/**
 * One partition. Errors are KafkaError (broker/wire/errors.ts) with Kafka's code where a client is to see one
 * (OFFSET_OUT_OF_RANGE, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, CORRUPT_MESSAGE, INVALID_RECORD,
 * MESSAGE_TOO_LARGE, KAFKA_STORAGE_ERROR …).
 */
export interface PartitionLog {
  readonly topic: string;
  readonly topicId: Buffer;
  readonly partition: number;
  /** Its folder. */
  readonly directory: string;
  readonly leaderEpoch: number;
  readonly logStartOffset: number;
  /** The next offset to be given, durable or not. */
  readonly logEndOffset: number;
  /** Everything below is synced to disk: the visible end. */
  readonly highWatermark: number;
  /** The first offset of the oldest open transaction, or the high watermark. */
  readonly lastStableOffset: number;
  readonly sizeBytes: number;
  /** Checksum of the last batch that was appended since the log was opened; undefined when there was none. Part of a transaction's decision. */
  readonly lastBatchCrc: number | undefined;

  /**
   * Validates, gives offsets (in place, in `batch`) and queues for the next group commit; in order of the calls. The buffer
   * belongs to the log from now on. Throws KafkaError when refused; nothing is appended then.
   */
  append(batch: Buffer, options: AppendOptions): Appended;
  /** Appends the control batch that ends a producer's transaction here, and updates index and last stable offset. */
  appendMarker(marker: {
    producerId: number;
    producerEpoch: number;
    coordinatorEpoch: number;
    kind: 'commit' | 'abort';
  }): Appended;
  /** Reads from `offset`; at least one whole batch when there is one. Throws KafkaError OFFSET_OUT_OF_RANGE. */
  read(offset: number, maxBytes: number, isolation: Isolation): Promise<ReadResult>;
  /** Bytes that could be read now from `offset`, by position and without reading: for min_bytes of a waiting fetch. */
  readableBytes(offset: number, isolation: Isolation): number;
  /** The first record at or after the time: its offset and its timestamp; undefined when there is none. */
  offsetForTime(
    timestampMs: number,
    isolation: Isolation,
  ): Promise<{ offset: number; timestampMs: number } | undefined>;
  /** Offset and timestamp of the record with the greatest timestamp (KIP-734). */
  maxTimestamp(): Promise<{ offset: number; timestampMs: number } | undefined>;
  /** End offset of the greatest epoch at or below `leaderEpoch` (OffsetForLeaderEpoch). */
  endOffsetForEpoch(leaderEpoch: number): { leaderEpoch: number; endOffset: number };
  /** Moves the start of the log; whole segments below it are removed. */
  deleteRecordsBefore(offset: number): Promise<number>;
  /** Calls `listener` after the high watermark or last stable offset moved, or the partition failed. Returns the way out. */
  onAdvance(listener: () => void): () => void;
  producers(): ProducerInfo[];
}

export interface TopicDescription {
  name: string;
  topicId: Buffer;
  partitions: number;
  /** Only what was set; defaults are the broker's. */
  configs: Readonly<Record<string, string>>;
  isInternal: boolean;
}

/** What recovery did to a partition whose tail was torn. */
export interface RecoveryCut {
  topic: string;
  partition: number;
  fromOffset: number;
  cutBytes: number;
  reason: string;
}

/** What the one writer has done since the log was opened. */
export interface CommitStatistics {
  /** How long the syncs of each group-commit round took; its count is that of the rounds. */
  readonly syncSeconds: Histogram;
  readonly writtenBytes: number;
}

/** A data directory: lock, identity, topics, partitions, the one writer. */
export interface LogDirectory {
  readonly clusterId: string;
  /** Where it is. */
  readonly directory: string;
  /** Of its file system. */
  space(): Promise<{ freeBytes: number; totalBytes: number }>;
  readonly commits: CommitStatistics;
  /** Torn tails that were cut when it was opened. */
  readonly recoveryCuts: readonly RecoveryCut[];
  /** Of a torn last change of the metadata, cut when it was opened. */
  readonly metadataCutBytes: number;
  /** The leader epoch, and how many changes of the metadata there have been, all of them durable. */
  readonly metadataPosition: { leaderEpoch: number; changes: number };
  /** Partitions whose durable part is damaged. */
  readonly offline: readonly { topic: string; partition: number; reason: TailraceError }[];
  topics(): TopicDescription[];
  topic(name: string): TopicDescription | undefined;
  topicById(topicId: Buffer): TopicDescription | undefined;
  /** Undefined when there is no such topic or partition. Throws KafkaError KAFKA_STORAGE_ERROR when it is offline. */
  partition(topic: string, partition: number): PartitionLog | undefined;
  /** Durable when it resolves. Throws KafkaError (TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_CONFIG …). */
  createTopic(topic: { name: string; partitions: number; configs?: Record<string, string> }): Promise<TopicDescription>;
  deleteTopic(name: string): Promise<void>;
  createPartitions(name: string, total: number): Promise<void>;
  alterConfigs(name: string, changes: { name: string; value: string | null }[]): Promise<void>;
  /** What requests have altered of the broker's settings. */
  brokerConfigs(): BrokerConfigs;
  /** Of the broker with this id, or of all, which is ''; null takes an alteration away. Durable, and acts on all topics, when it resolves. */
  alterBrokerConfigs(broker: string, changes: { name: string; value: string | null }[]): Promise<void>;
  /** How users that requests have made can authenticate. */
  credentials(): readonly StoredCredential[];
  /** All or none; durable when it resolves. */
  alterCredentials(changes: CredentialChanges): Promise<void>;
  /** The next block of producer ids, never given twice, durable when it resolves. */
  allocateProducerId(): Promise<number>;
  /** Resolves with the error when a write or sync failed for good; never resolves otherwise. */
  readonly failed: Promise<Error>;
  /** Retention, segment rolling by time, checkpoints: called by the owner's timer, and by tests directly. */
  maintain(): Promise<void>;
  /** Flushes, writes checkpoints, snapshots and the clean-shutdown marker, gives the lock back. */
  close(): Promise<void>;
}
