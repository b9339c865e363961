// The requests of members of the classic protocol and their answers, in Kafka's words: what JoinGroup, SyncGroup and Heartbeat mean to the machines of groups, classic
// ones and new ones.
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { joinGroupResponse } from '../wire/messages/11-join-group.ts';
import { syncGroupResponse } from '../wire/messages/14-sync-group.ts';
import type { RequestContext } from './contract.ts';
import type { ClassicCall, ClassicJoin, JoinAnswer, SyncAnswer } from './group-state.ts';

/** What a consumer finds that was given nothing: an assignment of no topics, which (unlike no bytes at all) every client can read. */
const emptyConsumerAssignment = Buffer.from([0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

/** `freshId`: for a member that has none yet. */
export function classicJoin(request: RequestOf<'JoinGroup'>, context: RequestContext, freshId: string): ClassicJoin {
  return {
    memberId: request.memberId,
    freshMemberId: `${request.groupInstanceId ?? context.clientId}-${freshId}`,
    instanceId: request.groupInstanceId,
    clientId: context.clientId,
    clientHost: context.clientHost,
    inProcess: context.inProcess,
    protocolType: request.protocolType,
    // Copies: the request's bytes are a view of a whole frame.
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
    requiresKnownMemberId: context.version >= 4,
    canSkipAssignment: context.version >= 9,
  };
}

export function joinRefused(errorCode: number, memberId: string, version: number): ResponseOf<'JoinGroup'> {
  return joinGroupResponse.create({ errorCode, memberId, protocolName: version >= 7 ? null : '' });
}

export function joinResponse(answer: JoinAnswer, version: number): ResponseOf<'JoinGroup'> {
  if (answer.errorCode !== ErrorCode.NONE) return joinRefused(answer.errorCode, answer.memberId, version);
  return joinGroupResponse.create({
    generationId: answer.generation,
    protocolType: answer.protocolType,
    protocolName: answer.protocolName,
    leader: answer.leader,
    skipAssignment: answer.skipAssignment,
    memberId: answer.memberId,
    members: answer.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      metadata: member.metadata,
    })),
  });
}

export function classicCall(request: RequestOf<'SyncGroup'> | RequestOf<'Heartbeat'>): ClassicCall {
  return { memberId: request.memberId, instanceId: request.groupInstanceId, generation: request.generationId };
}

export function syncResponse(answer: SyncAnswer): ResponseOf<'SyncGroup'> {
  const isEmptyConsumer =
    answer.errorCode === ErrorCode.NONE && answer.assignment.length === 0 && answer.protocolType === 'consumer';
  return syncGroupResponse.create({
    ...answer,
    assignment: isEmptyConsumer ? emptyConsumerAssignment : answer.assignment,
  });
}
