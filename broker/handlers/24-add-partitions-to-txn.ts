// AddPartitionsToTxn (key 24): partitions that a transaction is going to write. See broker/coordinator/transaction-coordinator.ts.
//
// Versions: 0-5; clients speak 0 to 3, brokers of a cluster from 4 on.
// Version notes: 1 throttle · 2 PRODUCER_FENCED · 3 flexible · 4 many transactions, and looking without adding · 5 TRANSACTION_ABORTABLE (KIP-890)
import { handler } from './handler.ts';

export const addPartitionsToTxn = handler({
  api: 'AddPartitionsToTxn',
  versions: [0, 5],
  handle: (request, context) => context.broker.transactions.addPartitionsToTxn(request, context),
});
