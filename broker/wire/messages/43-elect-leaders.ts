// API 43, ElectLeaders: lets the preferred replica lead.
// Versions 0 to 2, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ElectLeadersRequest => electionType(1..) topicPartitions[ topic partitions[] ]? timeoutMs
// ElectLeadersResponse => throttleTimeMs errorCode(1..) replicaElectionResults[ topic partitionResult[
//   partitionId errorCode errorMessage? ] ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const electLeadersRequest = message({
  name: 'ElectLeadersRequest',
  key: 43,
  versions: [0, 2],
  flexible: 2,
  fields: {
    electionType: int8({ since: 1 }),
    topicPartitions: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullable: 0 },
    ),
    timeoutMs: int32({ default: 60000 }),
  },
});

export const electLeadersResponse = message({
  name: 'ElectLeadersResponse',
  key: 43,
  versions: [0, 2],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 1 }),
    replicaElectionResults: array(
      struct({
        topic: string(),
        partitionResult: array(
          struct({
            partitionId: int32(),
            errorCode: int16(),
            errorMessage: string({ nullable: 0 }),
          }),
        ),
      }),
    ),
  },
});
