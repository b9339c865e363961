// DescribeGroups (key 15): state, protocol and members of groups. See broker/coordinator/group-coordinator.ts.
//
// Versions: 0-6.
// Version notes: 1 throttle · 3 authorized operations (KIP-430) · 4 static members · 5 flexible · 6 GROUP_ID_NOT_FOUND (KIP-1043)
import { handler } from './handler.ts';
import { withGroupOperations } from './topics.ts';

export const describeGroups = handler({
  api: 'DescribeGroups',
  versions: [0, 6],
  async handle(request, context) {
    const response = await context.broker.groups.describeGroups(request, context);
    return { ...response, groups: withGroupOperations(response.groups, request.includeAuthorizedOperations) };
  },
});
