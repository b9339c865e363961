// The offset requests of groups: OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete, and the expiry of what nobody reads any more. A commit is
// answered, and seen by OffsetFetch, when its record is durable; never before.
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Appended, LogDirectory, PartitionLog } from '../log/contract.ts';
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { offsetDeleteResponse } from '../wire/messages/47-offset-delete.ts';
import type { RequestContext } from './contract.ts';
import type { CoordinatorTopic } from './coordinator-topic.ts';
import { type PartitionKey, partitionKey } from './consumer-group-state.ts';
import type { GroupDirectory } from './group-directory.ts';
import { type OffsetChange, offsetRecord, type Offsets } from './offsets.ts';

/** What transactions have to say about offsets that are committed in one; TransactionCoordinator implements it. */
export interface TransactionGuard {
  /** Adds the partition of __consumer_offsets to the open transaction, or checks that it was added: 0, or the error to answer. */
  admitOffsets(producer: TransactionalProducer, partition: number, version: number): number;
  /** Of a producer of this process: the transaction holds this append and must not be committed without it. */
  noteAppend(producer: TransactionalProducer, partition: PartitionLog, appended: Appended): void;
  /** The transaction can only be aborted from now on. */
  doom(transactionalId: string, producerId: number, producerEpoch: number): void;
}

export interface TransactionalProducer {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

interface Parts {
  log: LogDirectory;
  clock: Clock;
  logger: Logger;
  readonly setting: (name: string) => number;
  topic: CoordinatorTopic;
  offsets: Offsets;
  groups: GroupDirectory;
}

/** Tombstones in a batch. */
const forgottenAtOnce = 1000;

type CommitTopic = RequestOf<'TxnOffsetCommit'>['topics'][number];
type CommitAnswer = ResponseOf<'TxnOffsetCommit'>['topics'][number];
type FetchedTopic = ResponseOf<'OffsetFetch'>['topics'][number];

export class GroupOffsets {
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  async commit(request: RequestOf<'OffsetCommit'>, { version }: RequestContext): Promise<CommitAnswer[]> {
    const { topic, groups } = this.parts;
    const { groupId, memberId, generationIdOrMemberEpoch: generation, groupInstanceId: instanceId, topics } = request;
    if (!topic.exists) await topic.ensure();
    const partitions = this.keysOf(topics);
    const commit = { generation, memberId, instanceId, transactional: false, version, partitions };
    const error = groups.commitError(groupId, commit);
    if (error !== ErrorCode.NONE) return answersOf(topics, () => error);
    groups.noteCommit(groupId, memberId);
    const { changes, errors } = this.examine(groupId, topics);
    if (changes.length > 0) {
      try {
        const placed = this.append(groupId, changes);
        await placed.appended.durable;
        for (const change of placed.changes) this.parts.offsets.apply(change);
      } catch (failure) {
        const code = this.storageError(groupId, failure);
        return answersOf(topics, (name, partition) => errors.get(`${name}/${partition}`) ?? code);
      }
    }
    return answersOf(topics, (name, partition) => errors.get(`${name}/${partition}`) ?? ErrorCode.NONE);
  }

  async commitInTransaction(
    request: RequestOf<'TxnOffsetCommit'>,
    context: RequestContext,
    guard: TransactionGuard,
  ): Promise<CommitAnswer[]> {
    const { topic } = this.parts;
    if (!topic.exists) await topic.ensure();
    return this.appendInTransaction(request, context, guard);
  }

  /** Appends before its first await, so that an EndTxn behind it finds the offsets in the transaction. */
  private async appendInTransaction(
    request: RequestOf<'TxnOffsetCommit'>,
    context: RequestContext,
    guard: TransactionGuard,
  ): Promise<CommitAnswer[]> {
    const { groupId, generationId: generation, memberId, groupInstanceId: instanceId, topics } = request;
    const refuse = (code: number): CommitAnswer[] => {
      // A producer of this process may have its EndTxn under way already: without these offsets it must not commit.
      if (context.inProcess) guard.doom(request.transactionalId, request.producerId, request.producerEpoch);
      return answersOf(topics, () => code);
    };
    const { version } = context;
    const partition = this.parts.topic.partitionFor(groupId);
    const commit = { generation, memberId, instanceId, transactional: true, version, partitions: this.keysOf(topics) };
    const error = this.parts.groups.commitError(groupId, commit) || guard.admitOffsets(request, partition, version);
    if (error !== ErrorCode.NONE) return refuse(error);
    const { changes, errors } = this.examine(groupId, topics);
    if (errors.size > 0 && context.inProcess) refuse(ErrorCode.NONE);
    if (changes.length > 0) {
      try {
        const placed = this.append(groupId, changes, request);
        this.parts.groups.noteCommit(groupId, '');
        this.parts.offsets.addPending(partition, request.producerId, placed.changes);
        if (context.inProcess) guard.noteAppend(request, this.parts.topic.partition(partition), placed.appended);
        const landed = placed.appended.durable.catch((failure: unknown) => {
          this.parts.offsets.dropPending(partition, request.producerId, placed.changes);
          throw failure;
        });
        // Its EndTxn waits for the disk, once for the whole transaction.
        if (context.inProcess) landed.catch((failure: unknown) => void this.storageError(groupId, failure));
        else await landed;
      } catch (failure) {
        return refuse(this.storageError(groupId, failure));
      }
    }
    return answersOf(topics, (name, index) => errors.get(`${name}/${index}`) ?? ErrorCode.NONE);
  }

  /** Stored offsets; null asks for all. With `requireStable` those that an open transaction may change are refused (KIP-447). */
  fetch(
    groupId: string,
    asked: readonly { name: string; partitionIndexes: readonly number[] }[] | null,
    requireStable: boolean,
  ): FetchedTopic[] {
    const { offsets } = this.parts;
    const stored = offsets.of(groupId);
    const topics =
      asked ?? [...stored].map(([name, partitions]) => ({ name, partitionIndexes: [...partitions.keys()] }));
    return topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const known = stored.get(name)?.get(partitionIndex);
        const unstable = requireStable && offsets.isUnstable(groupId, name, partitionIndex);
        if (known === undefined || unstable) {
          const errorCode = unstable ? ErrorCode.UNSTABLE_OFFSET_COMMIT : ErrorCode.NONE;
          return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode };
        }
        return {
          partitionIndex,
          committedOffset: known.offset,
          committedLeaderEpoch: known.leaderEpoch,
          metadata: known.metadata,
          errorCode: ErrorCode.NONE,
        };
      }),
    }));
  }

  /** OffsetDelete (KIP-496): a group that reads a topic keeps its offsets. */
  async delete(request: RequestOf<'OffsetDelete'>): Promise<ResponseOf<'OffsetDelete'>> {
    const { groupId, topics } = request;
    const { groups, offsets } = this.parts;
    if (!groups.has(groupId) && !offsets.has(groupId)) {
      return offsetDeleteResponse.create({ errorCode: ErrorCode.GROUP_ID_NOT_FOUND });
    }
    const subscribed = groups.subscribed(groupId);
    if (subscribed === undefined) return offsetDeleteResponse.create({ errorCode: ErrorCode.NON_EMPTY_GROUP });
    const changes: OffsetChange[] = [];
    for (const { name, partitions } of topics) {
      if (subscribed.has(name)) continue;
      for (const { partitionIndex: partition } of partitions) {
        if (offsets.get(groupId, name, partition) === undefined) continue;
        changes.push({ groupId, topic: name, partition, committed: undefined });
      }
    }
    try {
      await this.forget(groupId, changes);
    } catch (error) {
      return offsetDeleteResponse.create({ errorCode: this.storageError(groupId, error) });
    }
    const code = (name: string) => (subscribed.has(name) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE);
    return offsetDeleteResponse.create({ topics: answersOf(topics, code) });
  }

  /** Removes a group without members and everything it committed: 0, or the error to answer. Durable when it resolves. */
  async deleteGroup(groupId: string): Promise<number> {
    const { offsets, groups } = this.parts;
    if (groupId === '') return ErrorCode.INVALID_GROUP_ID;
    if (!groups.has(groupId) && !offsets.has(groupId)) return ErrorCode.GROUP_ID_NOT_FOUND;
    // Offsets in an open transaction would come back with its commit.
    if (groups.isInUse(groupId) || offsets.hasPending(groupId)) return ErrorCode.NON_EMPTY_GROUP;
    try {
      await this.forget(groupId, this.everything(groupId), true);
    } catch (error) {
      return this.storageError(groupId, error);
    }
    return ErrorCode.NONE;
  }

  /** A topic is gone: so are all offsets in it. */
  async forgetTopic(topic: string): Promise<void> {
    for (const groupId of [...this.parts.offsets.groupIds()]) {
      await this.forget(
        groupId,
        this.everything(groupId).filter((change) => change.topic === topic),
      );
    }
  }

  /**
   * Removes what was kept long enough: offsets of a group that has been empty for offsets.retention.minutes (KIP-211), offsets of a group without
   * members ever since their commit, offsets of topics that a group reads no more, and groups that hold nothing.
   */
  async expire(): Promise<void> {
    const { clock, offsets, groups } = this.parts;
    const oldestMs = clock.now() - this.parts.setting('offsets.retention.minutes') * 60_000;
    for (const groupId of new Set([...offsets.groupIds(), ...groups.ids()])) {
      const expiry = groups.expiry(groupId);
      if (expiry === undefined || offsets.hasPending(groupId)) continue;
      const all = this.everything(groupId);
      const expired = all.filter(({ topic, partition }) => {
        if (expiry.subscribed.has(topic)) return false;
        const { committedAtMs } = offsets.get(groupId, topic, partition)!;
        return Math.max(expiry.sinceMs, committedAtMs) < oldestMs;
      });
      const holdsNothing = expired.length === all.length && !groups.isInUse(groupId);
      if (expired.length > 0 || holdsNothing) await this.forget(groupId, expired, holdsNothing);
    }
  }

  private everything(groupId: string): OffsetChange[] {
    return [...this.parts.offsets.of(groupId)].flatMap(([topic, partitions]) =>
      [...partitions.keys()].map((partition) => ({ groupId, topic, partition, committed: undefined })),
    );
  }

  /** Writes tombstones and forgets; with `group` the group too. In batches, so that a group of any size can go. */
  private async forget(groupId: string, changes: readonly OffsetChange[], group = false): Promise<void> {
    const { topic, groups, offsets, clock } = this.parts;
    const records = changes.map(offsetRecord);
    // From here on a member that joins finds a new group: its records come behind the tombstones.
    if (group) records.push(...groups.remove(groupId));
    for (let start = 0; start < records.length; start += forgottenAtOnce) {
      const batch = records.slice(start, start + forgottenAtOnce);
      await topic.append(topic.partitionFor(groupId), batch, clock.now()).durable;
      // Before the next batch is waited for: a commit that comes meanwhile stands behind this one in the log.
      for (const change of changes.slice(start, start + forgottenAtOnce)) offsets.apply(change);
    }
  }

  /** The partitions of a request, as groups name them. */
  private *keysOf(topics: readonly CommitTopic[]): Generator<PartitionKey> {
    for (const { name, partitions } of topics) {
      const topicId = this.parts.log.topic(name)?.topicId.toString('hex') ?? '';
      for (const { partitionIndex } of partitions) yield partitionKey(topicId, partitionIndex);
    }
  }

  /** What can be committed, and the errors of the rest, by "topic/partition". */
  private examine(groupId: string, topics: readonly CommitTopic[]) {
    const changes: OffsetChange[] = [];
    const errors = new Map<string, number>();
    const metadataBytes = this.parts.setting('offset.metadata.max.bytes');
    const committedAtMs = this.parts.clock.now();
    for (const { name, partitions } of topics) {
      const total = this.parts.log.topic(name)?.partitions ?? 0;
      for (const { partitionIndex: partition, committedOffset: offset, ...rest } of partitions) {
        const metadata = rest.committedMetadata ?? '';
        if (partition < 0 || partition >= total) {
          errors.set(`${name}/${partition}`, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
        } else if (Buffer.byteLength(metadata) > metadataBytes) {
          errors.set(`${name}/${partition}`, ErrorCode.OFFSET_METADATA_TOO_LARGE);
        } else {
          const committed = { offset, leaderEpoch: rest.committedLeaderEpoch, metadata, committedAtMs, logOffset: -1 };
          changes.push({ groupId, topic: name, partition, committed });
        }
      }
    }
    return { changes, errors };
  }

  private append(groupId: string, changes: readonly OffsetChange[], producer?: TransactionalProducer) {
    const { topic, clock } = this.parts;
    const transaction = producer && { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
    const appended = topic.append(topic.partitionFor(groupId), changes.map(offsetRecord), clock.now(), transaction);
    const placed = changes.map((change) => ({
      ...change,
      committed: change.committed && { ...change.committed, logOffset: appended.baseOffset },
    }));
    return { changes: placed, appended };
  }

  /** What Kafka answers when a commit could not be written. */
  private storageError(groupId: string, error: unknown): number {
    this.parts.logger.warn('Offsets of a consumer group could not be written', {
      group: groupId,
      error: messageOf(error),
    });
    const tooLarge = error instanceof KafkaError && error.errorCode === ErrorCode.MESSAGE_TOO_LARGE;
    return tooLarge ? ErrorCode.INVALID_COMMIT_OFFSET_SIZE : ErrorCode.COORDINATOR_NOT_AVAILABLE;
  }
}

function answersOf(
  topics: readonly { name: string; partitions: readonly { partitionIndex: number }[] }[],
  code: (topic: string, partition: number) => number,
): CommitAnswer[] {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code(name, partitionIndex) })),
  }));
}
