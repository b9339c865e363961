// API 30, CreateAcls: makes access rules.
// Versions 1 to 3, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// CreateAclsRequest => creations[ resourceType resourceName resourcePatternType principal host operation
//   permissionType ]
// CreateAclsResponse => throttleTimeMs results[ errorCode errorMessage? ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const createAclsRequest = message({
  name: 'CreateAclsRequest',
  key: 30,
  versions: [1, 3],
  flexible: 2,
  fields: {
    creations: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        resourcePatternType: int8({ default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    ),
  },
});

export const createAclsResponse = message({
  name: 'CreateAclsResponse',
  key: 30,
  versions: [1, 3],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 1 }),
      }),
    ),
  },
});
