// AddOffsetsToTxn (key 25): a transaction is going to commit offsets of a group. See broker/coordinator/transaction-coordinator.ts.
//
// Versions: 0-4.
// Version notes: 1 throttle · 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE (KIP-890)
import { handler } from './handler.ts';

export const addOffsetsToTxn = handler({
  api: 'AddOffsetsToTxn',
  versions: [0, 4],
  handle: (request, context) => context.broker.transactions.addOffsetsToTxn(request, context),
});
