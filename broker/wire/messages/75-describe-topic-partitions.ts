// API 75, DescribeTopicPartitions: topics' partitions, page by page.
// Versions 0, flexible from 0. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeTopicPartitionsRequest => topics[ name ] responsePartitionLimit cursor?{ topicName partitionIndex }
// DescribeTopicPartitionsResponse => throttleTimeMs topics[ errorCode name? topicId isInternal partitions[ errorCode
//   partitionIndex leaderId leaderEpoch replicaNodes[] isrNodes[] eligibleLeaderReplicas?[] lastKnownElr?[]
//   offlineReplicas[] ] topicAuthorizedOperations ] nextCursor?{ topicName partitionIndex }
import { array, boolean, int16, int32, message, string, struct, uuid } from '../schema.ts';

export const describeTopicPartitionsRequest = message({
  name: 'DescribeTopicPartitionsRequest',
  key: 75,
  versions: [0, 0],
  flexible: 0,
  fields: {
    topics: array(struct({ name: string() })),
    responsePartitionLimit: int32({ default: 2000 }),
    cursor: struct({ topicName: string(), partitionIndex: int32() }, { nullable: 0, default: null }),
  },
});

export const describeTopicPartitionsResponse = message({
  name: 'DescribeTopicPartitionsResponse',
  key: 75,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        errorCode: int16(),
        name: string({ nullable: 0 }),
        topicId: uuid(),
        isInternal: boolean(),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ default: -1 }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            eligibleLeaderReplicas: array(int32(), { nullable: 0, default: null }),
            lastKnownElr: array(int32(), { nullable: 0, default: null }),
            offlineReplicas: array(int32()),
          }),
        ),
        topicAuthorizedOperations: int32({ default: -2147483648 }),
      }),
    ),
    nextCursor: struct({ topicName: string(), partitionIndex: int32() }, { nullable: 0, default: null }),
  },
});
