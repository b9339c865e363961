// ListTransactions (key 66): transactional ids by state, producer, age and name (KIP-664). See broker/coordinator/transaction-views.ts.
//
// Versions: 0-2.
// Version notes: 1 by duration (KIP-994) · 2 by a pattern of the name (KIP-1152)
import { handler } from './handler.ts';

export const listTransactions = handler({
  api: 'ListTransactions',
  versions: [0, 2],
  handle: (request, { broker }) => broker.transactions.listTransactions(request),
});
