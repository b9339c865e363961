// What transactions are after a start, from __transaction_state and from the transactions that the partitions hold open. The crash states, and why
// each is resolved as it is, are listed at the top of live-transactions.ts. In this order, so that a crash on the way changes no verdict:
//
//   1. Verdicts. A decision that is the last record of its id counts only when every partition reaches as far as its extent says and ends there
//      with the same checksum. Any later record of the id proves it: that was written after the decision was durable.
//      One that does not count is replaced by PrepareAbort, durable before anything else is written.
//   2. Markers of earlier decisions that a torn round has lost: an open transaction that began below the end of a decision's extent belongs to it.
//   3. What is open without a decision stays open when its producer is the current one of its id (its timeout goes on), and is aborted otherwise.
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { LogDirectory, PartitionLog } from '../log/contract.ts';
import { forEachBatch } from '../wire/record-batch.ts';
import { type CoordinatorTopic, OFFSETS_TOPIC } from './coordinator-topic.ts';
import type { GroupCoordinator } from './group-coordinator.ts';
import { type Extent, readTransactionRecord, transactionRecord } from './transaction-record.ts';
import { isPrepared, partitionKey, type TransactionPartition, type TransactionState } from './transaction.ts';

interface Decision {
  readonly state: TransactionState;
  readonly extents: readonly Extent[] | undefined;
}

/** What the log says of a transactional id: its last record, and the last two decisions (markers of older ones are durable). */
interface History {
  latest: TransactionState;
  decisions: Decision[];
}

/** A transaction that a partition holds open. */
interface Open {
  readonly log: PartitionLog;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly startOffset: number;
}

interface Parts {
  log: LogDirectory;
  topic: CoordinatorTopic;
  groups: GroupCoordinator;
  logger: Logger;
  nowMs: number;
}

/**
 * The state of every transactional id; those in a Prepare… phase are to be carried out by the caller. What had to be written is durable when it
 * resolves. Throws KafkaError when the log cannot be read or refuses a record.
 */
export async function recoverTransactions(parts: Parts): Promise<TransactionState[]> {
  const histories = await readHistories(parts.topic);
  for (const history of histories.values()) await judge(history, parts);
  const byProducer = new Map<number, History>();
  for (const history of histories.values()) {
    const { producerId, previousProducerId } = history.latest;
    for (const id of [previousProducerId, ...history.decisions.map(({ state }) => state.producerId), producerId]) {
      if (id >= 0) byProducer.set(id, history);
    }
  }
  const written: Promise<void>[] = [];
  for (const open of openTransactions(parts)) {
    const ended = resolve(open, byProducer.get(open.producerId), parts);
    if (ended !== undefined) written.push(ended);
  }
  await Promise.all(written);
  return [...histories.values()].map((history) => history.latest);
}

async function readHistories(topic: CoordinatorTopic): Promise<Map<string, History>> {
  const histories = new Map<string, History>();
  await topic.replay({
    record: (cursor) => {
      const { transactionalId, state, extents } = readTransactionRecord(cursor);
      if (state === undefined) {
        histories.delete(transactionalId);
        return;
      }
      const history = histories.get(transactionalId) ?? { latest: state, decisions: [] };
      // A decision right behind a decision is a verdict of recovery and replaces it.
      if (isPrepared(state) && isPrepared(history.latest)) history.decisions.pop();
      if (isPrepared(state)) history.decisions = [...history.decisions.slice(-1), { state, extents }];
      history.latest = state;
      histories.set(transactionalId, history);
    },
    marker: () => undefined,
  });
  return histories;
}

/** Turns a commit whose data did not reach the disk into an abort, for good. */
async function judge(history: History, { log, topic, logger, nowMs }: Parts): Promise<void> {
  const last = history.decisions.at(-1);
  if (history.latest.phase !== 'PrepareCommit' || last === undefined) return;
  let missing: Extent | undefined;
  for (const extent of last.extents ?? []) {
    if (missing === undefined && !(await isThere(extent, log))) missing = extent;
  }
  if (missing === undefined) return;
  const { transactionalId } = history.latest;
  logger.warn(
    'A transaction is aborted: the power failed before all of it was on disk, and nobody was told that it was',
    {
      transactionalId,
      partition: missing.partition,
      endOffset: missing.endOffset,
    },
  );
  const aborted: TransactionState = { ...history.latest, phase: 'PrepareAbort' };
  // What is lost will be written over: transactions that begin there are others.
  const extents = last.extents?.map((extent) => {
    return { ...extent, endOffset: Math.min(extent.endOffset, partitionOf(extent, log)?.logEndOffset ?? Infinity) };
  });
  await topic.append(topic.partitionFor(transactionalId), [transactionRecord(aborted, extents)], nowMs).durable;
  history.latest = aborted;
  history.decisions[history.decisions.length - 1] = { state: aborted, extents };
}

/** The partition that an extent is of; undefined when it was deleted or is offline. */
function partitionOf({ topicId, partition }: Extent, log: LogDirectory): PartitionLog | undefined {
  const topic = log.topicById(topicId);
  try {
    return topic && log.partition(topic.name, partition);
  } catch {
    return undefined;
  }
}

/** Whether a partition holds what it held when the decision was made. One that was deleted, or is offline, has nothing to say against it. */
async function isThere(extent: Extent, log: LogDirectory): Promise<boolean> {
  const { endOffset, lastCrc } = extent;
  const partitionLog = partitionOf(extent, log);
  if (partitionLog === undefined || endOffset === 0) return true;
  if (partitionLog.logEndOffset < endOffset) return false;
  if (partitionLog.logStartOffset >= endOffset || lastCrc === undefined) return true;
  const { records } = await partitionLog.read(endOffset - 1, 1, 'log_end');
  let same = true;
  for (const chunk of records) {
    forEachBatch(chunk, (batch) => {
      // A batch that begins later stands where compaction took this one away; that happens to durable batches only.
      const holdsEnd = batch.baseOffset < endOffset && batch.lastOffset >= endOffset - 1;
      if (holdsEnd && (batch.lastOffset !== endOffset - 1 || batch.crc !== lastCrc)) same = false;
    });
  }
  return same;
}

function openTransactions({ log, logger }: Parts): Open[] {
  const found: Open[] = [];
  for (const { name, partitions } of log.topics()) {
    for (let index = 0; index < partitions; index++) {
      try {
        const partition = log.partition(name, index);
        for (const producer of partition?.producers() ?? []) {
          const { producerId, producerEpoch, currentTransactionStartOffset: startOffset } = producer;
          if (startOffset >= 0) found.push({ log: partition!, producerId, producerEpoch, startOffset });
        }
      } catch (error) {
        logger.warn('Transactions of a partition are not looked at', {
          topic: name,
          partition: index,
          error: messageOf(error),
        });
      }
    }
  }
  return found;
}

/** Ends or keeps one open transaction; the promise is of its marker. */
function resolve(open: Open, history: History | undefined, parts: Parts): Promise<void> | undefined {
  const { log, producerId, producerEpoch } = open;
  const decision = history?.decisions.find((known) => decides(known, open, known.state === history.latest));
  if (decision !== undefined && decision.state === history?.latest) return undefined;
  if (decision !== undefined) {
    const kind = decision.state.phase === 'PrepareCommit' ? 'commit' : 'abort';
    return end(open, decision.state.producerEpoch, kind, parts);
  }
  if (history !== undefined && !isPrepared(history.latest)) {
    const { latest } = history;
    if (latest.producerId === producerId && latest.producerEpoch === producerEpoch) {
      history.latest = reopened(latest, { topic: log.topic, partition: log.partition }, parts.nowMs);
      return undefined;
    }
  }
  parts.logger.warn('A transaction without a living producer is aborted', {
    topic: log.topic,
    partition: log.partition,
    producerId,
  });
  return end(open, producerEpoch, 'abort', parts);
}

/**
 * Whether the open transaction is the one that was decided: it began below the end that the decision saw, under no later epoch. Without extent (Kafka's) only
 * the last can be.
 */
function decides({ state, extents }: Decision, open: Open, isLast: boolean): boolean {
  const { log, producerId, producerEpoch, startOffset } = open;
  if (state.producerId !== producerId || producerEpoch > state.producerEpoch) return false;
  if (!state.partitions.has(partitionKey(log))) return false;
  const extent = extents?.find(({ topicId, partition }) => partition === log.partition && topicId.equals(log.topicId));
  return extent === undefined ? isLast : startOffset < extent.endOffset;
}

/** The transaction goes on: with this partition, which its last record may not name yet. */
function reopened(state: TransactionState, partition: TransactionPartition, nowMs: number): TransactionState {
  const isOpen = state.phase === 'Ongoing';
  const partitions = new Map(isOpen ? state.partitions : []).set(partitionKey(partition), partition);
  return { ...state, phase: 'Ongoing', partitions, startedAtMs: isOpen ? state.startedAtMs : nowMs };
}

function end(open: Open, producerEpoch: number, kind: 'commit' | 'abort', { topic, groups }: Parts): Promise<void> {
  const { log, producerId } = open;
  const coordinatorEpoch = topic.exists ? topic.partition(0).leaderEpoch : 0;
  const { durable } = log.appendMarker({ producerId, producerEpoch, coordinatorEpoch, kind });
  if (log.topic === OFFSETS_TOPIC) groups.completeTransaction(log.partition, producerId, kind);
  return durable;
}
