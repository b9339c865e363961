// API 3, Metadata: brokers, topics, partitions and their leaders. No topics (null) asks for all; in version 0 an empty list does.
// Versions 0 to 13, flexible from 9. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// MetadataRequest => topics?[ topicId(10..) name? ] allowAutoTopicCreation(4..)
//   includeClusterAuthorizedOperations(8..10) includeTopicAuthorizedOperations(8..)
// MetadataResponse => throttleTimeMs(3..) brokers[ nodeId host port rack?(1..) ] clusterId?(2..) controllerId(1..)
//   topics[ errorCode name? topicId(10..) isInternal(1..) partitions[ errorCode partitionIndex leaderId
//   leaderEpoch(7..) replicaNodes[] isrNodes[] offlineReplicas(5..)[] ] topicAuthorizedOperations(8..) ]
//   clusterAuthorizedOperations(8..10) errorCode(13..)
import { array, boolean, type Infer, int16, int32, message, string, struct, uuid } from '../schema.ts';

export const metadataRequest = message({
  name: 'MetadataRequest',
  key: 3,
  versions: [0, 13],
  flexible: 9,
  fields: {
    topics: array(struct({ topicId: uuid({ since: 10, ignorable: true }), name: string({ nullable: 10 }) }), {
      nullable: 1,
    }),
    allowAutoTopicCreation: boolean({ since: 4, default: true }),
    includeClusterAuthorizedOperations: boolean({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: boolean({ since: 8 }),
  },
});
export type MetadataRequest = Infer<typeof metadataRequest>;

export const metadataResponse = message({
  name: 'MetadataResponse',
  key: 3,
  versions: [0, 13],
  flexible: 9,
  fields: {
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    brokers: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ since: 1, nullable: 1, ignorable: true, default: null }),
      }),
    ),
    clusterId: string({ since: 2, nullable: 2, ignorable: true, default: null }),
    controllerId: int32({ since: 1, ignorable: true, default: -1 }),
    topics: array(
      struct({
        errorCode: int16(),
        name: string({ nullable: 12 }),
        topicId: uuid({ since: 10, ignorable: true }),
        isInternal: boolean({ since: 1, ignorable: true }),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ since: 7, ignorable: true, default: -1 }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: array(int32(), { since: 5, ignorable: true }),
          }),
        ),
        topicAuthorizedOperations: int32({ since: 8, default: -2147483648 }),
      }),
    ),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, default: -2147483648 }),
    errorCode: int16({ since: 13, ignorable: true }),
  },
});
