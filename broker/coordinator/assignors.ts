// The assignors of the coordinator (KIP-848): who of a group's members gets which partition. Pure, and the same for the same input in any order. Both
// keep what members had where they can, since every move costs a revocation.
//
// - uniform: as even as can be over all topics together.
// - range: topic by topic, in ranges, so that members with the same subscription get the same partitions of every topic.
import { partitionKey, type PartitionKey, type Partitions, type SubscribedTopic } from './consumer-group-state.ts';

export interface AssignableMember {
  readonly memberId: string;
  /** Topics it subscribes to, and that there are. */
  readonly topics: readonly SubscribedTopic[];
  /** What it was to have before. */
  readonly before: Partitions;
}

/** By member id; every member is in it. Members come in the order in which they are preferred. */
export type Assignor = (members: readonly AssignableMember[]) => Map<string, Set<PartitionKey>>;

/** The assignors by the names that members ask for; the first is the default. */
export const assignors: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', assignUniform],
  ['range', assignRange],
]);

interface Share {
  readonly memberId: string;
  readonly topicIds: ReadonlySet<string>;
  readonly partitions: Set<PartitionKey>;
}

function assignUniform(members: readonly AssignableMember[]): Map<string, Set<PartitionKey>> {
  const partitions = allPartitions(members);
  const shares = members.map(({ memberId, topics, before }): Share => {
    const topicIds = new Set(topics.map(({ topicId }) => topicId));
    const kept = [...before].filter((key) => partitions.has(key) && topicIds.has(topicOf(key)));
    for (const key of kept) partitions.delete(key);
    return { memberId, topicIds, partitions: new Set(kept) };
  });
  const subscribers = subscribersByTopic(shares);
  for (const key of partitions) leastLoaded(subscribers.get(topicOf(key))!).partitions.add(key);
  const rich = new Set(shares);
  while (rich.size > 0) {
    const richest = [...rich].reduce((most, share) => (share.partitions.size > most.partitions.size ? share : most));
    // Who cannot pass anything on now will not be able to later: all that it could reach has as much.
    if (!passOn(richest, subscribers)) rich.delete(richest);
  }
  return new Map(shares.map((share) => [share.memberId, share.partitions]));
}

/** Of everything that members subscribe to: topics few can read come first, so that those who can have room for them. */
function allPartitions(members: readonly AssignableMember[]): Set<PartitionKey> {
  const readers = new Map<string, { topic: SubscribedTopic; count: number }>();
  for (const { topics } of members) {
    for (const topic of topics) {
      const known = readers.get(topic.topicId);
      if (known === undefined) readers.set(topic.topicId, { topic, count: 1 });
      else known.count++;
    }
  }
  const keys = new Set<PartitionKey>();
  const inOrder = [...readers.values()].sort(
    (left, right) => left.count - right.count || (left.topic.topicId < right.topic.topicId ? -1 : 1),
  );
  for (const { topic } of inOrder) {
    for (let partition = 0; partition < topic.partitions; partition++) keys.add(partitionKey(topic.topicId, partition));
  }
  return keys;
}

function subscribersByTopic(shares: readonly Share[]): Map<string, Share[]> {
  const subscribers = new Map<string, Share[]>();
  for (const share of shares) {
    for (const topicId of share.topicIds) {
      const known = subscribers.get(topicId);
      if (known === undefined) subscribers.set(topicId, [share]);
      else known.push(share);
    }
  }
  return subscribers;
}

/**
 * Moves one partition away from a share that has more than another could have, along the shortest way there is: A gives to B, who gives to C, where A
 * and C have no topic in common. False when the share is as small as it can be.
 */
function passOn(from: Share, subscribers: ReadonlyMap<string, readonly Share[]>): boolean {
  const reachedBy = new Map<Share, { giver: Share; key: PartitionKey } | undefined>([[from, undefined]]);
  for (const giver of reachedBy.keys()) {
    const topicsSeen = new Set<string>();
    for (const key of giver.partitions) {
      const topicId = topicOf(key);
      if (topicsSeen.has(topicId)) continue;
      topicsSeen.add(topicId);
      for (const taker of subscribers.get(topicId)!) {
        if (reachedBy.has(taker)) continue;
        reachedBy.set(taker, { giver, key });
        if (taker.partitions.size > from.partitions.size - 2) continue;
        let to = taker;
        for (let step = reachedBy.get(to); step !== undefined; step = reachedBy.get(to)) {
          step.giver.partitions.delete(step.key);
          to.partitions.add(step.key);
          to = step.giver;
        }
        return true;
      }
    }
  }
  return false;
}

function assignRange(members: readonly AssignableMember[]): Map<string, Set<PartitionKey>> {
  const assignment = new Map(members.map(({ memberId }) => [memberId, new Set<PartitionKey>()]));
  const topics = new Map(members.flatMap((member) => member.topics.map((topic) => [topic.topicId, topic])));
  for (const [topicId, { partitions }] of topics) {
    const readers = members.filter((member) => member.topics.some((topic) => topic.topicId === topicId));
    const free = new Set(Array.from({ length: partitions }, (_, partition) => partition));
    const least = Math.floor(partitions / readers.length);
    let extras = partitions % readers.length;
    const wanting: { memberId: string; missing: number }[] = [];
    for (const { memberId, before } of readers) {
      const had = [...free].filter((partition) => before.has(partitionKey(topicId, partition)));
      const hasExtra = had.length > least && extras > 0;
      if (hasExtra) extras--;
      const kept = had.slice(0, least + (hasExtra ? 1 : 0));
      for (const partition of kept) {
        free.delete(partition);
        assignment.get(memberId)!.add(partitionKey(topicId, partition));
      }
      if (!hasExtra) wanting.push({ memberId, missing: least - kept.length });
    }
    const rest = free.values();
    for (const { memberId, missing } of wanting) {
      for (let count = missing + (extras-- > 0 ? 1 : 0); count > 0; count--) {
        assignment.get(memberId)!.add(partitionKey(topicId, rest.next().value!));
      }
    }
  }
  return assignment;
}

function leastLoaded(shares: readonly Share[]): Share {
  let least = shares[0]!;
  for (const share of shares) if (share.partitions.size < least.partitions.size) least = share;
  return least;
}

function topicOf(key: PartitionKey): string {
  return key.slice(0, key.indexOf('/'));
}
