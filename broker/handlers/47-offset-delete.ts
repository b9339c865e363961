// OffsetDelete (key 47): forgets committed offsets of topics that the group is not subscribed to (KIP-496).
//
// Versions: 0.
import { handler } from './handler.ts';

export const offsetDelete = handler({
  api: 'OffsetDelete',
  versions: [0, 0],
  handle: (request, context) => context.broker.groups.offsetDelete(request, context),
});
