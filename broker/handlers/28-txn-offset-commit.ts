// TxnOffsetCommit (key 28): offsets of a group that become its own when the transaction commits. See broker/coordinator/offsets.ts.
//
// Versions: 0-5.
// Version notes: 1 throttle · 2 leader epoch · 3 flexible, member and generation (KIP-447) · 4 TRANSACTION_ABORTABLE · 5 adds the group by itself (KIP-890)
import { handler } from './handler.ts';

export const txnOffsetCommit = handler({
  api: 'TxnOffsetCommit',
  versions: [0, 5],
  handle: (request, context) => context.broker.groups.txnOffsetCommit(request, context),
});
