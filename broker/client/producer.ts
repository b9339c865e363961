// The idempotent, transactional producer. It is crash-only (Jepsen's rule): after an error whose outcome is not certain it does nothing
// more until init(), which fences whoever has the transactional id, aborts what was open, and starts new sequences. Only a batch that was
// refused for certain leaves it alive.
//
// Sequences: each batch takes the next one of its partition when it is built, in the order of the calls. They begin at 0 with every new
// identity (producer id and epoch); with transaction.version 2 that is every transaction (KIP-890), before that every init().
import { messageOf, TailraceError } from '../../base/errors.ts';
import { apis } from '../wire/apis.ts';
import { BatchBuilder, encodeHeaders, noHeaders } from '../wire/batch-builder.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { addSequence } from '../wire/record-batch.ts';
import type {
  BatchSource,
  Connection,
  OutgoingRecord,
  Producer,
  ProducerOptions,
  ProducerTransaction,
} from './contract.ts';
import { endTransaction, type ProducerIdentity } from './end-transaction.ts';
import type { Cluster } from './metadata.ts';
import { Partitioner } from './partitioner.ts';
import { PartitionLane } from './produce-lane.ts';
import { fencedError, isFenced, isRefusal } from './producer-errors.ts';
import { retry, type RetryOptions } from './retry.ts';
import { Transaction } from './transaction.ts';

/** Below the 1,048,588 bytes that Kafka's brokers take by default. */
const defaultBatchBytes = 1_000_000;
/** What a record takes beside key, value and headers, at most. */
const recordOverheadBytes = 32;
/** Positions, offsets: smaller batches are not worth it. */
const leastCompressedBytes = 1024;
const defaultTransactionTimeoutMs = 60_000;
const deliveryTimeoutMs = 120_000;
/** After some two seconds: a coordinator that moves or loads is nothing that somebody must know of. */
const slowAttempt = 8;
/** The last Produce version that does not add partitions to the transaction by itself. */
const lastVersionBefore2 = 11;

export class KafkaProducer implements Producer {
  readonly cluster: Cluster;
  readonly transactionalId: string | undefined;
  readonly transactionTimeoutMs: number;
  private readonly options: ProducerOptions;
  private readonly onClose: () => void;
  private readonly lanes = new Map<string, PartitionLane>();
  private readonly sequences = new Map<string, number>();
  private current: ProducerIdentity | undefined;
  /** The last identity that was ours: with it a later init() finds out whether someone took over in between (KIP-360). */
  private last: ProducerIdentity | undefined;
  private transaction: Transaction | undefined;
  /** A transaction of ours was given up without an end. */
  private leftOpen = false;
  /** When a transaction was begun that is open, by both clocks: one of them stands still while the machine sleeps. */
  private opened: { monotonicMs: number; nowMs: number } | undefined;
  private starting: Promise<void> | undefined;
  private version2 = false;
  private readonly closing = new AbortController();

  constructor(cluster: Cluster, options: ProducerOptions, onClose: () => void) {
    this.cluster = cluster;
    this.onClose = onClose;
    this.options = options;
    this.transactionalId = options.transactionalId;
    this.transactionTimeoutMs = options.transactionTimeoutMs ?? defaultTransactionTimeoutMs;
  }

  async init(): Promise<void> {
    this.die();
    const { logger } = this.cluster.dependencies;
    const onRetry = (error: unknown, attempt: number) => {
      if (attempt === slowAttempt) logger.warn('Waiting for a producer id', { error: messageOf(error) });
    };
    const repetition = { withinMs: Infinity, signal: this.closing.signal, onRetry };
    try {
      this.current =
        this.transactionalId === undefined
          ? await retry(this.cluster.dependencies, () => this.initIdempotent(), repetition)
          : await this.initTransactional(this.transactionalId, repetition);
    } catch (error) {
      if (isFenced(error)) throw fencedError(this.transactionalId, error);
      throw error;
    }
    this.last = this.current;
    this.sequences.clear();
    this.opened = undefined;
    this.leftOpen = false;
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.transactionalId !== undefined) {
      throw new TailraceError('TLR_INTERNAL', 'a transactional producer sends within begin() and commit() only');
    }
    if (this.current === undefined) await (this.starting ??= this.start());
    await this.appendRecords(records, undefined);
  }

  begin(): ProducerTransaction {
    if (this.transactionalId === undefined) throw new TailraceError('TLR_INTERNAL', 'begin() needs a transactionalId');
    if (this.transaction !== undefined) throw new TailraceError('TLR_INTERNAL', 'a transaction is open already');
    this.identity();
    const { clock } = this.cluster.dependencies;
    this.opened = { monotonicMs: clock.monotonicMs(), nowMs: clock.now() };
    this.transaction = new Transaction(this, this.transactionalId);
    return this.transaction;
  }

  close(): Promise<void> {
    this.die();
    this.closing.abort(new TailraceError('TLR_CLOSED', 'the producer was closed'));
    this.onClose();
    return Promise.resolve();
  }

  /** Whether the broker has transaction.version 2; init() learns it. */
  get isVersion2(): boolean {
    return this.version2;
  }

  /** Whether this is the open transaction of a living producer. */
  isCurrent(transaction: Transaction): boolean {
    return this.transaction === transaction;
  }

  /** Who we are. Throws when the producer is dead or was never initialised. */
  identity(): ProducerIdentity {
    if (this.closing.signal.aborted) throw new TailraceError('TLR_CLOSED', 'the producer was closed');
    if (this.current === undefined) {
      throw new TailraceError('TLR_KAFKA', 'the producer is to be initialised first, or again after its last error', {
        retriable: true,
      });
    }
    return this.current;
  }

  /** The identity to go on with, as EndTxn gave it: of transaction.version 2 a new epoch. */
  adopt(identity: ProducerIdentity): void {
    if (identity.producerEpoch === this.current?.producerEpoch && identity.producerId === this.current.producerId)
      return;
    this.current = identity;
    this.last = identity;
    this.sequences.clear();
  }

  /** From now on only init() helps. What is under way is given up: its outcome is unknown. */
  die(cause: unknown = new TailraceError('TLR_CLOSED', 'the producer was ended or initialised anew')): void {
    const lanes = [...this.lanes.values()];
    this.leftOpen ||= this.transaction?.touched === true;
    this.current = undefined;
    this.transaction = undefined;
    this.lanes.clear();
    for (const lane of lanes) lane.abandon(cause);
  }

  /** What it means that our epoch is over: another producer has taken over, unless the coordinator may have aborted the transaction for its age. */
  explainFence(cause: unknown): TailraceError {
    if (!this.mayHaveTimedOut()) return fencedError(this.transactionalId, cause);
    const message = `the transaction of ${this.transactionalId ?? ''} was open for longer than its timeout of ${this.transactionTimeoutMs} ms, so it was aborted`;
    return new TailraceError('TLR_KAFKA', message, { cause, retriable: true });
  }

  /** The open transaction is over, and the producer lives. */
  transactionEnded(): void {
    this.transaction = undefined;
    this.opened = undefined;
  }

  /** Builds the batch with the next sequence, now, and sends it behind the earlier ones of its partition. */
  append(topic: string, partition: number, source: BatchSource, transaction: Transaction | undefined): Promise<void> {
    const identity = this.identity();
    const key = `${topic}-${partition}`;
    const baseSequence = this.sequences.get(key) ?? 0;
    const { count } = source;
    const { compression = 'none' } = this.options;
    const isPlain = compression === 'none' || source.sizeBytes < leastCompressedBytes;
    const bytes = (isPlain ? source : source.pack(compression)).build({
      ...identity,
      baseSequence,
      isTransactional: transaction !== undefined,
    });
    // The lane tells; it may have been abandoned before.
    if (bytes instanceof Promise) bytes.catch(() => undefined);
    this.sequences.set(key, addSequence(baseSequence, count));
    const admission = transaction?.admit(topic, partition);
    const inProcess = this.cluster.dependencies.transport.inProcess;
    const sent = this.lane(key, topic, partition).enqueue({
      bytes,
      baseSequence,
      transactionalId: transaction === undefined ? null : (this.transactionalId ?? null),
      acks: inProcess && transaction !== undefined ? 1 : -1,
      maxVersion: transaction?.isVersion2 === false ? lastVersionBefore2 : Number.MAX_SAFE_INTEGER,
      ...(admission !== undefined && { admission }),
    });
    return sent.catch((error: unknown) => {
      if (this.current === identity && (transaction === undefined || !isRefusal(error))) this.die(error);
      throw error;
    });
  }

  /** Groups records by partition into batches and appends them. */
  async appendRecords(records: readonly OutgoingRecord[], transaction: Transaction | undefined): Promise<void> {
    const partitioner = new Partitioner(this.cluster.dependencies.random);
    const builders = new Map<string, { topic: string; partition: number; builder: BatchBuilder }>();
    const sent: Promise<void>[] = [];
    const flush = (lot: { topic: string; partition: number; builder: BatchBuilder }) => {
      const appended = this.append(lot.topic, lot.partition, lot.builder, transaction);
      appended.catch(() => undefined);
      sent.push(appended);
    };
    const now = this.cluster.dependencies.clock.now();
    for (const record of records) {
      const partition = record.partition ?? (await this.choosePartition(record, partitioner));
      const key = `${record.topic}-${partition}`;
      const lot = builders.get(key) ?? { topic: record.topic, partition, builder: new BatchBuilder() };
      builders.set(key, lot);
      const headers = record.headers === undefined ? noHeaders : encodeHeaders(record.headers);
      const { key: recordKey = null, value } = record;
      const sizeBytes = (recordKey?.length ?? 0) + (value?.length ?? 0) + headers.length + recordOverheadBytes;
      const limitBytes = this.options.batchBytes ?? defaultBatchBytes;
      if (lot.builder.count > 0 && lot.builder.sizeBytes + sizeBytes > limitBytes) flush(lot);
      lot.builder.append(record.timestampMs ?? now, recordKey, value, 0, value?.length ?? 0, headers);
    }
    for (const lot of builders.values()) if (lot.builder.count > 0) flush(lot);
    await Promise.all(sent);
  }

  private async start(): Promise<void> {
    try {
      await this.init();
    } finally {
      this.starting = undefined;
    }
  }

  private async choosePartition(record: OutgoingRecord, partitioner: Partitioner): Promise<number> {
    const missingTopicMs = this.cluster.dependencies.transport.inProcess ? 0 : 5000;
    const topic =
      this.cluster.knownTopic(record.topic) ??
      (await retry(this.cluster.dependencies, () => this.cluster.topic(record.topic), { withinMs: missingTopicMs }));
    return partitioner.partition(record.topic, record.key, topic.partitions.length);
  }

  private lane(key: string, topic: string, partition: number): PartitionLane {
    let lane = this.lanes.get(key);
    if (lane === undefined) {
      const patienceMs = this.transactionalId === undefined ? deliveryTimeoutMs : this.transactionTimeoutMs;
      lane = new PartitionLane(this.cluster, { topic, partition }, patienceMs);
      this.lanes.set(key, lane);
    }
    return lane;
  }

  private async initIdempotent(): Promise<ProducerIdentity> {
    const connection = await this.cluster.any();
    const body = apis.InitProducerId.request.create({ transactionalId: null, transactionTimeoutMs: 0 });
    return identityOf(await connection.request('InitProducerId', body));
  }

  /**
   * The identity under which init() goes on, so that it learns of a takeover; undefined to begin anew. An open transaction of ours is aborted
   * first: for a producer that says who it was, InitProducerId would fence that one and with it ourselves.
   */
  private async claim(transactionalId: string, repetition: RetryOptions): Promise<ProducerIdentity | undefined> {
    const { last, leftOpen, isVersion2 } = this;
    if (last === undefined || !leftOpen) return last;
    const decision = { transactionalId, identity: last, isVersion2, committed: false };
    try {
      this.last = await endTransaction(this.cluster, decision, repetition);
    } catch (error) {
      // A transaction that outlived its timeout was aborted by the coordinator under a new epoch: that is not a takeover.
      if (isFenced(error) && this.mayHaveTimedOut()) return undefined;
      const isOver =
        error instanceof KafkaError &&
        (error.errorCode === ErrorCode.INVALID_TXN_STATE || error.errorCode === ErrorCode.INVALID_PRODUCER_ID_MAPPING);
      if (!isOver) throw error;
    }
    return this.last;
  }

  private mayHaveTimedOut(): boolean {
    if (this.opened === undefined) return false;
    const { clock } = this.cluster.dependencies;
    const openMs = Math.max(clock.monotonicMs() - this.opened.monotonicMs, clock.now() - this.opened.nowMs);
    return openMs >= this.transactionTimeoutMs;
  }

  private async initTransactional(transactionalId: string, repetition: RetryOptions): Promise<ProducerIdentity> {
    let claim = await this.claim(transactionalId, repetition);
    const ask = async (connection: Connection): Promise<ProducerIdentity> => {
      const claimed = claim !== undefined && connection.versionOf('InitProducerId') >= 3 ? claim : {};
      const { transactionTimeoutMs } = this;
      const body = apis.InitProducerId.request.create({ transactionalId, transactionTimeoutMs, ...claimed });
      const answer = await connection.request('InitProducerId', body);
      if (answer.errorCode === ErrorCode.INVALID_PRODUCER_ID_MAPPING && claim !== undefined) {
        // The coordinator forgot the id (transactional.id.expiration.ms): nobody took it over either.
        claim = undefined;
        return ask(connection);
      }
      this.version2 = connection.feature('transaction.version') >= 2 && connection.versionOf('EndTxn') >= 5;
      return identityOf(answer);
    };
    return this.cluster.withCoordinator('transaction', transactionalId, ask, repetition);
  }
}

function identityOf(answer: { errorCode: number; producerId: number; producerEpoch: number }): ProducerIdentity {
  if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'InitProducerId');
  return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}
