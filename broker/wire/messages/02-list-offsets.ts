// API 2, ListOffsets: finds an offset by time: -1 latest, -2 earliest, -3 greatest timestamp, otherwise the first record at or after it.
// Versions 1 to 11, flexible from 6. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ListOffsetsRequest => replicaId isolationLevel(2..) topics[ name partitions[ partitionIndex currentLeaderEpoch(4..)
//   timestamp ] ] timeoutMs(10..)
// ListOffsetsResponse => throttleTimeMs(2..) topics[ name partitions[ partitionIndex errorCode timestamp offset
//   leaderEpoch(4..) ] ]
import { array, int16, int32, int64, int8, message, string, struct } from '../schema.ts';

export const listOffsetsRequest = message({
  name: 'ListOffsetsRequest',
  key: 2,
  versions: [1, 11],
  flexible: 6,
  fields: {
    replicaId: int32(),
    isolationLevel: int8({ since: 2 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: int32({ since: 4, ignorable: true, default: -1 }),
            timestamp: int64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ since: 10, ignorable: true }),
  },
});

export const listOffsetsResponse = message({
  name: 'ListOffsetsResponse',
  key: 2,
  versions: [1, 11],
  flexible: 6,
  fields: {
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            timestamp: int64({ default: -1 }),
            offset: int64({ default: -1 }),
            leaderEpoch: int32({ since: 4, default: -1 }),
          }),
        ),
      }),
    ),
  },
});
