// API 29, DescribeAcls: access rules that fit a filter.
// Versions 1 to 3, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeAclsRequest => resourceTypeFilter resourceNameFilter? patternTypeFilter principalFilter? hostFilter?
//   operation permissionType
// DescribeAclsResponse => throttleTimeMs errorCode errorMessage? resources[ resourceType resourceName
//   patternType acls[ principal host operation permissionType ] ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const describeAclsRequest = message({
  name: 'DescribeAclsRequest',
  key: 29,
  versions: [1, 3],
  flexible: 2,
  fields: {
    resourceTypeFilter: int8(),
    resourceNameFilter: string({ nullable: 1 }),
    patternTypeFilter: int8({ default: 3 }),
    principalFilter: string({ nullable: 1 }),
    hostFilter: string({ nullable: 1 }),
    operation: int8(),
    permissionType: int8(),
  },
});

export const describeAclsResponse = message({
  name: 'DescribeAclsResponse',
  key: 29,
  versions: [1, 3],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 1 }),
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ default: 3 }),
        acls: array(
          struct({
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
