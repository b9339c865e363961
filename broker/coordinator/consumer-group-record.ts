// New consumer groups in __consumer_offsets, in Kafka's formats (broker/wire/messages/consumer-group-records.ts): one record for the group's epoch, its
// topics, the assignment's epoch, each expression, and three for each member. A step of the group is written as the records in which the states before and
// after it differ, in one batch, so that a crash leaves a step whole or undone.
//
// One choice: what the group knows of its topics is written as Kafka 4.0 does (kind 4), not as its later hash, which would have to be the same function
// to mean anything. Each Kafka that supports these groups reads it, and takes a missing hash for changed topics: one assignment more.
import { encodeHeaders } from '../wire/batch-builder.ts';
import * as messages from '../wire/messages/consumer-group-records.ts';
import type { Draft, Message } from '../wire/schema.ts';
import {
  byTopic,
  type ConsumerGroupState,
  type ConsumerMember,
  type HeldPartitions,
  type MemberPhase,
  type PartitionKey,
} from './consumer-group-state.ts';
import { type CoordinatorRecord, encodeVersioned } from './coordinator-topic.ts';
import { inProcessHeader } from './group-record.ts';

/** In the order of Kafka's numbers for them. */
export const memberPhases: readonly MemberPhase[] = ['stable', 'revoking', 'waiting'];

/** The records that lead from one state of a group to another; `nowMs` is the wall clock. */
export function consumerGroupRecords(
  before: ConsumerGroupState,
  after: ConsumerGroupState,
  nowMs: number,
): CoordinatorRecord[] {
  const { groupId } = after;
  const records: CoordinatorRecord[] = [];
  for (const memberId of before.members.keys()) {
    if (!after.members.has(memberId)) records.push(...memberTombstones(groupId, memberId));
  }
  for (const member of after.members.values()) {
    const known = before.members.get(member.memberId);
    if (known === undefined || !saysTheSame(known, member)) records.push(memberRecord(groupId, member));
  }
  for (const regex of before.regexes.keys()) {
    if (!after.regexes.has(regex)) records.push(regexRecord(groupId, regex, null, nowMs));
  }
  for (const [regex, topics] of after.regexes) {
    if (before.regexes.get(regex) !== topics) records.push(regexRecord(groupId, regex, topics, nowMs));
  }
  if (before.topics !== after.topics) records.push(topicsRecord(after));
  if (before.epoch !== after.epoch) records.push(epochRecord(groupId, { epoch: after.epoch }));
  for (const [memberId, partitions] of after.target) {
    if (before.target.get(memberId) !== partitions) records.push(targetRecord(groupId, memberId, partitions));
  }
  if (before.assignmentEpoch !== after.assignmentEpoch) {
    const value = { assignmentEpoch: after.assignmentEpoch, assignmentTimestamp: nowMs };
    records.push(assignmentEpochRecord(groupId, value));
  }
  for (const member of after.members.values()) {
    const known = before.members.get(member.memberId);
    if (known === undefined || !holdsTheSame(known, member)) records.push(currentRecord(groupId, member));
  }
  return records;
}

/** The records that remove a group. */
export function consumerGroupTombstones({ groupId, members, regexes }: ConsumerGroupState): CoordinatorRecord[] {
  return [
    ...[...members.keys()].flatMap((memberId) => memberTombstones(groupId, memberId)),
    ...[...regexes.keys()].map((regex) => regexRecord(groupId, regex, null, 0)),
    assignmentEpochRecord(groupId, null),
    record(messages.consumerGroupPartitionMetadataKey, { groupId }, messages.consumerGroupPartitionMetadataValue, null),
    epochRecord(groupId, null),
  ];
}

/** In Kafka's order: what a member holds goes before the member. */
function memberTombstones(groupId: string, memberId: string): CoordinatorRecord[] {
  const key = { groupId, memberId };
  return [
    record(
      messages.consumerGroupCurrentMemberAssignmentKey,
      key,
      messages.consumerGroupCurrentMemberAssignmentValue,
      null,
    ),
    targetRecord(groupId, memberId, null),
    record(messages.consumerGroupMemberMetadataKey, key, messages.consumerGroupMemberMetadataValue, null),
  ];
}

function epochRecord(groupId: string, value: { epoch: number } | null): CoordinatorRecord {
  return record(messages.consumerGroupMetadataKey, { groupId }, messages.consumerGroupMetadataValue, value);
}

function assignmentEpochRecord(
  groupId: string,
  value: { assignmentEpoch: number; assignmentTimestamp: number } | null,
): CoordinatorRecord {
  const { consumerGroupTargetAssignmentMetadataKey: key } = messages;
  return record(key, { groupId }, messages.consumerGroupTargetAssignmentMetadataValue, value);
}

function topicsRecord({ groupId, topics }: ConsumerGroupState): CoordinatorRecord {
  const value = {
    topics: [...topics].map(([topicName, { topicId, partitions }]) => ({
      topicId: Buffer.from(topicId, 'hex'),
      topicName,
      numPartitions: partitions,
    })),
  };
  const { consumerGroupPartitionMetadataKey: key } = messages;
  return record(key, { groupId }, messages.consumerGroupPartitionMetadataValue, value);
}

function regexRecord(
  groupId: string,
  regularExpression: string,
  topics: ReadonlySet<string> | null,
  nowMs: number,
): CoordinatorRecord {
  return record(
    messages.consumerGroupRegularExpressionKey,
    { groupId, regularExpression },
    messages.consumerGroupRegularExpressionValue,
    topics && { topics: [...topics], version: 0, timestamp: nowMs },
  );
}

function memberRecord(groupId: string, member: ConsumerMember): CoordinatorRecord {
  const { classic } = member;
  const written = record(
    messages.consumerGroupMemberMetadataKey,
    { groupId, memberId: member.memberId },
    messages.consumerGroupMemberMetadataValue,
    {
      instanceId: member.instanceId,
      rackId: member.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topicNames,
      subscribedTopicRegex: member.topicRegex,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      serverAssignor: member.assignor,
      classicMemberMetadata: classic && {
        sessionTimeoutMs: classic.sessionTimeoutMs,
        supportedProtocols: [...classic.protocols],
      },
    },
  );
  if (classic?.inProcess !== true) return written;
  return { ...written, headers: encodeHeaders([{ key: inProcessHeader, value: Buffer.from(member.memberId) }]) };
}

function targetRecord(groupId: string, memberId: string, keys: Iterable<PartitionKey> | null): CoordinatorRecord {
  const { consumerGroupTargetAssignmentMemberKey: key, consumerGroupTargetAssignmentMemberValue: value } = messages;
  return record(key, { groupId, memberId }, value, keys && { topicPartitions: byTopic(keys) });
}

function currentRecord(groupId: string, member: ConsumerMember): CoordinatorRecord {
  return record(
    messages.consumerGroupCurrentMemberAssignmentKey,
    { groupId, memberId: member.memberId },
    messages.consumerGroupCurrentMemberAssignmentValue,
    {
      memberEpoch: member.epoch,
      previousMemberEpoch: member.previousEpoch,
      state: memberPhases.indexOf(member.phase),
      assignedPartitions: heldByTopic(member.assigned),
      partitionsPendingRevocation: heldByTopic(member.revoking),
    },
  );
}

function heldByTopic(held: HeldPartitions) {
  return byTopic(held.keys()).map(({ topicId, partitions }) => ({
    topicId,
    partitions,
    assignmentEpochs: partitions.map((partition) => held.get(`${topicId.toString('hex')}/${partition}`)!),
  }));
}

/** Whether two states of a member differ in nothing that its own record holds. */
function saysTheSame(left: ConsumerMember, right: ConsumerMember): boolean {
  return (
    left.instanceId === right.instanceId &&
    left.rackId === right.rackId &&
    left.clientId === right.clientId &&
    left.clientHost === right.clientHost &&
    left.topicNames === right.topicNames &&
    left.topicRegex === right.topicRegex &&
    left.rebalanceTimeoutMs === right.rebalanceTimeoutMs &&
    left.assignor === right.assignor &&
    left.classic === right.classic
  );
}

function holdsTheSame(left: ConsumerMember, right: ConsumerMember): boolean {
  return (
    left.epoch === right.epoch &&
    left.previousEpoch === right.previousEpoch &&
    left.phase === right.phase &&
    left.assigned === right.assigned &&
    left.revoking === right.revoking
  );
}

function record<K, V>(keyMessage: Message<K>, key: K, message: Message<V>, value: Draft<V> | null): CoordinatorRecord {
  return {
    key: encodeVersioned(keyMessage, keyMessage.versions[0], key),
    value: value === null ? null : encodeVersioned(message, 0, message.create(value)),
  };
}
