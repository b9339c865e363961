// The requests of new consumer groups (KIP-848) and their answers, in Kafka's words: what a heartbeat must say, what it means to the machine, and how a
// group is described.
import type { LogDirectory } from '../log/contract.ts';
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { consumerGroupHeartbeatResponse } from '../wire/messages/68-consumer-group-heartbeat.ts';
import type { Draft } from '../wire/schema.ts';
import { assignors } from './assignors.ts';
import { assignorOf } from './consumer-group.ts';
import {
  AWAY_EPOCH,
  byTopic,
  type ConsumerGroupState,
  type HeartbeatAnswer,
  type HeartbeatEvent,
  JOIN_EPOCH,
  keysOf,
  type PartitionKey,
  phaseOf,
} from './consumer-group-state.ts';
import type { RequestContext } from './contract.ts';

type Request = RequestOf<'ConsumerGroupHeartbeat'>;
type Response = ResponseOf<'ConsumerGroupHeartbeat'>;
type DescribedGroup = Draft<ResponseOf<'ConsumerGroupDescribe'>['groups'][number]>;

/** Throws KafkaError INVALID_REQUEST or UNSUPPORTED_ASSIGNOR for what no group would take. */
export function checkHeartbeat(request: Request, version: number): void {
  const { groupId, memberId, memberEpoch, instanceId, rackId, serverAssignor } = request;
  const joins = memberEpoch === JOIN_EPOCH;
  refuseIf(groupId === '', 'a group id is needed');
  // From version 1 on members name themselves (KIP-1082).
  refuseIf(memberId === '' && (version >= 1 || !joins), 'a member id is needed');
  refuseIf(instanceId === '', 'an instance id must not be empty');
  refuseIf(rackId === '', 'a rack id must not be empty');
  refuseIf(memberEpoch < AWAY_EPOCH, `there is no epoch ${memberEpoch}`);
  refuseIf(
    memberEpoch === AWAY_EPOCH && instanceId === null,
    'only a static member, with an instance id, leaves for a moment',
  );
  if (joins) {
    refuseIf(request.rebalanceTimeoutMs === -1, 'who joins must give a rebalance timeout');
    refuseIf(request.topicPartitions?.length !== 0, 'who joins must hold no partitions');
    // To nothing yet is a subscription too: who looks for topics itself joins first.
    const subscribes = request.subscribedTopicNames !== null || request.subscribedTopicRegex !== null;
    refuseIf(!subscribes, 'who joins must subscribe');
  }
  if (serverAssignor !== null && !assignors.has(serverAssignor)) {
    const detail = `there is no assignor '${serverAssignor}'; there are ${[...assignors.keys()].join(', ')}`;
    throw new KafkaError(ErrorCode.UNSUPPORTED_ASSIGNOR, detail);
  }
}

function refuseIf(isWrong: boolean, detail: string): void {
  if (isWrong) throw new KafkaError(ErrorCode.INVALID_REQUEST, detail);
}

/** `memberId`: that of the request, or a fresh one. */
export function heartbeatEvent(request: Request, context: RequestContext, memberId: string): HeartbeatEvent {
  return {
    memberId,
    memberEpoch: request.memberEpoch,
    instanceId: request.instanceId,
    rackId: request.rackId,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    topicNames: request.subscribedTopicNames,
    topicRegex: request.subscribedTopicRegex,
    assignor: request.serverAssignor,
    owned: request.topicPartitions && new Set(keysOf(request.topicPartitions)),
    clientId: context.clientId,
    clientHost: context.clientHost,
  };
}

export function consumerAnswer(answer: HeartbeatAnswer, heartbeatIntervalMs: number): Response {
  const { memberId, memberEpoch, assignment } = answer;
  return consumerGroupHeartbeatResponse.create({
    memberId,
    memberEpoch,
    // Who leaves sends no more of them.
    heartbeatIntervalMs: memberEpoch < 0 ? 0 : heartbeatIntervalMs,
    assignment: assignment && { topicPartitions: byTopic(assignment) },
  });
}

export function describeConsumerGroup(state: ConsumerGroupState, log: LogDirectory): DescribedGroup {
  const partitions = (keys: Iterable<PartitionKey>) => ({
    topicPartitions: byTopic(keys).flatMap((topic) => {
      const topicName = log.topicById(topic.topicId)?.name;
      return topicName === undefined ? [] : [{ ...topic, topicName }];
    }),
  });
  return {
    groupId: state.groupId,
    groupState: phaseOf(state),
    groupEpoch: state.epoch,
    assignmentEpoch: state.assignmentEpoch,
    assignorName: assignorOf(state),
    members: [...state.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topicNames,
      subscribedTopicRegex: member.topicRegex,
      // What it has to give back it holds still.
      assignment: partitions([...member.assigned.keys(), ...member.revoking.keys()]),
      targetAssignment: partitions(state.target.get(member.memberId) ?? []),
      memberType: member.classic === null ? 1 : 0,
    })),
  };
}
