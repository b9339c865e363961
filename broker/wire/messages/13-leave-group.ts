// API 13, LeaveGroup: leaves a group; from version 3 several members at once.
// Versions 0 to 5, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// LeaveGroupRequest => groupId memberId(..2) members(3..)[ memberId groupInstanceId? reason?(5..) ]
// LeaveGroupResponse => throttleTimeMs(1..) errorCode members(3..)[ memberId groupInstanceId? errorCode ]
import { array, int16, int32, message, string, struct } from '../schema.ts';

export const leaveGroupRequest = message({
  name: 'LeaveGroupRequest',
  key: 13,
  versions: [0, 5],
  flexible: 4,
  fields: {
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ nullable: 3, default: null }),
        reason: string({ since: 5, nullable: 5, ignorable: true, default: null }),
      }),
      { since: 3 },
    ),
  },
});

export const leaveGroupResponse = message({
  name: 'LeaveGroupResponse',
  key: 13,
  versions: [0, 5],
  flexible: 4,
  fields: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    members: array(struct({ memberId: string(), groupInstanceId: string({ nullable: 3 }), errorCode: int16() }), {
      since: 3,
    }),
  },
});
