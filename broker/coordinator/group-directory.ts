// The groups of this broker, of both kinds, as those see them who do not care for the kind: offsets and their expiry, deletion, the lists of groups. A
// group is of one kind at a time (live-consumer-groups.ts changes it).
import { ErrorCode } from '../wire/errors.ts';
import { memberEpochError } from './consumer-group.ts';
import { type ConsumerGroupState, type PartitionKey, subscribedNames } from './consumer-group-state.ts';
import type { CoordinatorRecord } from './coordinator-topic.ts';
import { groupTombstone } from './group-record.ts';
import type { GroupState } from './group-state.ts';
import { subscribedTopics, type TopicSet } from './group-views.ts';
import { commitError } from './group.ts';
import type { LiveConsumerGroups } from './live-consumer-groups.ts';
import type { LiveGroups } from './live-groups.ts';

/** Who commits, and where. */
export interface Commit {
  /** Of a new consumer group's member, its epoch. Negative without a member. */
  readonly generation: number;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly transactional: boolean;
  /** Of the request. */
  readonly version: number;
  readonly partitions: Iterable<PartitionKey>;
}

/** Which offsets of a group may expire: those of topics that nobody in it reads, when both the commit and `sinceMs` are old enough. */
export interface Expiry {
  readonly sinceMs: number;
  readonly subscribed: TopicSet;
}

/** The first version of OffsetCommit that members of new consumer groups may use, and that knows their errors. */
const firstVersionWithEpochs = 9;

export class GroupDirectory {
  readonly classic: LiveGroups;
  readonly consumer: LiveConsumerGroups;

  constructor(classic: LiveGroups, consumer: LiveConsumerGroups) {
    this.classic = classic;
    this.consumer = consumer;
  }

  has(groupId: string): boolean {
    return this.classic.get(groupId) !== undefined || this.consumer.get(groupId) !== undefined;
  }

  *ids(): Generator<string> {
    for (const { state } of this.classic.all()) yield state.groupId;
    for (const { groupId } of this.consumer.all()) yield groupId;
  }

  /** Whether offsets may be committed: 0, or the error to answer. */
  commitError(groupId: string, commit: Commit): number {
    const { generation, memberId, transactional, version } = commit;
    if (groupId === '' && !transactional && generation >= 0) return ErrorCode.INVALID_GROUP_ID;
    const classic = this.classic.get(groupId);
    if (classic !== undefined) return commitError(classic.state, commit);
    const knowsEpochs = !transactional && version >= firstVersionWithEpochs;
    const consumer = this.consumer.get(groupId);
    if (consumer === undefined) {
      // A group that is not there has no members: only those that name none may store offsets under its name.
      if (generation < 0) return ErrorCode.NONE;
      return knowsEpochs ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
    }
    const namesNobody = memberId === '' && commit.instanceId === null;
    if (generation < 0 && (consumer.members.size === 0 || (transactional && namesNobody))) return ErrorCode.NONE;
    const error = memberEpochError(consumer, memberId, generation, commit.partitions);
    if (error === ErrorCode.UNKNOWN_MEMBER_ID) return error;
    if (transactional || isClassic(consumer, memberId)) return asGeneration(error);
    return knowsEpochs ? error : ErrorCode.UNSUPPORTED_VERSION;
  }

  /** Whether a member may fetch offsets: 0, or the error to answer. Those who are no members say neither id nor epoch. */
  fetchError(groupId: string, memberId: string | null, memberEpoch: number): number {
    const consumer = this.consumer.get(groupId);
    if (consumer === undefined || (memberId === null && memberEpoch < 0)) return ErrorCode.NONE;
    const error = memberEpochError(consumer, memberId ?? '', memberEpoch);
    return isClassic(consumer, memberId ?? '') ? asGeneration(error) : error;
  }

  /** A commit has been taken: the group is there from now on, and its member is alive. */
  noteCommit(groupId: string, memberId: string): void {
    if (this.consumer.get(groupId) === undefined) this.classic.touch(this.classic.getOrCreate(groupId), memberId);
  }

  /** Whether it has members, or soon will. */
  isInUse(groupId: string): boolean {
    const classic = this.classic.get(groupId)?.state;
    return (classic !== undefined && isInUse(classic)) || (this.consumer.get(groupId)?.members.size ?? 0) > 0;
  }

  /** The topics that its members read; undefined where the group does not say what they do. */
  subscribed(groupId: string): TopicSet | undefined {
    const consumer = this.consumer.get(groupId);
    if (consumer !== undefined) return subscribedNames(consumer);
    const classic = this.classic.get(groupId)?.state;
    if (classic === undefined || classic.members.size === 0) return new Set();
    return classic.protocolType === 'consumer' ? subscribedTopics(classic) : undefined;
  }

  /** Undefined when no offset of the group may expire. */
  expiry(groupId: string): Expiry | undefined {
    const classic = this.classic.get(groupId);
    const subscribed = this.subscribed(groupId);
    if (classic === undefined || !isInUse(classic.state)) {
      const hasBeenUsed = classic?.state.protocolType !== undefined;
      return { sinceMs: hasBeenUsed ? classic.sinceMs : 0, subscribed: subscribed ?? new Set() };
    }
    // While a group is rebalancing it is not known what it reads.
    return classic.state.phase === 'Stable' && subscribed !== undefined ? { sinceMs: 0, subscribed } : undefined;
  }

  /** Forgets a group that nobody uses; the records say so in the log. */
  remove(groupId: string): CoordinatorRecord[] {
    const generation = this.classic.get(groupId)?.state.generation ?? 0;
    this.classic.remove(groupId);
    return [...(generation > 0 ? [groupTombstone(groupId)] : []), ...this.consumer.remove(groupId)];
  }
}

/** Whether a member of a new group speaks the classic protocol, which knows no epochs. */
function isClassic(group: ConsumerGroupState, memberId: string): boolean {
  return (group.members.get(memberId)?.classic ?? null) !== null;
}

function asGeneration(error: number): number {
  return error === ErrorCode.STALE_MEMBER_EPOCH ? ErrorCode.ILLEGAL_GENERATION : error;
}

function isInUse(group: GroupState): boolean {
  return group.members.size > 0 || group.pendingMembers.size > 0;
}
