// API 55, DescribeQuorum: who keeps the metadata, and how far each of them is.
// Versions 0 to 2, flexible from 0. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeQuorumRequest => topics[ topicName partitions[ partitionIndex ] ]
// DescribeQuorumResponse => errorCode errorMessage?(2..) topics[ topicName partitions[ partitionIndex errorCode
//   errorMessage?(2..) leaderId leaderEpoch highWatermark currentVoters[ REPLICA ] observers[ REPLICA ] ] ]
//   nodes(2..)[ nodeId listeners[ name host port ] ]
// REPLICA => replicaId replicaDirectoryId(2..) logEndOffset lastFetchTimestamp(1..) lastCaughtUpTimestamp(1..)
import { array, int16, int32, int64, message, string, struct, uint16, uuid } from '../schema.ts';

export const describeQuorumRequest = message({
  name: 'DescribeQuorumRequest',
  key: 55,
  versions: [0, 2],
  flexible: 0,
  fields: {
    topics: array(struct({ topicName: string(), partitions: array(struct({ partitionIndex: int32() })) })),
  },
});

const replicas = array(
  struct({
    replicaId: int32(),
    replicaDirectoryId: uuid({ since: 2 }),
    logEndOffset: int64(),
    lastFetchTimestamp: int64({ since: 1, ignorable: true, default: -1 }),
    lastCaughtUpTimestamp: int64({ since: 1, ignorable: true, default: -1 }),
  }),
);

export const describeQuorumResponse = message({
  name: 'DescribeQuorumResponse',
  key: 55,
  versions: [0, 2],
  flexible: 0,
  fields: {
    errorCode: int16(),
    errorMessage: string({ since: 2, nullable: 2, ignorable: true }),
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ since: 2, nullable: 2, ignorable: true }),
            leaderId: int32(),
            leaderEpoch: int32(),
            highWatermark: int64(),
            currentVoters: replicas,
            observers: replicas,
          }),
        ),
      }),
    ),
    nodes: array(
      struct({
        nodeId: int32(),
        listeners: array(struct({ name: string(), host: string(), port: uint16() })),
      }),
      { since: 2 },
    ),
  },
});
