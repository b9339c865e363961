// The transactional ids of this broker as they run: gives each event to the pure machine (transaction.ts), writes its records, and carries
// decisions out. It owns no rule of the protocol, but the order of the writes, which is what makes a transaction atomic:
//
//   1. data         appended to their partitions, not waited for
//   2. decision     PrepareCommit or PrepareAbort appended to __transaction_state, with the extent of every partition; waited for.
//                   The log makes durable only prefixes of all appends (broker/log/group-commit.ts), so data are durable with it, in one round.
//   3. markers      appended to every partition, offsets applied, Complete… appended: in one turn, at which the client is answered
//   4. durable      with the next round; only now read_committed readers pass the markers
//
// A process may stop, or the power fail, anywhere; what recovery (transaction-recovery.ts) finds and does:
//   before 2 is on disk          no decision: the transaction is open still; its producer or the timeout ends it
//   2 on disk, data missing      (the round was torn) the extent says so: aborted. Nobody was told that it was committed
//   2 and data on disk           decided, told or not: markers are written again where they are missing
//   3 in part on disk            Complete… does not prove the markers of its round: what a decision left open is marked again
// A full disk takes back whole rounds while the process goes on. A decision that is taken back: the transaction can only be aborted, since its data may
// be gone with it. Markers that are taken back: the decision stands and they are written again; nothing new is taken from its producer meanwhile.
import type { Clock, Timer } from '../../base/clock.ts';
import { crashPoint } from '../../base/crash-point.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Appended, LogDirectory, PartitionLog } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { AppendWatch } from './append-watch.ts';
import { type CoordinatorTopic, OFFSETS_TOPIC } from './coordinator-topic.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import { type Extent, transactionRecord, transactionTombstone } from './transaction-record.ts';
import {
  isPrepared,
  newTransaction,
  partitionKey,
  stepTransaction,
  type TransactionEvent,
  type TransactionState,
} from './transaction.ts';

/** What is carried out: the decided state, and its markers so far by partition, with the Complete… record under ''. */
interface Decision {
  readonly state: TransactionState;
  readonly written: Map<string, AppendWatch>;
}

/** How long markers that could not be written wait for the next try. */
const markerRetryMs = 500;

export interface LiveTransaction {
  state: TransactionState;
  /** The decision that is being carried out, or was the last: resolves when it is durable and the markers were tried. Never rejects. */
  decision: Promise<void>;
  /** Last appends of this process's producers to each partition of the open transaction. */
  readonly appends: Map<string, AppendWatch>;
  retry: Timer | undefined;
}

export interface Applied {
  readonly errorCode: number;
  /** The state as the event left it. */
  readonly state: TransactionState;
  /** Resolves when what was written is durable, for a decision when its markers have been tried; rejects when the log refused or lost it. */
  readonly durable: Promise<void>;
}

interface Parts {
  log: LogDirectory;
  clock: Clock;
  logger: Logger;
  topic: CoordinatorTopic;
  groups: GroupCoordinator;
}

export class LiveTransactions {
  private readonly transactions = new Map<string, LiveTransaction>();
  private readonly parts: Parts;
  private closed = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  get(transactionalId: string): LiveTransaction | undefined {
    return this.transactions.get(transactionalId);
  }

  all(): Iterable<LiveTransaction> {
    return this.transactions.values();
  }

  getOrCreate(transactionalId: string): LiveTransaction {
    return this.transactions.get(transactionalId) ?? this.restore(newTransaction(transactionalId));
  }

  /** Puts an id of the log in place. A decision that was not carried out is carried out now. */
  restore(state: TransactionState): LiveTransaction {
    const live = {
      state,
      decision: Promise.resolve(),
      appends: new Map<string, AppendWatch>(),
      retry: undefined,
    };
    this.transactions.set(state.transactionalId, live);
    if (isPrepared(state)) this.carryOut(live, { state, written: new Map() });
    return live;
  }

  /** Lets `event` happen and writes what follows. Throws KafkaError when the log refuses the record; nothing has happened then. */
  apply(live: LiveTransaction, event: TransactionEvent): Applied {
    if (event.kind === 'end' && [...live.appends.values()].some((watch) => watch.isLost)) doom(live);
    const { state, write, errorCode } = stepTransaction(live.state, event);
    let durable = Promise.resolve();
    if (write === 'decision') {
      durable = this.decide(live, state);
    } else {
      if (write === 'state') durable = this.append(state, transactionRecord(state)).durable;
      if (write === 'tombstone') {
        durable = this.append(state, transactionTombstone(state.transactionalId)).durable;
        this.transactions.delete(state.transactionalId);
      }
      live.state = state;
    }
    // Not everybody waits for it; what is lost with a record is found again by recovery, or reported by a later write.
    durable.catch(() => undefined);
    return { errorCode, state, durable };
  }

  /** An append to the open transaction that its EndTxn may overtake: should the log take it back, the transaction can only be aborted. */
  noteAppend(live: LiveTransaction, partition: PartitionLog, appended: Appended): void {
    const key = partitionKey(partition);
    live.appends.get(key)?.cancel();
    const watch = new AppendWatch(partition, appended.lastOffset, () => {
      doom(live);
    });
    live.appends.set(key, watch);
  }

  /** Waits for decisions on their way to the disk, then stops. */
  async close(): Promise<void> {
    await Promise.all([...this.transactions.values()].map((live) => live.decision));
    this.closed = true;
    for (const live of this.transactions.values()) {
      live.retry?.cancel();
      for (const watch of live.appends.values()) watch.cancel();
    }
  }

  private append(state: TransactionState, record: Parameters<CoordinatorTopic['append']>[1][number]): Appended {
    const { topic, clock } = this.parts;
    return topic.append(topic.partitionFor(state.transactionalId), [record], clock.now());
  }

  /** Writes the decision; when it is durable, carries it out. */
  private decide(live: LiveTransaction, decided: TransactionState): Promise<void> {
    const before = live.state;
    const { durable } = this.append(decided, transactionRecord(decided, this.extents(decided)));
    crashPoint('transaction.decision-appended');
    for (const watch of live.appends.values()) watch.cancel();
    live.appends.clear();
    live.state = decided;
    const carriedOut = durable.then(
      () => {
        crashPoint('transaction.decision-durable');
        this.carryOut(live, { state: decided, written: new Map() });
      },
      (error: unknown) => {
        if (live.state === decided) live.state = { ...before, doomed: true };
        throw error;
      },
    );
    live.decision = carriedOut.catch(() => undefined);
    return carriedOut;
  }

  /** How far the partitions of the transaction reach now; those that are gone or offline are left out. */
  private extents(decided: TransactionState): Extent[] {
    const extents: Extent[] = [];
    for (const target of decided.partitions.values()) {
      const partition = this.partition(target.topic, target.partition);
      if (partition === undefined) continue;
      const { topicId, logEndOffset: endOffset, lastBatchCrc: lastCrc } = partition;
      extents.push({ topicId, partition: target.partition, endOffset, lastCrc });
    }
    return extents;
  }

  private partition(topic: string, partition: number): PartitionLog | undefined {
    try {
      return this.parts.log.partition(topic, partition);
    } catch {
      return undefined;
    }
  }

  /** Writes the markers that are missing, and when none is, that the transaction is complete. What the log refuses is tried again later. */
  private carryOut(live: LiveTransaction, decision: Decision): void {
    const { state, written } = decision;
    if (this.closed || live.state !== state) return;
    const kind = state.phase === 'PrepareCommit' ? 'commit' : 'abort';
    try {
      for (const [key, { topic, partition }] of state.partitions) {
        if (written.get(key)?.isLost === false) continue;
        const log = this.parts.log.partition(topic, partition);
        // A deleted topic needs no marker.
        const marked = log && this.mark(log, state, kind);
        if (marked !== undefined) written.set(key, this.watch(live, decision, log!, marked));
        crashPoint('transaction.markers-begun');
        if (topic === OFFSETS_TOPIC) this.parts.groups.completeTransaction(partition, state.producerId, kind);
      }
      const completed = stepTransaction(state, { kind: 'complete', nowMs: this.parts.clock.now() }).state;
      const appended = this.append(completed, transactionRecord(completed));
      const { topic } = this.parts;
      written.set('', this.watch(live, decision, topic.partition(topic.partitionFor(state.transactionalId)), appended));
      live.state = completed;
      crashPoint('transaction.completed');
    } catch (error) {
      this.parts.logger.warn('The end of a transaction could not be written everywhere; trying again', {
        transactionalId: state.transactionalId,
        error: messageOf(error),
      });
      this.retryLater(live, decision);
    }
  }

  /** Undefined when a later producer has written there, which it can only after this transaction had ended on that partition. */
  private mark(log: PartitionLog, state: TransactionState, kind: 'commit' | 'abort'): Appended | undefined {
    const { producerId, producerEpoch, transactionalId } = state;
    const { topic } = this.parts;
    const coordinatorEpoch = topic.partition(topic.partitionFor(transactionalId)).leaderEpoch;
    try {
      return log.appendMarker({ producerId, producerEpoch, coordinatorEpoch, kind });
    } catch (error) {
      if (error instanceof KafkaError && error.errorCode === ErrorCode.INVALID_PRODUCER_EPOCH) return undefined;
      throw error;
    }
  }

  /** Should the log take the append back, the decision is to be carried out again, and until then the producer can do nothing else. */
  private watch(live: LiveTransaction, decision: Decision, log: PartitionLog, appended: Appended): AppendWatch {
    return new AppendWatch(log, appended.lastOffset, () => {
      live.state = decision.state;
      this.retryLater(live, decision);
    });
  }

  private retryLater(live: LiveTransaction, decision: Decision): void {
    if (this.closed) return;
    live.retry?.cancel();
    live.retry = this.parts.clock.schedule(markerRetryMs, () => this.carryOut(live, decision));
  }
}

function doom(live: LiveTransaction): void {
  if (live.state.phase === 'Ongoing') live.state = { ...live.state, doomed: true };
}
