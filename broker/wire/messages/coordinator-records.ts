// What the coordinators keep in `__consumer_offsets` and `__transaction_state`, and what consumers tell each other inside JoinGroup and
// SyncGroup, all in Kafka's own formats: an int16 version, then the message in that version. Key versions tell the kind of record
// (0 and 1 offsets, 2 group metadata, in the other topic 0 transaction); a null value is a tombstone. Members may be newer than we are: a consumer
// protocol version above ours is read as ours, what follows is left alone.
//
// OffsetCommitKey => group topic partition (version 1)
// OffsetCommitValue => offset leaderEpoch(3..) metadata commitTimestamp expireTimestamp(1..1) topicId(4..)<tag 0> (versions 0 to 4)
// GroupMetadataKey => group (version 2)
// GroupMetadataValue => protocolType generation protocol? leader? currentStateTimestamp(2..) members[ memberId
//   groupInstanceId?(3..) clientId clientHost rebalanceTimeout(1..) sessionTimeout subscription assignment ] (versions 0 to 4)
// TransactionLogKey => transactionalId (version 0)
// TransactionLogValue => producerId previousProducerId(1..)<tag 0> nextProducerId(1..)<tag 1> producerEpoch
//   nextProducerEpoch(1..)<tag 3> transactionTimeoutMs transactionStatus transactionPartitions?[ topic partitionIds[]
//   ] transactionLastUpdateTimestampMs transactionStartTimestampMs clientTransactionVersion(1..)<tag 2> (versions 0 to 1)
// ConsumerProtocolSubscription => topics[] userData? ownedPartitions(1..)[ topic partitions[] ] generationId(2..)
//   rackId?(3..) (versions 0 to 3)
// ConsumerProtocolAssignment => assignedPartitions[ topic partitions[] ] userData? (versions 0 to 3)
import { array, bytes, type Infer, int16, int32, int64, int8, message, string, struct, uuid } from '../schema.ts';

export const offsetCommitKey = message({
  name: 'OffsetCommitKey',
  versions: [1, 1],
  fields: { group: string(), topic: string(), partition: int32() },
});
export type OffsetCommitKey = Infer<typeof offsetCommitKey>;

export const offsetCommitValue = message({
  name: 'OffsetCommitValue',
  versions: [0, 4],
  flexible: 4,
  fields: {
    offset: int64(),
    leaderEpoch: int32({ since: 3, ignorable: true, default: -1 }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ since: 1, until: 1, ignorable: true, default: -1 }),
    topicId: uuid({ since: 4, ignorable: true, tag: 0 }),
  },
});
export type OffsetCommitValue = Infer<typeof offsetCommitValue>;

export const groupMetadataKey = message({ name: 'GroupMetadataKey', versions: [2, 2], fields: { group: string() } });
export type GroupMetadataKey = Infer<typeof groupMetadataKey>;

export const groupMetadataValue = message({
  name: 'GroupMetadataValue',
  versions: [0, 4],
  flexible: 4,
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: 0 }),
    leader: string({ nullable: 0 }),
    currentStateTimestamp: int64({ since: 2, ignorable: true, default: -1 }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ since: 3, nullable: 3, ignorable: true, default: null }),
        clientId: string(),
        clientHost: string(),
        rebalanceTimeout: int32({ since: 1, ignorable: true, default: -1 }),
        sessionTimeout: int32(),
        subscription: bytes(),
        assignment: bytes(),
      }),
    ),
  },
});
export type GroupMetadataValue = Infer<typeof groupMetadataValue>;

export const transactionLogKey = message({
  name: 'TransactionLogKey',
  versions: [0, 0],
  fields: { transactionalId: string() },
});
export type TransactionLogKey = Infer<typeof transactionLogKey>;

export const transactionLogValue = message({
  name: 'TransactionLogValue',
  versions: [0, 1],
  flexible: 1,
  fields: {
    producerId: int64(),
    previousProducerId: int64({ since: 1, tag: 0, default: -1 }),
    nextProducerId: int64({ since: 1, tag: 1, default: -1 }),
    producerEpoch: int16(),
    nextProducerEpoch: int16({ since: 1, tag: 3, default: -1 }),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array(struct({ topic: string(), partitionIds: array(int32()) }), { nullable: 0 }),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ since: 1, tag: 2 }),
  },
});
export type TransactionLogValue = Infer<typeof transactionLogValue>;

export const consumerProtocolSubscription = message({
  name: 'ConsumerProtocolSubscription',
  versions: [0, 3],
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: 0, default: null }),
    ownedPartitions: array(struct({ topic: string(), partitions: array(int32()) }), { since: 1, ignorable: true }),
    generationId: int32({ since: 2, ignorable: true, default: -1 }),
    rackId: string({ since: 3, nullable: 3, ignorable: true, default: null }),
  },
});
export type ConsumerProtocolSubscription = Infer<typeof consumerProtocolSubscription>;

export const consumerProtocolAssignment = message({
  name: 'ConsumerProtocolAssignment',
  versions: [0, 3],
  fields: {
    assignedPartitions: array(struct({ topic: string(), partitions: array(int32()) })),
    userData: bytes({ nullable: 0, default: null }),
  },
});
export type ConsumerProtocolAssignment = Infer<typeof consumerProtocolAssignment>;
