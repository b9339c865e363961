// The record of a group in __consumer_offsets: key version 2 with the group's name; value with protocol, generation, leader and members. Written
// for each generation when its assignment is known, and when a group has become empty; so that after a restart members go on as they were.
//
// One thing is ours: the record header `tailrace.in-process` names the members of this process (ids, separated by line feeds). They end with
// the process, so a group that is loaded takes them for gone at once, where others have their session to come back.
import { encodeHeaders } from '../wire/batch-builder.ts';
import { groupMetadataKey, groupMetadataValue } from '../wire/messages/coordinator-records.ts';
import type { RecordCursor } from '../wire/record-batch.ts';
import { decodeVersioned, encodeVersioned, type CoordinatorRecord } from './coordinator-topic.ts';
import { atRest, emptyGroup, type GroupState, type Member, metadataOf } from './group-state.ts';

/** Names the members of this process. */
export const inProcessHeader = 'tailrace.in-process';

/** A group as it was when its record was written. */
export interface LoadedGroup {
  state: GroupState;
  /** Since when it is in this phase. */
  sinceMs: number;
}

/** The record of the group as it is now; `sinceMs` is when its phase began. */
export function groupRecord(state: GroupState, sinceMs: number): CoordinatorRecord {
  const members = [...state.members.values()];
  const ending = members.filter((member) => member.inProcess).map((member) => member.memberId);
  const value = groupMetadataValue.create({
    protocolType: state.protocolType ?? '',
    generation: state.generation,
    protocol: state.protocolName ?? null,
    leader: state.leader ?? null,
    currentStateTimestamp: sinceMs,
    members: members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: metadataOf(member, state.protocolName),
      assignment: member.assignment,
    })),
  });
  const record = {
    key: encodeVersioned(groupMetadataKey, 2, { group: state.groupId }),
    value: encodeVersioned(groupMetadataValue, 3, value),
  };
  if (ending.length === 0) return record;
  return { ...record, headers: encodeHeaders([{ key: inProcessHeader, value: Buffer.from(ending.join('\n')) }]) };
}

/** The record that removes a group. */
export function groupTombstone(groupId: string): CoordinatorRecord {
  return { key: encodeVersioned(groupMetadataKey, 2, { group: groupId }), value: null };
}

/** Reads the record the cursor stands on, whose key has version 2. `group` is undefined for a removed one. */
export function readGroupRecord(cursor: RecordCursor): { groupId: string; group: LoadedGroup | undefined } {
  const groupId = decodeVersioned(groupMetadataKey, cursor.key() ?? Buffer.alloc(0)).group;
  const encoded = cursor.value();
  if (encoded === null) return { groupId, group: undefined };
  // A copy: the fields are views, and the cursor's buffer is a whole chunk of the log.
  const value = decodeVersioned(groupMetadataValue, Buffer.from(encoded));
  const ending = new Set(cursor.header(inProcessHeader)?.toString().split('\n'));
  const members = value.members.map((member): [string, Member] => [
    member.memberId,
    {
      memberId: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      inProcess: ending.has(member.memberId),
      sessionTimeoutMs: member.sessionTimeout,
      rebalanceTimeoutMs: member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
      protocols: value.protocol === null ? [] : [{ name: value.protocol, metadata: member.subscription }],
      assignment: member.assignment,
      ...atRest,
    },
  ]);
  const state: GroupState = {
    ...emptyGroup(groupId),
    phase: members.length === 0 ? 'Empty' : 'Stable',
    generation: value.generation,
    protocolType: value.protocolType === '' ? undefined : value.protocolType,
    protocolName: value.protocol ?? undefined,
    leader: value.leader ?? undefined,
    members: new Map(members),
  };
  return { groupId, group: { state, sinceMs: value.currentStateTimestamp } };
}
