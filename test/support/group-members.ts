// Members of consumer groups as real clients are, for tests of who owns what: of the classic protocol, eager and cooperative (KIP-429, with the leader's
// sticky assignor), and of the new one (KIP-848). Each does one step at a time, when the test says so; what it reads at any moment is in `owned`.
import { decodeVersioned, encodeVersioned } from '../../broker/coordinator/coordinator-topic.ts';
import type { GroupCoordinator } from '../../broker/coordinator/group-coordinator.ts';
import type { RequestOf, ResponseOf } from '../../broker/wire/apis.ts';
import { ErrorCode } from '../../broker/wire/errors.ts';
import { joinGroupRequest } from '../../broker/wire/messages/11-join-group.ts';
import { heartbeatRequest } from '../../broker/wire/messages/12-heartbeat.ts';
import { leaveGroupRequest } from '../../broker/wire/messages/13-leave-group.ts';
import { syncGroupRequest } from '../../broker/wire/messages/14-sync-group.ts';
import { consumerGroupHeartbeatRequest } from '../../broker/wire/messages/68-consumer-group-heartbeat.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../broker/wire/messages/coordinator-records.ts';
import { sender } from './coordinators.ts';

export interface Group {
  readonly groupId: string;
  readonly topic: string;
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** Of the broker that is there at the moment. */
  coordinator(): GroupCoordinator;
}

export interface GroupMember {
  /** What it reads. */
  readonly owned: ReadonlySet<number>;
  /** Begins one step of what a client does by itself, unless an answer is still to come. */
  step(): void;
  /** Says that it leaves, and stops reading. */
  leave(): void;
  /** Stops reading and falls silent, as a process that was killed. */
  die(): void;
}

export type Style = 'eager' | 'cooperative';

export class ClassicMember implements GroupMember {
  owned = new Set<number>();
  private readonly group: Group;
  private readonly style: Style;
  private readonly instanceId: string | null;
  private memberId = '';
  private generation = -1;
  /** Of the last assignment that it has taken. */
  private ownedSince = -1;
  private next: 'join' | 'beat' | 'wait' | 'gone' = 'join';

  constructor(group: Group, style: Style, instanceId: string | null) {
    this.group = group;
    this.style = style;
    this.instanceId = instanceId;
  }

  step(): void {
    const { next } = this;
    if (next === 'wait' || next === 'gone') return;
    this.next = 'wait';
    void (next === 'join' ? this.join() : this.beat());
  }

  leave(): void {
    const { memberId, instanceId: groupInstanceId } = this;
    this.die();
    const { group } = this;
    const { groupId } = group;
    const members = [{ memberId, groupInstanceId }];
    void group.coordinator().leaveGroup(leaveGroupRequest.create({ groupId, members }), sender(5));
  }

  die(): void {
    this.next = 'gone';
    this.owned = new Set();
  }

  private async join(): Promise<void> {
    // Eager members give everything back before they join.
    if (this.style === 'eager') this.owned = new Set();
    const { topic, groupId, sessionTimeoutMs, rebalanceTimeoutMs } = this.group;
    const ownedPartitions = this.owned.size === 0 ? [] : [{ topic, partitions: [...this.owned] }];
    const subscription = consumerProtocolSubscription.create({
      ...{ topics: [topic], ownedPartitions, generationId: this.ownedSince },
    });
    const metadata = encodeVersioned(consumerProtocolSubscription, 2, subscription);
    const name = this.style === 'eager' ? 'range' : 'cooperative-sticky';
    const request = joinGroupRequest.create({
      ...{ groupId, memberId: this.memberId, groupInstanceId: this.instanceId, sessionTimeoutMs, rebalanceTimeoutMs },
      ...{ protocolType: 'consumer', protocols: [{ name, metadata }] },
    });
    const answer = await this.group.coordinator().joinGroup(request, sender(7));
    if (this.isGone()) return;
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.memberId = answer.memberId;
      this.next = 'join';
    } else if (answer.errorCode !== ErrorCode.NONE) this.recover(answer.errorCode);
    else {
      this.memberId = answer.memberId;
      this.generation = answer.generationId;
      await this.sync(answer);
    }
  }

  private async sync(joined: ResponseOf<'JoinGroup'>): Promise<void> {
    const { groupId } = this.group;
    const assignments = joined.leader === this.memberId ? assign(this.group, joined, this.style) : [];
    const request = syncGroupRequest.create({
      ...{ groupId, memberId: this.memberId, generationId: this.generation, groupInstanceId: this.instanceId },
      ...{ protocolType: joined.protocolType, protocolName: joined.protocolName, assignments },
    });
    const answer = await this.group.coordinator().syncGroup(request, sender(5));
    if (this.isGone()) return;
    if (answer.errorCode !== ErrorCode.NONE) {
      this.recover(answer.errorCode);
      return;
    }
    const { assignedPartitions } = decodeVersioned(consumerProtocolAssignment, answer.assignment);
    const before = this.owned;
    this.owned = new Set(assignedPartitions.flatMap(({ partitions }) => partitions));
    this.ownedSince = this.generation;
    // Who had to give something back joins once more, so that another may have it (KIP-429).
    const hasGivenBack = [...before].some((partition) => !this.owned.has(partition));
    this.next = hasGivenBack ? 'join' : 'beat';
  }

  private async beat(): Promise<void> {
    const { groupId } = this.group;
    const { memberId, generation: generationId, instanceId: groupInstanceId } = this;
    const request = heartbeatRequest.create({ groupId, memberId, generationId, groupInstanceId });
    const { errorCode } = await this.group.coordinator().heartbeat(request, sender(4));
    if (this.isGone()) return;
    if (errorCode === ErrorCode.NONE) this.next = 'beat';
    else this.recover(errorCode);
  }

  private isGone(): boolean {
    return this.next === 'gone';
  }

  /** As Kafka's own consumer: who is not known any more, or in another generation, has lost what it held. */
  private recover(errorCode: number): void {
    if (errorCode === ErrorCode.FENCED_INSTANCE_ID) {
      this.die();
      return;
    }
    this.next = 'join';
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS || errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) return;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.memberId = '';
    else if (errorCode !== ErrorCode.ILLEGAL_GENERATION) throw new Error(`A member was refused with ${errorCode}`);
    this.owned = new Set();
    this.ownedSince = -1;
  }
}

/** What a leader decides: even shares, everybody keeps what it can; cooperatively, what another still holds is given to nobody for now. */
function assign(group: Group, { members }: ResponseOf<'JoinGroup'>, style: Style) {
  const claims = members.map(({ memberId, metadata }) => {
    const { ownedPartitions, generationId } = decodeVersioned(consumerProtocolSubscription, metadata);
    return { memberId, generationId, owned: new Set(ownedPartitions.flatMap(({ partitions }) => partitions)) };
  });
  const owners = new Map<number, (typeof claims)[number]>();
  for (const claim of claims) {
    for (const partition of claim.owned) {
      // Of two that think they own it, the one of the younger generation does (KIP-792).
      if ((owners.get(partition)?.generationId ?? -2) < claim.generationId) owners.set(partition, claim);
    }
  }
  const shares = new Map(claims.map(({ memberId }) => [memberId, [] as number[]]));
  const most = Math.ceil(group.partitions / claims.length);
  const free: number[] = [];
  for (let partition = 0; partition < group.partitions; partition++) {
    const kept = shares.get(owners.get(partition)?.memberId ?? '');
    if (kept !== undefined && kept.length < most) kept.push(partition);
    else free.push(partition);
  }
  for (const partition of free) {
    const least = [...shares.values()].reduce((left, right) => (right.length < left.length ? right : left));
    least.push(partition);
  }
  return [...shares].map(([memberId, partitions]) => {
    const isFree = (partition: number) => (owners.get(partition)?.memberId ?? memberId) === memberId;
    const given = style === 'eager' ? partitions : partitions.filter(isFree);
    const value = { assignedPartitions: [{ topic: group.topic, partitions: given }], userData: null };
    return { memberId, assignment: encodeVersioned(consumerProtocolAssignment, 1, value) };
  });
}

export class NewMember implements GroupMember {
  owned = new Set<number>();
  private readonly group: Group;
  private readonly memberId: string;
  private epoch = 0;
  private topicId: Buffer = Buffer.alloc(16);
  private state: 'ready' | 'wait' | 'gone' = 'ready';

  constructor(group: Group, memberId: string) {
    this.group = group;
    this.memberId = memberId;
  }

  step(): void {
    if (this.state !== 'ready') return;
    this.state = 'wait';
    void this.beat();
  }

  leave(): void {
    this.die();
    void this.ask({ memberEpoch: -1 });
  }

  die(): void {
    this.state = 'gone';
    this.owned = new Set();
  }

  private async beat(): Promise<void> {
    const joins = this.epoch === 0;
    const topicPartitions = this.owned.size === 0 ? [] : [{ topicId: this.topicId, partitions: [...this.owned] }];
    const { rebalanceTimeoutMs, topic } = this.group;
    const says = joins ? { rebalanceTimeoutMs, subscribedTopicNames: [topic] } : {};
    const answer = await this.ask({ memberEpoch: this.epoch, topicPartitions, ...says });
    if (this.state === 'gone') return;
    this.state = 'ready';
    if (answer.errorCode === ErrorCode.NONE) {
      this.epoch = answer.memberEpoch;
      if (answer.assignment === null) return;
      this.owned = new Set(answer.assignment.topicPartitions.flatMap(({ partitions }) => partitions));
      this.topicId = answer.assignment.topicPartitions[0]?.topicId ?? this.topicId;
      return;
    }
    // A group that is not there for it any more, or that it is no member of: it begins anew.
    const lost: number[] = [ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND];
    if (!lost.includes(answer.errorCode)) throw new Error(`A member was refused: ${answer.errorMessage}`);
    this.epoch = 0;
    this.owned = new Set();
  }

  private ask(draft: Partial<RequestOf<'ConsumerGroupHeartbeat'>>): Promise<ResponseOf<'ConsumerGroupHeartbeat'>> {
    const { groupId } = this.group;
    const request = consumerGroupHeartbeatRequest.create({ groupId, memberId: this.memberId, ...draft });
    return this.group.coordinator().consumerGroupHeartbeat(request, sender(1));
  }
}
