// The words of the group machine (group.ts): what a classic consumer group is at a moment, what can happen to it, and what
// follows. Nothing here acts; requests that wait are named by tickets, which the coordinator turns into answers.

export type GroupPhase =
  /** No members; it may still hold offsets. */
  | 'Empty'
  /** Members are called to join again; the generation forms when all have, or at the rebalance deadline. */
  | 'PreparingRebalance'
  /** The generation stands, its leader computes the assignment. */
  | 'CompletingRebalance'
  /** Everybody has, or can fetch, an assignment. */
  | 'Stable'
  /** Deleted. */
  | 'Dead';

export interface Protocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface Member {
  readonly memberId: string;
  /** group.instance.id of a static member (KIP-345). */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly inProcess: boolean;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** In the member's order of preference. */
  readonly protocols: readonly Protocol[];
  /** Empty until the leader has spoken. */
  readonly assignment: Buffer;
  /** The JoinGroup that waits for its answer. */
  readonly joinTicket: number | undefined;
  /** The SyncGroup that waits for its answer. */
  readonly syncTicket: number | undefined;
  /** In no generation yet: its client may still be starting, so it has NEW_MEMBER_TIMEOUT_MS instead of its session. */
  readonly isNew: boolean;
  /** It understands skip_assignment (JoinGroup v9). */
  readonly canSkipAssignment: boolean;
  /** For a static member that came back while Stable: the leader it is told of if it cannot skip the assignment. */
  readonly leaderBefore: string | undefined;
}

/** Of a member that asks for nothing at the moment. */
export const atRest = {
  joinTicket: undefined,
  syncTicket: undefined,
  isNew: false,
  canSkipAssignment: false,
  leaderBefore: undefined,
};

export interface GroupState {
  readonly groupId: string;
  readonly phase: GroupPhase;
  /** Grows with each rebalance; commits and heartbeats of another one are refused. */
  readonly generation: number;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  /** Member id. */
  readonly leader: string | undefined;
  /** By member id, in the order of their first join. */
  readonly members: ReadonlyMap<string, Member>;
  /** Ids that were given out with MEMBER_ID_REQUIRED and have not come back yet. */
  readonly pendingMembers: ReadonlySet<string>;
  /** Members of this generation that have not asked for their assignment yet. */
  readonly pendingSync: ReadonlySet<string>;
  /** Set while an empty group that was joined waits for more members before its generation forms (KIP-134). */
  readonly initialDelay: InitialDelay | undefined;
}

/** One round of waiting; another follows while members keep coming, as long as there is time left. */
export interface InitialDelay {
  readonly delayMs: number;
  readonly leftMs: number;
  /** Whether somebody came in this round. */
  readonly hasGrown: boolean;
}

/** A new member that is never answered is given up after this time, whatever its session timeout (as Kafka). */
export const NEW_MEMBER_TIMEOUT_MS = 300_000;

/** `session:` a member's heartbeat is due; `pending:` an id that was given out was never used. */
export type TimerName = 'rebalance' | 'sync' | `session:${string}` | `pending:${string}`;

export type GroupEvent =
  | JoinEvent
  | (ClassicSync & {
      readonly kind: 'sync';
      readonly ticket: number;
      readonly assignments: ReadonlyMap<string, Buffer>;
    })
  | (ClassicCall & { readonly kind: 'heartbeat'; readonly ticket: number })
  | { readonly kind: 'leave'; readonly ticket: number; readonly memberId: string; readonly instanceId: string | null }
  /** The group's record is durable, or could not be written (`errorCode`). */
  | { readonly kind: 'persisted'; readonly generation: number; readonly errorCode: number }
  | { readonly kind: 'timer'; readonly timer: TimerName }
  /** Everybody has to join again. */
  | { readonly kind: 'rebalance' }
  /** Whoever waits is told `errorCode`. */
  | { readonly kind: 'delete'; readonly errorCode: number };

export interface JoinEvent extends ClassicJoin {
  readonly kind: 'join';
  readonly ticket: number;
  readonly maxMembers: number;
  /** group.initial.rebalance.delay.ms */
  readonly initialDelayMs: number;
}

/** Who joins by JoinGroup, and how. */
export interface ClassicJoin {
  /** Empty for one that has no id yet. */
  readonly memberId: string;
  /** A fresh id, for a member that needs one. */
  readonly freshMemberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly inProcess: boolean;
  readonly protocolType: string;
  readonly protocols: readonly Protocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** JoinGroup v4 and later: a new dynamic member gets its id first and joins with it (KIP-394). */
  readonly requiresKnownMemberId: boolean;
  readonly canSkipAssignment: boolean;
}

/** Of a Heartbeat or SyncGroup: who asks. */
export interface ClassicCall {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

/** Of a SyncGroup: what the member thinks it has joined. */
export interface ClassicSync extends ClassicCall {
  readonly protocolType: string | null;
  readonly protocolName: string | null;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  /** For the leader: everybody, with the metadata of the chosen protocol. */
  readonly members: readonly { memberId: string; instanceId: string | null; metadata: Buffer }[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export type GroupEffect =
  | { readonly kind: 'join-answer'; readonly ticket: number; readonly answer: JoinAnswer }
  | { readonly kind: 'sync-answer'; readonly ticket: number; readonly answer: SyncAnswer }
  /** Of Heartbeat and LeaveGroup. */
  | { readonly kind: 'answer'; readonly ticket: number; readonly errorCode: number }
  /** Starts the timer, or starts it anew. */
  | { readonly kind: 'arm'; readonly timer: TimerName; readonly delayMs: number }
  | { readonly kind: 'disarm'; readonly timer: TimerName }
  /** Write the group's record as the state is now, and say `persisted` with this generation afterwards. */
  | { readonly kind: 'persist'; readonly generation: number };

export interface GroupStep {
  readonly state: GroupState;
  readonly effects: readonly GroupEffect[];
}

/** A group that nobody has joined yet. */
export function emptyGroup(groupId: string): GroupState {
  return {
    groupId,
    phase: 'Empty',
    generation: 0,
    protocolType: undefined,
    protocolName: undefined,
    leader: undefined,
    members: new Map(),
    pendingMembers: new Set(),
    pendingSync: new Set(),
    initialDelay: undefined,
  };
}

/** The member that holds a group.instance.id. */
export function staticMember(state: GroupState, instanceId: string): Member | undefined {
  for (const member of state.members.values()) if (member.instanceId === instanceId) return member;
  return undefined;
}

/** Whether a member with these protocols can be in the group: same type, and a protocol that all others know. */
export function supportsProtocols(
  state: GroupState,
  protocolType: string,
  protocols: readonly Protocol[],
  exceptMemberId?: string,
): boolean {
  if (protocolType === '' || protocols.length === 0) return false;
  if (state.members.size > 0 && state.protocolType !== protocolType) return false;
  const others = [...state.members.values()].filter((member) => member.memberId !== exceptMemberId);
  if (others.length === 0) return true;
  return protocols.some(({ name }) => others.every((other) => other.protocols.some((known) => known.name === name)));
}

/** The protocol that most members like best among those that all know; undefined in an empty group. */
export function electProtocol(state: GroupState): string | undefined {
  const members = [...state.members.values()];
  const votes = new Map<string, number>();
  for (const member of members) {
    const choice = member.protocols.find(({ name }) =>
      members.every((other) => other.protocols.some((known) => known.name === name)),
    );
    if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
  }
  let best: string | undefined;
  for (const [name, count] of votes) if (best === undefined || count > votes.get(best)!) best = name;
  return best;
}

/** Whether a member joins again with just what it joined with before. */
export function sameProtocols(member: Pick<Member, 'protocols'>, protocols: readonly Protocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every((protocol, index) => {
      const other = protocols[index]!;
      return protocol.name === other.name && protocol.metadata.equals(other.metadata);
    })
  );
}

/** What a member said about itself for a protocol. */
export function metadataOf(member: Member, protocolName: string | undefined): Buffer {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? Buffer.alloc(0);
}
