// API 8, OffsetCommit: stores a consumer group's offsets. Topics by name up to version 9, by id from 10.
// Versions 2 to 10, flexible from 8. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// OffsetCommitRequest => groupId generationIdOrMemberEpoch memberId groupInstanceId?(7..) retentionTimeMs(..4)
//   topics[ name(..9) topicId(10..) partitions[ partitionIndex committedOffset committedLeaderEpoch(6..)
//   committedMetadata? ] ]
// OffsetCommitResponse => throttleTimeMs(3..) topics[ name(..9) topicId(10..) partitions[ partitionIndex errorCode ]
//   ]
import { array, int16, int32, int64, message, string, struct, uuid } from '../schema.ts';

export const offsetCommitRequest = message({
  name: 'OffsetCommitRequest',
  key: 8,
  versions: [2, 10],
  flexible: 8,
  fields: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1 }),
    memberId: string(),
    groupInstanceId: string({ since: 7, nullable: 7, default: null }),
    retentionTimeMs: int64({ until: 4, ignorable: true, default: -1 }),
    topics: array(
      struct({
        name: string({ until: 9, ignorable: true }),
        topicId: uuid({ since: 10, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 6, ignorable: true, default: -1 }),
            committedMetadata: string({ nullable: 2 }),
          }),
        ),
      }),
    ),
  },
});

export const offsetCommitResponse = message({
  name: 'OffsetCommitResponse',
  key: 8,
  versions: [2, 10],
  flexible: 8,
  fields: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      struct({
        name: string({ until: 9, ignorable: true }),
        topicId: uuid({ since: 10, ignorable: true }),
        partitions: array(struct({ partitionIndex: int32(), errorCode: int16() })),
      }),
    ),
  },
});
