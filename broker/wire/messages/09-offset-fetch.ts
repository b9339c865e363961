// API 9, OffsetFetch: a group's stored offsets; from version 8 several groups at once, and topics by id from 10.
// Versions 1 to 10, flexible from 6. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// OffsetFetchRequest => groupId(..7) topics?(..7)[ name partitionIndexes[] ] groups(8..)[ groupId memberId?(9..)
//   memberEpoch(9..) topics?[ name(..9) topicId(10..) partitionIndexes[] ] ] requireStable(7..)
// OffsetFetchResponse => throttleTimeMs(3..) topics(..7)[ name partitions[ partitionIndex committedOffset
//   committedLeaderEpoch(5..) metadata? errorCode ] ] errorCode(2..7) groups(8..)[ groupId topics[ name(..9)
//   topicId(10..) partitions[ partitionIndex committedOffset committedLeaderEpoch metadata? errorCode ] ] errorCode ]
import { array, boolean, int16, int32, int64, message, string, struct, uuid } from '../schema.ts';

export const offsetFetchRequest = message({
  name: 'OffsetFetchRequest',
  key: 9,
  versions: [1, 10],
  flexible: 6,
  fields: {
    groupId: string({ until: 7 }),
    topics: array(struct({ name: string(), partitionIndexes: array(int32()) }), { until: 7, nullable: 2 }),
    groups: array(
      struct({
        groupId: string(),
        memberId: string({ since: 9, nullable: 9, ignorable: true, default: null }),
        memberEpoch: int32({ since: 9, ignorable: true, default: -1 }),
        topics: array(
          struct({
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitionIndexes: array(int32()),
          }),
          { nullable: 8 },
        ),
      }),
      { since: 8 },
    ),
    requireStable: boolean({ since: 7 }),
  },
});

export const offsetFetchResponse = message({
  name: 'OffsetFetchResponse',
  key: 9,
  versions: [1, 10],
  flexible: 6,
  fields: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 5, ignorable: true, default: -1 }),
            metadata: string({ nullable: 1 }),
            errorCode: int16(),
          }),
        ),
      }),
      { until: 7 },
    ),
    errorCode: int16({ since: 2, until: 7, ignorable: true }),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitions: array(
              struct({
                partitionIndex: int32(),
                committedOffset: int64(),
                committedLeaderEpoch: int32({ default: -1 }),
                metadata: string({ nullable: 8 }),
                errorCode: int16(),
              }),
            ),
          }),
        ),
        errorCode: int16(),
      }),
      { since: 8 },
    ),
  },
});
