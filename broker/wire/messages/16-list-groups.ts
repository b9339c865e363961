// API 16, ListGroups: the groups of a broker, by state and type where asked.
// Versions 0 to 5, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ListGroupsRequest => statesFilter(4..)[] typesFilter(5..)[]
// ListGroupsResponse => throttleTimeMs(1..) errorCode groups[ groupId protocolType groupState(4..) groupType(5..) ]
import { array, int16, int32, message, string, struct } from '../schema.ts';

export const listGroupsRequest = message({
  name: 'ListGroupsRequest',
  key: 16,
  versions: [0, 5],
  flexible: 3,
  fields: { statesFilter: array(string(), { since: 4 }), typesFilter: array(string(), { since: 5 }) },
});

export const listGroupsResponse = message({
  name: 'ListGroupsResponse',
  key: 16,
  versions: [0, 5],
  flexible: 3,
  fields: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string(),
        groupState: string({ since: 4, ignorable: true }),
        groupType: string({ since: 5, ignorable: true }),
      }),
    ),
  },
});
