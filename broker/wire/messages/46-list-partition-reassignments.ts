// API 46, ListPartitionReassignments: partitions on their way to other brokers.
// Version 0, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ListPartitionReassignmentsRequest => timeoutMs topics[ name partitionIndexes[] ]?
// ListPartitionReassignmentsResponse => throttleTimeMs errorCode errorMessage? topics[ name partitions[
//   partitionIndex replicas[] addingReplicas[] removingReplicas[] ] ]
import { array, int16, int32, message, string, struct } from '../schema.ts';

export const listPartitionReassignmentsRequest = message({
  name: 'ListPartitionReassignmentsRequest',
  key: 46,
  versions: [0, 0],
  flexible: 0,
  fields: {
    timeoutMs: int32({ default: 60000 }),
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      { nullable: 0, default: null },
    ),
  },
});

export const listPartitionReassignmentsResponse = message({
  name: 'ListPartitionReassignmentsResponse',
  key: 46,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            replicas: array(int32()),
            addingReplicas: array(int32()),
            removingReplicas: array(int32()),
          }),
        ),
      }),
    ),
  },
});
