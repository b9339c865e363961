// How a generation forms and ends: the moves that several events of the group machine share. They work on a draft, the copy of
// the state that one step of group.ts may change; outside of a step nothing is ever changed.
import { ErrorCode } from '../wire/errors.ts';
import {
  electProtocol,
  type GroupEffect,
  type GroupState,
  type GroupStep,
  type Member,
  metadataOf,
} from './group-state.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** One step's copy of a group, and what the step is to bring about. */
export interface GroupDraft extends Writable<Omit<GroupState, 'members' | 'pendingMembers' | 'pendingSync'>> {
  members: Map<string, Member>;
  pendingMembers: Set<string>;
  pendingSync: Set<string>;
  effects: GroupEffect[];
}

export function draftOf(state: GroupState): GroupDraft {
  return {
    ...state,
    members: new Map(state.members),
    pendingMembers: new Set(state.pendingMembers),
    pendingSync: new Set(state.pendingSync),
    effects: [],
  };
}

export function stepOf({ effects, ...state }: GroupDraft): GroupStep {
  return { state, effects };
}

export function changeMember(draft: GroupDraft, memberId: string, changes: Partial<Member>): Member {
  const member: Member = { ...draft.members.get(memberId)!, ...changes };
  draft.members.set(memberId, member);
  return member;
}

/** The member lives: its session starts anew. */
export function armSession(draft: GroupDraft, member: Member): void {
  draft.effects.push({ kind: 'arm', timer: `session:${member.memberId}`, delayMs: member.sessionTimeoutMs });
}

export function refuseJoin(draft: GroupDraft, ticket: number, memberId: string, errorCode: number): void {
  draft.effects.push({
    kind: 'join-answer',
    ticket,
    answer: {
      errorCode,
      generation: -1,
      protocolType: null,
      protocolName: null,
      leader: '',
      skipAssignment: false,
      memberId,
      members: [],
    },
  });
}

/** Answers the join of a member with the generation as it stands. Only the leader learns the others. */
export function admit(draft: GroupDraft, ticket: number, memberId: string, skipAssignment = false): void {
  const isLeader = draft.leader === memberId;
  const former = skipAssignment ? undefined : draft.members.get(memberId)?.leaderBefore;
  const members = isLeader && former === undefined ? [...draft.members.values()] : [];
  draft.effects.push({
    kind: 'join-answer',
    ticket,
    answer: {
      errorCode: ErrorCode.NONE,
      generation: draft.generation,
      protocolType: draft.protocolType ?? null,
      protocolName: draft.protocolName ?? null,
      leader: former ?? draft.leader ?? '',
      skipAssignment: skipAssignment && isLeader,
      memberId,
      members: members.map((member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        metadata: metadataOf(member, draft.protocolName),
      })),
    },
  });
  armSession(draft, changeMember(draft, memberId, { joinTicket: undefined, isNew: false, leaderBefore: undefined }));
}

/** Answers one waiting SyncGroup. */
export function answerSync(draft: GroupDraft, ticket: number, memberId: string, errorCode: number): void {
  const succeeded = errorCode === ErrorCode.NONE;
  const member = draft.members.get(memberId);
  draft.effects.push({
    kind: 'sync-answer',
    ticket,
    answer: {
      errorCode,
      protocolType: succeeded ? (draft.protocolType ?? null) : null,
      protocolName: succeeded ? (draft.protocolName ?? null) : null,
      assignment: succeeded ? (member?.assignment ?? Buffer.alloc(0)) : Buffer.alloc(0),
    },
  });
  if (member === undefined) return;
  armSession(draft, changeMember(draft, memberId, { syncTicket: undefined }));
}

/** Answers every waiting SyncGroup. */
export function answerAllSyncs(draft: GroupDraft, errorCode: number): void {
  for (const { memberId, syncTicket } of [...draft.members.values()]) {
    if (syncTicket !== undefined) answerSync(draft, syncTicket, memberId, errorCode);
  }
}

/** The largest patience of the members, in milliseconds. */
export function rebalanceTimeoutMs(draft: GroupDraft): number {
  let longestMs = 0;
  for (const member of draft.members.values()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs);
  return longestMs;
}

/** Calls everybody to join again; from any phase with members. Does nothing more while a rebalance is under way. */
export function startRebalance(draft: GroupDraft): void {
  if (draft.phase !== 'PreparingRebalance') {
    if (draft.phase === 'CompletingRebalance') {
      for (const memberId of draft.members.keys()) changeMember(draft, memberId, { assignment: Buffer.alloc(0) });
      answerAllSyncs(draft, ErrorCode.REBALANCE_IN_PROGRESS);
    }
    draft.phase = 'PreparingRebalance';
    draft.pendingSync.clear();
    draft.effects.push({ kind: 'disarm', timer: 'sync' });
    draft.effects.push({ kind: 'arm', timer: 'rebalance', delayMs: rebalanceTimeoutMs(draft) });
  }
  completeJoinIfAllJoined(draft);
}

/** The first member of an empty group is there: others that start at the same time shall be in its first generation too. */
export function beginInitialDelay(draft: GroupDraft, delayMs: number): void {
  draft.phase = 'PreparingRebalance';
  draft.initialDelay = { delayMs, leftMs: Math.max(0, rebalanceTimeoutMs(draft) - delayMs), hasGrown: false };
  draft.effects.push({ kind: 'arm', timer: 'rebalance', delayMs });
}

/** A round of the initial delay is over: whether another one begins, because members kept coming. */
export function goesOnWaiting(draft: GroupDraft): boolean {
  const { initialDelay } = draft;
  draft.initialDelay = undefined;
  if (initialDelay === undefined || !initialDelay.hasGrown || initialDelay.leftMs === 0) return false;
  const roundMs = Math.min(initialDelay.delayMs, initialDelay.leftMs);
  draft.initialDelay = { ...initialDelay, leftMs: initialDelay.leftMs - roundMs, hasGrown: false };
  draft.effects.push({ kind: 'arm', timer: 'rebalance', delayMs: roundMs });
  return true;
}

/** Forms the generation as soon as nobody is missing. */
export function completeJoinIfAllJoined(draft: GroupDraft): void {
  if (draft.phase !== 'PreparingRebalance' || draft.pendingMembers.size > 0 || draft.initialDelay !== undefined) return;
  for (const member of draft.members.values()) if (member.joinTicket === undefined) return;
  formGeneration(draft);
}

/**
 * The rebalance deadline passed: dynamic members that did not come back are out. Static ones stay for their session; if none but such are left, the
 * generation waits for another round, since nobody could lead it.
 */
export function closeJoin(draft: GroupDraft): void {
  for (const member of [...draft.members.values()]) {
    if (member.joinTicket === undefined && member.instanceId === null) forgetMember(draft, member.memberId);
  }
  const joined = [...draft.members.values()].filter((member) => member.joinTicket !== undefined);
  if (draft.members.size > 0 && joined.length === 0) {
    draft.effects.push({ kind: 'arm', timer: 'rebalance', delayMs: rebalanceTimeoutMs(draft) });
    return;
  }
  formGeneration(draft);
}

function formGeneration(draft: GroupDraft): void {
  draft.effects.push({ kind: 'disarm', timer: 'rebalance' });
  draft.generation += 1;
  draft.pendingSync.clear();
  if (draft.members.size === 0) {
    draft.phase = 'Empty';
    draft.protocolName = undefined;
    draft.leader = undefined;
    draft.effects.push({ kind: 'persist', generation: draft.generation });
    return;
  }
  if (draft.leader === undefined || draft.members.get(draft.leader)?.joinTicket === undefined) {
    draft.leader = [...draft.members.values()].find((member) => member.joinTicket !== undefined)!.memberId;
  }
  draft.protocolName = electProtocol(draft);
  draft.phase = 'CompletingRebalance';
  for (const member of [...draft.members.values()]) {
    draft.pendingSync.add(member.memberId);
    changeMember(draft, member.memberId, { assignment: Buffer.alloc(0), leaderBefore: undefined });
    if (member.joinTicket !== undefined) admit(draft, member.joinTicket, member.memberId);
    else armSession(draft, member);
  }
  draft.effects.push({ kind: 'arm', timer: 'sync', delayMs: rebalanceTimeoutMs(draft) });
}

/** Takes a member out, with its timers and waiting requests; says nothing to the others. */
export function forgetMember(
  draft: GroupDraft,
  memberId: string,
  errorCode: number = ErrorCode.UNKNOWN_MEMBER_ID,
): void {
  const member = draft.members.get(memberId)!;
  if (member.joinTicket !== undefined) refuseJoin(draft, member.joinTicket, memberId, errorCode);
  if (member.syncTicket !== undefined) answerSync(draft, member.syncTicket, memberId, errorCode);
  draft.members.delete(memberId);
  draft.pendingSync.delete(memberId);
  draft.effects.push({ kind: 'disarm', timer: `session:${memberId}` });
  if (draft.leader === memberId) draft.leader = draft.members.keys().next().value;
  syncedIfNobodyPending(draft);
}

/** A member is gone for good: the others share its work. */
export function dropMember(draft: GroupDraft, memberId: string, errorCode?: number): void {
  forgetMember(draft, memberId, errorCode);
  if (draft.phase === 'Stable' || draft.phase === 'CompletingRebalance') startRebalance(draft);
  else completeJoinIfAllJoined(draft);
}

/** Once everybody has fetched its assignment, nobody has to be chased any more. */
export function syncedIfNobodyPending(draft: GroupDraft): void {
  if (draft.pendingSync.size === 0) draft.effects.push({ kind: 'disarm', timer: 'sync' });
}
