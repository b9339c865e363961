// API 61, DescribeProducers: producers that a partition remembers.
// Version 0, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeProducersRequest => topics[ name partitionIndexes[] ]
// DescribeProducersResponse => throttleTimeMs topics[ name partitions[ partitionIndex errorCode errorMessage?
//   activeProducers[ producerId producerEpoch lastSequence lastTimestamp coordinatorEpoch currentTxnStartOffset
//   ] ] ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const describeProducersRequest = message({
  name: 'DescribeProducersRequest',
  key: 61,
  versions: [0, 0],
  flexible: 0,
  fields: {
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
    ),
  },
});

export const describeProducersResponse = message({
  name: 'DescribeProducersResponse',
  key: 61,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: 0, default: null }),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32(),
                lastSequence: int32({ default: -1 }),
                lastTimestamp: int64({ default: -1 }),
                coordinatorEpoch: int32(),
                currentTxnStartOffset: int64({ default: -1 }),
              }),
            ),
          }),
        ),
      }),
    ),
  },
});
