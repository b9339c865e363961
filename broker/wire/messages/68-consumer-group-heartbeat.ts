// API 68, ConsumerGroupHeartbeat: joins, keeps, changes and leaves a group of the new consumer protocol (KIP-848), and is told its partitions.
// Versions 0 to 1, flexible from 0. In the grammar: ? may be null, (1..) from version 1.
//
// ConsumerGroupHeartbeatRequest => groupId memberId memberEpoch instanceId? rackId? rebalanceTimeoutMs subscribedTopicNames?[]
//   subscribedTopicRegex?(1..) serverAssignor? topicPartitions?[ topicId partitions[] ]
// ConsumerGroupHeartbeatResponse => throttleTimeMs errorCode errorMessage? memberId? memberEpoch heartbeatIntervalMs
//   assignment?{ topicPartitions[ topicId partitions[] ] }
import { array, int16, int32, message, string, struct, uuid } from '../schema.ts';

export const consumerGroupHeartbeatRequest = message({
  name: 'ConsumerGroupHeartbeatRequest',
  key: 68,
  versions: [0, 1],
  flexible: 0,
  fields: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: 0, default: null }),
    rackId: string({ nullable: 0, default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: 0, default: null }),
    subscribedTopicRegex: string({ since: 1, nullable: 1, default: null }),
    serverAssignor: string({ nullable: 0, default: null }),
    topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) }), { nullable: 0, default: null }),
  },
});

export const consumerGroupHeartbeatResponse = message({
  name: 'ConsumerGroupHeartbeatResponse',
  key: 68,
  versions: [0, 1],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    memberId: string({ nullable: 0, default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      { topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) })) },
      { nullable: 0, default: null },
    ),
  },
});
