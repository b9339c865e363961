// The transactions of this broker, as request objects: each method takes a request and resolves to its response. The rules are in transaction.ts, the
// order of the writes in live-transactions.ts, what happens after a crash in transaction-recovery.ts.
//
// Order: what a request appends, it appends before the call returns (once __transaction_state exists), so requests take effect in the order of the calls:
// a producer of this process may send EndTxn right behind its Produce requests, without waiting for their answers.
import type { Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Appended, PartitionLog } from '../log/contract.ts';
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { initProducerIdResponse } from '../wire/messages/22-init-producer-id.ts';
import { addPartitionsToTxnResponse } from '../wire/messages/24-add-partitions-to-txn.ts';
import { addOffsetsToTxnResponse } from '../wire/messages/25-add-offsets-to-txn.ts';
import { endTxnResponse } from '../wire/messages/26-end-txn.ts';
import type { CoordinatorDependencies, RequestContext } from './contract.ts';
import { CoordinatorTopic, OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './coordinator-topic.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import type { TransactionalProducer, TransactionGuard } from './group-offsets.ts';
import { type Applied, LiveTransactions, type LiveTransaction } from './live-transactions.ts';
import { recoverTransactions } from './transaction-recovery.ts';
import { describeTransactions, listTransactions } from './transaction-views.ts';
import {
  isPrepared,
  needsProducerId,
  partitionKey,
  stepTransaction,
  type TransactionPartition,
  type TransactionState,
} from './transaction.ts';

/** Versions in which a transaction needs no AddPartitionsToTxn (KIP-890): Produce, and TxnOffsetCommit. */
const implicitProduceVersion = 12;
const implicitOffsetsVersion = 5;
/** Ids are looked through for expiry at most so often. */
const expiryIntervalMs = 3_600_000;

export interface TransactionDependencies extends CoordinatorDependencies {
  groups: GroupCoordinator;
}

export class TransactionCoordinator implements TransactionGuard {
  private readonly dependencies: TransactionDependencies;
  private readonly topic: CoordinatorTopic;
  private readonly transactions: LiveTransactions;
  /**
   * When each open transaction was first seen, in monotonic time: the time of day may be set back, and a transaction that stays open for that long holds
   * back whoever waits for its offsets or reads what is committed.
   */
  private readonly openSince = new WeakMap<LiveTransaction, { startedAtMs: number; atMs: number }>();
  private timeoutTimer: Timer | undefined;
  private expiryTimer: Timer | undefined;
  private closed = false;

  /** Reads __transaction_state and ends or resumes what a crash left open. Throws KafkaError when the log cannot be read or written. */
  static async open(dependencies: TransactionDependencies): Promise<TransactionCoordinator> {
    const coordinator = new TransactionCoordinator(dependencies);
    const { topic, transactions } = coordinator;
    const nowMs = dependencies.clock.now();
    for (const state of await recoverTransactions({ ...dependencies, topic, nowMs })) transactions.restore(state);
    await Promise.all([...transactions.all()].map((live) => live.decision));
    dependencies.groups.attachTransactions(coordinator);
    coordinator.watchTimeouts();
    coordinator.scheduleExpiry();
    return coordinator;
  }

  private constructor(dependencies: TransactionDependencies) {
    const { log, clock, logger, groups, setting } = dependencies;
    this.dependencies = dependencies;
    this.topic = new CoordinatorTopic(log, TRANSACTIONS_TOPIC, setting('transaction.state.log.num.partitions'));
    this.transactions = new LiveTransactions({ log, clock, logger, groups, topic: this.topic });
  }

  /** InitProducerId: fences older producers of the transactional id and aborts what they left open. */
  async initProducerId(
    request: RequestOf<'InitProducerId'>,
    context: RequestContext,
  ): Promise<ResponseOf<'InitProducerId'>> {
    const { transactionalId } = request;
    try {
      if (transactionalId === null) {
        const producerId = await this.dependencies.log.allocateProducerId();
        return initProducerIdResponse.create({ producerId, producerEpoch: 0 });
      }
      const refusal = this.initError(request);
      const applied = refusal === ErrorCode.NONE ? await this.init(transactionalId, request) : undefined;
      const errorCode = applied?.errorCode ?? refusal;
      if (applied === undefined || errorCode !== ErrorCode.NONE) return this.initRefused(errorCode, context.version);
      await applied.durable;
      const { producerId, producerEpoch } = applied.state;
      return initProducerIdResponse.create({ producerId, producerEpoch });
    } catch (error) {
      return this.initRefused(this.storageError('InitProducerId', transactionalId, error), context.version);
    }
  }

  /** AddPartitionsToTxn: of each transaction all partitions are added, or none. From version 4 on many transactions, some to be looked at only. */
  async addPartitionsToTxn(
    request: RequestOf<'AddPartitionsToTxn'>,
    context: RequestContext,
  ): Promise<ResponseOf<'AddPartitionsToTxn'>> {
    if (context.version >= 4) {
      const results = request.transactions.map(async (transaction) => ({
        transactionalId: transaction.transactionalId,
        topicResults: await this.addTopics(transaction, transaction.topics, transaction.verifyOnly, context.version),
      }));
      return addPartitionsToTxnResponse.create({ resultsByTransaction: await Promise.all(results) });
    }
    const producer = {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
    };
    const results = await this.addTopics(producer, request.v3AndBelowTopics, false, context.version);
    return addPartitionsToTxnResponse.create({ resultsByTopicV3AndBelow: results });
  }

  /** AddOffsetsToTxn: the group's partition of __consumer_offsets joins the transaction. */
  async addOffsetsToTxn(
    request: RequestOf<'AddOffsetsToTxn'>,
    context: RequestContext,
  ): Promise<ResponseOf<'AddOffsetsToTxn'>> {
    const { groups } = this.dependencies;
    if (request.groupId === '') return addOffsetsToTxnResponse.create({ errorCode: ErrorCode.INVALID_GROUP_ID });
    const partition = groups.partitionFor(request.groupId);
    const error = await this.add(request, [{ topic: OFFSETS_TOPIC, partition }]);
    return addOffsetsToTxnResponse.create({ errorCode: fencedAs(error, context.version < 2) });
  }

  /**
   * EndTxn: resolves when the decision is durable and the markers are appended. From version 5 the response names the epoch of the next
   * transaction.
   */
  async endTxn(request: RequestOf<'EndTxn'>, context: RequestContext): Promise<ResponseOf<'EndTxn'>> {
    const { groups } = this.dependencies;
    // Offsets of this transaction may be waiting for their topic; they come first.
    if (groups.isCreatingTopic) await groups.ensureTopic();
    try {
      const applied = await this.end(request, context.version >= 5);
      if (typeof applied === 'number') {
        return endTxnResponse.create({ errorCode: endErrorCode(applied, context.version) });
      }
      await applied.durable;
      const { producerId, producerEpoch, nextProducerId } = applied.state;
      if (nextProducerId < 0) return endTxnResponse.create({ producerId, producerEpoch });
      return endTxnResponse.create({ producerId: nextProducerId, producerEpoch: 0 });
    } catch (error) {
      return endTxnResponse.create({ errorCode: this.storageError('EndTxn', request.transactionalId, error) });
    }
  }

  describeTransactions(request: RequestOf<'DescribeTransactions'>): ResponseOf<'DescribeTransactions'> {
    return describeTransactions(request, (transactionalId) => this.transactions.get(transactionalId)?.state);
  }

  listTransactions(request: RequestOf<'ListTransactions'>): ResponseOf<'ListTransactions'> {
    const states = [...this.transactions.all()].map(({ state }) => state);
    return listTransactions(request, states, this.dependencies.clock.now());
  }

  /**
   * For Produce: whether the producer may append to the partition in its transaction. From Produce version 12 on the partition joins the
   * transaction by it (KIP-890), before it must have been added. Returns the error to answer, undefined when there is none.
   */
  verifyOrAddPartition(
    transactionalId: string,
    producerId: number,
    producerEpoch: number,
    topic: string,
    partition: number,
    version: number,
  ): KafkaError | undefined {
    const code = this.admit(
      { transactionalId, producerId, producerEpoch },
      { topic, partition },
      version >= implicitProduceVersion,
      version >= implicitProduceVersion - 1,
    );
    return code === ErrorCode.NONE
      ? undefined
      : new KafkaError(code, `Transaction '${transactionalId}', topic ${topic}`);
  }

  /** As verifyOrAddPartition, for TxnOffsetCommit. */
  admitOffsets(producer: TransactionalProducer, partition: number, version: number): number {
    const target = { topic: OFFSETS_TOPIC, partition };
    return this.admit(producer, target, version >= implicitOffsetsVersion, version >= implicitOffsetsVersion - 1);
  }

  /**
   * For appends of a producer of this process, whose EndTxn may come before they are durable: should the log take one back (a full disk), the
   * transaction is not committed without it.
   */
  noteAppend(producer: TransactionalProducer, partition: PartitionLog, appended: Appended): void {
    const live = this.openOf(producer);
    if (live !== undefined) this.transactions.noteAppend(live, partition, appended);
  }

  /** For a producer of this process, whose EndTxn may be under way already: part of its transaction was refused, so it can only be aborted. */
  doom(transactionalId: string, producerId: number, producerEpoch: number): void {
    const live = this.transactions.get(transactionalId);
    if (live === undefined) return;
    const nowMs = this.dependencies.clock.now();
    this.transactions.apply(live, { kind: 'doom', producer: { producerId, producerEpoch }, nowMs });
  }

  /** Stops timers and carries out what is decided. What is open stays open in the log; open() goes on with it. */
  async close(): Promise<void> {
    this.closed = true;
    this.timeoutTimer?.cancel();
    this.expiryTimer?.cancel();
    await this.transactions.close();
  }

  private initError({ transactionalId, transactionTimeoutMs, producerId, producerEpoch }: RequestOf<'InitProducerId'>) {
    if (transactionalId === '' || producerId < 0 !== producerEpoch < 0) return ErrorCode.INVALID_REQUEST;
    const longestMs = this.dependencies.setting('transaction.max.timeout.ms');
    const allowed = transactionTimeoutMs > 0 && transactionTimeoutMs <= longestMs;
    return allowed ? ErrorCode.NONE : ErrorCode.INVALID_TRANSACTION_TIMEOUT;
  }

  private initRefused(errorCode: number, version: number): ResponseOf<'InitProducerId'> {
    return initProducerIdResponse.create({
      errorCode: fencedAs(errorCode, version < 4),
      producerId: -1,
      producerEpoch: -1,
    });
  }

  private async init(transactionalId: string, request: RequestOf<'InitProducerId'>): Promise<Applied> {
    const { clock, log } = this.dependencies;
    if (!this.topic.exists) await this.topic.ensure();
    const { producerId, producerEpoch, transactionTimeoutMs: timeoutMs } = request;
    const expected = producerId < 0 ? undefined : { producerId, producerEpoch };
    for (let attempt = 1; ; attempt++) {
      const live = this.transactions.getOrCreate(transactionalId);
      const fresh = needsProducerId(live.state) ? await log.allocateProducerId() : undefined;
      // Another request may have come in between.
      if (fresh === undefined && needsProducerId(live.state)) continue;
      const nowMs = clock.now();
      const applied = this.transactions.apply(live, {
        ...{ kind: 'init', timeoutMs, expected, nowMs },
        freshProducerId: fresh,
      });
      // What was open is being aborted, or a decision is being carried out: this waits where Kafka lets the client come again.
      if (applied.errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS || attempt === 3) return applied;
      await applied.durable;
      await live.decision;
    }
  }

  private async end(request: RequestOf<'EndTxn'>, bumpsEpoch: boolean): Promise<Applied | number> {
    const { transactionalId, producerId, producerEpoch } = request;
    if (transactionalId === '') return ErrorCode.INVALID_REQUEST;
    for (let attempt = 1; ; attempt++) {
      const live = this.transactions.get(transactionalId);
      if (live === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
      const needsFresh = bumpsEpoch && needsProducerId(live.state);
      const freshProducerId = needsFresh ? await this.dependencies.log.allocateProducerId() : undefined;
      const applied = this.transactions.apply(live, {
        ...{ kind: 'end', producer: { producerId, producerEpoch }, bumpsEpoch, freshProducerId },
        outcome: request.committed ? 'commit' : 'abort',
        nowMs: this.dependencies.clock.now(),
      });
      if (applied.errorCode === ErrorCode.NONE) return applied;
      if (applied.errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS || attempt === 3) return applied.errorCode;
      // The same request came before and is being carried out.
      await live.decision;
    }
  }

  private async addTopics(
    producer: TransactionalProducer,
    topics: readonly { name: string; partitions: readonly number[] }[],
    verifyOnly: boolean,
    version: number,
  ) {
    const partitions = topics.flatMap((topic) =>
      topic.partitions.map((partition) => ({ topic: topic.name, partition })),
    );
    const isComplete = partitions.every((target) => this.isThere(target));
    const error = isComplete && !verifyOnly ? await this.add(producer, partitions) : ErrorCode.OPERATION_NOT_ATTEMPTED;
    const errorCodeOf = (target: TransactionPartition) => {
      if (!this.isThere(target)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (isComplete && verifyOnly) return this.verify(producer, target);
      return fencedAs(error, version < 2);
    };
    return topics.map(({ name, partitions: indexes }) => ({
      name,
      resultsByPartition: indexes.map((partitionIndex) => ({
        partitionIndex,
        partitionErrorCode: errorCodeOf({ topic: name, partition: partitionIndex }),
      })),
    }));
  }

  /** Whether the partition belongs to the producer's open transaction: 0, or the error. */
  private verify(producer: TransactionalProducer, target: TransactionPartition): number {
    if (producer.transactionalId === '') return ErrorCode.INVALID_REQUEST;
    const state = this.transactions.get(producer.transactionalId)?.state;
    if (state === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    const nowMs = this.dependencies.clock.now();
    const { errorCode } = stepTransaction(state, { kind: 'add', producer, partitions: [], clientVersion: 0, nowMs });
    if (errorCode !== ErrorCode.NONE) return errorCode;
    return isOpenOn(state, target) ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE;
  }

  /** AddPartitionsToTxn and AddOffsetsToTxn: durable when it resolves to 0. */
  private async add(producer: TransactionalProducer, partitions: readonly TransactionPartition[]): Promise<number> {
    const { transactionalId } = producer;
    if (transactionalId === '') return ErrorCode.INVALID_REQUEST;
    const live = this.transactions.get(transactionalId);
    if (live === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    try {
      const nowMs = this.dependencies.clock.now();
      const applied = this.transactions.apply(live, { kind: 'add', producer, partitions, clientVersion: 0, nowMs });
      this.watchTimeouts();
      await applied.durable;
      return applied.errorCode;
    } catch (error) {
      return this.storageError('Adding to a transaction', transactionalId, error);
    }
  }

  private admit(
    producer: TransactionalProducer,
    target: TransactionPartition,
    adds: boolean,
    knowsAbortable: boolean,
  ): number {
    const { transactionalId } = producer;
    const live = this.transactions.get(transactionalId);
    if (live === undefined) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
    const { state } = live;
    if (
      isOpenOn(state, target) &&
      state.producerId === producer.producerId &&
      state.producerEpoch === producer.producerEpoch
    ) {
      return ErrorCode.NONE;
    }
    try {
      const nowMs = this.dependencies.clock.now();
      const event = { kind: 'add', producer, clientVersion: 2, nowMs } as const;
      const { errorCode } = this.transactions.apply(live, { ...event, partitions: adds ? [target] : [] });
      this.watchTimeouts();
      if (errorCode !== ErrorCode.NONE) return fencedAs(errorCode, true);
      if (adds) return ErrorCode.NONE;
      return knowsAbortable ? ErrorCode.TRANSACTION_ABORTABLE : ErrorCode.INVALID_TXN_STATE;
    } catch (error) {
      return this.storageError('Adding to a transaction', transactionalId, error);
    }
  }

  private openOf({ transactionalId, producerId, producerEpoch }: TransactionalProducer): LiveTransaction | undefined {
    const live = this.transactions.get(transactionalId);
    const isOpen =
      live?.state.phase === 'Ongoing' &&
      live.state.producerId === producerId &&
      live.state.producerEpoch === producerEpoch;
    return isOpen ? live : undefined;
  }

  private isThere({ topic, partition }: TransactionPartition): boolean {
    return partition >= 0 && partition < (this.dependencies.log.topic(topic)?.partitions ?? 0);
  }

  /** Looks for transactions past their timeout for as long as any is open; aborts them and fences their producers. */
  private watchTimeouts(): void {
    if (this.closed || this.timeoutTimer !== undefined) return;
    const isAnyOpen = [...this.transactions.all()].some(({ state }) => state.phase === 'Ongoing');
    if (!isAnyOpen) return;
    const { clock, setting } = this.dependencies;
    const intervalMs = setting('transaction.abort.timed.out.transaction.cleanup.interval.ms');
    this.timeoutTimer = clock.schedule(intervalMs, () => {
      this.timeoutTimer = undefined;
      for (const live of [...this.transactions.all()]) this.abortIfLate(live);
      this.watchTimeouts();
    });
  }

  private abortIfLate(live: LiveTransaction): void {
    const { clock, logger } = this.dependencies;
    const { phase, startedAtMs, timeoutMs, transactionalId } = live.state;
    if (phase !== 'Ongoing') return;
    const nowMs = clock.now();
    const atMs = clock.monotonicMs();
    let seen = this.openSince.get(live);
    if (seen?.startedAtMs !== startedAtMs) this.openSince.set(live, (seen = { startedAtMs, atMs }));
    if (Math.max(nowMs - startedAtMs, atMs - seen.atMs) < timeoutMs) return;
    logger.warn('A transaction is aborted: its producer did not end it in time', { transactionalId, timeoutMs });
    try {
      this.transactions.apply(live, { kind: 'timeout', nowMs });
    } catch (error) {
      this.storageError('Aborting a late transaction', transactionalId, error);
    }
  }

  private scheduleExpiry(): void {
    if (this.closed) return;
    const { clock, setting } = this.dependencies;
    this.expiryTimer = clock.schedule(expiryIntervalMs, () => {
      const nowMs = clock.now();
      const oldestMs = nowMs - setting('transactional.id.expiration.ms');
      for (const live of [...this.transactions.all()]) {
        if (isPrepared(live.state) || live.state.updatedAtMs > oldestMs) continue;
        try {
          this.transactions.apply(live, { kind: 'expire', nowMs });
        } catch (error) {
          this.storageError('Forgetting a transactional id', live.state.transactionalId, error);
        }
      }
      this.scheduleExpiry();
    });
  }

  /** What Kafka answers when a record could not be written: the client comes again. */
  private storageError(what: string, transactionalId: string | null, error: unknown): number {
    this.dependencies.logger.warn(`${what} failed: the log refused it`, { transactionalId, error: messageOf(error) });
    return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  }
}

function isOpenOn({ phase, partitions }: TransactionState, target: TransactionPartition): boolean {
  return phase === 'Ongoing' && partitions.has(partitionKey(target));
}

/** Old versions, and Produce and TxnOffsetCommit in all of them, know PRODUCER_FENCED as INVALID_PRODUCER_EPOCH (KIP-588). */
function fencedAs(errorCode: number, old: boolean): number {
  return errorCode === ErrorCode.PRODUCER_FENCED && old ? ErrorCode.INVALID_PRODUCER_EPOCH : errorCode;
}

function endErrorCode(errorCode: number, version: number): number {
  if (errorCode === ErrorCode.TRANSACTION_ABORTABLE && version < 4) return ErrorCode.INVALID_TXN_STATE;
  return fencedAs(errorCode, version < 2);
}
