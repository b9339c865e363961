// DescribeCluster (key 60): the one broker (KIP-700).
//
// Versions: 0-2.
// Behaviour
// - Controllers (endpoint type 2) are not to be reached from outside: MISMATCHED_ENDPOINT_TYPE.
// Version notes: 1 endpoint type (KIP-919) · 2 fenced brokers (KIP-1073)
import { ErrorCode } from '../wire/errors.ts';
import { describeClusterResponse } from '../wire/messages/60-describe-cluster.ts';
import { handler } from './handler.ts';
import { clusterOperations, operationsOmitted } from './topics.ts';

export const describeCluster = handler({
  api: 'DescribeCluster',
  versions: [0, 2],
  handle(request, { broker, endpoint, version }) {
    if (version >= 1 && request.endpointType !== 1) {
      return describeClusterResponse.create({
        errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
        errorMessage: `Endpoint type ${request.endpointType} cannot be asked here`,
      });
    }
    return describeClusterResponse.create({
      clusterId: broker.log.clusterId,
      controllerId: broker.nodeId,
      brokers: [{ brokerId: broker.nodeId, host: endpoint.host, port: endpoint.port }],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? clusterOperations : operationsOmitted,
    });
  },
});
