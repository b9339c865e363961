// API 47, OffsetDelete: forgets a group's offsets of partitions.
// Versions 0, none of them flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// OffsetDeleteRequest => groupId topics[ name partitions[ partitionIndex ] ]
// OffsetDeleteResponse => errorCode throttleTimeMs topics[ name partitions[ partitionIndex errorCode ] ]
import { array, int16, int32, message, string, struct } from '../schema.ts';

export const offsetDeleteRequest = message({
  name: 'OffsetDeleteRequest',
  key: 47,
  versions: [0, 0],
  fields: {
    groupId: string(),
    topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32() })) })),
  },
});

export const offsetDeleteResponse = message({
  name: 'OffsetDeleteResponse',
  key: 47,
  versions: [0, 0],
  fields: {
    errorCode: int16(),
    throttleTimeMs: int32(),
    topics: array(
      struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: int16() })) }),
    ),
  },
});
