// How a member of a new consumer group gets from what it holds to what it is to have (KIP-848): it first gives back, then goes on to the target's epoch,
// and takes what is free; the rest when others have given it back. So nobody ever takes what another still holds.
//
//             target changes, nothing to give back
//   stable ◀────────────────────────────────────────▶ waiting ◀── takes what became free
//     │                                                  ▲
//     └─ target changes, has to give back ─▶ revoking ───┘ gave back
import type {
  ConsumerGroupState,
  ConsumerMember,
  HeldPartitions,
  PartitionKey,
  Partitions,
} from './consumer-group-state.ts';

/**
 * The member one step further on its way, or itself when it can go no further. `owned` is what it says it holds, null when it says nothing.
 */
export function reconcile(state: ConsumerGroupState, member: ConsumerMember, owned: Partitions | null): ConsumerMember {
  if (member.phase === 'stable' && member.epoch === state.assignmentEpoch) return member;
  if (member.phase === 'revoking' && stillOwns(owned, member.revoking)) return member;
  const target = state.target.get(member.memberId) ?? new Set<PartitionKey>();
  const kept = new Map<PartitionKey, number>();
  const revoking = new Map<PartitionKey, number>();
  for (const [key, epoch] of member.assigned) (target.has(key) ? kept : revoking).set(key, epoch);
  if (revoking.size > 0 && stillOwns(owned, revoking)) {
    return { ...member, phase: 'revoking', previousEpoch: member.epoch, assigned: kept, revoking };
  }
  const held = heldByOthers(state, member.memberId);
  const assigned = new Map(kept);
  let isWaiting = false;
  for (const key of target) {
    if (assigned.has(key)) continue;
    if (held.has(key)) isWaiting = true;
    else assigned.set(key, state.assignmentEpoch);
  }
  const isUnchanged =
    isWaiting &&
    member.phase === 'waiting' &&
    member.epoch === state.assignmentEpoch &&
    assigned.size === member.assigned.size;
  if (isUnchanged && revoking.size === 0) return member;
  return {
    ...member,
    phase: isWaiting ? 'waiting' : 'stable',
    epoch: state.assignmentEpoch,
    previousEpoch: member.epoch,
    assigned,
    revoking: new Map(),
  };
}

/** Everything that other members hold, be it that they are about to give it back. */
function heldByOthers(state: ConsumerGroupState, memberId: string): ReadonlySet<PartitionKey> {
  const held = new Set<PartitionKey>();
  for (const other of state.members.values()) {
    if (other.memberId === memberId) continue;
    for (const key of other.assigned.keys()) held.add(key);
    for (const key of other.revoking.keys()) held.add(key);
  }
  return held;
}

/** Whether a member waits for something that another one has not given back yet. */
export function isHeldUp(state: ConsumerGroupState, { memberId, assigned }: ConsumerMember): boolean {
  const held = heldByOthers(state, memberId);
  for (const key of state.target.get(memberId) ?? []) if (!assigned.has(key) && held.has(key)) return true;
  return false;
}

/** A member that does not say what it holds may hold anything. */
function stillOwns(owned: Partitions | null, revoking: HeldPartitions): boolean {
  if (owned === null) return true;
  for (const key of revoking.keys()) if (owned.has(key)) return true;
  return false;
}
