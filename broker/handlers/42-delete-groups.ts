// DeleteGroups (key 42): removes empty groups with their offsets. See broker/coordinator/group-coordinator.ts.
//
// Versions: 0-2.
// Version notes: 1 throttle · 2 flexible
import { handler } from './handler.ts';

export const deleteGroups = handler({
  api: 'DeleteGroups',
  versions: [0, 2],
  handle: (request, context) => context.broker.groups.deleteGroups(request, context),
});
