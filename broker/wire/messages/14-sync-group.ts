// API 14, SyncGroup: the leader hands in the assignment, every member gets its own.
// Versions 0 to 5, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// SyncGroupRequest => groupId generationId memberId groupInstanceId?(3..) protocolType?(5..) protocolName?(5..)
//   assignments[ memberId assignment ]
// SyncGroupResponse => throttleTimeMs(1..) errorCode protocolType?(5..) protocolName?(5..) assignment
import { array, bytes, int16, int32, message, string, struct } from '../schema.ts';

export const syncGroupRequest = message({
  name: 'SyncGroupRequest',
  key: 14,
  versions: [0, 5],
  flexible: 4,
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null }),
    protocolType: string({ since: 5, nullable: 5, ignorable: true, default: null }),
    protocolName: string({ since: 5, nullable: 5, ignorable: true, default: null }),
    assignments: array(struct({ memberId: string(), assignment: bytes() })),
  },
});

export const syncGroupResponse = message({
  name: 'SyncGroupResponse',
  key: 14,
  versions: [0, 5],
  flexible: 4,
  fields: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullable: 5, ignorable: true, default: null }),
    protocolName: string({ since: 5, nullable: 5, ignorable: true, default: null }),
    assignment: bytes(),
  },
});
