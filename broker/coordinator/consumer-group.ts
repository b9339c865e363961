// The new consumer group (KIP-848) as a pure machine: (state, heartbeat or timer) → state, answer, effects. It owns who is a member, who is to have
// which partition, and in which epoch; it never waits and never writes. A heartbeat does three things in turn:
//
//   1. the member joins, or says what has changed of its subscription: then the group's epoch grows
//   2. in a new epoch the assignor computes the target for everybody
//   3. the member goes a step towards its part of the target (consumer-reconciliation.ts)
//
// Promises: a partition is never given to a member while another holds it; epochs only grow; while nothing changes, every member that goes on with
// its heartbeats reaches the target. Requests that are refused throw KafkaError, and change nothing.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { assignors } from './assignors.ts';
import {
  AWAY_EPOCH,
  type ConsumerEffect,
  type ConsumerGroupRules,
  type ConsumerGroupState,
  type ConsumerGroupStep,
  type ConsumerMember,
  type ConsumerTimer,
  type HeartbeatEvent,
  type HeartbeatStep,
  JOIN_EPOCH,
  LEAVE_EPOCH,
  newConsumerMember,
  type PartitionKey,
  type Partitions,
  staticConsumer,
  subscribedNames,
  subscriptionOf,
  type SubscribedTopic,
  type TopicsView,
} from './consumer-group-state.ts';
import { reconcile } from './consumer-reconciliation.ts';

/**
 * Takes a heartbeat. Throws KafkaError: UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED,
 * INVALID_REGULAR_EXPRESSION.
 */
export function heartbeatConsumer(
  state: ConsumerGroupState,
  event: HeartbeatEvent,
  topics: TopicsView,
  rules: ConsumerGroupRules,
): HeartbeatStep {
  if (event.memberEpoch === LEAVE_EPOCH || event.memberEpoch === AWAY_EPOCH) return leave(state, event, topics, rules);
  checkRoom(state, event.memberId, rules);
  // As Kafka's, a group begins at 1, and its first subscription leads to 2.
  const admitted = admit(state.epoch === 0 ? { ...state, epoch: 1 } : state, event);
  const before = admitted.members.get(event.memberId) ?? newConsumerMember(event.memberId);
  const said = withSaid(before, event);
  const { state: next, member } = advance(admitted, before, said, event.owned, topics);
  const saysAll =
    event.rebalanceTimeoutMs !== -1 && (event.topicNames ?? event.topicRegex) !== null && event.owned !== null;
  const tells = event.memberEpoch === JOIN_EPOCH || saysAll || !sameKeys(before.assigned, member.assigned);
  return {
    state: next,
    effects: [sessionTimer(member), ...rebalanceTimer(said, member)],
    answer: {
      memberId: member.memberId,
      memberEpoch: member.epoch,
      assignment: tells ? member.assigned.keys() : null,
    },
  };
}

/** Throws GROUP_MAX_SIZE_REACHED when there is no room for one more member. */
export function checkRoom(state: ConsumerGroupState, memberId: string, { maxMembers }: ConsumerGroupRules): void {
  if (state.members.size < maxMembers || state.members.has(memberId)) return;
  throw new KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED, `group ${state.groupId} has ${maxMembers} members`);
}

/** The group after a member has said something: with a new epoch and target where that asks for one, and the member a step further on its way. */
export function advance(
  state: ConsumerGroupState,
  before: ConsumerMember,
  said: ConsumerMember,
  owned: Partitions | null,
  topics: TopicsView,
): { state: ConsumerGroupState; member: ConsumerMember } {
  const subscribes = said.topicNames !== before.topicNames || said.topicRegex !== before.topicRegex;
  let next = said === before ? state : withMember(state, said);
  next = inNewEpoch(next, topics, subscribes);
  if (next.epoch > next.assignmentEpoch) next = withTarget(next);
  const member = reconcile(next, said, owned);
  return { state: member === said ? next : withMember(next, member), member };
}

/** A timer has run out: the member has been silent, or has not done in time what it was to do. */
export function expireConsumer(
  state: ConsumerGroupState,
  timer: ConsumerTimer,
  topics: TopicsView,
  rules: ConsumerGroupRules,
): ConsumerGroupStep {
  const [kind, memberId] = [timer.slice(0, timer.indexOf(':')), timer.slice(timer.indexOf(':') + 1)];
  const member = state.members.get(memberId);
  if (member === undefined) return { state, effects: [] };
  const isOver =
    (kind === 'rebalance' && member.phase !== 'revoking') ||
    ((kind === 'join' || kind === 'sync') && member.classic === null);
  return isOver ? { state, effects: [] } : without(state, [member], topics, rules);
}

/** The timers of a group that was read from the log. */
export function timersOf(state: ConsumerGroupState): ConsumerEffect[] {
  return [...state.members.values()].flatMap((member): ConsumerEffect[] => [
    sessionTimer(member),
    ...rebalanceTimer(undefined, member),
  ]);
}

/**
 * Whether a member may commit or fetch offsets in an epoch: 0, UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH. An older epoch is good for partitions that the
 * member has held since (KIP-1251). No member and no epoch is allowed while the group is empty, and always where only reading.
 */
export function memberEpochError(
  state: ConsumerGroupState,
  memberId: string,
  epoch: number,
  partitions: Iterable<PartitionKey> = [],
): number {
  const member = state.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  if (epoch === member.epoch) return ErrorCode.NONE;
  if (epoch > member.epoch || epoch < 0) return ErrorCode.STALE_MEMBER_EPOCH;
  let count = 0;
  for (const key of partitions) {
    count++;
    const since = member.assigned.get(key) ?? member.revoking.get(key) ?? Infinity;
    if (since > epoch) return ErrorCode.STALE_MEMBER_EPOCH;
  }
  return count === 0 ? ErrorCode.STALE_MEMBER_EPOCH : ErrorCode.NONE;
}

/** Lets the member in: checks who it is, and puts a static one in the place of its former self. */
function admit(state: ConsumerGroupState, event: HeartbeatEvent): ConsumerGroupState {
  const { memberId, memberEpoch, instanceId } = event;
  const joins = memberEpoch === JOIN_EPOCH;
  if (instanceId === null) {
    const member = state.members.get(memberId);
    if (member !== undefined) checkEpoch(member, event);
    else if (!joins) throw unknownMember(state, memberId);
    return state;
  }
  const holder = staticConsumer(state, instanceId);
  if (!joins) {
    checkEpoch(checkHolder(state, holder, event), event);
    return state;
  }
  if (holder === undefined || holder.memberId === memberId) return state;
  // Classic members do not say that they are away.
  if (holder.epoch !== AWAY_EPOCH && holder.classic === null) {
    const detail = `group ${state.groupId}, instance ${instanceId}, held by member ${holder.memberId}`;
    throw new KafkaError(ErrorCode.UNRELEASED_INSTANCE_ID, detail);
  }
  return inPlaceOf(state, holder, memberId);
}

/** A static member under a new id has what its former self had, but has to take it anew. */
export function inPlaceOf(state: ConsumerGroupState, holder: ConsumerMember, memberId: string): ConsumerGroupState {
  const heir: ConsumerMember = { ...holder, memberId, epoch: JOIN_EPOCH, previousEpoch: JOIN_EPOCH };
  const target = new Map(state.target);
  target.delete(holder.memberId);
  target.set(memberId, state.target.get(holder.memberId) ?? new Set());
  const inherit = ([id, member]: [string, ConsumerMember]): [string, ConsumerMember] =>
    id === holder.memberId ? [memberId, heir] : [id, member];
  return { ...state, members: new Map([...state.members].map(inherit)), target };
}

/** A member that comes with the epoch before, and holds nothing that is not its own, has not heard the last answer. */
function checkEpoch(member: ConsumerMember, { memberEpoch, owned }: HeartbeatEvent): void {
  if (memberEpoch === JOIN_EPOCH || memberEpoch === member.epoch) return;
  const isLate = memberEpoch === member.previousEpoch && owned !== null;
  if (isLate && [...owned].every((key) => member.assigned.has(key))) return;
  const detail = `member ${member.memberId} came with epoch ${memberEpoch} and is at ${member.epoch}; it must join again without partitions`;
  throw new KafkaError(ErrorCode.FENCED_MEMBER_EPOCH, detail);
}

/** The holder of an instance id, when it is the one that asks. Throws UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
export function checkHolder(
  state: ConsumerGroupState,
  holder: ConsumerMember | undefined,
  { memberId, instanceId }: Pick<HeartbeatEvent, 'memberId' | 'instanceId'>,
): ConsumerMember {
  if (holder === undefined) throw unknownMember(state, `with instance ${instanceId}`);
  if (holder.memberId === memberId) return holder;
  const detail = `group ${state.groupId}, instance ${instanceId}, held by member ${holder.memberId}`;
  throw new KafkaError(ErrorCode.FENCED_INSTANCE_ID, detail);
}

export function unknownMember({ groupId }: ConsumerGroupState, memberId: string): KafkaError {
  return new KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, `group ${groupId}, member ${memberId}`);
}

/** The member with what a heartbeat says of it; itself when that is nothing new. */
function withSaid(member: ConsumerMember, event: HeartbeatEvent): ConsumerMember {
  const names = event.topicNames === null ? member.topicNames : [...new Set(event.topicNames)].sort();
  const said = {
    instanceId: event.instanceId ?? member.instanceId,
    rackId: event.rackId ?? member.rackId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs === -1 ? member.rebalanceTimeoutMs : event.rebalanceTimeoutMs,
    topicNames: sameList(names, member.topicNames) ? member.topicNames : names,
    topicRegex: event.topicRegex ?? member.topicRegex,
    assignor: event.assignor ?? member.assignor,
    classic: null,
  };
  const isKnown = Object.entries(said).every(([name, value]) => value === member[name as keyof typeof said]);
  return isKnown ? member : { ...member, ...said };
}

/** The group with its subscriptions looked up anew; in the next epoch when they have changed, or `always`. */
function inNewEpoch(state: ConsumerGroupState, view: TopicsView, always: boolean): ConsumerGroupState {
  const next = withTopics(state, view);
  return always || !sameTopics(next.topics, state.topics) ? { ...next, epoch: state.epoch + 1 } : state;
}

/** The group with what its members' subscriptions mean at the moment. */
export function withTopics(state: ConsumerGroupState, view: TopicsView): ConsumerGroupState {
  const regexes = new Map<string, ReadonlySet<string>>();
  for (const { topicRegex } of state.members.values()) {
    if (topicRegex !== '' && !regexes.has(topicRegex)) regexes.set(topicRegex, view.matching(topicRegex));
  }
  const topics = new Map<string, SubscribedTopic>();
  for (const name of [...subscribedNames({ ...state, regexes })].sort()) {
    const topic = view.topic(name);
    if (topic !== undefined) topics.set(name, topic);
  }
  return { ...state, regexes, topics };
}

function sameTopics(left: ConsumerGroupState['topics'], right: ConsumerGroupState['topics']): boolean {
  if (left.size !== right.size) return false;
  for (const [name, { topicId, partitions }] of left) {
    const other = right.get(name);
    if (other?.topicId !== topicId || other.partitions !== partitions) return false;
  }
  return true;
}

/** The group with the target of its epoch. */
function withTarget(state: ConsumerGroupState): ConsumerGroupState {
  // Whatever the order in which the members were read back from the log, the assignors see the same.
  const members = [...state.members.values()].sort((left, right) => (rankOf(left) < rankOf(right) ? -1 : 1));
  const assignable = members.map((member) => ({
    memberId: member.memberId,
    topics: [...subscriptionOf(member, state.regexes)].flatMap((name) => state.topics.get(name) ?? []),
    before: state.target.get(member.memberId) ?? new Set<PartitionKey>(),
  }));
  const target = new Map<string, Partitions>(assignors.get(assignorOf(state))!(assignable));
  for (const [memberId, partitions] of target) {
    const before = state.target.get(memberId);
    // The same object where it is the same: what has not changed is not written.
    if (before !== undefined && sameKeys(before, partitions)) target.set(memberId, before);
  }
  return { ...state, assignmentEpoch: state.epoch, target };
}

/** The assignor that most members ask for; the default when nobody asks. */
export function assignorOf(state: ConsumerGroupState): string {
  const votes = new Map<string, number>();
  for (const { assignor } of state.members.values()) {
    if (assignor !== null && assignors.has(assignor)) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
  }
  let best = assignors.keys().next().value!;
  for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name;
  return best;
}

function rankOf(member: ConsumerMember): string {
  return member.instanceId ?? member.memberId;
}

function leave(
  state: ConsumerGroupState,
  event: HeartbeatEvent,
  topics: TopicsView,
  rules: ConsumerGroupRules,
): HeartbeatStep {
  const { memberId, memberEpoch, instanceId } = event;
  const answer = { memberId, memberEpoch, assignment: null };
  if (instanceId === null) {
    const member = state.members.get(memberId);
    if (member === undefined) throw unknownMember(state, memberId);
    return { ...without(state, [member], topics, rules), answer };
  }
  const holder = checkHolder(state, staticConsumer(state, instanceId), event);
  if (memberEpoch === LEAVE_EPOCH) return { ...without(state, [holder], topics, rules), answer };
  // Away for a moment: everything stays its own until its session is over.
  const away: ConsumerMember = { ...holder, epoch: AWAY_EPOCH, revoking: new Map() };
  return { state: withMember(state, away), effects: [{ kind: 'disarm', timer: `rebalance:${memberId}` }], answer };
}

/** The group without some members, in the next epoch; or about to be a classic group, when only classic members are left. */
export function without(
  state: ConsumerGroupState,
  leaving: Iterable<ConsumerMember>,
  topics: TopicsView,
  rules: ConsumerGroupRules,
): ConsumerGroupStep {
  const members = new Map(state.members);
  const target = new Map(state.target);
  const effects: ConsumerEffect[] = [];
  for (const { memberId } of leaving) {
    members.delete(memberId);
    target.delete(memberId);
    for (const kind of ['session', 'rebalance', 'join', 'sync'] as const) {
      effects.push({ kind: 'disarm', timer: `${kind}:${memberId}` });
    }
  }
  const rest = { ...state, members, target };
  if (isClassicAgain(rest, rules)) return { state: rest, effects, becomesClassic: 'rebalance' };
  return { state: inNewEpoch(rest, topics, true), effects };
}

/** Whether nobody of the new protocol is left, and the group may become a classic one. */
export function isClassicAgain({ members }: ConsumerGroupState, rules: ConsumerGroupRules): boolean {
  if (!rules.mayBecomeClassic || members.size === 0 || members.size > rules.maxClassicMembers) return false;
  for (const { classic } of members.values()) if (classic === null) return false;
  return true;
}

export function withMember(state: ConsumerGroupState, member: ConsumerMember): ConsumerGroupState {
  return { ...state, members: new Map(state.members).set(member.memberId, member) };
}

/** The member lives: its session starts anew. */
export function sessionTimer({ memberId, classic }: ConsumerMember): ConsumerEffect {
  const own = classic === null ? {} : { delayMs: classic.sessionTimeoutMs };
  return { kind: 'arm', timer: `session:${memberId}`, ...own };
}

/** Of classic members the timers for joining and syncing do the same. */
function rebalanceTimer(before: ConsumerMember | undefined, member: ConsumerMember): ConsumerEffect[] {
  if (member === before || member.classic !== null) return [];
  const timer = `rebalance:${member.memberId}` as const;
  if (member.phase === 'revoking') return [{ kind: 'arm', timer, delayMs: member.rebalanceTimeoutMs }];
  return before?.phase === 'revoking' ? [{ kind: 'disarm', timer }] : [];
}

export function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}

function sameKeys(left: Partitions | ReadonlyMap<PartitionKey, number>, right: typeof left): boolean {
  if (left.size !== right.size) return false;
  for (const key of left.keys()) if (!right.has(key)) return false;
  return true;
}
