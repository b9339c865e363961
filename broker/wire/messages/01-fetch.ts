// API 1, Fetch: reads record batches, waiting for minBytes up to maxWaitMs. Topics by name up to version 12, by id from 13.
// Versions 4 to 18, flexible from 12. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// FetchRequest => clusterId?(12..)<tag 0> replicaId(..14) replicaState(15..)<tag 1>{ replicaId replicaEpoch }
//   maxWaitMs minBytes maxBytes isolationLevel sessionId(7..) sessionEpoch(7..) topics[ topic(..12) topicId(13..)
//   partitions[ partition currentLeaderEpoch(9..) fetchOffset lastFetchedEpoch(12..) logStartOffset(5..)
//   partitionMaxBytes replicaDirectoryId(17..)<tag 0> highWatermark(18..)<tag 1> ] ] forgottenTopicsData(7..)[
//   topic(..12) topicId(13..) partitions[] ] rackId(11..)
// FetchResponse => throttleTimeMs errorCode(7..) sessionId(7..) responses[ topic(..12) topicId(13..) partitions[
//   partitionIndex errorCode highWatermark lastStableOffset logStartOffset(5..) divergingEpoch(12..)<tag 0>{ epoch
//   endOffset } currentLeader(12..)<tag 1>{ leaderId leaderEpoch } snapshotId(12..)<tag 2>{ endOffset epoch }
//   abortedTransactions?[ producerId firstOffset ] preferredReadReplica(11..) records? ] ] nodeEndpoints(16..)<tag
//   0>[ nodeId host port rack? ]
import {
  array,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  message,
  recordChunks,
  string,
  struct,
  uuid,
} from '../schema.ts';

export const fetchRequest = message({
  name: 'FetchRequest',
  key: 1,
  versions: [4, 18],
  flexible: 12,
  fields: {
    clusterId: string({ since: 12, nullable: 12, ignorable: true, tag: 0, default: null }),
    replicaId: int32({ until: 14, default: -1 }),
    replicaState: struct(
      { replicaId: int32({ default: -1 }), replicaEpoch: int64({ default: -1 }) },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff }),
    isolationLevel: int8(),
    sessionId: int32({ since: 7, ignorable: true }),
    sessionEpoch: int32({ since: 7, ignorable: true, default: -1 }),
    topics: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ since: 9, ignorable: true, default: -1 }),
            fetchOffset: int64(),
            lastFetchedEpoch: int32({ since: 12, default: -1 }),
            logStartOffset: int64({ since: 5, ignorable: true, default: -1 }),
            partitionMaxBytes: int32(),
            replicaDirectoryId: uuid({ since: 17, ignorable: true, tag: 0 }),
            highWatermark: int64({ since: 18, ignorable: true, tag: 1, default: Number.MAX_SAFE_INTEGER }),
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(int32()),
      }),
      { since: 7 },
    ),
    rackId: string({ since: 11, ignorable: true }),
  },
});
export type FetchRequest = Infer<typeof fetchRequest>;

export const fetchResponse = message({
  name: 'FetchResponse',
  key: 1,
  versions: [4, 18],
  flexible: 12,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 7, ignorable: true }),
    sessionId: int32({ since: 7 }),
    responses: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            highWatermark: int64(),
            lastStableOffset: int64({ default: -1 }),
            logStartOffset: int64({ since: 5, ignorable: true, default: -1 }),
            divergingEpoch: struct(
              { epoch: int32({ default: -1 }), endOffset: int64({ default: -1 }) },
              { since: 12, tag: 0 },
            ),
            currentLeader: struct(
              { leaderId: int32({ default: -1 }), leaderEpoch: int32({ default: -1 }) },
              { since: 12, tag: 1 },
            ),
            snapshotId: struct(
              { endOffset: int64({ default: -1 }), epoch: int32({ default: -1 }) },
              { since: 12, tag: 2 },
            ),
            abortedTransactions: array(struct({ producerId: int64(), firstOffset: int64() }), { nullable: 4 }),
            preferredReadReplica: int32({ since: 11, default: -1 }),
            records: recordChunks(),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({ nodeId: int32(), host: string(), port: int32(), rack: string({ nullable: 16, default: null }) }),
      { since: 16, tag: 0 },
    ),
  },
});
export type FetchResponse = Infer<typeof fetchResponse>;
