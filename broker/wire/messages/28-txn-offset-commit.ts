// API 28, TxnOffsetCommit: stores a group's offsets as part of a transaction.
// Versions 0 to 5, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// TxnOffsetCommitRequest => transactionalId groupId producerId producerEpoch generationId(3..) memberId(3..)
//   groupInstanceId?(3..) topics[ name partitions[ partitionIndex committedOffset committedLeaderEpoch(2..)
//   committedMetadata? ] ]
// TxnOffsetCommitResponse => throttleTimeMs topics[ name partitions[ partitionIndex errorCode ] ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const txnOffsetCommitRequest = message({
  name: 'TxnOffsetCommitRequest',
  key: 28,
  versions: [0, 5],
  flexible: 3,
  fields: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ since: 3, default: -1 }),
    memberId: string({ since: 3 }),
    groupInstanceId: string({ since: 3, nullable: 3, default: null }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 2, ignorable: true, default: -1 }),
            committedMetadata: string({ nullable: 0 }),
          }),
        ),
      }),
    ),
  },
});

export const txnOffsetCommitResponse = message({
  name: 'TxnOffsetCommitResponse',
  key: 28,
  versions: [0, 5],
  flexible: 3,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: int16() })) }),
    ),
  },
});
