// What agents, pipelines and the command ask of a Kafka cluster, ours or a real one. The one client of the product; the implementation
// is broker/client/*.ts over a transport that is either this process's broker or sockets.
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ApiName, RequestOf, ResponseOf } from '../wire/apis.ts';

export interface RequestOptions {
  /** How long to wait for the answer; 30 s unless told. */
  timeoutMs?: number;
  /** Use no version above this one (Produce 12 and EndTxn 5 are for transaction.version 2 only). */
  maxVersion?: number;
}

/** A way to reach one broker node. In process the request object itself is handed over: nothing is encoded or copied. */
export interface Connection {
  /** False when it was closed or lost: get another one. */
  readonly open: boolean;
  /** The version used for `api`: the greatest both sides have. Throws TailraceError TLR_PROTOCOL when there is none. */
  versionOf(api: ApiName, maxVersion?: number): number;
  /** The level of a finalized feature (KIP-584), e.g. transaction.version; 0 when the broker does not name it. */
  feature(name: string): number;
  /**
   * Requests leave in the order of the calls. Rejects with TailraceError TLR_UNREACHABLE or TLR_TIMEOUT (retriable) when the answer is not to be
   * had: the outcome is unknown then. Not for Produce with acks=0, which is never answered.
   */
  request<K extends ApiName>(api: K, body: RequestOf<K>, options?: RequestOptions): Promise<ResponseOf<K>>;
  close(): Promise<void>;
}

/** Opens connections: sockets for `host:port`, or the embedded broker whatever the address says. */
export interface Transport {
  connect(address: { host: string; port: number }): Promise<Connection>;
  /** Where to begin. */
  readonly bootstrap: readonly { host: string; port: number }[];
  readonly inProcess: boolean;
}

/** Who hands a request over without a socket. */
export interface RequestSender {
  clientId: string;
  clientHost: string;
  /** True for agents and pipelines of the broker's own process. */
  inProcess: boolean;
}

/**
 * The embedded broker as the in-process transport sees it (broker/broker.ts implements it).
 *
 * Order is part of the contract: requests of one sender act in the order of the calls, although many are under way at once.
 *
 * What is durable with which answer: inside a transaction this process sends Produce with acks=1, which answers (or refuses) when the batch is
 * appended, and AddOffsetsToTxn and TxnOffsetCommit answer when they are appended too. EndTxn alone waits for the disk, and its decision covers
 * all that was appended before it: one sync round for a transaction. So a refusal is always known before the decision is asked for.
 */
export interface RequestHandler {
  /**
   * Handles one request and resolves with its response; undefined where Kafka sends none (Produce with acks=0). Buffers in `body` belong to
   * the broker from now on; buffers in the answer must not be written to. Rejects only when the broker is closed or has failed.
   */
  handle<K extends ApiName>(
    api: K,
    version: number,
    body: RequestOf<K>,
    sender: RequestSender,
  ): Promise<ResponseOf<K> | undefined>;
  /** The versions served, both ends included. */
  versions(): ReadonlyMap<ApiName, readonly [number, number]>;
  /** Finalized features by name (KIP-584), e.g. transaction.version → 2. */
  features(): ReadonlyMap<string, number>;
}

export interface ClientDependencies {
  transport: Transport;
  clientId: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface TopicMetadata {
  name: string;
  topicId: Buffer;
  isInternal: boolean;
  partitions: readonly {
    partition: number;
    leader: number;
    leaderEpoch: number;
    replicas: readonly number[];
    inSyncReplicas: readonly number[];
  }[];
}

/** Settings by Kafka's names. */
export type BrokerConfigs = Readonly<
  Record<string, { value: string | null; isDefault: boolean; isSensitive: boolean } | undefined>
>;

export interface Admin {
  /** Ids of the brokers there are now. */
  brokers(): Promise<readonly number[]>;
  /** The newest version of `api` that both sides have; undefined when there is none. */
  newestVersion(api: ApiName): Promise<number | undefined>;
  /** All settings of a broker, with defaults. Throws KafkaError CLUSTER_AUTHORIZATION_FAILED where that is not for everybody. */
  brokerConfigs(nodeId: number): Promise<BrokerConfigs>;
  /** All topics, or those named (missing ones are left out). */
  topics(names?: readonly string[]): Promise<TopicMetadata[]>;
  /**
   * Throws TailraceError TLR_KAFKA naming Kafka's error, unless `ifMissing` and it is there already. Without `partitions` it gets as many as the cluster's
   * default says; without `replicationFactor` see replication.ts.
   */
  createTopic(
    topic: { name: string; partitions?: number; replicationFactor?: number; configs?: Record<string, string> },
    options?: { ifMissing?: boolean },
  ): Promise<void>;
  deleteTopic(name: string): Promise<void>;
  describeConfigs(
    topic: string,
  ): Promise<Record<string, { value: string | null; isDefault: boolean; isSensitive: boolean }>>;
  alterConfigs(topic: string, changes: Record<string, string | null>): Promise<void>;
  /**
   * Offsets by partition: the ends (log or last stable), starts, or the first at or after a time (-1 becomes the end). With `withinMs`, partitions that are
   * offline for so long are left out.
   */
  offsets(
    topic: string,
    at: 'earliest' | 'latest' | 'latest-stable' | { timestampMs: number },
    options?: { withinMs?: number },
  ): Promise<Map<number, number>>;
  listGroups(): Promise<{ groupId: string; protocolType: string; state: string }[]>;
  describeGroup(groupId: string): Promise<GroupDescription>;
  deleteGroup(groupId: string): Promise<void>;
  /**
   * Committed offsets, of `partitions` or all; key: topic, then partition. With `stable` waits out open transactions (require_stable). A partition whose
   * very first offset is in an open transaction is not among "all" of a real broker: name the partitions where that matters.
   */
  groupOffsets(
    groupId: string,
    options?: { stable?: boolean; partitions?: readonly TopicPartition[] },
  ): Promise<Map<string, Map<number, CommittedOffset>>>;
  /** For an empty group only (reset). */
  commitGroupOffsets(groupId: string, offsets: readonly TopicPartitionOffset[]): Promise<void>;
}

export interface CommittedOffset {
  offset: number;
  leaderEpoch: number;
  /** Free text that was committed with the offset: edges keep their account there. */
  metadata: string;
}

export interface TopicPartitionOffset {
  topic: string;
  partition: number;
  offset: number;
  metadata?: string;
}

export interface GroupDescription {
  groupId: string;
  state: string;
  protocolType: string;
  members: readonly {
    memberId: string;
    instanceId: string | undefined;
    clientId: string;
    clientHost: string;
    assignment: ReadonlyMap<string, readonly number[]>;
  }[];
}

/** What a transaction that consumes must carry (KIP-447). */
export interface GroupMetadata {
  groupId: string;
  generation: number;
  memberId: string;
  instanceId: string | undefined;
}

export interface ProducerOptions {
  /** Transactional when set; idempotent otherwise. */
  transactionalId?: string;
  transactionTimeoutMs?: number;
  compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
  /** Largest batch in bytes; the broker's max.message.bytes must not be below it. */
  batchBytes?: number;
}

/**
 * Crash-only (Jepsen's rule): after any error but a refused batch the producer is dead; call init() again, which fences every other
 * producer of the same transactional id and aborts what was open, and read back what was committed.
 */
export interface Producer {
  /** InitProducerId. Repeats while the coordinator is away. Throws TailraceError TLR_FENCED when fenced. */
  init(): Promise<void>;
  /** For one-off records; the partition is chosen by key (murmur2) or given. Resolves when durable (acks=all). */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  /** Starts a transaction; there is one at a time. */
  begin(): ProducerTransaction;
  close(): Promise<void>;
}

export interface OutgoingRecord {
  topic: string;
  partition?: number;
  key?: Uint8Array | null;
  value: Uint8Array | null;
  headers?: readonly { key: string; value: Uint8Array | null }[];
  timestampMs?: number;
}

/**
 * Appends never wait for the disk; commit() does, once. Every append that was made is covered by commit(): it rejects when one of them was refused,
 * and then nothing of the transaction is visible to read_committed readers.
 */
export interface ProducerTransaction {
  /**
   * Sends what a BatchBuilder holds (broker/wire/record-batch.ts) as one batch and lets the builder be reused at once. The promise tells when
   * the broker has taken it; back-pressure: wait for it before there are more than a few MB under way.
   */
  sendBatch(topic: string, partition: number, builder: BatchSource): Promise<void>;
  send(records: readonly OutgoingRecord[]): void;
  /** Adds the group's offsets to the transaction (AddOffsetsToTxn, TxnOffsetCommit). Throws when the member or its generation is gone. */
  sendOffsets(offsets: readonly TopicPartitionOffset[], group: GroupMetadata): Promise<void>;
  /** Resolves when everything sent so far was answered, with yes or no. */
  settled(): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** What the producer needs of a BatchBuilder: it fills in its own identity and sequence. */
export interface BatchSource {
  readonly count: number;
  readonly sizeBytes: number;
  /** Begins to compress what it holds, which is taken out of it; does nothing more to what is packed already. */
  pack(compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'): BatchSource;
  build(options: {
    producerId: number;
    producerEpoch: number;
    baseSequence: number;
    isTransactional: boolean;
  }): Buffer | Promise<Buffer>;
}

/** Whole batches of one partition as they came, aborted and control batches filtered out by the Java rule. */
export interface FetchedBatches {
  topic: string;
  topicId: Buffer;
  partition: number;
  /** Each one record batch v2; iterate with RecordCursor (broker/wire/record-batch.ts). Records below `fromOffset` are to be skipped. */
  batches: readonly Buffer[];
  fromOffset: number;
  /** Where to go on: behind the last batch, control and aborted ones included. */
  nextOffset: number;
  highWatermark: number;
  lastStableOffset: number;
}

export interface ConsumerOptions {
  /** With a group: join and be assigned; without: assign() by hand. */
  groupId?: string;
  /** Static membership (KIP-345), for edges on external clusters. */
  instanceId?: string;
  topics?: readonly string[];
  /** One member of the group gets all partitions, the others stand by to take over. All members must say the same. */
  undivided?: boolean;
  isolation?: 'read_committed' | 'read_uncommitted';
  /** Where a partition without committed offset begins; an offset that is not there (any more) stands for the nearest that is. */
  start?: 'earliest' | 'latest' | { timestampMs: number } | { offset: number };
  /** Whether a committed offset says nothing about the topic that has the name now; then the partition begins as one without. */
  isVoid?: (committed: StartingPoint) => boolean;
  minBytes?: number;
  maxBytes?: number;
  maxWaitMs?: number;
  sessionTimeoutMs?: number;
  rebalanceTimeoutMs?: number;
  /**
   * Called before partitions are taken away, while this member still owns them (publish or discard there), and after they were given, with the
   * offset each starts from and the metadata text committed with it. poll() waits for both.
   */
  onRevoked?: (partitions: readonly TopicPartition[]) => Promise<void>;
  onAssigned?: (partitions: readonly StartingPoint[]) => Promise<void>;
}

/** `metadata`: the text that was committed with the offset; empty when there is none. */
export type StartingPoint = TopicPartition & { topicId: Buffer; offset: number; metadata: string };

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface Consumer {
  /** Joins the group or takes `assign`; resolves when the first assignment is there. */
  start(): Promise<void>;
  /** By hand, without a group. Offsets: numbers, or by `start` of the options. */
  assign(partitions: readonly (TopicPartition & { offset?: number })[]): Promise<void>;
  /** Up to maxBytes of what there is, waiting at most maxWaitMs: possibly nothing. Throws only what no retry heals. */
  poll(signal?: AbortSignal): Promise<FetchedBatches[]>;
  assignment(): readonly TopicPartition[];
  /** Why some partition has not been readable for a while, although it is asked for again and again; undefined when all are. */
  trouble(): unknown;
  /** The next offset to be polled. */
  position(partition: TopicPartition): number;
  seek(partition: TopicPartition, offset: number): void;
  /** Paused partitions are not polled and keep their assignment. */
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** OffsetCommit by this member. Throws TailraceError TLR_FENCED when its generation is over. */
  commit(offsets: readonly TopicPartitionOffset[]): Promise<void>;
  /** For sendOffsets of a transaction. */
  groupMetadata(): GroupMetadata;
  /** Leaves the group (dynamic members) and ends. */
  close(): Promise<void>;
}

/** One per process and cluster; shares connections and metadata among what it makes. */
export interface KafkaClient {
  admin(): Admin;
  producer(options?: ProducerOptions): Producer;
  consumer(options: ConsumerOptions): Consumer;
  /** Whether the broker runs in this process: restarts need no patience then. */
  readonly inProcess: boolean;
  close(): Promise<void>;
}
