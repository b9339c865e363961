// API 10, FindCoordinator: which broker coordinates a group (keyType 0) or a transactional id (1); from version 4 several keys at once.
// Versions 0 to 6, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// FindCoordinatorRequest => key(..3) keyType(1..) coordinatorKeys(4..)[]
// FindCoordinatorResponse => throttleTimeMs(1..) errorCode(..3) errorMessage?(1..3) nodeId(..3) host(..3) port(..3)
//   coordinators(4..)[ key nodeId host port errorCode errorMessage? ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const findCoordinatorRequest = message({
  name: 'FindCoordinatorRequest',
  key: 10,
  versions: [0, 6],
  flexible: 3,
  fields: { key: string({ until: 3 }), keyType: int8({ since: 1 }), coordinatorKeys: array(string(), { since: 4 }) },
});

export const findCoordinatorResponse = message({
  name: 'FindCoordinatorResponse',
  key: 10,
  versions: [0, 6],
  flexible: 3,
  fields: {
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullable: 1, ignorable: true }),
    nodeId: int32({ until: 3 }),
    host: string({ until: 3 }),
    port: int32({ until: 3 }),
    coordinators: array(
      struct({
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: 4 }),
      }),
      { since: 4 },
    ),
  },
});
