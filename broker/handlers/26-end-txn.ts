// EndTxn (key 26): commits or aborts; the only request of a transaction that waits for the disk. See broker/coordinator/transaction-coordinator.ts.
//
// Versions: 0-5.
// Version notes: 1 throttle · 2 PRODUCER_FENCED · 3 flexible · 4 TRANSACTION_ABORTABLE · 5 gives the next epoch (KIP-890)
import { handler } from './handler.ts';

export const endTxn = handler({
  api: 'EndTxn',
  versions: [0, 5],
  handle: (request, context) => context.broker.transactions.endTxn(request, context),
});
