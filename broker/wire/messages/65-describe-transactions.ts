// API 65, DescribeTransactions: the state of transactional ids.
// Version 0, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeTransactionsRequest => transactionalIds[]
// DescribeTransactionsResponse => throttleTimeMs transactionStates[ errorCode transactionalId transactionState
//   transactionTimeoutMs transactionStartTimeMs producerId producerEpoch topics[ topic partitions[] ] ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const describeTransactionsRequest = message({
  name: 'DescribeTransactionsRequest',
  key: 65,
  versions: [0, 0],
  flexible: 0,
  fields: {
    transactionalIds: array(string()),
  },
});

export const describeTransactionsResponse = message({
  name: 'DescribeTransactionsResponse',
  key: 65,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    transactionStates: array(
      struct({
        errorCode: int16(),
        transactionalId: string(),
        transactionState: string(),
        transactionTimeoutMs: int32(),
        transactionStartTimeMs: int64(),
        producerId: int64(),
        producerEpoch: int16(),
        topics: array(
          struct({
            topic: string(),
            partitions: array(int32()),
          }),
        ),
      }),
    ),
  },
});
