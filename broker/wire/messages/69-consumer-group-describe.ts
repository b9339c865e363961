// API 69, ConsumerGroupDescribe: state, epochs, members and assignments of groups of the new consumer protocol (KIP-848).
// Versions 0 to 1, flexible from 0. In the grammar: ? may be null, (1..) from version 1.
//
// ConsumerGroupDescribeRequest => groupIds[] includeAuthorizedOperations
// ConsumerGroupDescribeResponse => throttleTimeMs groups[ errorCode errorMessage? groupId groupState groupEpoch assignmentEpoch assignorName
//   members[ memberId instanceId? rackId? memberEpoch clientId clientHost subscribedTopicNames[] subscribedTopicRegex? assignment
//   targetAssignment memberType(1..) ] authorizedOperations ]
//   assignments => { topicPartitions[ topicId topicName partitions[] ] }
import { array, boolean, int16, int32, int8, message, string, struct, uuid } from '../schema.ts';

export const consumerGroupDescribeRequest = message({
  name: 'ConsumerGroupDescribeRequest',
  key: 69,
  versions: [0, 1],
  flexible: 0,
  fields: { groupIds: array(string()), includeAuthorizedOperations: boolean() },
});

const assignment = struct({
  topicPartitions: array(struct({ topicId: uuid(), topicName: string(), partitions: array(int32()) })),
});

export const consumerGroupDescribeResponse = message({
  name: 'ConsumerGroupDescribeResponse',
  key: 69,
  versions: [0, 1],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 0, default: null }),
        groupId: string(),
        groupState: string(),
        groupEpoch: int32(),
        assignmentEpoch: int32(),
        assignorName: string(),
        members: array(
          struct({
            memberId: string(),
            instanceId: string({ nullable: 0, default: null }),
            rackId: string({ nullable: 0, default: null }),
            memberEpoch: int32(),
            clientId: string(),
            clientHost: string(),
            subscribedTopicNames: array(string()),
            subscribedTopicRegex: string({ nullable: 0, default: null }),
            assignment,
            targetAssignment: assignment,
            memberType: int8({ since: 1, ignorable: true, default: -1 }),
          }),
        ),
        authorizedOperations: int32({ default: -2147483648 }),
      }),
    ),
  },
});
