// InitProducerId (key 22): identity for an idempotent producer; with a transactional id also fences earlier producers of that id and aborts what
// they left open. See broker/coordinator/transaction-coordinator.ts.
//
// Versions: 0-5.
// Version notes: 1 throttle · 2 flexible · 3 the producer's own id and epoch (KIP-360) · 4 PRODUCER_FENCED (KIP-588) · 5 TRANSACTION_ABORTABLE (KIP-890)
import { handler } from './handler.ts';

export const initProducerId = handler({
  api: 'InitProducerId',
  versions: [0, 5],
  handle: (request, context) => context.broker.transactions.initProducerId(request, context),
});
