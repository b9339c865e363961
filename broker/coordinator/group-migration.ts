// A group's way from the classic protocol to the new one and back while it has members (KIP-848, online migration): pure translations of the one state
// into the other. The first member of the new protocol upgrades the group; when the last one has gone, what is left is a classic group again. Either
// way members keep what they have until they are told otherwise, and all are called to join again.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { withTopics } from './consumer-group.ts';
import {
  type ConsumerGroupState,
  type ConsumerMember,
  emptyConsumerGroup,
  newConsumerMember,
  type PartitionKey,
  type TopicsView,
} from './consumer-group-state.ts';
import { readAssignment, readSubscription, type Subscription, writeAssignment } from './consumer-protocol.ts';
import { atRest, electProtocol, emptyGroup, type GroupState, type Member, metadataOf } from './group-state.ts';

/**
 * A classic group as one of the new protocol: in the same generation, with its members as classic members who hold what they were given. Throws KafkaError
 * GROUP_ID_NOT_FOUND when its members are no consumers, or have an assignor that says more than partitions.
 */
export function upgraded(group: GroupState, topics: TopicsView): ConsumerGroupState {
  const { groupId, generation, protocolType } = group;
  if (protocolType !== 'consumer') {
    throw new KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, `group ${groupId} is of type ${protocolType}, not consumer`);
  }
  try {
    const all = [...group.members.values()];
    const said = new Map(all.map((member) => [member, readSubscription(saidBy(group, member), topics)]));
    const given = new Map(all.map((member) => [member, new Set(readAssignment(member.assignment, topics))]));
    keepWhatIsHeld(group, said, given);
    const members = all.map((member) => consumerMember(member, generation, said.get(member)!, given.get(member)!));
    const state: ConsumerGroupState = {
      ...emptyConsumerGroup(groupId),
      epoch: generation,
      assignmentEpoch: generation,
      members: new Map(members.map((member) => [member.memberId, member])),
      target: new Map(all.map((member) => [member.memberId, given.get(member)!])),
    };
    return withTopics(state, topics);
  } catch (error) {
    const detail = `group ${groupId} cannot take members of the new protocol`;
    throw new KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, detail, { cause: error });
  }
}

/**
 * A new group whose members are all classic as a classic group: stable, in the same generation, with what its members hold as what they were given. (Kafka
 * takes the target; then a member of the new protocol that comes before they have joined again could be given what one of them still reads.)
 */
export function downgraded(group: ConsumerGroupState): GroupState {
  const members = [...group.members.values()].map((member): Member => ({
    ...member.classic!,
    memberId: member.memberId,
    instanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    assignment: Buffer.alloc(0),
    ...atRest,
  }));
  const state: GroupState = {
    ...emptyGroup(group.groupId),
    phase: 'Stable',
    generation: group.epoch,
    protocolType: 'consumer',
    leader: members[0]?.memberId,
    members: new Map(members.map((member) => [member.memberId, member])),
  };
  const protocolName = electProtocol(state);
  const assigned = members.map((member): [string, Member] => {
    const { assigned: held, revoking } = group.members.get(member.memberId)!;
    const metadata = metadataOf(member, protocolName);
    const assignment = writeAssignment([...held.keys(), ...revoking.keys()], metadata, group.topics);
    return [member.memberId, { ...member, assignment }];
  });
  return { ...state, protocolName, members: new Map(assigned) };
}

/** What a member has said of itself: for the group's protocol, before there is one for that which it likes best. */
function saidBy({ protocolName }: GroupState, member: Member): Buffer {
  return protocolName === undefined ? member.protocols[0]!.metadata : metadataOf(member, protocolName);
}

/**
 * While a generation forms, members who go on with what they hold (KIP-429) have it whatever the next assignment says: it is theirs, too, until they have
 * joined again.
 */
function keepWhatIsHeld(
  { phase, pendingSync }: GroupState,
  said: ReadonlyMap<Member, Subscription>,
  given: ReadonlyMap<Member, Set<PartitionKey>>,
): void {
  const taken = new Set([...given.values()].flatMap((keys) => [...keys]));
  for (const [member, { owned }] of said) {
    if (phase === 'Stable' && !pendingSync.has(member.memberId)) continue;
    for (const key of owned) {
      if (taken.has(key)) continue;
      taken.add(key);
      given.get(member)!.add(key);
    }
  }
}

function consumerMember(
  member: Member,
  generation: number,
  { topicNames, rackId }: Subscription,
  given: ReadonlySet<PartitionKey>,
): ConsumerMember {
  const { sessionTimeoutMs, protocols, inProcess } = member;
  return {
    ...newConsumerMember(member.memberId),
    instanceId: member.instanceId,
    rackId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    topicNames,
    epoch: generation,
    previousEpoch: generation,
    assigned: new Map([...given].map((key) => [key, generation])),
    classic: { sessionTimeoutMs, protocols, inProcess },
  };
}
