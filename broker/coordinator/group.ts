// The classic consumer group as a pure machine: (state, event) → { state, effects }. It owns who is a member, who leads, which generation and
// protocol hold, and who is told what; it never waits and never writes. Behaviour is Kafka's (KIP-62, 134, 345, 394, 559, 814):
//
//            join                all joined, or deadline           leader's sync, record durable
//   Empty ────────▶ PreparingRebalance ────────▶ CompletingRebalance ────────▶ Stable
//     ▲                │      ▲  ▲                        │ join, leave, expiry, │
//     └────────────────┘      │  └────────────────────────┘ sync deadline        │ join, leave, expiry
//        nobody left          └───────────────────────────────────────────────────┘
//
// Promises: one leader a generation; every join answered for a generation names the same generation and protocol; every request that waits is
// answered, at the latest when the rebalance, sync or session timers have run out.
import { ErrorCode } from '../wire/errors.ts';
import {
  electProtocol,
  type GroupEvent,
  type GroupState,
  type GroupStep,
  type JoinEvent,
  type Member,
  NEW_MEMBER_TIMEOUT_MS,
  sameProtocols,
  staticMember,
  supportsProtocols,
  type TimerName,
} from './group-state.ts';
import {
  admit,
  answerAllSyncs,
  answerSync,
  armSession,
  beginInitialDelay,
  changeMember,
  closeJoin,
  completeJoinIfAllJoined,
  draftOf,
  dropMember,
  forgetMember,
  goesOnWaiting,
  type GroupDraft,
  refuseJoin,
  startRebalance,
  stepOf,
  syncedIfNobodyPending,
} from './group-rebalance.ts';

type EventOf<K extends GroupEvent['kind']> = Extract<GroupEvent, { kind: K }>;

/** What the group is after `event`, and what has to be done about it, in this order. */
export function stepGroup(state: GroupState, event: GroupEvent): GroupStep {
  if (event.kind === 'heartbeat') return heartbeat(state, event);
  const draft = draftOf(state);
  switch (event.kind) {
    case 'join':
      join(draft, event);
      break;
    case 'sync':
      sync(draft, event);
      break;
    case 'leave':
      leave(draft, event);
      break;
    case 'persisted':
      persisted(draft, event);
      break;
    case 'timer':
      timer(draft, event.timer);
      break;
    case 'rebalance':
      startRebalance(draft);
      break;
    case 'delete':
      draft.phase = 'Dead';
      for (const memberId of [...draft.members.keys()]) forgetMember(draft, memberId, event.errorCode);
      for (const memberId of draft.pendingMembers) draft.effects.push({ kind: 'disarm', timer: `pending:${memberId}` });
      draft.pendingMembers.clear();
      draft.effects.push({ kind: 'disarm', timer: 'rebalance' }, { kind: 'disarm', timer: 'sync' });
      break;
  }
  return stepOf(draft);
}

/**
 * Whether a request's member and instance id name a member of the group: 0, or the error to answer (UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
 * COORDINATOR_NOT_AVAILABLE for a dead group).
 */
export function memberError(state: GroupState, memberId: string, instanceId: string | null): number {
  if (state.phase === 'Dead') return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  if (instanceId !== null) {
    const holder = staticMember(state, instanceId);
    if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (holder.memberId !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return state.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}

/**
 * Whether offsets may be committed: 0, or the error to answer. A negative generation without member is allowed while the group is empty (it
 * then only stores offsets), in a transaction always (clients before KIP-447 send neither).
 */
export function commitError(
  state: GroupState,
  commit: { generation: number; memberId: string; instanceId: string | null; transactional: boolean },
): number {
  if (state.phase === 'Dead') return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  if (commit.generation < 0 && state.phase === 'Empty') return ErrorCode.NONE;
  if (commit.generation >= 0 || commit.memberId !== '' || commit.instanceId !== null) {
    const error = memberError(state, commit.memberId, commit.instanceId);
    if (error !== ErrorCode.NONE) return error;
    if (commit.generation !== state.generation) return ErrorCode.ILLEGAL_GENERATION;
  } else if (!commit.transactional) {
    return ErrorCode.UNKNOWN_MEMBER_ID;
  }
  // The member knows of the new generation but not of its share in it, so the offsets are of partitions it may not own any more.
  if (!commit.transactional && state.phase === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
  return ErrorCode.NONE;
}

function join(draft: GroupDraft, event: JoinEvent): void {
  if (draft.phase === 'Dead') {
    refuseJoin(draft, event.ticket, event.memberId, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    return;
  }
  const known = event.memberId !== '';
  const former = !known && event.instanceId !== null ? staticMember(draft, event.instanceId) : undefined;
  const exceptMemberId = known ? event.memberId : former?.memberId;
  if (!supportsProtocols(draft, event.protocolType, event.protocols, exceptMemberId)) {
    refuseJoin(draft, event.ticket, event.memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  if (known && !draft.pendingMembers.has(event.memberId)) {
    joinAgain(draft, event);
    return;
  }
  if (known && event.instanceId !== null) {
    refuseJoin(draft, event.ticket, event.memberId, ErrorCode.UNKNOWN_MEMBER_ID);
    return;
  }
  if (former !== undefined) {
    replaceStatic(draft, event, former);
    return;
  }
  const places = draft.members.size + draft.pendingMembers.size - (known ? 1 : 0);
  if (places >= event.maxMembers) {
    refuseJoin(draft, event.ticket, event.memberId, ErrorCode.GROUP_MAX_SIZE_REACHED);
    return;
  }
  if (!known && event.instanceId === null && event.requiresKnownMemberId) {
    draft.pendingMembers.add(event.freshMemberId);
    const timer = `pending:${event.freshMemberId}` as const;
    draft.effects.push({ kind: 'arm', timer, delayMs: event.sessionTimeoutMs });
    refuseJoin(draft, event.ticket, event.freshMemberId, ErrorCode.MEMBER_ID_REQUIRED);
    return;
  }
  addMember(draft, event, known ? event.memberId : event.freshMemberId);
}

function addMember(draft: GroupDraft, event: JoinEvent, memberId: string): void {
  if (draft.pendingMembers.delete(memberId)) draft.effects.push({ kind: 'disarm', timer: `pending:${memberId}` });
  if (draft.members.size === 0) draft.protocolType = event.protocolType;
  draft.members.set(memberId, {
    memberId,
    instanceId: event.instanceId,
    clientId: event.clientId,
    clientHost: event.clientHost,
    inProcess: event.inProcess,
    sessionTimeoutMs: event.sessionTimeoutMs,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    protocols: event.protocols,
    assignment: Buffer.alloc(0),
    joinTicket: event.ticket,
    syncTicket: undefined,
    isNew: true,
    canSkipAssignment: event.canSkipAssignment,
    leaderBefore: undefined,
  });
  draft.leader ??= memberId;
  draft.effects.push({ kind: 'arm', timer: `session:${memberId}`, delayMs: NEW_MEMBER_TIMEOUT_MS });
  if (draft.initialDelay !== undefined) draft.initialDelay = { ...draft.initialDelay, hasGrown: true };
  else if (draft.phase === 'Empty' && event.initialDelayMs > 0) beginInitialDelay(draft, event.initialDelayMs);
  else startRebalance(draft);
}

function joinAgain(draft: GroupDraft, event: JoinEvent): void {
  const error = memberError(draft, event.memberId, event.instanceId);
  if (error !== ErrorCode.NONE) {
    refuseJoin(draft, event.ticket, event.memberId, error);
    return;
  }
  const member = draft.members.get(event.memberId)!;
  const unchanged = sameProtocols(member, event.protocols);
  // The answer to the first join may have been lost: who comes again with the same protocols gets it once more.
  const repeats =
    unchanged &&
    (draft.phase === 'CompletingRebalance' || (draft.phase === 'Stable' && draft.leader !== event.memberId));
  if (repeats) {
    if (member.joinTicket !== undefined) {
      refuseJoin(draft, member.joinTicket, event.memberId, ErrorCode.REBALANCE_IN_PROGRESS);
    }
    admit(draft, event.ticket, event.memberId);
    return;
  }
  takeJoin(draft, event, event.memberId);
  startRebalance(draft);
}

/** Notes a member's join request and what it says; an older one that still waits is told to try again. */
function takeJoin(draft: GroupDraft, event: JoinEvent, memberId: string): Member {
  const before = draft.members.get(memberId)!;
  if (before.joinTicket !== undefined) {
    refuseJoin(draft, before.joinTicket, memberId, ErrorCode.REBALANCE_IN_PROGRESS);
  }
  return changeMember(draft, memberId, {
    joinTicket: event.ticket,
    protocols: event.protocols,
    sessionTimeoutMs: event.sessionTimeoutMs,
    rebalanceTimeoutMs: event.rebalanceTimeoutMs,
    clientId: event.clientId,
    clientHost: event.clientHost,
    inProcess: event.inProcess,
    canSkipAssignment: event.canSkipAssignment,
  });
}

/**
 * A static member restarted: it takes the place of its former self under a new id, which fences the old one. In a stable group whose protocol does
 * not change by it there is no rebalance: it gets its old assignment.
 */
function replaceStatic(draft: GroupDraft, event: JoinEvent, former: Member): void {
  const memberId = event.freshMemberId;
  const leaderBefore = draft.leader;
  if (former.joinTicket !== undefined) {
    refuseJoin(draft, former.joinTicket, former.memberId, ErrorCode.FENCED_INSTANCE_ID);
  }
  if (former.syncTicket !== undefined)
    answerSync(draft, former.syncTicket, former.memberId, ErrorCode.FENCED_INSTANCE_ID);
  draft.effects.push({ kind: 'disarm', timer: `session:${former.memberId}` });
  // A new map, so that the member keeps its place in the order.
  draft.members = new Map(
    [...draft.members].map(([id, member]) =>
      id === former.memberId
        ? [memberId, { ...member, memberId, joinTicket: undefined, syncTicket: undefined }]
        : [id, member],
    ),
  );
  if (draft.leader === former.memberId) draft.leader = memberId;
  if (draft.pendingSync.delete(former.memberId)) draft.pendingSync.add(memberId);
  armSession(draft, takeJoin(draft, event, memberId));
  if (draft.phase === 'Stable' && electProtocol(draft) === draft.protocolName) {
    changeMember(draft, memberId, { leaderBefore });
    draft.effects.push({ kind: 'persist', generation: draft.generation });
    return;
  }
  startRebalance(draft);
}

function sync(draft: GroupDraft, event: EventOf<'sync'>): void {
  const error = syncError(draft, event);
  if (error !== ErrorCode.NONE) {
    draft.effects.push({
      kind: 'sync-answer',
      ticket: event.ticket,
      answer: { errorCode: error, protocolType: null, protocolName: null, assignment: Buffer.alloc(0) },
    });
    return;
  }
  draft.pendingSync.delete(event.memberId);
  const before = draft.members.get(event.memberId)!.syncTicket;
  if (before !== undefined) answerSync(draft, before, event.memberId, ErrorCode.REBALANCE_IN_PROGRESS);
  if (draft.phase === 'Stable') {
    answerSync(draft, event.ticket, event.memberId, ErrorCode.NONE);
    syncedIfNobodyPending(draft);
    return;
  }
  changeMember(draft, event.memberId, { syncTicket: event.ticket });
  if (event.memberId === draft.leader) {
    for (const memberId of draft.members.keys()) {
      changeMember(draft, memberId, { assignment: event.assignments.get(memberId) ?? Buffer.alloc(0) });
    }
    draft.effects.push({ kind: 'persist', generation: draft.generation });
  }
  syncedIfNobodyPending(draft);
}

function syncError(draft: GroupDraft, event: EventOf<'sync'>): number {
  const error = memberError(draft, event.memberId, event.instanceId);
  if (error !== ErrorCode.NONE) return error;
  if (event.generation !== draft.generation) return ErrorCode.ILLEGAL_GENERATION;
  if (event.protocolType !== null && event.protocolType !== draft.protocolType) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  }
  if (event.protocolName !== null && event.protocolName !== draft.protocolName) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  }
  return draft.phase === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

/** The group's record is on disk: the assignment holds. Where it could not be written, everybody starts over. */
function persisted(draft: GroupDraft, event: EventOf<'persisted'>): void {
  if (event.generation !== draft.generation) return;
  if (draft.phase === 'CompletingRebalance') {
    if (event.errorCode !== ErrorCode.NONE) {
      answerAllSyncs(draft, event.errorCode);
      startRebalance(draft);
      return;
    }
    draft.phase = 'Stable';
    answerAllSyncs(draft, ErrorCode.NONE);
    return;
  }
  if (draft.phase !== 'Stable') return;
  for (const member of [...draft.members.values()]) {
    if (member.joinTicket === undefined) continue;
    if (event.errorCode === ErrorCode.NONE) {
      admit(draft, member.joinTicket, member.memberId, member.canSkipAssignment);
    } else {
      refuseJoin(draft, member.joinTicket, member.memberId, event.errorCode);
      armSession(draft, changeMember(draft, member.memberId, { joinTicket: undefined, leaderBefore: undefined }));
    }
  }
}

function heartbeat(state: GroupState, event: EventOf<'heartbeat'>): GroupStep {
  let errorCode = memberError(state, event.memberId, event.instanceId);
  if (errorCode === ErrorCode.NONE && event.generation !== state.generation) errorCode = ErrorCode.ILLEGAL_GENERATION;
  if (errorCode !== ErrorCode.NONE) return { state, effects: [{ kind: 'answer', ticket: event.ticket, errorCode }] };
  if (state.phase === 'PreparingRebalance') errorCode = ErrorCode.REBALANCE_IN_PROGRESS;
  const { memberId, sessionTimeoutMs } = state.members.get(event.memberId)!;
  return {
    state,
    effects: [
      { kind: 'arm', timer: `session:${memberId}`, delayMs: sessionTimeoutMs },
      { kind: 'answer', ticket: event.ticket, errorCode },
    ],
  };
}

function leave(draft: GroupDraft, event: EventOf<'leave'>): void {
  const errorCode = leaveMember(draft, event);
  draft.effects.push({ kind: 'answer', ticket: event.ticket, errorCode });
}

function leaveMember(draft: GroupDraft, event: EventOf<'leave'>): number {
  if (draft.phase === 'Dead') return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  // An operator removes a static member by its instance id alone (KIP-345).
  const byInstance = event.memberId === '' && event.instanceId !== null;
  const memberId = byInstance ? (staticMember(draft, event.instanceId)?.memberId ?? '') : event.memberId;
  if (draft.pendingMembers.delete(memberId)) {
    draft.effects.push({ kind: 'disarm', timer: `pending:${memberId}` });
    completeJoinIfAllJoined(draft);
    return ErrorCode.NONE;
  }
  const error = memberError(draft, memberId, event.instanceId);
  if (error === ErrorCode.NONE) dropMember(draft, memberId);
  return error;
}

function timer(draft: GroupDraft, name: TimerName): void {
  if (name === 'rebalance') {
    if (draft.phase === 'PreparingRebalance' && !goesOnWaiting(draft)) closeJoin(draft);
  } else if (name === 'sync') {
    chaseSync(draft);
  } else if (name.startsWith('pending:')) {
    if (draft.pendingMembers.delete(name.slice('pending:'.length))) completeJoinIfAllJoined(draft);
  } else {
    const member = draft.members.get(name.slice('session:'.length));
    if (member === undefined) return;
    // Who waits for us cannot send heartbeats; its session starts with the answer. A new one may wait only so long.
    const waits = member.joinTicket !== undefined || member.syncTicket !== undefined;
    if (!waits || member.isNew) dropMember(draft, member.memberId);
  }
}

/** Members that never asked for their assignment keep the partitions it gives them unread: without them, then. */
function chaseSync(draft: GroupDraft): void {
  if (draft.phase !== 'CompletingRebalance' && draft.phase !== 'Stable') return;
  const missing = [...draft.pendingSync];
  if (missing.length === 0) return;
  for (const memberId of missing) forgetMember(draft, memberId);
  startRebalance(draft);
}
