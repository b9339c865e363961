// API 37, CreatePartitions: gives topics more partitions; count is the new total.
// Versions 0 to 3, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// CreatePartitionsRequest => topics[ name count assignments?[ brokerIds[] ] ] timeoutMs validateOnly
// CreatePartitionsResponse => throttleTimeMs results[ name errorCode errorMessage? ]
import { array, boolean, int16, int32, message, string, struct } from '../schema.ts';

export const createPartitionsRequest = message({
  name: 'CreatePartitionsRequest',
  key: 37,
  versions: [0, 3],
  flexible: 2,
  fields: {
    topics: array(
      struct({
        name: string(),
        count: int32(),
        assignments: array(struct({ brokerIds: array(int32()) }), { nullable: 0 }),
      }),
    ),
    timeoutMs: int32(),
    validateOnly: boolean(),
  },
});

export const createPartitionsResponse = message({
  name: 'CreatePartitionsResponse',
  key: 37,
  versions: [0, 3],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    results: array(
      struct({ name: string(), errorCode: int16(), errorMessage: string({ nullable: 0, default: null }) }),
    ),
  },
});
