// API 15, DescribeGroups: state and members of groups.
// Versions 0 to 6, flexible from 5. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeGroupsRequest => groups[] includeAuthorizedOperations(3..)
// DescribeGroupsResponse => throttleTimeMs(1..) groups[ errorCode errorMessage?(6..) groupId groupState protocolType
//   protocolData members[ memberId groupInstanceId?(4..) clientId clientHost memberMetadata memberAssignment ]
//   authorizedOperations(3..) ]
import { array, boolean, bytes, int16, int32, message, string, struct } from '../schema.ts';

export const describeGroupsRequest = message({
  name: 'DescribeGroupsRequest',
  key: 15,
  versions: [0, 6],
  flexible: 5,
  fields: { groups: array(string()), includeAuthorizedOperations: boolean({ since: 3 }) },
});

export const describeGroupsResponse = message({
  name: 'DescribeGroupsResponse',
  key: 15,
  versions: [0, 6],
  flexible: 5,
  fields: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ since: 6, nullable: 6, default: null }),
        groupId: string(),
        groupState: string(),
        protocolType: string(),
        protocolData: string(),
        members: array(
          struct({
            memberId: string(),
            groupInstanceId: string({ since: 4, nullable: 4, ignorable: true, default: null }),
            clientId: string(),
            clientHost: string(),
            memberMetadata: bytes(),
            memberAssignment: bytes(),
          }),
        ),
        authorizedOperations: int32({ since: 3, default: -2147483648 }),
      }),
    ),
  },
});
