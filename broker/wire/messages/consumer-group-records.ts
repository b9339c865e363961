// What the coordinator keeps in `__consumer_offsets` about groups of the new consumer protocol (KIP-848), in Kafka's own formats: an int16, then the
// message. In a key the int16 is the kind of record, given here as the number behind the name; values all have version 0; a null value is a
// tombstone. Keys are not flexible, values are.
//
//  3 group epoch          group                 => epoch metadataHash<tag 0> (of the subscribed topics; Kafka 4.1 and later)
//  4 subscribed topics    group                 => topics[ topicId topicName numPartitions partitionMetadata[ partition racks[] ] ]
//  5 member               group memberId        => instanceId? rackId? clientId clientHost subscribedTopicNames[] subscribedTopicRegex?
//      rebalanceTimeoutMs serverAssignor? classicMemberMetadata?<tag 0>{ sessionTimeoutMs supportedProtocols[ name metadata ] }
//  6 assignment epoch     group                 => assignmentEpoch assignmentTimestamp<tag 0>
//  7 target assignment    group memberId        => topicPartitions[ topicId partitions[] ]
//  8 current assignment   group memberId        => memberEpoch previousMemberEpoch state assignedPartitions[ topicId partitions[]
//      assignmentEpochs?[]<tag 0> ] partitionsPendingRevocation[ likewise ] (state 0 stable, 1 has to revoke, 2 waits for others to revoke)
// 16 regular expression   group expression      => topics[] version timestamp
import { array, bigint64, bytes, int32, int64, int8, message, string, struct, uuid } from '../schema.ts';

export const consumerGroupMetadataKey = message({
  name: 'ConsumerGroupMetadataKey',
  versions: [3, 3],
  fields: { groupId: string() },
});

export const consumerGroupMetadataValue = message({
  name: 'ConsumerGroupMetadataValue',
  versions: [0, 0],
  flexible: 0,
  fields: { epoch: int32(), metadataHash: bigint64({ tag: 0 }) },
});

export const consumerGroupPartitionMetadataKey = message({
  name: 'ConsumerGroupPartitionMetadataKey',
  versions: [4, 4],
  fields: { groupId: string() },
});

export const consumerGroupPartitionMetadataValue = message({
  name: 'ConsumerGroupPartitionMetadataValue',
  versions: [0, 0],
  flexible: 0,
  fields: {
    topics: array(
      struct({
        topicId: uuid(),
        topicName: string(),
        numPartitions: int32(),
        partitionMetadata: array(struct({ partition: int32(), racks: array(string()) })),
      }),
    ),
  },
});

export const consumerGroupMemberMetadataKey = message({
  name: 'ConsumerGroupMemberMetadataKey',
  versions: [5, 5],
  fields: { groupId: string(), memberId: string() },
});

export const consumerGroupMemberMetadataValue = message({
  name: 'ConsumerGroupMemberMetadataValue',
  versions: [0, 0],
  flexible: 0,
  fields: {
    instanceId: string({ nullable: 0 }),
    rackId: string({ nullable: 0 }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
    subscribedTopicRegex: string({ nullable: 0 }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    serverAssignor: string({ nullable: 0 }),
    classicMemberMetadata: struct(
      {
        sessionTimeoutMs: int32(),
        supportedProtocols: array(struct({ name: string(), metadata: bytes() })),
      },
      // Left out is not null: who uses the new protocol says null.
      { nullable: 0, tag: 0 },
    ),
  },
});

export const consumerGroupTargetAssignmentMetadataKey = message({
  name: 'ConsumerGroupTargetAssignmentMetadataKey',
  versions: [6, 6],
  fields: { groupId: string() },
});

export const consumerGroupTargetAssignmentMetadataValue = message({
  name: 'ConsumerGroupTargetAssignmentMetadataValue',
  versions: [0, 0],
  flexible: 0,
  fields: { assignmentEpoch: int32(), assignmentTimestamp: int64({ tag: 0, ignorable: true }) },
});

export const consumerGroupTargetAssignmentMemberKey = message({
  name: 'ConsumerGroupTargetAssignmentMemberKey',
  versions: [7, 7],
  fields: { groupId: string(), memberId: string() },
});

export const consumerGroupTargetAssignmentMemberValue = message({
  name: 'ConsumerGroupTargetAssignmentMemberValue',
  versions: [0, 0],
  flexible: 0,
  fields: { topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) })) },
});

export const consumerGroupCurrentMemberAssignmentKey = message({
  name: 'ConsumerGroupCurrentMemberAssignmentKey',
  versions: [8, 8],
  fields: { groupId: string(), memberId: string() },
});

const assignedPartitions = array(
  struct({
    topicId: uuid(),
    partitions: array(int32()),
    assignmentEpochs: array(int32(), { nullable: 0, tag: 0 }),
  }),
);

export const consumerGroupCurrentMemberAssignmentValue = message({
  name: 'ConsumerGroupCurrentMemberAssignmentValue',
  versions: [0, 0],
  flexible: 0,
  fields: {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions,
    partitionsPendingRevocation: assignedPartitions,
  },
});

export const consumerGroupRegularExpressionKey = message({
  name: 'ConsumerGroupRegularExpressionKey',
  versions: [16, 16],
  fields: { groupId: string(), regularExpression: string() },
});

export const consumerGroupRegularExpressionValue = message({
  name: 'ConsumerGroupRegularExpressionValue',
  versions: [0, 0],
  flexible: 0,
  fields: { topics: array(string()), version: int64(), timestamp: int64() },
});
