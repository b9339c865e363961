// One transaction of a producer: what was appended, what must be true before it may be committed, and its end.
//
// With transaction.version 2 (KIP-890) Produce 12 and TxnOffsetCommit 5 add partitions and groups by themselves, and EndTxn 5 gives a new epoch, so
// that nothing late can reach the next transaction. Before that AddPartitionsToTxn and AddOffsetsToTxn go first.
//
// The end: EndTxn leaves when every append was answered with yes. In process those answers say "appended" and come at once, and EndTxn alone
// waits for the disk (one sync round); over a socket they say "durable".
import { TailraceError } from '../../base/errors.ts';
import { apis } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type {
  BatchSource,
  Connection,
  GroupMetadata,
  OutgoingRecord,
  ProducerTransaction,
  TopicPartitionOffset,
} from './contract.ts';
import { endTransaction } from './end-transaction.ts';
import type { KafkaProducer } from './producer.ts';
import { isFenced, isRefusal, memberGone } from './producer-errors.ts';
import { isRetriable } from './retry.ts';

/** The last version before transaction.version 2. */
const txnOffsetCommitBefore2 = 4;

export class Transaction implements ProducerTransaction {
  private readonly producer: KafkaProducer;
  private readonly transactionalId: string;
  private readonly underWay = new Set<Promise<void>>();
  private readonly admitted = new Map<string, Promise<void>>();
  private toAdmit: { topic: string; partition: number }[] = [];
  private admission: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;
  /** Whether the coordinator may know of this transaction. */
  touched = false;
  private ended = false;

  constructor(producer: KafkaProducer, transactionalId: string) {
    this.producer = producer;
    this.transactionalId = transactionalId;
  }

  /** Whether the broker has transaction.version 2. Known from the first answer of init(), so from before the first append. */
  get isVersion2(): boolean {
    return this.producer.isVersion2;
  }

  sendBatch(topic: string, partition: number, builder: BatchSource): Promise<void> {
    return this.track(() => this.producer.append(topic, partition, builder, this));
  }

  send(records: readonly OutgoingRecord[]): void {
    this.assertOpen();
    void this.track(() => this.producer.appendRecords(records, this));
  }

  sendOffsets(offsets: readonly TopicPartitionOffset[], group: GroupMetadata): Promise<void> {
    return this.track(async () => {
      try {
        if (!this.isVersion2) await this.addOffsets(group.groupId);
        await this.commitOffsets(offsets, group);
      } catch (error) {
        if (!isRefusal(error)) this.producer.die(error);
        throw memberGone(error, group.groupId);
      }
    });
  }

  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  async commit(): Promise<void> {
    this.assertOpen();
    await this.settled();
    this.ended = true;
    if (this.failure === undefined && !this.isAlive()) this.failure = { error: deadError() };
    if (this.failure === undefined) {
      await this.end(true);
      return;
    }
    const { error } = this.failure;
    if (this.isAlive()) await this.rollBack().catch(() => this.producer.die());
    throw error;
  }

  async abort(): Promise<void> {
    this.assertOpen();
    await this.settled();
    this.ended = true;
    if (this.isAlive()) await this.rollBack();
  }

  /** Before transaction.version 2: when the coordinator knows that the partition takes part. Those asked for together share a request. */
  admit(topic: string, partition: number): Promise<void> | undefined {
    if (this.isVersion2) return undefined;
    const key = `${topic}-${partition}`;
    const known = this.admitted.get(key);
    if (known !== undefined) return known;
    this.toAdmit.push({ topic, partition });
    this.admission ??= Promise.resolve().then(() => this.addPartitions());
    this.admission.catch(() => undefined);
    this.admitted.set(key, this.admission);
    return this.admission;
  }

  /** Whether the producer has not died (or been re-initialised) under this transaction. */
  private isAlive(): boolean {
    return this.producer.isCurrent(this);
  }

  private assertOpen(): void {
    if (this.ended) throw overError();
  }

  private track(action: () => Promise<void>): Promise<void> {
    if (this.ended) return Promise.reject(overError());
    this.touched = true;
    const running = this.isAlive() ? action() : Promise.reject(deadError());
    this.underWay.add(running);
    running.then(
      () => this.underWay.delete(running),
      (error: unknown) => {
        this.underWay.delete(running);
        this.failure ??= { error };
      },
    );
    return running;
  }

  private async end(committed: boolean): Promise<void> {
    if (!this.touched) {
      this.producer.transactionEnded();
      return;
    }
    try {
      const { cluster, isVersion2 } = this.producer;
      const identity = this.producer.identity();
      const decision = { transactionalId: this.transactionalId, identity, isVersion2, committed };
      this.producer.adopt(await endTransaction(cluster, decision, { retriable: isDefinite }));
    } catch (error) {
      this.producer.die(error);
      throw isFenced(error) ? this.producer.explainFence(error) : error;
    }
    this.producer.transactionEnded();
  }

  /** Aborts. A refused batch left a gap in its sequences, which only a new epoch closes: EndTxn 5 brings one, else init() does. */
  private async rollBack(): Promise<void> {
    if (this.isVersion2 || this.failure === undefined) {
      try {
        await this.end(false);
        return;
      } catch (error) {
        // Nothing had reached the coordinator, so that it knows of no transaction to abort.
        if (!(error instanceof KafkaError) || error.errorCode !== ErrorCode.INVALID_TXN_STATE) throw error;
      }
    }
    await this.producer.init();
  }

  private async addPartitions(): Promise<void> {
    const wanted = this.toAdmit;
    this.toAdmit = [];
    this.admission = undefined;
    const byTopic = new Map<string, number[]>();
    for (const { topic, partition } of wanted) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
    const identity = this.producer.identity();
    const body = apis.AddPartitionsToTxn.request.create({
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: identity.producerId,
      v3AndBelowProducerEpoch: identity.producerEpoch,
      v3AndBelowTopics: [...byTopic].map(([name, partitions]) => ({ name, partitions })),
    });
    await this.onCoordinator(async (connection) => {
      const answer = await connection.request('AddPartitionsToTxn', body, { maxVersion: 3 });
      for (const topic of answer.resultsByTopicV3AndBelow) {
        for (const { partitionIndex, partitionErrorCode } of topic.resultsByPartition) {
          if (partitionErrorCode === 0 || partitionErrorCode === ErrorCode.OPERATION_NOT_ATTEMPTED) continue;
          throw new KafkaError(partitionErrorCode, `topic ${topic.name}, partition ${partitionIndex}`);
        }
      }
    });
  }

  private async addOffsets(groupId: string): Promise<void> {
    const body = apis.AddOffsetsToTxn.request.create({
      transactionalId: this.transactionalId,
      ...this.producer.identity(),
      groupId,
    });
    await this.onCoordinator(async (connection) => {
      const answer = await connection.request('AddOffsetsToTxn', body);
      if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `group ${groupId}`);
    });
  }

  private async commitOffsets(offsets: readonly TopicPartitionOffset[], group: GroupMetadata): Promise<void> {
    const body = apis.TxnOffsetCommit.request.create({
      transactionalId: this.transactionalId,
      ...this.producer.identity(),
      groupId: group.groupId,
      generationId: group.generation,
      memberId: group.memberId,
      groupInstanceId: group.instanceId ?? null,
      topics: [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, each]) => ({
        name,
        partitions: each.map(({ partition, offset, metadata }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedMetadata: metadata ?? '',
        })),
      })),
    });
    const maxVersion = this.isVersion2 ? Number.MAX_SAFE_INTEGER : txnOffsetCommitBefore2;
    await this.producer.cluster.withCoordinator(
      'group',
      group.groupId,
      async (connection) => {
        const answer = await connection.request('TxnOffsetCommit', body, { maxVersion });
        for (const topic of answer.topics) {
          const refused = topic.partitions.find(({ errorCode }) => errorCode !== 0);
          if (refused !== undefined) {
            throw new KafkaError(refused.errorCode, `group ${group.groupId}, topic ${topic.name}`);
          }
        }
      },
      { retriable: isDefinite },
    );
  }

  private onCoordinator<T>(action: (connection: Connection) => Promise<T>): Promise<T> {
    return this.producer.cluster.withCoordinator('transaction', this.transactionalId, action, {
      retriable: isDefinite,
    });
  }
}

/** Errors that say for certain that nothing was done, and that may pass: all others end the producer (crash-only). */
function isDefinite(error: unknown): boolean {
  return error instanceof KafkaError && isRetriable(error) && error.errorCode !== ErrorCode.REQUEST_TIMED_OUT;
}

function overError(): TailraceError {
  return new TailraceError('TLR_INTERNAL', 'the transaction was committed or aborted before');
}

function deadError(): TailraceError {
  return new TailraceError('TLR_KAFKA', 'the producer failed or was initialised anew: this transaction is over', {
    retriable: true,
  });
}
