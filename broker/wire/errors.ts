// Kafka's error codes by name, which of them a client may simply retry, what they mean in words, and the error class that carries one.
// Source: the protocol guide's table of error codes (Kafka 4.3). Names are Kafka's; the words are ours.
import { TailraceError } from '../../base/errors.ts';

/** Codes by name: `ErrorCode.NOT_LEADER_OR_FOLLOWER`. */
export const ErrorCode = {
  UNKNOWN_SERVER_ERROR: -1,
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  INVALID_FETCH_SIZE: 4,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  BROKER_NOT_AVAILABLE: 8,
  REPLICA_NOT_AVAILABLE: 9,
  MESSAGE_TOO_LARGE: 10,
  STALE_CONTROLLER_EPOCH: 11,
  OFFSET_METADATA_TOO_LARGE: 12,
  NETWORK_EXCEPTION: 13,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC_EXCEPTION: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  INVALID_REQUIRED_ACKS: 21,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  INVALID_GROUP_ID: 24,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  INVALID_COMMIT_OFFSET_SIZE: 28,
  TOPIC_AUTHORIZATION_FAILED: 29,
  GROUP_AUTHORIZATION_FAILED: 30,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  INVALID_TIMESTAMP: 32,
  UNSUPPORTED_SASL_MECHANISM: 33,
  ILLEGAL_SASL_STATE: 34,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_PARTITIONS: 37,
  INVALID_REPLICATION_FACTOR: 38,
  INVALID_REPLICA_ASSIGNMENT: 39,
  INVALID_CONFIG: 40,
  NOT_CONTROLLER: 41,
  INVALID_REQUEST: 42,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 43,
  POLICY_VIOLATION: 44,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  DUPLICATE_SEQUENCE_NUMBER: 46,
  INVALID_PRODUCER_EPOCH: 47,
  INVALID_TXN_STATE: 48,
  INVALID_PRODUCER_ID_MAPPING: 49,
  INVALID_TRANSACTION_TIMEOUT: 50,
  CONCURRENT_TRANSACTIONS: 51,
  TRANSACTION_COORDINATOR_FENCED: 52,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 53,
  SECURITY_DISABLED: 54,
  OPERATION_NOT_ATTEMPTED: 55,
  KAFKA_STORAGE_ERROR: 56,
  LOG_DIR_NOT_FOUND: 57,
  SASL_AUTHENTICATION_FAILED: 58,
  UNKNOWN_PRODUCER_ID: 59,
  REASSIGNMENT_IN_PROGRESS: 60,
  DELEGATION_TOKEN_AUTH_DISABLED: 61,
  DELEGATION_TOKEN_NOT_FOUND: 62,
  DELEGATION_TOKEN_OWNER_MISMATCH: 63,
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: 64,
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: 65,
  DELEGATION_TOKEN_EXPIRED: 66,
  INVALID_PRINCIPAL_TYPE: 67,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
  FETCH_SESSION_ID_NOT_FOUND: 70,
  INVALID_FETCH_SESSION_EPOCH: 71,
  LISTENER_NOT_FOUND: 72,
  TOPIC_DELETION_DISABLED: 73,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  UNSUPPORTED_COMPRESSION_TYPE: 76,
  STALE_BROKER_EPOCH: 77,
  OFFSET_NOT_AVAILABLE: 78,
  MEMBER_ID_REQUIRED: 79,
  PREFERRED_LEADER_NOT_AVAILABLE: 80,
  GROUP_MAX_SIZE_REACHED: 81,
  FENCED_INSTANCE_ID: 82,
  ELIGIBLE_LEADERS_NOT_AVAILABLE: 83,
  ELECTION_NOT_NEEDED: 84,
  NO_REASSIGNMENT_IN_PROGRESS: 85,
  GROUP_SUBSCRIBED_TO_TOPIC: 86,
  INVALID_RECORD: 87,
  UNSTABLE_OFFSET_COMMIT: 88,
  THROTTLING_QUOTA_EXCEEDED: 89,
  PRODUCER_FENCED: 90,
  RESOURCE_NOT_FOUND: 91,
  DUPLICATE_RESOURCE: 92,
  UNACCEPTABLE_CREDENTIAL: 93,
  INCONSISTENT_VOTER_SET: 94,
  INVALID_UPDATE_VERSION: 95,
  FEATURE_UPDATE_FAILED: 96,
  PRINCIPAL_DESERIALIZATION_FAILURE: 97,
  SNAPSHOT_NOT_FOUND: 98,
  POSITION_OUT_OF_RANGE: 99,
  UNKNOWN_TOPIC_ID: 100,
  DUPLICATE_BROKER_REGISTRATION: 101,
  BROKER_ID_NOT_REGISTERED: 102,
  INCONSISTENT_TOPIC_ID: 103,
  INCONSISTENT_CLUSTER_ID: 104,
  TRANSACTIONAL_ID_NOT_FOUND: 105,
  FETCH_SESSION_TOPIC_ID_ERROR: 106,
  INELIGIBLE_REPLICA: 107,
  NEW_LEADER_ELECTED: 108,
  OFFSET_MOVED_TO_TIERED_STORAGE: 109,
  FENCED_MEMBER_EPOCH: 110,
  UNRELEASED_INSTANCE_ID: 111,
  UNSUPPORTED_ASSIGNOR: 112,
  STALE_MEMBER_EPOCH: 113,
  MISMATCHED_ENDPOINT_TYPE: 114,
  UNSUPPORTED_ENDPOINT_TYPE: 115,
  UNKNOWN_CONTROLLER_ID: 116,
  UNKNOWN_SUBSCRIPTION_ID: 117,
  TELEMETRY_TOO_LARGE: 118,
  INVALID_REGISTRATION: 119,
  TRANSACTION_ABORTABLE: 120,
  INVALID_RECORD_STATE: 121,
  SHARE_SESSION_NOT_FOUND: 122,
  INVALID_SHARE_SESSION_EPOCH: 123,
  FENCED_STATE_EPOCH: 124,
  INVALID_VOTER_KEY: 125,
  DUPLICATE_VOTER: 126,
  VOTER_NOT_FOUND: 127,
  INVALID_REGULAR_EXPRESSION: 128,
  REBOOTSTRAP_REQUIRED: 129,
  STREAMS_INVALID_TOPOLOGY: 130,
  STREAMS_INVALID_TOPOLOGY_EPOCH: 131,
  STREAMS_TOPOLOGY_FENCED: 132,
  SHARE_SESSION_LIMIT_REACHED: 133,
} as const;

export type ErrorName = keyof typeof ErrorCode;

/** Those that Kafka's clients retry by themselves. */
const retriable: ReadonlySet<ErrorName> = new Set([
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'LISTENER_NOT_FOUND',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'PREFERRED_LEADER_NOT_AVAILABLE',
  'ELIGIBLE_LEADERS_NOT_AVAILABLE',
  'ELECTION_NOT_NEEDED',
  'UNSTABLE_OFFSET_COMMIT',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'FETCH_SESSION_TOPIC_ID_ERROR',
  'SHARE_SESSION_NOT_FOUND',
  'INVALID_SHARE_SESSION_EPOCH',
  'SHARE_SESSION_LIMIT_REACHED',
] satisfies ErrorName[]);

const messages: Readonly<Partial<Record<ErrorName, string>>> = {
  UNKNOWN_SERVER_ERROR: 'the broker met an error it has no code for; its log says more',
  NONE: 'no error',
  OFFSET_OUT_OF_RANGE: 'the offset is before the start or after the end of the partition',
  CORRUPT_MESSAGE: 'a record batch is damaged',
  UNKNOWN_TOPIC_OR_PARTITION: 'there is no such topic or partition',
  LEADER_NOT_AVAILABLE: 'the partition has no leader yet',
  NOT_LEADER_OR_FOLLOWER: 'this broker does not hold the partition',
  REQUEST_TIMED_OUT: 'the request took longer than it allowed itself',
  BROKER_NOT_AVAILABLE: 'the broker is not available',
  MESSAGE_TOO_LARGE: 'a batch is larger than max.message.bytes',
  OFFSET_METADATA_TOO_LARGE: 'the text stored with an offset is too long',
  NETWORK_EXCEPTION: 'the connection ended before the answer',
  COORDINATOR_LOAD_IN_PROGRESS: 'the coordinator is still loading',
  COORDINATOR_NOT_AVAILABLE: 'there is no coordinator yet',
  NOT_COORDINATOR: 'another broker is the coordinator',
  INVALID_TOPIC_EXCEPTION: 'not a valid name for a topic',
  RECORD_LIST_TOO_LARGE: 'a batch is larger than a segment',
  INVALID_REQUIRED_ACKS: 'acks must be -1, 0 or 1',
  ILLEGAL_GENERATION: 'the group has moved on to another generation',
  INCONSISTENT_GROUP_PROTOCOL: "the member has no protocol in common with the group's other members",
  INVALID_GROUP_ID: 'not a valid name for a group',
  UNKNOWN_MEMBER_ID: 'the group does not know this member',
  INVALID_SESSION_TIMEOUT: 'the session timeout is outside the limits of the broker',
  REBALANCE_IN_PROGRESS: 'the group is rebalancing; join again',
  INVALID_COMMIT_OFFSET_SIZE: 'the offset commit is too large',
  TOPIC_AUTHORIZATION_FAILED: 'no permission for the topic',
  GROUP_AUTHORIZATION_FAILED: 'no permission for the group',
  CLUSTER_AUTHORIZATION_FAILED: 'no permission for the cluster',
  INVALID_TIMESTAMP: "a record's time is too far from the broker's",
  UNSUPPORTED_SASL_MECHANISM: 'the broker does not offer this SASL mechanism',
  ILLEGAL_SASL_STATE: 'not the time for this request in the SASL exchange',
  UNSUPPORTED_VERSION: 'the broker does not speak this version of the API',
  TOPIC_ALREADY_EXISTS: 'there is a topic of this name',
  INVALID_PARTITIONS: 'not a possible number of partitions',
  INVALID_REPLICATION_FACTOR: 'not a possible number of replicas for the brokers there are',
  INVALID_REPLICA_ASSIGNMENT: 'not a possible assignment of replicas',
  INVALID_CONFIG: 'a setting is unknown or its value is wrong',
  NOT_CONTROLLER: 'another broker is the controller',
  INVALID_REQUEST: 'the request contradicts itself or is malformed',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'not possible with this record format',
  POLICY_VIOLATION: 'a policy of the broker forbids it',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'a batch of this producer is missing before this one',
  DUPLICATE_SEQUENCE_NUMBER: 'this batch was written before',
  INVALID_PRODUCER_EPOCH: 'a newer producer with the same id has taken over',
  INVALID_TXN_STATE: 'the transaction is not in a state for this',
  INVALID_PRODUCER_ID_MAPPING: 'the producer id does not belong to this transactional id',
  INVALID_TRANSACTION_TIMEOUT: 'the transaction timeout is above transaction.max.timeout.ms',
  CONCURRENT_TRANSACTIONS: 'the previous transaction is still being completed',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'no permission for the transactional id',
  SECURITY_DISABLED: 'the broker has no access control',
  OPERATION_NOT_ATTEMPTED: 'not tried, because another part of the request failed',
  KAFKA_STORAGE_ERROR: 'the broker cannot write to its disk, or read from it',
  SASL_AUTHENTICATION_FAILED: 'wrong user or password',
  UNKNOWN_PRODUCER_ID: 'nothing is known of this producer any more',
  NON_EMPTY_GROUP: 'the group still has members',
  GROUP_ID_NOT_FOUND: 'there is no such group',
  FETCH_SESSION_ID_NOT_FOUND: 'there is no such fetch session',
  INVALID_FETCH_SESSION_EPOCH: 'the fetch session is at another epoch',
  LISTENER_NOT_FOUND: 'the leader has no such listener',
  TOPIC_DELETION_DISABLED: 'the broker does not delete topics',
  FENCED_LEADER_EPOCH: 'the client knows an older leader epoch than the broker',
  UNKNOWN_LEADER_EPOCH: 'the client knows a newer leader epoch than the broker',
  UNSUPPORTED_COMPRESSION_TYPE: 'the client cannot read this compression',
  MEMBER_ID_REQUIRED: 'join again with the member id of this answer',
  GROUP_MAX_SIZE_REACHED: 'the group is full',
  FENCED_INSTANCE_ID: 'another member has taken over this group.instance.id',
  ELECTION_NOT_NEEDED: 'the partition has its leader',
  NO_REASSIGNMENT_IN_PROGRESS: 'no reassignment is going on',
  GROUP_SUBSCRIBED_TO_TOPIC: 'the group is still subscribed to the topic',
  INVALID_RECORD: 'a record breaks the rules of the topic or of the format',
  UNSTABLE_OFFSET_COMMIT: "a transaction that holds the group's offsets is still open",
  THROTTLING_QUOTA_EXCEEDED: 'the quota is used up; try later',
  PRODUCER_FENCED: 'a newer producer with the same transactional id has taken over',
  RESOURCE_NOT_FOUND: 'there is no such thing',
  DUPLICATE_RESOURCE: 'named twice in one request',
  UNACCEPTABLE_CREDENTIAL: 'the credential does not meet the rules',
  UNKNOWN_TOPIC_ID: 'there is no topic with this id',
  INCONSISTENT_TOPIC_ID: 'the topic has another id by now',
  TRANSACTIONAL_ID_NOT_FOUND: 'there is no such transactional id',
  FENCED_MEMBER_EPOCH: 'the member is at an older epoch than the group',
  UNRELEASED_INSTANCE_ID: 'another member still holds this instance id',
  UNSUPPORTED_ASSIGNOR: 'the group cannot use this assignor',
  STALE_MEMBER_EPOCH: 'the member must learn its new epoch first',
  TRANSACTION_ABORTABLE: 'the transaction must be aborted, the producer can go on',
  INVALID_REGULAR_EXPRESSION: 'not a valid regular expression',
  REBOOTSTRAP_REQUIRED: 'the client must ask the bootstrap servers again',
};

export interface KafkaErrorEntry {
  readonly code: number;
  readonly retriable: boolean;
  /** In words; for the rarest ones just the name in lower case. */
  readonly message: string;
}

const names = Object.keys(ErrorCode) as ErrorName[];

/** Everything known of each error. */
export const kafkaErrors = Object.fromEntries(
  names.map((name): [ErrorName, KafkaErrorEntry] => [
    name,
    {
      code: ErrorCode[name],
      retriable: retriable.has(name),
      message: messages[name] ?? name.toLowerCase().replaceAll('_', ' '),
    },
  ]),
) as Readonly<Record<ErrorName, KafkaErrorEntry>>;

const nameByCode = new Map<number, ErrorName>(names.map((name) => [ErrorCode[name], name]));

/** The name of a code; UNKNOWN_SERVER_ERROR for one that is not in the table. */
export function errorName(code: number): ErrorName {
  return nameByCode.get(code) ?? 'UNKNOWN_SERVER_ERROR';
}

/** What is wrong with one record of a batch. */
export interface RecordError {
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string | null;
}

/** A failure with one of Kafka's codes: what the broker answers, or what a client was answered. */
export class KafkaError extends TailraceError {
  /** Kafka's number; 0 is never used. */
  readonly errorCode: number;
  /** The records of a batch that are to blame, by index (KIP-467). */
  readonly recordErrors: readonly RecordError[];

  /** `detail` says what and where ("topic app, partition 3"); Kafka's name and its meaning are added. */
  constructor(
    errorCode: number,
    detail?: string,
    options: { cause?: unknown; recordErrors?: readonly RecordError[] } = {},
  ) {
    const name = errorName(errorCode);
    const meaning = `${kafkaErrors[name].message} (${name})`;
    // What a broker of ours has answered says it already.
    const message = detail === undefined ? meaning : detail.includes(meaning) ? detail : `${detail}: ${meaning}`;
    super('TLR_KAFKA', message, {
      ...options,
      retriable: kafkaErrors[name].retriable,
    });
    this.name = 'KafkaError';
    this.errorCode = errorCode;
    this.recordErrors = options.recordErrors ?? [];
  }

  get errorName(): ErrorName {
    return errorName(this.errorCode);
  }
}

/** The code to answer for anything that was thrown. */
export function errorCodeOf(error: unknown): number {
  return error instanceof KafkaError ? error.errorCode : ErrorCode.UNKNOWN_SERVER_ERROR;
}
