// API 33, AlterConfigs: replaces all settings of a resource.
// Versions 0 to 2, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// AlterConfigsRequest => resources[ resourceType resourceName configs[ name value? ] ] validateOnly
// AlterConfigsResponse => throttleTimeMs responses[ errorCode errorMessage? resourceType resourceName ]
import { array, boolean, int16, int32, int8, message, string, struct } from '../schema.ts';

export const alterConfigsRequest = message({
  name: 'AlterConfigsRequest',
  key: 33,
  versions: [0, 2],
  flexible: 2,
  fields: {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: 0 }),
          }),
        ),
      }),
    ),
    validateOnly: boolean(),
  },
});

export const alterConfigsResponse = message({
  name: 'AlterConfigsResponse',
  key: 33,
  versions: [0, 2],
  flexible: 2,
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
