// API 19, CreateTopics: creates topics; -1 partitions or replicas are the broker's defaults.
// Versions 2 to 7, flexible from 5. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// CreateTopicsRequest => topics[ name numPartitions replicationFactor assignments[ partitionIndex brokerIds[] ]
//   configs[ name value? ] ] timeoutMs validateOnly
// CreateTopicsResponse => throttleTimeMs topics[ name topicId(7..) errorCode errorMessage?
//   topicConfigErrorCode(5..)<tag 0> numPartitions(5..) replicationFactor(5..) configs?(5..)[ name value? readOnly
//   configSource isSensitive ] ]
import { array, boolean, int16, int32, int8, message, string, struct, uuid } from '../schema.ts';

export const createTopicsRequest = message({
  name: 'CreateTopicsRequest',
  key: 19,
  versions: [2, 7],
  flexible: 5,
  fields: {
    topics: array(
      struct({
        name: string(),
        numPartitions: int32(),
        replicationFactor: int16(),
        assignments: array(struct({ partitionIndex: int32(), brokerIds: array(int32()) })),
        configs: array(struct({ name: string(), value: string({ nullable: 2 }) })),
      }),
    ),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: boolean(),
  },
});

export const createTopicsResponse = message({
  name: 'CreateTopicsResponse',
  key: 19,
  versions: [2, 7],
  flexible: 5,
  fields: {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        topicId: uuid({ since: 7, ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ nullable: 2 }),
        topicConfigErrorCode: int16({ since: 5, ignorable: true, tag: 0 }),
        numPartitions: int32({ since: 5, ignorable: true, default: -1 }),
        replicationFactor: int16({ since: 5, ignorable: true, default: -1 }),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: 5 }),
            readOnly: boolean(),
            configSource: int8({ default: -1 }),
            isSensitive: boolean(),
          }),
          { since: 5, nullable: 5, ignorable: true },
        ),
      }),
    ),
  },
});
