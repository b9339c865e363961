// FindCoordinator (key 10): which broker looks after a group or a transactional id. There is one broker.
//
// Versions: 0-6.
// Behaviour
// - Key type 0 is a group, 1 a transactional id; share groups (2) are not served: INVALID_REQUEST.
// - The coordinators' topics are made when a coordinator first needs them, not here.
// Version notes: 1 key type · 3 flexible · 4 several keys (KIP-699) · 5 TRANSACTION_ABORTABLE (KIP-890) · 6 share groups (KIP-932)
import { ErrorCode } from '../wire/errors.ts';
import { findCoordinatorResponse } from '../wire/messages/10-find-coordinator.ts';
import { handler } from './handler.ts';

export const findCoordinator = handler({
  api: 'FindCoordinator',
  versions: [0, 6],
  handle(request, { broker, endpoint, version }) {
    const known = request.keyType === 0 || request.keyType === 1;
    const found = known
      ? {
          errorCode: ErrorCode.NONE,
          errorMessage: null,
          nodeId: broker.nodeId,
          host: endpoint.host,
          port: endpoint.port,
        }
      : {
          ...{ errorCode: ErrorCode.INVALID_REQUEST, nodeId: -1, host: '', port: -1 },
          errorMessage: `This broker has no coordinator of type ${request.keyType}`,
        };
    if (version < 4) return findCoordinatorResponse.create(found);
    return findCoordinatorResponse.create({ coordinators: request.coordinatorKeys.map((key) => ({ key, ...found })) });
  },
});
