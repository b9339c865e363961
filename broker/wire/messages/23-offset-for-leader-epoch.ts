// API 23, OffsetForLeaderEpoch: where an epoch ended (KIP-320), for consumers that look for a truncated log.
// Versions 2 to 4, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// OffsetForLeaderEpochRequest => replicaId(3..) topics[ topic partitions[ partition currentLeaderEpoch leaderEpoch ]
//   ]
// OffsetForLeaderEpochResponse => throttleTimeMs topics[ topic partitions[ errorCode partition leaderEpoch endOffset
//   ] ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const offsetForLeaderEpochRequest = message({
  name: 'OffsetForLeaderEpochRequest',
  key: 23,
  versions: [2, 4],
  flexible: 4,
  fields: {
    replicaId: int32({ since: 3, ignorable: true, default: -2 }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({ partition: int32(), currentLeaderEpoch: int32({ default: -1 }), leaderEpoch: int32() }),
        ),
      }),
    ),
  },
});

export const offsetForLeaderEpochResponse = message({
  name: 'OffsetForLeaderEpochResponse',
  key: 23,
  versions: [2, 4],
  flexible: 4,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: int16(),
            partition: int32(),
            leaderEpoch: int32({ default: -1 }),
            endOffset: int64({ default: -1 }),
          }),
        ),
      }),
    ),
  },
});
