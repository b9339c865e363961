// The decision of an edge: the group's offsets (with the accounts in their metadata), the manifests of two-phase sinks, dead letters, and records for topics,
// and what the ledger says of it, in ONE transaction of the producer `tailrace-<instance>-<edge>`. What it says has happened; everything else is prepared before or redone after. The
// offsets carry member and generation, so a member that was replaced cannot decide. Offsets alone (nothing to publish, no dead letters) are an
// ordinary commit, which is as atomic and costs less.
import { crashPoint } from '../base/crash-point.ts';
import type {
  Consumer,
  KafkaClient,
  OutgoingRecord,
  Producer,
  ProducerTransaction,
  TopicPartitionOffset,
} from '../broker/client/contract.ts';
import type { Manifest } from '../sinks/sink.ts';
import { type JobRecord, jobRecord, manifestRecord } from './manifests.ts';

export interface Decision {
  offsets: readonly TopicPartitionOffset[];
  manifests: readonly { scope: string; manifest: Manifest }[];
  deadLetters: readonly OutgoingRecord[];
  ledger: readonly OutgoingRecord[];
}

/**
 * A decision takes milliseconds. On a cluster whoever takes the partitions over of one that was killed in the middle of it waits until the coordinator has
 * ended it, so it must not last long there; longer than the election of a leader, though.
 */
export const decisionTimeoutMs = { inProcess: 60_000, cluster: 15_000 };

export class Decider {
  private readonly group: string;
  private readonly manifestGroup: string;
  private readonly producer: Producer;
  private initialised = false;
  private transaction: ProducerTransaction | undefined;

  /** `manifestGroup`: the name that manifests are kept under; the group's own unless given. */
  constructor(client: KafkaClient, group: string, instance: string, manifestGroup = group) {
    this.group = group;
    this.manifestGroup = manifestGroup;
    const transactionTimeoutMs = client.inProcess ? decisionTimeoutMs.inProcess : decisionTimeoutMs.cluster;
    this.producer = client.producer({ transactionalId: `tailrace-${instance}-${group}`, transactionTimeoutMs });
  }

  /** Fences every earlier session of this edge and aborts what it left open. */
  async init(): Promise<void> {
    if (this.initialised) return;
    await this.producer.init();
    this.initialised = true;
  }

  /** The transaction that the next decision commits. Only after init(). */
  current(): ProducerTransaction {
    return (this.transaction ??= this.producer.begin());
  }

  /** Decides. When it throws the outcome may be unknown: only a new session, which reads what was decided, can tell. */
  async decide(decision: Decision, consumer: Consumer): Promise<void> {
    const { offsets, manifests, deadLetters, ledger } = decision;
    const records = [
      ...deadLetters,
      ...ledger,
      ...manifests.map(({ scope, manifest }) => manifestRecord(this.manifestGroup, scope, manifest)),
    ];
    if (this.transaction === undefined && records.length === 0) {
      await consumer.commit(offsets);
      return;
    }
    await this.init();
    const transaction = this.current();
    if (records.length > 0) transaction.send(records);
    await transaction.sendOffsets(offsets, consumer.groupMetadata());
    crashPoint('edge.offsets-sent');
    await this.commit(transaction);
  }

  /** Keeps the state of a bounded job. */
  async keepJob(job: JobRecord): Promise<void> {
    await this.init();
    const transaction = this.current();
    transaction.send([jobRecord(this.group, job)]);
    await this.commit(transaction);
  }

  close(): Promise<void> {
    return this.producer.close();
  }

  private async commit(transaction: ProducerTransaction): Promise<void> {
    this.transaction = undefined;
    await transaction.commit();
  }
}
