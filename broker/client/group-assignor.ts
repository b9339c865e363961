// Who of a group reads which partition: Kafka's range assignor. For each topic, its members in order (of their instance id where they have one, else
// member id; Kafka sorts static ones first) get consecutive partitions, the first ones one more when it does not come out even. And the bytes in which
// the group protocol carries subscriptions and assignments (int16 version, then the message; KIP-4's "consumer" protocol).
import { TailraceError } from '../../base/errors.ts';
import {
  consumerProtocolAssignment,
  type ConsumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../wire/messages/coordinator-records.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';

export interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly topics: readonly string[];
}

/** Partitions by topic. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

/** The range assignment of `members`, by member id; each member is in it. `partitions` tells how many a topic has (0: not there). */
export function assignRange(
  members: readonly GroupMember[],
  partitions: (topic: string) => number,
): Map<string, Map<string, number[]>> {
  const assignments = new Map(members.map(({ memberId }) => [memberId, new Map<string, number[]>()]));
  const sorted = [...members].sort(compareMembers);
  const topics = [...new Set(members.flatMap((member) => member.topics))].sort();
  for (const topic of topics) {
    const count = partitions(topic);
    const readers = sorted.filter((member) => member.topics.includes(topic));
    const share = Math.floor(count / readers.length);
    const extra = count % readers.length;
    let next = 0;
    readers.forEach((reader, index) => {
      const size = share + (index < extra ? 1 : 0);
      const given = Array.from({ length: size }, (_, position) => next + position);
      next += size;
      if (size > 0) assignments.get(reader.memberId)!.set(topic, given);
    });
  }
  return assignments;
}

/** The first member, in the same order, gets all partitions of the topics it reads; the others get none. By member id; each member is in it. */
export function assignUndivided(
  members: readonly GroupMember[],
  partitions: (topic: string) => number,
): Map<string, Map<string, number[]>> {
  const assignments = new Map(members.map(({ memberId }) => [memberId, new Map<string, number[]>()]));
  const owner = [...members].sort(compareMembers)[0];
  for (const topic of owner?.topics ?? []) {
    const given = Array.from({ length: partitions(topic) }, (_, partition) => partition);
    if (given.length > 0) assignments.get(owner!.memberId)!.set(topic, given);
  }
  return assignments;
}

function compareMembers(left: GroupMember, right: GroupMember): number {
  if (left.instanceId !== undefined && right.instanceId !== undefined) {
    return compare(left.instanceId, right.instanceId);
  }
  if (left.instanceId !== undefined) return -1;
  if (right.instanceId !== undefined) return 1;
  return compare(left.memberId, right.memberId);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The metadata of a member's JoinGroup. */
export function encodeSubscription(topics: readonly string[]): Buffer {
  const version = 1;
  const writer = new Writer();
  writer.int16(version);
  consumerProtocolSubscription.write(
    writer,
    version,
    consumerProtocolSubscription.create({ topics: [...topics].sort() }),
  );
  return Buffer.concat(writer.chunks());
}

/** The topics another member (of whatever client) subscribed to. Throws TLR_PROTOCOL. */
export function decodeSubscription(bytes: Buffer): string[] {
  const reader = new Reader(bytes);
  return consumerProtocolSubscription.read(reader, knownVersion(reader.int16(), 3)).topics;
}

/** What SyncGroup hands to a member. */
export function encodeAssignment(assignment: Assignment): Buffer {
  const version = 1;
  const writer = new Writer();
  writer.int16(version);
  const assignedPartitions = [...assignment].map(([topic, partitions]) => ({ topic, partitions }));
  consumerProtocolAssignment.write(writer, version, consumerProtocolAssignment.create({ assignedPartitions }));
  return Buffer.concat(writer.chunks());
}

/** Partitions by topic; none for the empty bytes that some coordinators send. Throws TLR_PROTOCOL. */
export function decodeAssignment(bytes: Buffer): Map<string, number[]> {
  if (bytes.length === 0) return new Map();
  const reader = new Reader(bytes);
  const assignment: ConsumerProtocolAssignment = consumerProtocolAssignment.read(
    reader,
    knownVersion(reader.int16(), 3),
  );
  return new Map(assignment.assignedPartitions.map(({ topic, partitions }) => [topic, partitions]));
}

/** Newer versions only add fields at the end: what we know of them is read. */
function knownVersion(version: number, newest: number): number {
  if (version < 0) throw new TailraceError('TLR_PROTOCOL', `version ${version} of the consumer protocol`);
  return Math.min(version, newest);
}
