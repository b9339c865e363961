// API 24, AddPartitionsToTxn: enters partitions into a transaction; from version 4 for several transactions, between brokers.
// Versions 0 to 5, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// AddPartitionsToTxnRequest => transactions(4..)[ transactionalId producerId producerEpoch verifyOnly topics[ name
//   partitions[] ] ] v3AndBelowTransactionalId(..3) v3AndBelowProducerId(..3) v3AndBelowProducerEpoch(..3)
//   v3AndBelowTopics(..3)[ name partitions[] ]
// AddPartitionsToTxnResponse => throttleTimeMs errorCode(4..) resultsByTransaction(4..)[ transactionalId
//   topicResults[ name resultsByPartition[ partitionIndex partitionErrorCode ] ] ] resultsByTopicV3AndBelow(..3)[
//   name resultsByPartition[ partitionIndex partitionErrorCode ] ]
import { array, boolean, int16, int32, int64, message, string, struct } from '../schema.ts';

export const addPartitionsToTxnRequest = message({
  name: 'AddPartitionsToTxnRequest',
  key: 24,
  versions: [0, 5],
  flexible: 3,
  fields: {
    transactions: array(
      struct({
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: boolean(),
        topics: array(struct({ name: string(), partitions: array(int32()) })),
      }),
      { since: 4 },
    ),
    v3AndBelowTransactionalId: string({ until: 3 }),
    v3AndBelowProducerId: int64({ until: 3 }),
    v3AndBelowProducerEpoch: int16({ until: 3 }),
    v3AndBelowTopics: array(struct({ name: string(), partitions: array(int32()) }), { until: 3 }),
  },
});

export const addPartitionsToTxnResponse = message({
  name: 'AddPartitionsToTxnResponse',
  key: 24,
  versions: [0, 5],
  flexible: 3,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 4, ignorable: true }),
    resultsByTransaction: array(
      struct({
        transactionalId: string(),
        topicResults: array(
          struct({
            name: string(),
            resultsByPartition: array(struct({ partitionIndex: int32(), partitionErrorCode: int16() })),
          }),
        ),
      }),
      { since: 4 },
    ),
    resultsByTopicV3AndBelow: array(
      struct({
        name: string(),
        resultsByPartition: array(struct({ partitionIndex: int32(), partitionErrorCode: int16() })),
      }),
      { until: 3 },
    ),
  },
});
