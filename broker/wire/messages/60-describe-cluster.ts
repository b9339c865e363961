// API 60, DescribeCluster: cluster id, controller and brokers.
// Versions 0 to 2, flexible from 0. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeClusterRequest => includeClusterAuthorizedOperations endpointType(1..) includeFencedBrokers(2..)
// DescribeClusterResponse => throttleTimeMs errorCode errorMessage? endpointType(1..) clusterId controllerId brokers[
//   brokerId host port rack? isFenced(2..) ] clusterAuthorizedOperations
import { array, boolean, int16, int32, int8, message, string, struct } from '../schema.ts';

export const describeClusterRequest = message({
  name: 'DescribeClusterRequest',
  key: 60,
  versions: [0, 2],
  flexible: 0,
  fields: {
    includeClusterAuthorizedOperations: boolean(),
    endpointType: int8({ since: 1, default: 1 }),
    includeFencedBrokers: boolean({ since: 2 }),
  },
});

export const describeClusterResponse = message({
  name: 'DescribeClusterResponse',
  key: 60,
  versions: [0, 2],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    endpointType: int8({ since: 1, default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array(
      struct({
        brokerId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: 0, default: null }),
        isFenced: boolean({ since: 2 }),
      }),
    ),
    clusterAuthorizedOperations: int32({ default: -2147483648 }),
  },
});
