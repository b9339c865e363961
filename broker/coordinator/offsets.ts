// What groups have consumed, in memory, and its records in __consumer_offsets:
//
//   key    version 0 or 1 · group · topic · partition        value  offset · leader epoch · metadata · commit time
//   null value: the offset is forgotten. Records of a transactional batch count from its commit marker on, and are nothing after an abort.
//
// Of two commits for a partition the one that stands later in the log holds, also when the earlier one is transactional and
// its commit comes last; so a replay of the log gives the same table as the calls did.
import { decodeVersioned, encodeVersioned, type CoordinatorRecord } from './coordinator-topic.ts';
import { offsetCommitKey, offsetCommitValue } from '../wire/messages/coordinator-records.ts';

export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly committedAtMs: number;
  /** Where the commit's batch begins in __consumer_offsets. */
  readonly logOffset: number;
}

/** A commit of one partition; undefined as `committed` forgets it. */
export interface OffsetChange {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly committed: CommittedOffset | undefined;
}

type TopicOffsets = Map<string, Map<number, CommittedOffset>>;

export class Offsets {
  private readonly groups = new Map<string, TopicOffsets>();
  /** What open transactions will commit, by "partition of __consumer_offsets/producer id": each partition gets its own marker. */
  private readonly pending = new Map<string, OffsetChange[]>();

  /** Every group that has an offset. */
  groupIds(): Iterable<string> {
    return this.groups.keys();
  }

  has(groupId: string): boolean {
    return this.groups.has(groupId);
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.groups.get(groupId)?.get(topic)?.get(partition);
  }

  /** All of a group's offsets: topic, then partition. */
  of(groupId: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.groups.get(groupId) ?? new Map<string, Map<number, CommittedOffset>>();
  }

  /** Takes in a commit that holds; one that is older than what is there changes nothing. */
  apply(change: OffsetChange): void {
    const { groupId, topic, partition, committed } = change;
    if (committed === undefined) {
      this.forget(groupId, topic, partition);
      return;
    }
    const known = this.get(groupId, topic, partition);
    if (known !== undefined && known.logOffset > committed.logOffset) return;
    let topics = this.groups.get(groupId);
    if (topics === undefined) this.groups.set(groupId, (topics = new Map<string, Map<number, CommittedOffset>>()));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new Map<number, CommittedOffset>()));
    partitions.set(partition, committed);
  }

  /** Notes what a producer's open transaction will commit; `partition` is that of __consumer_offsets. */
  addPending(partition: number, producerId: number, changes: readonly OffsetChange[]): void {
    const key = `${partition}/${producerId}`;
    this.pending.set(key, [...(this.pending.get(key) ?? []), ...changes]);
  }

  /** Takes back what addPending noted: the log has lost it. */
  dropPending(partition: number, producerId: number, changes: readonly OffsetChange[]): void {
    const key = `${partition}/${producerId}`;
    const others = (this.pending.get(key) ?? []).filter((change) => !changes.includes(change));
    if (others.length === 0) this.pending.delete(key);
    else this.pending.set(key, others);
  }

  /** The producer's transaction has ended there: its commits hold from now on, or never will. */
  completePending(partition: number, producerId: number, kind: 'commit' | 'abort'): void {
    const key = `${partition}/${producerId}`;
    const changes = this.pending.get(key);
    this.pending.delete(key);
    if (kind === 'commit') for (const change of changes ?? []) this.apply(change);
  }

  /** Whether an open transaction may yet change this offset (KIP-447). */
  isUnstable(groupId: string, topic: string, partition: number): boolean {
    for (const changes of this.pending.values()) {
      for (const change of changes) {
        if (change.groupId === groupId && change.topic === topic && change.partition === partition) return true;
      }
    }
    return false;
  }

  /** Whether an open transaction holds any offset of the group. */
  hasPending(groupId: string): boolean {
    for (const changes of this.pending.values()) if (changes.some((change) => change.groupId === groupId)) return true;
    return false;
  }

  /** Forgets what the group has committed, once its records are gone. Open transactions keep what they will commit. */
  forgetGroup(groupId: string): void {
    this.groups.delete(groupId);
  }

  private forget(groupId: string, topic: string, partition: number): void {
    const topics = this.groups.get(groupId);
    const partitions = topics?.get(topic);
    if (topics === undefined || partitions === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.groups.delete(groupId);
  }
}

/** The record of a commit, in the version that Kafka 4 writes (3: with leader epoch, readable by every Kafka since 2.1). */
export function offsetRecord({ groupId, topic, partition, committed }: OffsetChange): CoordinatorRecord {
  return {
    key: encodeVersioned(offsetCommitKey, 1, { group: groupId, topic, partition }),
    value:
      committed === undefined
        ? null
        : encodeVersioned(
            offsetCommitValue,
            3,
            offsetCommitValue.create({
              offset: committed.offset,
              leaderEpoch: committed.leaderEpoch,
              metadata: committed.metadata,
              commitTimestamp: committed.committedAtMs,
            }),
          ),
  };
}

/** Reads a record that offsetRecord, or Kafka, wrote; its key's version is 0 or 1. `logOffset`: where its batch begins. */
export function readOffsetRecord(key: Buffer, value: Buffer | null, logOffset: number): OffsetChange {
  // Version 0 of the key has the layout of version 1.
  const current = Buffer.from(key);
  current.writeInt16BE(1, 0);
  const { group, topic, partition } = decodeVersioned(offsetCommitKey, current);
  if (value === null) return { groupId: group, topic, partition, committed: undefined };
  const { offset, leaderEpoch, metadata, commitTimestamp } = decodeVersioned(offsetCommitValue, value);
  return {
    groupId: group,
    topic,
    partition,
    committed: { offset, leaderEpoch, metadata, committedAtMs: commitTimestamp, logOffset },
  };
}
