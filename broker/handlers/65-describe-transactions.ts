// DescribeTransactions (key 65): the state of transactional ids (KIP-664). See broker/coordinator/transaction-views.ts.
//
// Versions: 0.
import { handler } from './handler.ts';

export const describeTransactions = handler({
  api: 'DescribeTransactions',
  versions: [0, 0],
  handle: (request, { broker }) => broker.transactions.describeTransactions(request),
});
