// Heartbeat (key 12): a member is alive, and hears of a rebalance. See broker/coordinator/group.ts.
//
// Versions: 0-4.
// Version notes: 1 throttle · 3 static members (KIP-345) · 4 flexible
import { handler } from './handler.ts';

export const heartbeat = handler({
  api: 'Heartbeat',
  versions: [0, 4],
  handle: (request, context) => context.broker.groups.heartbeat(request, context),
});
