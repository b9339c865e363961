// ConsumerGroupHeartbeat (key 68): a member of a new consumer group joins, lives, changes its subscription and leaves, all by this one request (KIP-848).
// See broker/coordinator/consumer-group.ts.
//
// Versions: 0-1.
// Version notes: 1 regular expressions, members name themselves (KIP-1082)
import { handler } from './handler.ts';

export const consumerGroupHeartbeat = handler({
  api: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  handle: (request, context) => context.broker.groups.consumerGroupHeartbeat(request, context),
});
