// API 27, WriteTxnMarkers: ends transactions on partitions by markers. Coordinators of a cluster send it, and tools that abort what hangs.
// Versions 1 to 2, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// WriteTxnMarkersRequest => markers[ producerId producerEpoch transactionResult topics[ name partitionIndexes[] ]
//   coordinatorEpoch transactionVersion(2..) ]
// WriteTxnMarkersResponse => markers[ producerId topics[ name partitions[ partitionIndex errorCode ] ] ]
import { array, boolean, int16, int32, int64, int8, message, string, struct } from '../schema.ts';

export const writeTxnMarkersRequest = message({
  name: 'WriteTxnMarkersRequest',
  key: 27,
  versions: [1, 2],
  flexible: 1,
  fields: {
    markers: array(
      struct({
        producerId: int64(),
        producerEpoch: int16(),
        transactionResult: boolean(),
        topics: array(struct({ name: string(), partitionIndexes: array(int32()) })),
        coordinatorEpoch: int32(),
        transactionVersion: int8({ since: 2, ignorable: true }),
      }),
    ),
  },
});

export const writeTxnMarkersResponse = message({
  name: 'WriteTxnMarkersResponse',
  key: 27,
  versions: [1, 2],
  flexible: 1,
  fields: {
    markers: array(
      struct({
        producerId: int64(),
        topics: array(
          struct({ name: string(), partitions: array(struct({ partitionIndex: int32(), errorCode: int16() })) }),
        ),
      }),
    ),
  },
});
