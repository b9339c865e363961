// Members of the classic protocol in a new consumer group (KIP-848, online migration), as part of its pure machine: they join, sync, beat and leave by the
// requests that they know, and share the partitions with those of the new protocol. Nobody leads: the coordinator assigns, JoinGroup answers at once, and
// a member that has to give back or may take more is told by its heartbeat to join again.
//
//   JoinGroup  says what it subscribes to and still holds → a step on the way to its part of the target; its generation is its epoch
//   SyncGroup  → what it may use
//   Heartbeat  → REBALANCE_IN_PROGRESS when another JoinGroup would bring it a step further
//
// Two timers beside the session: `join:` for who was told to join again, `sync:` for who has joined. Behaviour is Kafka's (4.3).
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import {
  advance,
  checkHolder,
  checkRoom,
  inPlaceOf,
  isClassicAgain,
  sameList,
  sessionTimer,
  unknownMember,
  withMember,
  without,
} from './consumer-group.ts';
import {
  type ConsumerEffect,
  type ConsumerGroupRules,
  type ConsumerGroupState,
  type ConsumerGroupStep,
  type ConsumerMember,
  newConsumerMember,
  phaseOf,
  staticConsumer,
  type TopicsView,
} from './consumer-group-state.ts';
import { readSubscription, type Subscription, writeAssignment } from './consumer-protocol.ts';
import { isHeldUp, reconcile } from './consumer-reconciliation.ts';
import {
  type ClassicCall,
  type ClassicJoin,
  type ClassicSync,
  type JoinAnswer,
  type Protocol,
  sameProtocols,
  type SyncAnswer,
} from './group-state.ts';

export interface ClassicJoinStep extends ConsumerGroupStep {
  readonly answer: JoinAnswer;
}

/**
 * Takes a JoinGroup. Throws KafkaError: GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
 */
export function joinClassic(
  state: ConsumerGroupState,
  event: ClassicJoin,
  topics: TopicsView,
  rules: ConsumerGroupRules,
): ClassicJoinStep {
  const memberId = event.memberId === '' ? event.freshMemberId : event.memberId;
  refuseIf(!rules.takesClassic, `group ${state.groupId} takes no members of the classic protocol`);
  checkRoom(state, memberId, rules);
  refuseIf(!knowsProtocols(state, event), `no protocol of member ${memberId} is known to all others`);
  if (event.memberId === '' && event.instanceId === null && event.requiresKnownMemberId) {
    return { state, effects: [], answer: { ...noAnswer, errorCode: ErrorCode.MEMBER_ID_REQUIRED, memberId } };
  }
  const former = event.instanceId === null ? undefined : staticConsumer(state, event.instanceId);
  if (event.instanceId !== null && event.memberId !== '') checkHolder(state, former, event);
  const isHeir = former !== undefined && former.memberId !== memberId;
  const admitted = isHeir ? inPlaceOf(state, former, memberId) : state;
  const subscription = readSubscription(event.protocols[0]!.metadata, topics);
  const before = admitted.members.get(memberId) ?? newConsumerMember(memberId);
  const said = withSaid(before, event, subscription);
  const replaced = withMember(admitted, said);
  if (former?.classic === null && isClassicAgain(replaced, rules)) {
    return lastReplaced(replaced, said, before, subscription);
  }
  const { state: next, member } = advance(admitted, before, said, subscription.owned, topics);
  const effects: ConsumerEffect[] = [
    { kind: 'disarm', timer: `join:${memberId}` },
    sessionTimer(member),
    { kind: 'arm', timer: `sync:${memberId}`, delayMs: member.rebalanceTimeoutMs },
  ];
  return { state: next, effects, answer: answerOf(member) };
}

/** Takes a SyncGroup. Throws KafkaError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL. */
export function syncClassic(
  state: ConsumerGroupState,
  event: ClassicSync,
): { effects: readonly ConsumerEffect[]; answer: SyncAnswer } {
  const { memberId, protocolType, protocolName } = event;
  const { member, protocol } = callerOf(state, event);
  refuseIf(protocolType !== null && protocolType !== 'consumer', `member ${memberId} is of type consumer`);
  refuseIf(
    protocolName !== null && protocolName !== protocol.name,
    `member ${memberId} has joined as ${protocol.name}`,
  );
  const answer = { protocolType, protocolName, errorCode: ErrorCode.NONE as number, assignment: Buffer.alloc(0) };
  if (state.epoch > member.epoch && member.phase !== 'revoking') {
    return { effects: [joinTimer(member)], answer: { ...answer, errorCode: ErrorCode.REBALANCE_IN_PROGRESS } };
  }
  const assignment = writeAssignment(member.assigned.keys(), protocol.metadata, state.topics);
  return {
    effects: [{ kind: 'disarm', timer: `sync:${memberId}` }, sessionTimer(member)],
    answer: { ...answer, assignment },
  };
}

/** Takes a Heartbeat. Throws KafkaError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION. */
export function beatClassic(
  state: ConsumerGroupState,
  event: ClassicCall,
): { effects: readonly ConsumerEffect[]; errorCode: number } {
  const { member } = callerOf(state, event);
  const mustJoin =
    member.epoch < state.epoch ||
    member.phase === 'revoking' ||
    (member.phase === 'waiting' && !isHeldUp(state, member));
  if (!mustJoin) return { effects: [sessionTimer(member)], errorCode: ErrorCode.NONE };
  return { effects: [sessionTimer(member), joinTimer(member)], errorCode: ErrorCode.REBALANCE_IN_PROGRESS };
}

/** Takes a LeaveGroup, which may name members of either protocol; an operator names static ones by their instance alone (KIP-345). */
export function leaveByRequest(
  state: ConsumerGroupState,
  identities: readonly Pick<ClassicCall, 'memberId' | 'instanceId'>[],
  topics: TopicsView,
  rules: ConsumerGroupRules,
): { step: ConsumerGroupStep; errors: readonly number[] } {
  const leaving = new Set<ConsumerMember>();
  const errors = identities.map(({ memberId, instanceId }) => {
    try {
      const holder = instanceId === null ? state.members.get(memberId) : staticConsumer(state, instanceId);
      if (holder === undefined) throw unknownMember(state, memberId);
      if (memberId !== '') checkHolder(state, holder, { memberId, instanceId });
      leaving.add(holder);
      return ErrorCode.NONE;
    } catch (error) {
      return errorCodeOf(error);
    }
  });
  return { step: leaving.size === 0 ? { state, effects: [] } : without(state, leaving, topics, rules), errors };
}

/**
 * The last member of the new protocol was a static one, and has come back as a classic one: the group is classic again. It stays stable when everybody has
 * what the target says; else all have to join again.
 */
function lastReplaced(
  state: ConsumerGroupState,
  said: ConsumerMember,
  before: ConsumerMember,
  { owned }: Subscription,
): ClassicJoinStep {
  const { memberId } = said;
  const others = { ...state, members: new Map([...state.members].filter(([id]) => id !== memberId)) };
  const isStale =
    said.topicNames !== before.topicNames ||
    said.topicRegex !== before.topicRegex ||
    (others.members.size > 0 && phaseOf(others) !== 'Stable') ||
    state.epoch > state.assignmentEpoch;
  const member = isStale ? said : reconcile(state, said, owned);
  return {
    state: withMember(state, member),
    effects: [],
    becomesClassic: isStale ? 'rebalance' : 'stable',
    answer: answerOf(member),
  };
}

function withSaid(member: ConsumerMember, event: ClassicJoin, subscription: Subscription): ConsumerMember {
  const { sessionTimeoutMs, protocols, inProcess } = event;
  const { topicNames, rackId } = subscription;
  const { classic } = member;
  const isSame =
    classic !== null &&
    classic.sessionTimeoutMs === sessionTimeoutMs &&
    classic.inProcess === inProcess &&
    sameProtocols(classic, protocols);
  return {
    ...member,
    instanceId: event.instanceId ?? member.instanceId,
    rackId: rackId ?? member.rackId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    topicNames: sameList(topicNames, member.topicNames) ? member.topicNames : topicNames,
    topicRegex: '',
    classic: isSame ? classic : { sessionTimeoutMs, protocols, inProcess },
  };
}

/** Whether it is of the right type, and all classic members of the group know one of its protocols. */
function knowsProtocols(state: ConsumerGroupState, { memberId, protocolType, protocols }: ClassicJoin): boolean {
  const others = [...state.members.values()].flatMap(({ memberId: id, classic }) =>
    classic === null || id === memberId ? [] : [classic.protocols],
  );
  const isCommon = ({ name }: Protocol) => others.every((known) => known.some((other) => other.name === name));
  return protocolType === 'consumer' && protocols.some(isCommon);
}

/** The classic member that asks, and the protocol it has joined with: of those that it knows, the one it likes best. */
function callerOf(state: ConsumerGroupState, event: ClassicCall): { member: ConsumerMember; protocol: Protocol } {
  const { memberId, instanceId, generation } = event;
  const member =
    instanceId === null
      ? state.members.get(memberId)
      : checkHolder(state, staticConsumer(state, instanceId), { memberId, instanceId });
  if (member === undefined || member.classic === null) throw unknownMember(state, memberId);
  if (generation !== member.epoch) {
    throw new KafkaError(ErrorCode.ILLEGAL_GENERATION, `member ${memberId} is in generation ${member.epoch}`);
  }
  return { member, protocol: member.classic.protocols[0]! };
}

function joinTimer({ memberId, rebalanceTimeoutMs }: ConsumerMember): ConsumerEffect {
  return { kind: 'arm', timer: `join:${memberId}`, delayMs: rebalanceTimeoutMs, goesOn: true };
}

const noAnswer: JoinAnswer = {
  errorCode: ErrorCode.NONE,
  generation: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  memberId: '',
  members: [],
};

function answerOf({ memberId, epoch, classic }: ConsumerMember): JoinAnswer {
  return {
    ...noAnswer,
    memberId,
    generation: epoch,
    protocolType: 'consumer',
    protocolName: classic!.protocols[0]!.name,
  };
}

function refuseIf(isWrong: boolean, detail: string): void {
  if (isWrong) throw new KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, detail);
}
