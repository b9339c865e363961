// Reads new consumer groups back from __consumer_offsets, where consumer-group-record.ts, or Kafka, wrote them. Compaction leaves the last record of each
// key, in any order among keys: so the pieces are gathered first, and a group stands when its epoch was found.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import * as messages from '../wire/messages/consumer-group-records.ts';
import { memberPhases } from './consumer-group-record.ts';
import {
  type ConsumerGroupState,
  type ConsumerMember,
  type HeldPartitions,
  keysOf,
  newConsumerMember,
  type PartitionKey,
  partitionKey,
  type Partitions,
  type SubscribedTopic,
} from './consumer-group-state.ts';
import { decodeVersioned } from './coordinator-topic.ts';

type Says = Pick<
  ConsumerMember,
  | 'instanceId'
  | 'rackId'
  | 'clientId'
  | 'clientHost'
  | 'rebalanceTimeoutMs'
  | 'topicNames'
  | 'topicRegex'
  | 'assignor'
  | 'classic'
>;
type Holds = Pick<ConsumerMember, 'epoch' | 'previousEpoch' | 'phase' | 'assigned' | 'revoking'>;

interface Pieces {
  epoch: number | undefined;
  assignmentEpoch: number;
  readonly says: Map<string, Says>;
  readonly holds: Map<string, Holds>;
  readonly target: Map<string, Partitions>;
  topics: ReadonlyMap<string, SubscribedTopic>;
  readonly regexes: Map<string, ReadonlySet<string>>;
}

export class ConsumerGroupLoader {
  private readonly groups = new Map<string, Pieces>();

  /** Takes a record whose key has version `kind`; those of other things are left alone. `inProcess`: it says so of the member. */
  read(kind: number, key: Buffer, value: Buffer | null, inProcess = false): void {
    // Copies: what is read are views, and the buffers are whole chunks of the log.
    readers.get(kind)?.(this, Buffer.from(key), value && Buffer.from(value), inProcess);
  }

  /** The groups that stand. */
  *states(): Generator<ConsumerGroupState> {
    for (const [groupId, { epoch, says, holds, ...rest }] of this.groups) {
      if (epoch === undefined) continue;
      const members = [...says].map(([memberId, said]): [string, ConsumerMember] => [
        memberId,
        { ...newConsumerMember(memberId), ...said, ...holds.get(memberId) },
      ]);
      yield { ...rest, groupId, epoch, members: new Map(members) };
    }
  }

  pieces(groupId: string): Pieces {
    let pieces = this.groups.get(groupId);
    if (pieces === undefined) {
      pieces = {
        epoch: undefined,
        assignmentEpoch: 0,
        says: new Map(),
        holds: new Map(),
        target: new Map(),
        topics: new Map(),
        regexes: new Map(),
      };
      this.groups.set(groupId, pieces);
    }
    return pieces;
  }
}

type ReadRecord = (loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null, inProcess: boolean) => void;

const readers = new Map<number, ReadRecord>([
  [3, readEpoch],
  [4, readTopics],
  [5, readMember],
  [6, readAssignmentEpoch],
  [7, readTarget],
  [8, readCurrent],
  [16, readRegex],
]);

function readEpoch(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId } = decodeVersioned(messages.consumerGroupMetadataKey, key);
  loader.pieces(groupId).epoch =
    value === null ? undefined : decodeVersioned(messages.consumerGroupMetadataValue, value).epoch;
}

function readTopics(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId } = decodeVersioned(messages.consumerGroupPartitionMetadataKey, key);
  const topics = value === null ? [] : decodeVersioned(messages.consumerGroupPartitionMetadataValue, value).topics;
  loader.pieces(groupId).topics = new Map(
    topics.map(({ topicName, topicId, numPartitions }) => [
      topicName,
      { topicId: topicId.toString('hex'), partitions: numPartitions },
    ]),
  );
}

function readMember(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null, inProcess: boolean): void {
  const { groupId, memberId } = decodeVersioned(messages.consumerGroupMemberMetadataKey, key);
  const { says } = loader.pieces(groupId);
  if (value === null) {
    says.delete(memberId);
    return;
  }
  const said = decodeVersioned(messages.consumerGroupMemberMetadataValue, value);
  const classic = said.classicMemberMetadata;
  says.set(memberId, {
    instanceId: said.instanceId,
    rackId: said.rackId,
    clientId: said.clientId,
    clientHost: said.clientHost,
    rebalanceTimeoutMs: said.rebalanceTimeoutMs,
    topicNames: [...said.subscribedTopicNames].sort(),
    topicRegex: said.subscribedTopicRegex ?? '',
    assignor: said.serverAssignor,
    classic: classic && {
      sessionTimeoutMs: classic.sessionTimeoutMs,
      protocols: classic.supportedProtocols,
      inProcess,
    },
  });
}

function readAssignmentEpoch(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId } = decodeVersioned(messages.consumerGroupTargetAssignmentMetadataKey, key);
  loader.pieces(groupId).assignmentEpoch =
    value === null ? 0 : decodeVersioned(messages.consumerGroupTargetAssignmentMetadataValue, value).assignmentEpoch;
}

function readTarget(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId, memberId } = decodeVersioned(messages.consumerGroupTargetAssignmentMemberKey, key);
  const { target } = loader.pieces(groupId);
  if (value === null) target.delete(memberId);
  else {
    const { topicPartitions } = decodeVersioned(messages.consumerGroupTargetAssignmentMemberValue, value);
    target.set(memberId, new Set(keysOf(topicPartitions)));
  }
}

function readCurrent(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId, memberId } = decodeVersioned(messages.consumerGroupCurrentMemberAssignmentKey, key);
  const { holds } = loader.pieces(groupId);
  if (value === null) {
    holds.delete(memberId);
    return;
  }
  const current = decodeVersioned(messages.consumerGroupCurrentMemberAssignmentValue, value);
  const phase = memberPhases[current.state];
  if (phase === undefined) {
    const detail = `member ${memberId} of group ${groupId} is in state ${current.state}, which this version does not know`;
    throw new KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, detail);
  }
  holds.set(memberId, {
    epoch: current.memberEpoch,
    previousEpoch: current.previousMemberEpoch,
    phase,
    assigned: heldOf(current.assignedPartitions, current.memberEpoch),
    revoking: heldOf(current.partitionsPendingRevocation, current.memberEpoch),
  });
}

/** Kafka before 4.3 did not write since when a partition is held: since the member's epoch, then. */
function heldOf(
  topics: readonly { topicId: Buffer; partitions: readonly number[]; assignmentEpochs: readonly number[] | null }[],
  memberEpoch: number,
): HeldPartitions {
  const held = new Map<PartitionKey, number>();
  for (const { topicId, partitions, assignmentEpochs } of topics) {
    const id = topicId.toString('hex');
    for (const [index, partition] of partitions.entries()) {
      held.set(partitionKey(id, partition), assignmentEpochs?.[index] ?? memberEpoch);
    }
  }
  return held;
}

function readRegex(loader: ConsumerGroupLoader, key: Buffer, value: Buffer | null): void {
  const { groupId, regularExpression } = decodeVersioned(messages.consumerGroupRegularExpressionKey, key);
  const { regexes } = loader.pieces(groupId);
  if (value === null) regexes.delete(regularExpression);
  else {
    const { topics } = decodeVersioned(messages.consumerGroupRegularExpressionValue, value);
    regexes.set(regularExpression, new Set(topics));
  }
}
