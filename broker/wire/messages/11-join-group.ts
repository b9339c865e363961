// API 11, JoinGroup: enters a consumer group and waits for the others; the leader gets everybody's subscription.
// Versions 0 to 9, flexible from 6. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// JoinGroupRequest => groupId sessionTimeoutMs rebalanceTimeoutMs(1..) memberId groupInstanceId?(5..) protocolType
//   protocols[ name metadata ] reason?(8..)
// JoinGroupResponse => throttleTimeMs(2..) errorCode generationId protocolType?(7..) protocolName? leader
//   skipAssignment(9..) memberId members[ memberId groupInstanceId?(5..) metadata ]
import { array, boolean, bytes, int16, int32, message, string, struct } from '../schema.ts';

export const joinGroupRequest = message({
  name: 'JoinGroupRequest',
  key: 11,
  versions: [0, 9],
  flexible: 6,
  fields: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ since: 1, ignorable: true, default: -1 }),
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: 5, default: null }),
    protocolType: string(),
    protocols: array(struct({ name: string(), metadata: bytes() })),
    reason: string({ since: 8, nullable: 8, ignorable: true, default: null }),
  },
});

export const joinGroupResponse = message({
  name: 'JoinGroupResponse',
  key: 11,
  versions: [0, 9],
  flexible: 6,
  fields: {
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ since: 7, nullable: 7, ignorable: true, default: null }),
    protocolName: string({ nullable: 7 }),
    leader: string(),
    skipAssignment: boolean({ since: 9 }),
    memberId: string(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ since: 5, nullable: 5, ignorable: true, default: null }),
        metadata: bytes(),
      }),
    ),
  },
});
