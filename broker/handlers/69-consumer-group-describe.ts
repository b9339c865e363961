// ConsumerGroupDescribe (key 69): state, epochs and members of new consumer groups (KIP-848). See broker/coordinator/consumer-requests.ts.
//
// Versions: 0-1.
// Version notes: 1 kind of member (KIP-1099)
import { handler } from './handler.ts';
import { withGroupOperations } from './topics.ts';

export const consumerGroupDescribe = handler({
  api: 'ConsumerGroupDescribe',
  versions: [0, 1],
  async handle(request, context) {
    const response = await context.broker.groups.consumerGroupDescribe(request, context);
    return { ...response, groups: withGroupOperations(response.groups, request.includeAuthorizedOperations) };
  },
});
