// SyncGroup (key 14): the leader hands in the assignment, every member gets its part. See broker/coordinator/group.ts.
//
// Versions: 0-5.
// Behaviour
// - Followers wait for the leader; the answer leaves when the assignment is durable in __consumer_offsets.
// Version notes: 1 throttle · 3 static members (KIP-345) · 4 flexible · 5 protocol type and name (KIP-559)
import { handler } from './handler.ts';

export const syncGroup = handler({
  api: 'SyncGroup',
  versions: [0, 5],
  handle: (request, context) => context.broker.groups.syncGroup(request, context),
});
