// ListPartitionReassignments (key 46): partitions on their way to other brokers (KIP-455). There is no other broker, so there are none.
//
// Versions: 0.
import { listPartitionReassignmentsResponse } from '../wire/messages/46-list-partition-reassignments.ts';
import { handler } from './handler.ts';

export const listPartitionReassignments = handler({
  api: 'ListPartitionReassignments',
  versions: [0, 0],
  handle: () => listPartitionReassignmentsResponse.create({}),
});
