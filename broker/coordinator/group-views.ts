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

/** The groups that pass the filters of ListGroups (KIP-518, KIP-848); filters do not look at upper or lower case. */
export function listGroups(groups: Iterable<GroupState>, request: RequestOf<'ListGroups'>): ListedGroup[] {
  const states = request.statesFilter.map((state) => state.toLowerCase());
  const types = request.typesFilter.map((type) => type.toLowerCase());
  if (types.length > 0 && !types.includes('classic')) return [];
  return [...groups]
    .filter((group) => states.length === 0 || states.includes(group.phase.toLowerCase()))
    .map(({ groupId, protocolType, phase }) => ({
      groupId,
      protocolType: protocolType ?? '',
      groupState: phase,
      groupType: 'classic',
    }));
}

/** Topics that any member of a group of type "consumer" has subscribed to; what cannot be read subscribes to nothing. */
export function subscribedTopics(group: GroupState): Set<string> {
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    for (const { metadata } of member.protocols) {
      try {
        for (const topic of decodeVersioned(consumerProtocolSubscription, metadata).topics) topics.add(topic);
      } catch {
        continue;
      }
    }
  }
  return topics;
}
