// ListGroups (key 16): all groups, or those in some states or of some types. See broker/coordinator/group-coordinator.ts.
//
// Versions: 0-5.
// Version notes: 1 throttle · 3 flexible · 4 state filter (KIP-518) · 5 type filter (KIP-848)
import { handler } from './handler.ts';

export const listGroups = handler({
  api: 'ListGroups',
  versions: [0, 5],
  handle: (request, context) => context.broker.groups.listGroups(request, context),
});
