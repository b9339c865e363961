// API 21, DeleteRecords: moves the start of partitions; offset -1 is the high watermark.
// Versions 0 to 2, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DeleteRecordsRequest => topics[ name partitions[ partitionIndex offset ] ] timeoutMs
// DeleteRecordsResponse => throttleTimeMs topics[ name partitions[ partitionIndex lowWatermark errorCode ] ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const deleteRecordsRequest = message({
  name: 'DeleteRecordsRequest',
  key: 21,
  versions: [0, 2],
  flexible: 2,
  fields: {
    topics: array(struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), offset: int64() })) })),
    timeoutMs: int32(),
  },
});

export const deleteRecordsResponse = message({
  name: 'DeleteRecordsResponse',
  key: 21,
  versions: [0, 2],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(struct({ partitionIndex: int32(), lowWatermark: int64(), errorCode: int16() })),
      }),
    ),
  },
});
