// Membership in a consumer group, classic protocol: join, sync, heartbeats, leave. The member that the coordinator names leader assigns partitions
// for all (group-assignor.ts) and watches the topics: when one appears or grows it joins again, which makes everybody join again.
//
// A member has a connection of its own, since a JoinGroup waits at the broker for the others. Heartbeats go on in the background for as long as
// it belongs to the group, also while a rebalance waits for this member to finish its work.
import type { Timer } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { apis, type ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { Connection, GroupMetadata } from './contract.ts';
import {
  type Assignment,
  assignRange,
  assignUndivided,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './group-assignor.ts';
import type { Cluster } from './metadata.ts';
import { isRetriable } from './retry.ts';

export interface MembershipOptions {
  readonly groupId: string;
  readonly instanceId: string | undefined;
  readonly topics: readonly string[];
  /** One member gets everything. */
  readonly undivided: boolean;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** The connections' lane. */
  readonly lane: string;
}

const protocolType = 'consumer';
/** Members agree on what all of them offer, so that those of one kind and of the other cannot be in one group. */
const rangeProtocol = 'range';
const undividedProtocol = 'tailrace-undivided';
const maxHeartbeatMs = 3000;
/** So many in a session: a heartbeat is also how the others learn that somebody has gone. */
const heartbeatsPerSession = 6;
/** A coordinator that died with its broker is silent for longer than a session, and then gives every member a new one. */
const deafSessions = 2;
const topicWatchMs = 30_000;
/** While a topic is missing the leader looks more often. */
const missingTopicWatchMs = 1000;
const joinMarginMs = 10_000;
/** Of JoinGroup: a static leader that comes back learns that it leads. */
const firstVersionWithSkipping = 9;

export class GroupMembership {
  private readonly cluster: Cluster;
  private readonly options: MembershipOptions;
  private readonly onTrouble: () => void;
  private memberId = '';
  private generation = -1;
  /** As of the last assignment. Kept when the group throws us out: work done under it must be refused under its name, not taken without one. */
  private joined: GroupMetadata | undefined;
  private wantsJoin = true;
  private fatal: Error | undefined;
  private timer: Timer | undefined;
  private lastContactMs = 0;
  private watched: { counts: Map<string, number>; checkedMs: number } | undefined;
  private closed = false;
  private readonly ending = new AbortController();

  /** `onTrouble` is called when the member has to join again, or can not any more. */
  constructor(cluster: Cluster, options: MembershipOptions, onTrouble: () => void) {
    this.cluster = cluster;
    this.options = options;
    this.onTrouble = onTrouble;
  }

  /** Whether join() is due. Throws what ended the membership for good. */
  needsJoin(): boolean {
    if (this.fatal !== undefined) throw this.fatal;
    return this.wantsJoin;
  }

  /** Makes join() due: what followed the last one failed. */
  requestJoin(): void {
    this.wantsJoin = true;
  }

  /** Who this member is, or was, when it last got partitions. */
  metadata(): GroupMetadata {
    if (this.joined !== undefined) return this.joined;
    throw new TailraceError('TLR_INTERNAL', `not a member of group ${this.options.groupId} yet`);
  }

  /** Joins until there is an assignment. Throws TLR_FENCED when another process has the same instance id, KafkaError when refused for good. */
  async join(): Promise<Assignment> {
    this.timer?.cancel();
    this.wantsJoin = false;
    for (;;) {
      if (this.closed) throw new TailraceError('TLR_CLOSED', 'the consumer was closed');
      try {
        const assignment = await this.onCoordinator((connection) => this.joinOnce(connection), Infinity);
        if (assignment === undefined) continue;
        const { groupId, instanceId } = this.options;
        this.joined = { groupId, generation: this.generation, memberId: this.memberId, instanceId };
        this.lastContactMs = this.now();
        this.scheduleHeartbeat();
        return assignment;
      } catch (error) {
        this.wantsJoin = true;
        throw this.translate(error);
      }
    }
  }

  /** Ends the membership; a dynamic member tells the others, a static one may come back. Never throws. */
  async leave(): Promise<void> {
    this.closed = true;
    this.ending.abort(new TailraceError('TLR_CLOSED', 'the consumer was closed'));
    this.timer?.cancel();
    const { groupId, instanceId } = this.options;
    if (this.memberId === '' || instanceId !== undefined) return;
    const { memberId } = this;
    this.forget();
    const leaving = this.cluster.withCoordinator(
      'group',
      groupId,
      async (connection) => {
        const draft =
          connection.versionOf('LeaveGroup') >= 3 ? { groupId, members: [{ memberId }] } : { groupId, memberId };
        await connection.request('LeaveGroup', apis.LeaveGroup.request.create(draft), { timeoutMs: 5000 });
      },
      { withinMs: 0 },
    );
    await leaving.catch(() => undefined);
  }

  /** One round of join and sync; undefined when the coordinator wants another one. */
  private async joinOnce(connection: Connection): Promise<Assignment | undefined> {
    const { groupId, instanceId, sessionTimeoutMs, rebalanceTimeoutMs, topics } = this.options;
    const body = apis.JoinGroup.request.create({
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: this.memberId,
      groupInstanceId: instanceId ?? null,
      protocolType,
      protocols: [{ name: this.protocolName, metadata: encodeSubscription(topics) }],
    });
    const joined = await connection.request('JoinGroup', body, { timeoutMs: rebalanceTimeoutMs + joinMarginMs });
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.memberId = joined.memberId;
      return undefined;
    }
    if (this.mustStartOver(joined.errorCode)) return undefined;
    if (joined.errorCode !== 0) throw new KafkaError(joined.errorCode, `group ${groupId}`);
    this.memberId = joined.memberId;
    this.generation = joined.generationId;
    const assignments = await this.assignmentsOf(joined);
    const synced = await connection.request(
      'SyncGroup',
      apis.SyncGroup.request.create({
        groupId,
        generationId: this.generation,
        memberId: this.memberId,
        groupInstanceId: instanceId ?? null,
        protocolType,
        protocolName: this.protocolName,
        assignments,
      }),
      { timeoutMs: rebalanceTimeoutMs + joinMarginMs },
    );
    if (this.mustStartOver(synced.errorCode)) return undefined;
    if (synced.errorCode !== 0) throw new KafkaError(synced.errorCode, `group ${groupId}`);
    await this.watchWhatIsAssigned(connection, joined);
    return decodeAssignment(synced.assignment);
  }

  /**
   * A static member that comes back is given the assignment that is there, which may be older than a topic that came or grew meanwhile. If it is the leader,
   * who is told to skip the assignment (KIP-814) or, before JoinGroup 9, that another one leads, nobody else would notice: so what is assigned is what it
   * compares the topics with.
   */
  private async watchWhatIsAssigned(connection: Connection, joined: ResponseOf<'JoinGroup'>): Promise<void> {
    const { groupId, instanceId, topics } = this.options;
    const mayLead = joined.leader !== joined.memberId && connection.versionOf('JoinGroup') < firstVersionWithSkipping;
    if (instanceId === undefined || !(joined.skipAssignment || mayLead)) return;
    const body = apis.DescribeGroups.request.create({ groups: [groupId] });
    const [group] = (await connection.request('DescribeGroups', body)).groups;
    if (group === undefined || group.errorCode !== 0) return;
    const counts = new Map([...(this.watched?.counts.keys() ?? topics)].map((topic) => [topic, 0]));
    for (const { memberAssignment } of group.members) {
      for (const [topic, partitions] of decodeAssignment(memberAssignment)) {
        const count = counts.get(topic);
        if (count !== undefined) counts.set(topic, count + partitions.length);
      }
    }
    this.watched = { counts, checkedMs: -Infinity };
  }

  /** What the leader hands in for everybody; nothing from the others. */
  private async assignmentsOf(joined: ResponseOf<'JoinGroup'>): Promise<{ memberId: string; assignment: Buffer }[]> {
    this.watched = undefined;
    if (joined.leader !== joined.memberId) return [];
    const members = joined.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      instanceId: groupInstanceId ?? undefined,
      topics: decodeSubscription(metadata),
    }));
    const counts = await this.partitionCounts([...new Set(members.flatMap(({ topics }) => topics))]);
    this.watched = { counts, checkedMs: this.now() };
    if (joined.skipAssignment) return [];
    const assign = this.options.undivided ? assignUndivided : assignRange;
    const assignments = assign(members, (topic) => counts.get(topic) ?? 0);
    return [...assignments].map(([memberId, given]) => ({ memberId, assignment: encodeAssignment(given) }));
  }

  private get protocolName(): string {
    return this.options.undivided ? undividedProtocol : rangeProtocol;
  }

  private async partitionCounts(topics: readonly string[]): Promise<Map<string, number>> {
    const found = topics.length === 0 ? [] : await this.cluster.refresh(topics);
    const counts = new Map(topics.map((topic) => [topic, 0]));
    for (const { name, partitions } of found) counts.set(name, partitions.length);
    return counts;
  }

  private mustStartOver(errorCode: number): boolean {
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      this.forget();
      return true;
    }
    return errorCode === ErrorCode.REBALANCE_IN_PROGRESS;
  }

  private forget(): void {
    this.memberId = '';
    this.generation = -1;
  }

  private scheduleHeartbeat(): void {
    const intervalMs = Math.min(maxHeartbeatMs, Math.floor(this.options.sessionTimeoutMs / heartbeatsPerSession));
    this.timer?.cancel();
    const timer = this.cluster.dependencies.clock.schedule(intervalMs, () => {
      void this.heartbeat().finally(() => {
        if (!this.closed && this.timer === timer && this.generation >= 0) this.scheduleHeartbeat();
      });
    });
    this.timer = timer;
  }

  private async heartbeat(): Promise<void> {
    const { groupId, instanceId, sessionTimeoutMs } = this.options;
    const { generation } = this;
    const body = apis.Heartbeat.request.create({
      groupId,
      generationId: generation,
      memberId: this.memberId,
      groupInstanceId: instanceId ?? null,
    });
    try {
      const answer = await this.onCoordinator(async (connection) => {
        const response = await connection.request('Heartbeat', body, { timeoutMs: sessionTimeoutMs / 2 });
        if (isRetriable(new KafkaError(response.errorCode || ErrorCode.UNKNOWN_SERVER_ERROR))) {
          throw new KafkaError(response.errorCode, `group ${groupId}`);
        }
        return response;
      }, sessionTimeoutMs);
      if (generation !== this.generation || this.closed) return;
      this.lastContactMs = this.now();
      if (answer.errorCode === 0) await this.watchTopics();
      else this.onHeartbeatError(answer.errorCode);
    } catch (error) {
      if (generation !== this.generation || this.closed) return;
      // Nobody has heard us for so long that the group has gone on without us, most likely.
      if (this.now() - this.lastContactMs >= deafSessions * sessionTimeoutMs) this.trouble();
      else if (!isRetriable(error)) this.end(error);
    }
  }

  private onHeartbeatError(errorCode: number): void {
    if (this.mustStartOver(errorCode)) this.trouble();
    else this.end(new KafkaError(errorCode, `group ${this.options.groupId}`));
  }

  /** The leader's duty: a topic that appeared or grew makes a new assignment due. */
  private async watchTopics(): Promise<void> {
    const { watched } = this;
    if (watched === undefined) return;
    const { counts, checkedMs } = watched;
    const isMissingSome = [...counts.values()].includes(0);
    if (this.now() - checkedMs < (isMissingSome ? missingTopicWatchMs : topicWatchMs)) return;
    const current = await this.partitionCounts([...counts.keys()]);
    if (this.watched !== watched) return;
    this.watched = { counts, checkedMs: this.now() };
    if ([...current].some(([topic, count]) => counts.get(topic) !== count)) this.trouble();
  }

  private trouble(): void {
    this.wantsJoin = true;
    this.onTrouble();
  }

  private end(error: unknown): void {
    this.fatal = this.translate(error);
    this.timer?.cancel();
    this.onTrouble();
  }

  private translate(error: unknown): Error {
    if (!(error instanceof KafkaError) || error.errorCode !== ErrorCode.FENCED_INSTANCE_ID) {
      return error instanceof Error ? error : new TailraceError('TLR_INTERNAL', String(error));
    }
    const { groupId, instanceId } = this.options;
    return new TailraceError('TLR_FENCED', `group ${groupId}: another process is member ${instanceId ?? ''} by now`, {
      cause: error,
    });
  }

  private onCoordinator<T>(action: (connection: Connection) => Promise<T>, withinMs: number): Promise<T> {
    const { groupId, lane } = this.options;
    return this.cluster.withCoordinator('group', groupId, action, { lane, withinMs, signal: this.ending.signal });
  }

  private now(): number {
    return this.cluster.dependencies.clock.monotonicMs();
  }
}
