// API 12, Heartbeat: keeps a member of a group alive, and tells it of a rebalance.
// Versions 0 to 4, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// HeartbeatRequest => groupId generationId memberId groupInstanceId?(3..)
// HeartbeatResponse => throttleTimeMs(1..) errorCode
import { int16, int32, message, string } from '../schema.ts';

export const heartbeatRequest = message({
  name: 'HeartbeatRequest',
  key: 12,
  versions: [0, 4],
  flexible: 4,
  fields: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null }),
  },
});

export const heartbeatResponse = message({
  name: 'HeartbeatResponse',
  key: 12,
  versions: [0, 4],
  flexible: 4,
  fields: { throttleTimeMs: int32({ since: 1, ignorable: true }), errorCode: int16() },
});
