// The registry of APIs: name, key, request and response. Everything that is typed by API (transports, handlers, frames) hangs on it, so
// that `request('Fetch', body)` takes a FetchRequest and gives a FetchResponse.
import { produceRequest, produceResponse } from './messages/00-produce.ts';
import { fetchRequest, fetchResponse } from './messages/01-fetch.ts';
import { listOffsetsRequest, listOffsetsResponse } from './messages/02-list-offsets.ts';
import { metadataRequest, metadataResponse } from './messages/03-metadata.ts';
import { offsetCommitRequest, offsetCommitResponse } from './messages/08-offset-commit.ts';
import { offsetFetchRequest, offsetFetchResponse } from './messages/09-offset-fetch.ts';
import { findCoordinatorRequest, findCoordinatorResponse } from './messages/10-find-coordinator.ts';
import { joinGroupRequest, joinGroupResponse } from './messages/11-join-group.ts';
import { heartbeatRequest, heartbeatResponse } from './messages/12-heartbeat.ts';
import { leaveGroupRequest, leaveGroupResponse } from './messages/13-leave-group.ts';
import { syncGroupRequest, syncGroupResponse } from './messages/14-sync-group.ts';
import { describeGroupsRequest, describeGroupsResponse } from './messages/15-describe-groups.ts';
import { listGroupsRequest, listGroupsResponse } from './messages/16-list-groups.ts';
import { saslHandshakeRequest, saslHandshakeResponse } from './messages/17-sasl-handshake.ts';
import { apiVersionsRequest, apiVersionsResponse } from './messages/18-api-versions.ts';
import { createTopicsRequest, createTopicsResponse } from './messages/19-create-topics.ts';
import { deleteTopicsRequest, deleteTopicsResponse } from './messages/20-delete-topics.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from './messages/21-delete-records.ts';
import { initProducerIdRequest, initProducerIdResponse } from './messages/22-init-producer-id.ts';
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from './messages/23-offset-for-leader-epoch.ts';
import { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from './messages/24-add-partitions-to-txn.ts';
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from './messages/25-add-offsets-to-txn.ts';
import { endTxnRequest, endTxnResponse } from './messages/26-end-txn.ts';
import { writeTxnMarkersRequest, writeTxnMarkersResponse } from './messages/27-write-txn-markers.ts';
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from './messages/28-txn-offset-commit.ts';
import { describeAclsRequest, describeAclsResponse } from './messages/29-describe-acls.ts';
import { createAclsRequest, createAclsResponse } from './messages/30-create-acls.ts';
import { deleteAclsRequest, deleteAclsResponse } from './messages/31-delete-acls.ts';
import { describeConfigsRequest, describeConfigsResponse } from './messages/32-describe-configs.ts';
import { alterConfigsRequest, alterConfigsResponse } from './messages/33-alter-configs.ts';
import { describeLogDirsRequest, describeLogDirsResponse } from './messages/35-describe-log-dirs.ts';
import { saslAuthenticateRequest, saslAuthenticateResponse } from './messages/36-sasl-authenticate.ts';
import { createPartitionsRequest, createPartitionsResponse } from './messages/37-create-partitions.ts';
import { deleteGroupsRequest, deleteGroupsResponse } from './messages/42-delete-groups.ts';
import { electLeadersRequest, electLeadersResponse } from './messages/43-elect-leaders.ts';
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from './messages/44-incremental-alter-configs.ts';
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './messages/46-list-partition-reassignments.ts';
import { offsetDeleteRequest, offsetDeleteResponse } from './messages/47-offset-delete.ts';
import { describeClientQuotasRequest, describeClientQuotasResponse } from './messages/48-describe-client-quotas.ts';
import { alterClientQuotasRequest, alterClientQuotasResponse } from './messages/49-alter-client-quotas.ts';
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './messages/50-describe-user-scram-credentials.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from './messages/51-alter-user-scram-credentials.ts';
import { describeQuorumRequest, describeQuorumResponse } from './messages/55-describe-quorum.ts';
import { describeClusterRequest, describeClusterResponse } from './messages/60-describe-cluster.ts';
import { describeProducersRequest, describeProducersResponse } from './messages/61-describe-producers.ts';
import { describeTransactionsRequest, describeTransactionsResponse } from './messages/65-describe-transactions.ts';
import { listTransactionsRequest, listTransactionsResponse } from './messages/66-list-transactions.ts';
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from './messages/68-consumer-group-heartbeat.ts';
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from './messages/69-consumer-group-describe.ts';
import { listConfigResourcesRequest, listConfigResourcesResponse } from './messages/74-list-config-resources.ts';
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from './messages/75-describe-topic-partitions.ts';
import type { Infer, Message } from './schema.ts';

/** Request and response of each API, under Kafka's names. */
const messages = {
  Produce: { request: produceRequest, response: produceResponse },
  Fetch: { request: fetchRequest, response: fetchResponse },
  ListOffsets: { request: listOffsetsRequest, response: listOffsetsResponse },
  Metadata: { request: metadataRequest, response: metadataResponse },
  OffsetCommit: { request: offsetCommitRequest, response: offsetCommitResponse },
  OffsetFetch: { request: offsetFetchRequest, response: offsetFetchResponse },
  FindCoordinator: { request: findCoordinatorRequest, response: findCoordinatorResponse },
  JoinGroup: { request: joinGroupRequest, response: joinGroupResponse },
  Heartbeat: { request: heartbeatRequest, response: heartbeatResponse },
  LeaveGroup: { request: leaveGroupRequest, response: leaveGroupResponse },
  SyncGroup: { request: syncGroupRequest, response: syncGroupResponse },
  DescribeGroups: { request: describeGroupsRequest, response: describeGroupsResponse },
  ListGroups: { request: listGroupsRequest, response: listGroupsResponse },
  SaslHandshake: { request: saslHandshakeRequest, response: saslHandshakeResponse },
  ApiVersions: { request: apiVersionsRequest, response: apiVersionsResponse },
  CreateTopics: { request: createTopicsRequest, response: createTopicsResponse },
  DeleteTopics: { request: deleteTopicsRequest, response: deleteTopicsResponse },
  DeleteRecords: { request: deleteRecordsRequest, response: deleteRecordsResponse },
  InitProducerId: { request: initProducerIdRequest, response: initProducerIdResponse },
  OffsetForLeaderEpoch: { request: offsetForLeaderEpochRequest, response: offsetForLeaderEpochResponse },
  AddPartitionsToTxn: { request: addPartitionsToTxnRequest, response: addPartitionsToTxnResponse },
  AddOffsetsToTxn: { request: addOffsetsToTxnRequest, response: addOffsetsToTxnResponse },
  EndTxn: { request: endTxnRequest, response: endTxnResponse },
  WriteTxnMarkers: { request: writeTxnMarkersRequest, response: writeTxnMarkersResponse },
  TxnOffsetCommit: { request: txnOffsetCommitRequest, response: txnOffsetCommitResponse },
  DescribeAcls: { request: describeAclsRequest, response: describeAclsResponse },
  CreateAcls: { request: createAclsRequest, response: createAclsResponse },
  DeleteAcls: { request: deleteAclsRequest, response: deleteAclsResponse },
  DescribeConfigs: { request: describeConfigsRequest, response: describeConfigsResponse },
  AlterConfigs: { request: alterConfigsRequest, response: alterConfigsResponse },
  DescribeLogDirs: { request: describeLogDirsRequest, response: describeLogDirsResponse },
  SaslAuthenticate: { request: saslAuthenticateRequest, response: saslAuthenticateResponse },
  CreatePartitions: { request: createPartitionsRequest, response: createPartitionsResponse },
  DeleteGroups: { request: deleteGroupsRequest, response: deleteGroupsResponse },
  ElectLeaders: { request: electLeadersRequest, response: electLeadersResponse },
  IncrementalAlterConfigs: { request: incrementalAlterConfigsRequest, response: incrementalAlterConfigsResponse },
  ListPartitionReassignments: {
    request: listPartitionReassignmentsRequest,
    response: listPartitionReassignmentsResponse,
  },
  OffsetDelete: { request: offsetDeleteRequest, response: offsetDeleteResponse },
  DescribeClientQuotas: { request: describeClientQuotasRequest, response: describeClientQuotasResponse },
  AlterClientQuotas: { request: alterClientQuotasRequest, response: alterClientQuotasResponse },
  DescribeUserScramCredentials: {
    request: describeUserScramCredentialsRequest,
    response: describeUserScramCredentialsResponse,
  },
  AlterUserScramCredentials: { request: alterUserScramCredentialsRequest, response: alterUserScramCredentialsResponse },
  DescribeQuorum: { request: describeQuorumRequest, response: describeQuorumResponse },
  DescribeCluster: { request: describeClusterRequest, response: describeClusterResponse },
  DescribeProducers: { request: describeProducersRequest, response: describeProducersResponse },
  DescribeTransactions: { request: describeTransactionsRequest, response: describeTransactionsResponse },
  ListTransactions: { request: listTransactionsRequest, response: listTransactionsResponse },
  ConsumerGroupHeartbeat: { request: consumerGroupHeartbeatRequest, response: consumerGroupHeartbeatResponse },
  ConsumerGroupDescribe: { request: consumerGroupDescribeRequest, response: consumerGroupDescribeResponse },
  ListConfigResources: { request: listConfigResourcesRequest, response: listConfigResourcesResponse },
  DescribeTopicPartitions: { request: describeTopicPartitionsRequest, response: describeTopicPartitionsResponse },
};

export type ApiName = keyof typeof messages;
export type RequestOf<K extends ApiName> = Infer<(typeof messages)[K]['request']>;
export type ResponseOf<K extends ApiName> = Infer<(typeof messages)[K]['response']>;

export interface Api<K extends ApiName> {
  readonly name: K;
  readonly key: number;
  /** First and last version whose bodies can be read and written; what a broker advertises is up to its handlers. */
  readonly versions: readonly [number, number];
  readonly request: Message<RequestOf<K>>;
  readonly response: Message<ResponseOf<K>>;
}

export const apis = Object.fromEntries(
  Object.entries(messages).map(([name, { request, response }]) => [
    name,
    { name, key: request.key, versions: request.versions, request, response },
  ]),
) as { readonly [K in ApiName]: Api<K> };

const byKey = new Map<number, ApiName>(Object.values(apis).map((known) => [known.key, known.name]));

/** The API with this key; undefined when it is not one of ours. */
export function apiNameOf(key: number): ApiName | undefined {
  return byKey.get(key);
}
