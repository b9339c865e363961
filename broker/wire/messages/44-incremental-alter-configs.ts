// API 44, IncrementalAlterConfigs: changes single settings: 0 set, 1 delete, 2 append, 3 subtract.
// Versions 0 to 1, flexible from 1. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// IncrementalAlterConfigsRequest => resources[ resourceType resourceName configs[ name configOperation value? ] ]
//   validateOnly
// IncrementalAlterConfigsResponse => throttleTimeMs responses[ errorCode errorMessage? resourceType resourceName ]
import { array, boolean, int16, int32, int8, message, string, struct } from '../schema.ts';

export const incrementalAlterConfigsRequest = message({
  name: 'IncrementalAlterConfigsRequest',
  key: 44,
  versions: [0, 1],
  flexible: 1,
  fields: {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(struct({ name: string(), configOperation: int8(), value: string({ nullable: 0 }) })),
      }),
    ),
    validateOnly: boolean(),
  },
});

export const incrementalAlterConfigsResponse = message({
  name: 'IncrementalAlterConfigsResponse',
  key: 44,
  versions: [0, 1],
  flexible: 1,
  fields: {
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 0 }),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  },
});
