// AddPartitionsToTxn (key 24): partitions that a transaction is going to write. See broker/coordinator/transaction-coordinator.ts.
//
// Versions: 0-3; from 4 on it is spoken between brokers only.
// Version notes: 1 throttle · 2 PRODUCER_FENCED · 3 flexible
import { handler } from './handler.ts';

export const addPartitionsToTxn = handler({
  api: 'AddPartitionsToTxn',
  versions: [0, 3],
  handle: (request, context) => context.broker.transactions.addPartitionsToTxn(request, context),
});
