// JoinGroup (key 11): a member joins or rejoins its group, and waits for the others. See broker/coordinator/group.ts.
//
// Versions: 0-9.
// Behaviour
// - Answers when the rebalance is over, or at once with an error.
// Version notes: 1 rebalance timeout · 2 throttle · 4 MEMBER_ID_REQUIRED (KIP-394) · 5 static members (KIP-345) · 6 flexible ·
//   7 protocol type (KIP-559) · 8 reason (KIP-800) · 9 skip_assignment (KIP-814)
import { handler } from './handler.ts';

export const joinGroup = handler({
  api: 'JoinGroup',
  versions: [0, 9],
  handle: (request, context) => context.broker.groups.joinGroup(request, context),
});
