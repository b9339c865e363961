// The words of the machine of new consumer groups (consumer-group.ts, KIP-848): what such a group is at a moment. Nothing here acts.
//
// Epochs: the group's grows when members or topics change, and asks for a new target assignment; the assignment's is that of the group the target
// was made for; a member's is that of the target which it has reached, or is on the way to.
//
// A member may speak the classic protocol still, while the group is on its way from the one to the other (consumer-classic-members.ts).
import type { Member } from './group-state.ts';

/** A partition of a topic by the topic's id: its 32 hexadecimal digits, a slash, the partition. */
export type PartitionKey = `${string}/${number}`;

export type Partitions = ReadonlySet<PartitionKey>;

/** What a member holds, with the epoch in which it was given to it. */
export type HeldPartitions = ReadonlyMap<PartitionKey, number>;

/** How far a member is on its way to the target. */
export type MemberPhase =
  /** At the target of its epoch. */
  | 'stable'
  /** It has to give partitions back before it may go on to the next epoch. */
  | 'revoking'
  /** At the target's epoch, but some of its partitions are still held by others. */
  | 'waiting';

/** What a member that speaks the classic protocol has beside what all have. */
export type ClassicSide = Pick<Member, 'sessionTimeoutMs' | 'protocols' | 'inProcess'>;

export interface ConsumerMember {
  readonly memberId: string;
  /** group.instance.id of a static member (KIP-345). */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** In alphabetical order. */
  readonly topicNames: readonly string[];
  /** Empty without one. */
  readonly topicRegex: string;
  /** The assignor it asks for; null for the group's default. */
  readonly assignor: string | null;
  /** AWAY_EPOCH for a static member that is away for a moment. */
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly phase: MemberPhase;
  readonly assigned: HeldPartitions;
  readonly revoking: HeldPartitions;
  /** Null for one that speaks the new protocol. */
  readonly classic: ClassicSide | null;
}

export interface SubscribedTopic {
  /** In hexadecimal digits. */
  readonly topicId: string;
  readonly partitions: number;
}

export interface ConsumerGroupState {
  readonly groupId: string;
  readonly epoch: number;
  readonly assignmentEpoch: number;
  /** By member id, in the order in which they joined. */
  readonly members: ReadonlyMap<string, ConsumerMember>;
  /** By member id. */
  readonly target: ReadonlyMap<string, Partitions>;
  /** The subscribed topics that there are, by name, as they were in the group's epoch. */
  readonly topics: ReadonlyMap<string, SubscribedTopic>;
  /** The topics that each regular expression of a member matched in the group's epoch. */
  readonly regexes: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The topics of the broker, as a group looks at them. */
export interface TopicsView {
  topic(name: string): SubscribedTopic | undefined;
  /** Names of the topics that a regular expression matches as a whole. Throws KafkaError INVALID_REGULAR_EXPRESSION. */
  matching(regex: string): ReadonlySet<string>;
}

/** Epoch of a request that joins, leaves for good, and leaves for a moment (static members). */
export const JOIN_EPOCH = 0;
export const LEAVE_EPOCH = -1;
export const AWAY_EPOCH = -2;

/**
 * `session:` nothing was heard of the member; `rebalance:` it was to give partitions back and has not. Of classic members: `join:` it was told to join
 * again and has not; `sync:` it has joined and not asked for its assignment.
 */
export type ConsumerTimer = `${'session' | 'rebalance' | 'join' | 'sync'}:${string}`;

export interface HeartbeatEvent {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** -1 when it says nothing, and null in the others: as it was. */
  readonly rebalanceTimeoutMs: number;
  readonly topicNames: readonly string[] | null;
  readonly topicRegex: string | null;
  readonly assignor: string | null;
  /** What the member holds at the moment. */
  readonly owned: Partitions | null;
  readonly clientId: string;
  readonly clientHost: string;
}

export interface HeartbeatAnswer {
  readonly memberId: string;
  readonly memberEpoch: number;
  /** What the member may use; null when that is what it was told last. */
  readonly assignment: Iterable<PartitionKey> | null;
}

export type ConsumerEffect =
  /** Starts the timer, or starts it anew unless one that runs is to go on; without delay, for as long as a session is. */
  | { readonly kind: 'arm'; readonly timer: ConsumerTimer; readonly delayMs?: number; readonly goesOn?: true }
  | { readonly kind: 'disarm'; readonly timer: ConsumerTimer };

export interface ConsumerGroupStep {
  readonly state: ConsumerGroupState;
  readonly effects: readonly ConsumerEffect[];
  /**
   * Set when no member of the new protocol is left, and the group is to be a classic one again: stable, or with a rebalance because the members have not
   * what they are to have.
   */
  readonly becomesClassic?: 'stable' | 'rebalance';
}

/** What the settings allow (KIP-848's group.consumer.migration.policy, and the sizes of groups). */
export interface ConsumerGroupRules {
  readonly maxMembers: number;
  /** Of the classic group that it may become. */
  readonly maxClassicMembers: number;
  /** Whether a classic group with members becomes one of the new protocol. */
  readonly mayUpgrade: boolean;
  /** Whether members of the classic protocol may join. */
  readonly takesClassic: boolean;
  /** Whether it becomes a classic group when only classic members are left. */
  readonly mayBecomeClassic: boolean;
}

export interface HeartbeatStep extends ConsumerGroupStep {
  readonly answer: HeartbeatAnswer;
}

/** A group that nobody has joined yet. */
export function emptyConsumerGroup(groupId: string): ConsumerGroupState {
  return {
    groupId,
    epoch: 0,
    assignmentEpoch: 0,
    members: new Map(),
    target: new Map(),
    topics: new Map(),
    regexes: new Map(),
  };
}

/** A member that has told nothing yet. */
export function newConsumerMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: '',
    clientHost: '',
    rebalanceTimeoutMs: -1,
    topicNames: [],
    topicRegex: '',
    assignor: null,
    epoch: JOIN_EPOCH,
    previousEpoch: -1,
    phase: 'stable',
    assigned: new Map(),
    revoking: new Map(),
    classic: null,
  };
}

export function partitionKey(topicId: string, partition: number): PartitionKey {
  return `${topicId}/${partition}`;
}

/** Partitions by topic, both in order, as messages and records list them. */
export function byTopic(keys: Iterable<PartitionKey>): { topicId: Buffer; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const key of keys) {
    const topicId = key.slice(0, key.indexOf('/'));
    let partitions = topics.get(topicId);
    if (partitions === undefined) topics.set(topicId, (partitions = []));
    partitions.push(Number(key.slice(topicId.length + 1)));
  }
  return [...topics.keys()].sort().map((topicId) => ({
    topicId: Buffer.from(topicId, 'hex'),
    partitions: topics.get(topicId)!.sort((left, right) => left - right),
  }));
}

/** The other way round. */
export function* keysOf(
  topics: readonly { topicId: Buffer; partitions: readonly number[] }[],
): Generator<PartitionKey> {
  for (const { topicId, partitions } of topics) {
    const id = topicId.toString('hex');
    for (const partition of partitions) yield partitionKey(id, partition);
  }
}

/** The group's state in Kafka's words. */
export function phaseOf(state: ConsumerGroupState): 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' {
  if (state.members.size === 0) return 'Empty';
  if (state.epoch > state.assignmentEpoch) return 'Assigning';
  for (const { phase, epoch } of state.members.values()) {
    if (phase !== 'stable' || epoch !== state.assignmentEpoch) return 'Reconciling';
  }
  return 'Stable';
}

/** The member that holds a group.instance.id. */
export function staticConsumer(state: ConsumerGroupState, instanceId: string): ConsumerMember | undefined {
  for (const member of state.members.values()) if (member.instanceId === instanceId) return member;
  return undefined;
}

/** The topics that a member subscribes to, by name or by its expression, whether they exist or not. */
export function subscriptionOf(member: ConsumerMember, regexes: ConsumerGroupState['regexes']): ReadonlySet<string> {
  const names = new Set(member.topicNames);
  for (const name of regexes.get(member.topicRegex) ?? []) names.add(name);
  return names;
}

/** The topics that any member subscribes to. */
export function subscribedNames(state: ConsumerGroupState): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { topicNames } of state.members.values()) for (const name of topicNames) names.add(name);
  for (const matched of state.regexes.values()) for (const name of matched) names.add(name);
  return names;
}
