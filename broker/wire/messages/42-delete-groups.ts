// API 42, DeleteGroups: deletes empty groups and their offsets.
// Versions 0 to 2, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DeleteGroupsRequest => groupsNames[]
// DeleteGroupsResponse => throttleTimeMs results[ groupId errorCode ]
import { array, int16, int32, message, string, struct } from '../schema.ts';

export const deleteGroupsRequest = message({
  name: 'DeleteGroupsRequest',
  key: 42,
  versions: [0, 2],
  flexible: 2,
  fields: { groupsNames: array(string()) },
});

export const deleteGroupsResponse = message({
  name: 'DeleteGroupsResponse',
  key: 42,
  versions: [0, 2],
  flexible: 2,
  fields: { throttleTimeMs: int32(), results: array(struct({ groupId: string(), errorCode: int16() })) },
});
