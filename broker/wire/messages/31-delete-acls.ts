// API 31, DeleteAcls: removes access rules.
// Versions 1 to 3, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DeleteAclsRequest => filters[ resourceTypeFilter resourceNameFilter? patternTypeFilter principalFilter?
//   hostFilter? operation permissionType ]
// DeleteAclsResponse => throttleTimeMs filterResults[ errorCode errorMessage? matchingAcls[ errorCode
//   errorMessage? resourceType resourceName patternType principal host operation permissionType ] ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const deleteAclsRequest = message({
  name: 'DeleteAclsRequest',
  key: 31,
  versions: [1, 3],
  flexible: 2,
  fields: {
    filters: array(
      struct({
        resourceTypeFilter: int8(),
        resourceNameFilter: string({ nullable: 1 }),
        patternTypeFilter: int8({ default: 3 }),
        principalFilter: string({ nullable: 1 }),
        hostFilter: string({ nullable: 1 }),
        operation: int8(),
        permissionType: int8(),
      }),
    ),
  },
});

export const deleteAclsResponse = message({
  name: 'DeleteAclsResponse',
  key: 31,
  versions: [1, 3],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    filterResults: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 1 }),
        matchingAcls: array(
          struct({
            errorCode: int16(),
            errorMessage: string({ nullable: 1 }),
            resourceType: int8(),
            resourceName: string(),
            patternType: int8({ default: 3 }),
            principal: string(),
            host: string(),
            operation: int8(),
            permissionType: int8(),
          }),
        ),
      }),
    ),
  },
});
