// API 0, Produce: appends record batches to partitions; with acks 0 there is no answer. Topics by name up to version 12, by id from 13.
// Versions 3 to 13, flexible from 9. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ProduceRequest => transactionalId? acks timeoutMs topicData[ name(..12) topicId(13..) partitionData[ index records?
//   ] ]
// ProduceResponse => responses[ name(..12) topicId(13..) partitionResponses[ index errorCode baseOffset
//   logAppendTimeMs logStartOffset(5..) recordErrors(8..)[ batchIndex batchIndexErrorMessage? ] errorMessage?(8..)
//   currentLeader(10..)<tag 0>{ leaderId leaderEpoch } ] ] throttleTimeMs nodeEndpoints(10..)<tag 0>[ nodeId host
//   port rack? ]
import { array, type Infer, int16, int32, int64, message, records, string, struct, uuid } from '../schema.ts';

export const produceRequest = message({
  name: 'ProduceRequest',
  key: 0,
  versions: [3, 13],
  flexible: 9,
  fields: {
    transactionalId: string({ nullable: 3, default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitionData: array(struct({ index: int32(), records: records({ nullable: 3 }) })),
      }),
    ),
  },
});
export type ProduceRequest = Infer<typeof produceRequest>;

export const produceResponse = message({
  name: 'ProduceResponse',
  key: 0,
  versions: [3, 13],
  flexible: 9,
  fields: {
    responses: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: int16(),
            baseOffset: int64(),
            logAppendTimeMs: int64({ default: -1 }),
            logStartOffset: int64({ since: 5, ignorable: true, default: -1 }),
            recordErrors: array(
              struct({ batchIndex: int32(), batchIndexErrorMessage: string({ nullable: 8, default: null }) }),
              { since: 8, ignorable: true },
            ),
            errorMessage: string({ since: 8, nullable: 8, ignorable: true, default: null }),
            currentLeader: struct(
              { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
              { since: 10, tag: 0 },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32(),
    nodeEndpoints: array(
      struct({ nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: 10, default: null }) }),
      { since: 10, tag: 0 },
    ),
  },
});
