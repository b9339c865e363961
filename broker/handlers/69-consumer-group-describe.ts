// ConsumerGroupDescribe (key 69): state, epochs and members of new consumer groups (KIP-848). See broker/coordinator/consumer-requests.ts.
//
// Versions: 0-1.
// Version notes: 1 kind of member (KIP-1099)
import { handler } from './handler.ts';

export const consumerGroupDescribe = handler({
  api: 'ConsumerGroupDescribe',
  versions: [0, 1],
  handle: (request, context) => context.broker.groups.consumerGroupDescribe(request, context),
});
