// Groups as the admin requests show them: DescribeGroups and ListGroups, in Kafka's words.
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { consumerProtocolSubscription } from '../wire/messages/coordinator-records.ts';
import { describeGroupsResponse } from '../wire/messages/15-describe-groups.ts';
import type { Draft } from '../wire/schema.ts';
import { decodeVersioned } from './coordinator-topic.ts';
import { type GroupState, metadataOf } from './group-state.ts';

type DescribedGroup = Draft<ResponseOf<'DescribeGroups'>['groups'][number]>;
type ListedGroup = ResponseOf<'ListGroups'>['groups'][number];

/** Answers DescribeGroups; a group that is not there is Dead, and from version 6 an error (KIP-1043). */
export function describeGroups(
  groupIds: readonly string[],
  find: (groupId: string) => GroupState | undefined,
  version: number,
): ResponseOf<'DescribeGroups'> {
  return describeGroupsResponse.create({ groups: groupIds.map((id) => describeGroup(id, find(id), version)) });
}

function describeGroup(groupId: string, group: GroupState | undefined, version: number): DescribedGroup {
  if (group === undefined) {
    const gone = { groupId, groupState: 'Dead' };
    if (version < 6) return gone;
    return { ...gone, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage: `There is no group '${groupId}'` };
  }
  const isStable = group.phase === 'Stable';
  return {
    groupId,
    groupState: group.phase,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataOf(member, group.protocolName) : Buffer.alloc(0),
      memberAssignment: isStable ? member.assignment : Buffer.alloc(0),
    })),
  };
}

/** A group for ListGroups. */
export function listedGroup({ groupId, protocolType, phase }: GroupState): ListedGroup {
  return { groupId, protocolType: protocolType ?? '', groupState: phase, groupType: 'classic' };
}

/** Whether a group passes the filters of ListGroups (KIP-518, KIP-848), which do not look at upper or lower case. */
export function passesFilters(group: ListedGroup, request: RequestOf<'ListGroups'>): boolean {
  return isIn(group.groupState, request.statesFilter) && isIn(group.groupType, request.typesFilter);
}

function isIn(value: string, filter: readonly string[]): boolean {
  return filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase());
}

/** Topics, as far as one wants to know whether one of them is meant. */
export type TopicSet = Pick<ReadonlySet<string>, 'has'>;

/** Topics that any member of a group of type "consumer" has subscribed to; a subscription that cannot be read may be to any. */
export function subscribedTopics(group: GroupState): TopicSet {
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    for (const { metadata } of member.protocols) {
      try {
        for (const topic of decodeVersioned(consumerProtocolSubscription, metadata).topics) topics.add(topic);
      } catch {
        return { has: () => true };
      }
    }
  }
  return topics;
}
