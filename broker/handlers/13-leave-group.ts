// LeaveGroup (key 13): one member goes, or several static ones are removed. See broker/coordinator/group.ts.
//
// Versions: 0-5.
// Version notes: 1 throttle · 3 several members (KIP-345) · 4 flexible · 5 reason (KIP-800)
import { handler } from './handler.ts';

export const leaveGroup = handler({
  api: 'LeaveGroup',
  versions: [0, 5],
  handle: (request, context) => context.broker.groups.leaveGroup(request, context),
});
