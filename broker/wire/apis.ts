// The registry of APIs: name, key, request and response. Everything that is typed by API (transports, handlers, frames) hangs on it, so
// that `request('Fetch', body)` takes a FetchRequest and gives a FetchResponse.
import { produceRequest, type ProduceRequest, produceResponse, type ProduceResponse } from './messages/00-produce.ts';
import { fetchRequest, type FetchRequest, fetchResponse, type FetchResponse } from './messages/01-fetch.ts';
import {
  listOffsetsRequest,
  type ListOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsResponse,
} from './messages/02-list-offsets.ts';
import {
  metadataRequest,
  type MetadataRequest,
  metadataResponse,
  type MetadataResponse,
} from './messages/03-metadata.ts';
import {
  offsetCommitRequest,
  type OffsetCommitRequest,
  offsetCommitResponse,
  type OffsetCommitResponse,
} from './messages/08-offset-commit.ts';
import {
  offsetFetchRequest,
  type OffsetFetchRequest,
  offsetFetchResponse,
  type OffsetFetchResponse,
} from './messages/09-offset-fetch.ts';
import {
  findCoordinatorRequest,
  type FindCoordinatorRequest,
  findCoordinatorResponse,
  type FindCoordinatorResponse,
} from './messages/10-find-coordinator.ts';
import {
  joinGroupRequest,
  type JoinGroupRequest,
  joinGroupResponse,
  type JoinGroupResponse,
} from './messages/11-join-group.ts';
import {
  heartbeatRequest,
  type HeartbeatRequest,
  heartbeatResponse,
  type HeartbeatResponse,
} from './messages/12-heartbeat.ts';
import {
  leaveGroupRequest,
  type LeaveGroupRequest,
  leaveGroupResponse,
  type LeaveGroupResponse,
} from './messages/13-leave-group.ts';
import {
  syncGroupRequest,
  type SyncGroupRequest,
  syncGroupResponse,
  type SyncGroupResponse,
} from './messages/14-sync-group.ts';
import {
  describeGroupsRequest,
  type DescribeGroupsRequest,
  describeGroupsResponse,
  type DescribeGroupsResponse,
} from './messages/15-describe-groups.ts';
import {
  listGroupsRequest,
  type ListGroupsRequest,
  listGroupsResponse,
  type ListGroupsResponse,
} from './messages/16-list-groups.ts';
import {
  saslHandshakeRequest,
  type SaslHandshakeRequest,
  saslHandshakeResponse,
  type SaslHandshakeResponse,
} from './messages/17-sasl-handshake.ts';
import {
  apiVersionsRequest,
  type ApiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsResponse,
} from './messages/18-api-versions.ts';
import {
  createTopicsRequest,
  type CreateTopicsRequest,
  createTopicsResponse,
  type CreateTopicsResponse,
} from './messages/19-create-topics.ts';
import {
  deleteTopicsRequest,
  type DeleteTopicsRequest,
  deleteTopicsResponse,
  type DeleteTopicsResponse,
} from './messages/20-delete-topics.ts';
import {
  deleteRecordsRequest,
  type DeleteRecordsRequest,
  deleteRecordsResponse,
  type DeleteRecordsResponse,
} from './messages/21-delete-records.ts';
import {
  initProducerIdRequest,
  type InitProducerIdRequest,
  initProducerIdResponse,
  type InitProducerIdResponse,
} from './messages/22-init-producer-id.ts';
import {
  offsetForLeaderEpochRequest,
  type OffsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
  type OffsetForLeaderEpochResponse,
} from './messages/23-offset-for-leader-epoch.ts';
import {
  addPartitionsToTxnRequest,
  type AddPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
  type AddPartitionsToTxnResponse,
} from './messages/24-add-partitions-to-txn.ts';
import {
  addOffsetsToTxnRequest,
  type AddOffsetsToTxnRequest,
  addOffsetsToTxnResponse,
  type AddOffsetsToTxnResponse,
} from './messages/25-add-offsets-to-txn.ts';
import { endTxnRequest, type EndTxnRequest, endTxnResponse, type EndTxnResponse } from './messages/26-end-txn.ts';
import {
  txnOffsetCommitRequest,
  type TxnOffsetCommitRequest,
  txnOffsetCommitResponse,
  type TxnOffsetCommitResponse,
} from './messages/28-txn-offset-commit.ts';
import {
  describeAclsRequest,
  type DescribeAclsRequest,
  describeAclsResponse,
  type DescribeAclsResponse,
} from './messages/29-describe-acls.ts';
import {
  createAclsRequest,
  type CreateAclsRequest,
  createAclsResponse,
  type CreateAclsResponse,
} from './messages/30-create-acls.ts';
import {
  deleteAclsRequest,
  type DeleteAclsRequest,
  deleteAclsResponse,
  type DeleteAclsResponse,
} from './messages/31-delete-acls.ts';
import {
  describeConfigsRequest,
  type DescribeConfigsRequest,
  describeConfigsResponse,
  type DescribeConfigsResponse,
} from './messages/32-describe-configs.ts';
import {
  alterConfigsRequest,
  type AlterConfigsRequest,
  alterConfigsResponse,
  type AlterConfigsResponse,
} from './messages/33-alter-configs.ts';
import {
  describeLogDirsRequest,
  type DescribeLogDirsRequest,
  describeLogDirsResponse,
  type DescribeLogDirsResponse,
} from './messages/35-describe-log-dirs.ts';
import {
  saslAuthenticateRequest,
  type SaslAuthenticateRequest,
  saslAuthenticateResponse,
  type SaslAuthenticateResponse,
} from './messages/36-sasl-authenticate.ts';
import {
  createPartitionsRequest,
  type CreatePartitionsRequest,
  createPartitionsResponse,
  type CreatePartitionsResponse,
} from './messages/37-create-partitions.ts';
import {
  deleteGroupsRequest,
  type DeleteGroupsRequest,
  deleteGroupsResponse,
  type DeleteGroupsResponse,
} from './messages/42-delete-groups.ts';
import {
  electLeadersRequest,
  type ElectLeadersRequest,
  electLeadersResponse,
  type ElectLeadersResponse,
} from './messages/43-elect-leaders.ts';
import {
  incrementalAlterConfigsRequest,
  type IncrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  type IncrementalAlterConfigsResponse,
} from './messages/44-incremental-alter-configs.ts';
import {
  listPartitionReassignmentsRequest,
  type ListPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
  type ListPartitionReassignmentsResponse,
} from './messages/46-list-partition-reassignments.ts';
import {
  offsetDeleteRequest,
  type OffsetDeleteRequest,
  offsetDeleteResponse,
  type OffsetDeleteResponse,
} from './messages/47-offset-delete.ts';
import {
  describeClusterRequest,
  type DescribeClusterRequest,
  describeClusterResponse,
  type DescribeClusterResponse,
} from './messages/60-describe-cluster.ts';
import {
  describeProducersRequest,
  type DescribeProducersRequest,
  describeProducersResponse,
  type DescribeProducersResponse,
} from './messages/61-describe-producers.ts';
import {
  describeTransactionsRequest,
  type DescribeTransactionsRequest,
  describeTransactionsResponse,
  type DescribeTransactionsResponse,
} from './messages/65-describe-transactions.ts';
import {
  listTransactionsRequest,
  type ListTransactionsRequest,
  listTransactionsResponse,
  type ListTransactionsResponse,
} from './messages/66-list-transactions.ts';
import {
  describeTopicPartitionsRequest,
  type DescribeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
  type DescribeTopicPartitionsResponse,
} from './messages/75-describe-topic-partitions.ts';
import type { Message } from './schema.ts';

/** Request and response of each API, under Kafka's names. */
export interface ApiBodies {
  Produce: { request: ProduceRequest; response: ProduceResponse };
  Fetch: { request: FetchRequest; response: FetchResponse };
  ListOffsets: { request: ListOffsetsRequest; response: ListOffsetsResponse };
  Metadata: { request: MetadataRequest; response: MetadataResponse };
  OffsetCommit: { request: OffsetCommitRequest; response: OffsetCommitResponse };
  OffsetFetch: { request: OffsetFetchRequest; response: OffsetFetchResponse };
  FindCoordinator: { request: FindCoordinatorRequest; response: FindCoordinatorResponse };
  JoinGroup: { request: JoinGroupRequest; response: JoinGroupResponse };
  Heartbeat: { request: HeartbeatRequest; response: HeartbeatResponse };
  LeaveGroup: { request: LeaveGroupRequest; response: LeaveGroupResponse };
  SyncGroup: { request: SyncGroupRequest; response: SyncGroupResponse };
  DescribeGroups: { request: DescribeGroupsRequest; response: DescribeGroupsResponse };
  ListGroups: { request: ListGroupsRequest; response: ListGroupsResponse };
  SaslHandshake: { request: SaslHandshakeRequest; response: SaslHandshakeResponse };
  ApiVersions: { request: ApiVersionsRequest; response: ApiVersionsResponse };
  CreateTopics: { request: CreateTopicsRequest; response: CreateTopicsResponse };
  DeleteTopics: { request: DeleteTopicsRequest; response: DeleteTopicsResponse };
  DeleteRecords: { request: DeleteRecordsRequest; response: DeleteRecordsResponse };
  InitProducerId: { request: InitProducerIdRequest; response: InitProducerIdResponse };
  OffsetForLeaderEpoch: { request: OffsetForLeaderEpochRequest; response: OffsetForLeaderEpochResponse };
  AddPartitionsToTxn: { request: AddPartitionsToTxnRequest; response: AddPartitionsToTxnResponse };
  AddOffsetsToTxn: { request: AddOffsetsToTxnRequest; response: AddOffsetsToTxnResponse };
  EndTxn: { request: EndTxnRequest; response: EndTxnResponse };
  TxnOffsetCommit: { request: TxnOffsetCommitRequest; response: TxnOffsetCommitResponse };
  DescribeAcls: { request: DescribeAclsRequest; response: DescribeAclsResponse };
  CreateAcls: { request: CreateAclsRequest; response: CreateAclsResponse };
  DeleteAcls: { request: DeleteAclsRequest; response: DeleteAclsResponse };
  DescribeConfigs: { request: DescribeConfigsRequest; response: DescribeConfigsResponse };
  AlterConfigs: { request: AlterConfigsRequest; response: AlterConfigsResponse };
  DescribeLogDirs: { request: DescribeLogDirsRequest; response: DescribeLogDirsResponse };
  SaslAuthenticate: { request: SaslAuthenticateRequest; response: SaslAuthenticateResponse };
  CreatePartitions: { request: CreatePartitionsRequest; response: CreatePartitionsResponse };
  DeleteGroups: { request: DeleteGroupsRequest; response: DeleteGroupsResponse };
  ElectLeaders: { request: ElectLeadersRequest; response: ElectLeadersResponse };
  IncrementalAlterConfigs: { request: IncrementalAlterConfigsRequest; response: IncrementalAlterConfigsResponse };
  ListPartitionReassignments: {
    request: ListPartitionReassignmentsRequest;
    response: ListPartitionReassignmentsResponse;
  };
  OffsetDelete: { request: OffsetDeleteRequest; response: OffsetDeleteResponse };
  DescribeCluster: { request: DescribeClusterRequest; response: DescribeClusterResponse };
  DescribeProducers: { request: DescribeProducersRequest; response: DescribeProducersResponse };
  DescribeTransactions: { request: DescribeTransactionsRequest; response: DescribeTransactionsResponse };
  ListTransactions: { request: ListTransactionsRequest; response: ListTransactionsResponse };
  DescribeTopicPartitions: { request: DescribeTopicPartitionsRequest; response: DescribeTopicPartitionsResponse };
}

export type ApiName = keyof ApiBodies;
export type RequestOf<K extends ApiName> = ApiBodies[K]['request'];
export type ResponseOf<K extends ApiName> = ApiBodies[K]['response'];

export interface Api<K extends ApiName> {
  readonly name: K;
  readonly key: number;
  /** First and last version whose bodies can be read and written; what a broker advertises is up to its handlers. */
  readonly versions: readonly [number, number];
  readonly request: Message<RequestOf<K>>;
  readonly response: Message<ResponseOf<K>>;
}

export const apis: { readonly [K in ApiName]: Api<K> } = {
  Produce: api('Produce', produceRequest, produceResponse),
  Fetch: api('Fetch', fetchRequest, fetchResponse),
  ListOffsets: api('ListOffsets', listOffsetsRequest, listOffsetsResponse),
  Metadata: api('Metadata', metadataRequest, metadataResponse),
  OffsetCommit: api('OffsetCommit', offsetCommitRequest, offsetCommitResponse),
  OffsetFetch: api('OffsetFetch', offsetFetchRequest, offsetFetchResponse),
  FindCoordinator: api('FindCoordinator', findCoordinatorRequest, findCoordinatorResponse),
  JoinGroup: api('JoinGroup', joinGroupRequest, joinGroupResponse),
  Heartbeat: api('Heartbeat', heartbeatRequest, heartbeatResponse),
  LeaveGroup: api('LeaveGroup', leaveGroupRequest, leaveGroupResponse),
  SyncGroup: api('SyncGroup', syncGroupRequest, syncGroupResponse),
  DescribeGroups: api('DescribeGroups', describeGroupsRequest, describeGroupsResponse),
  ListGroups: api('ListGroups', listGroupsRequest, listGroupsResponse),
  SaslHandshake: api('SaslHandshake', saslHandshakeRequest, saslHandshakeResponse),
  ApiVersions: api('ApiVersions', apiVersionsRequest, apiVersionsResponse),
  CreateTopics: api('CreateTopics', createTopicsRequest, createTopicsResponse),
  DeleteTopics: api('DeleteTopics', deleteTopicsRequest, deleteTopicsResponse),
  DeleteRecords: api('DeleteRecords', deleteRecordsRequest, deleteRecordsResponse),
  InitProducerId: api('InitProducerId', initProducerIdRequest, initProducerIdResponse),
  OffsetForLeaderEpoch: api('OffsetForLeaderEpoch', offsetForLeaderEpochRequest, offsetForLeaderEpochResponse),
  AddPartitionsToTxn: api('AddPartitionsToTxn', addPartitionsToTxnRequest, addPartitionsToTxnResponse),
  AddOffsetsToTxn: api('AddOffsetsToTxn', addOffsetsToTxnRequest, addOffsetsToTxnResponse),
  EndTxn: api('EndTxn', endTxnRequest, endTxnResponse),
  TxnOffsetCommit: api('TxnOffsetCommit', txnOffsetCommitRequest, txnOffsetCommitResponse),
  DescribeAcls: api('DescribeAcls', describeAclsRequest, describeAclsResponse),
  CreateAcls: api('CreateAcls', createAclsRequest, createAclsResponse),
  DeleteAcls: api('DeleteAcls', deleteAclsRequest, deleteAclsResponse),
  DescribeConfigs: api('DescribeConfigs', describeConfigsRequest, describeConfigsResponse),
  AlterConfigs: api('AlterConfigs', alterConfigsRequest, alterConfigsResponse),
  DescribeLogDirs: api('DescribeLogDirs', describeLogDirsRequest, describeLogDirsResponse),
  SaslAuthenticate: api('SaslAuthenticate', saslAuthenticateRequest, saslAuthenticateResponse),
  CreatePartitions: api('CreatePartitions', createPartitionsRequest, createPartitionsResponse),
  DeleteGroups: api('DeleteGroups', deleteGroupsRequest, deleteGroupsResponse),
  ElectLeaders: api('ElectLeaders', electLeadersRequest, electLeadersResponse),
  IncrementalAlterConfigs: api(
    'IncrementalAlterConfigs',
    incrementalAlterConfigsRequest,
    incrementalAlterConfigsResponse,
  ),
  ListPartitionReassignments: api(
    'ListPartitionReassignments',
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  OffsetDelete: api('OffsetDelete', offsetDeleteRequest, offsetDeleteResponse),
  DescribeCluster: api('DescribeCluster', describeClusterRequest, describeClusterResponse),
  DescribeProducers: api('DescribeProducers', describeProducersRequest, describeProducersResponse),
  DescribeTransactions: api('DescribeTransactions', describeTransactionsRequest, describeTransactionsResponse),
  ListTransactions: api('ListTransactions', listTransactionsRequest, listTransactionsResponse),
  DescribeTopicPartitions: api(
    'DescribeTopicPartitions',
    describeTopicPartitionsRequest,
    describeTopicPartitionsResponse,
  ),
};

const byKey = new Map<number, ApiName>(Object.values(apis).map((known) => [known.key, known.name]));

/** The API with this key; undefined when it is not one of ours. */
export function apiNameOf(key: number): ApiName | undefined {
  return byKey.get(key);
}

function api<K extends ApiName>(name: K, request: Message<RequestOf<K>>, response: Message<ResponseOf<K>>): Api<K> {
  return { name, key: request.key, versions: request.versions, request, response };
}
