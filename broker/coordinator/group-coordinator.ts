// The consumer groups of this broker, as request objects: each method takes a request and resolves to its response. Groups live in
// live-groups.ts, offsets in group-offsets.ts; both are kept in __consumer_offsets and read back by open().
//
// Order: what a request appends, it appends before the call returns (once the topic exists), so requests take effect in the order of the calls.
import { randomUuid } from '../../base/random.ts';
import type { Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { ApiName, RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf } from '../wire/errors.ts';
import { offsetCommitResponse } from '../wire/messages/08-offset-commit.ts';
import { offsetFetchResponse } from '../wire/messages/09-offset-fetch.ts';
import { heartbeatResponse } from '../wire/messages/12-heartbeat.ts';
import { leaveGroupResponse } from '../wire/messages/13-leave-group.ts';
import { syncGroupResponse } from '../wire/messages/14-sync-group.ts';
import { listGroupsResponse } from '../wire/messages/16-list-groups.ts';
import { txnOffsetCommitResponse } from '../wire/messages/28-txn-offset-commit.ts';
import { deleteGroupsResponse } from '../wire/messages/42-delete-groups.ts';
import { consumerGroupHeartbeatResponse } from '../wire/messages/68-consumer-group-heartbeat.ts';
import { consumerGroupDescribeResponse } from '../wire/messages/69-consumer-group-describe.ts';
import { classicCall, classicJoin, joinRefused, joinResponse, syncResponse } from './classic-requests.ts';
import type { CoordinatorDependencies, RequestContext } from './contract.ts';
import { CoordinatorTopic, OFFSETS_TOPIC, versionOf } from './coordinator-topic.ts';
import { checkHeartbeat, consumerAnswer, describeConsumerGroup, heartbeatEvent } from './consumer-requests.ts';
import { ConsumerGroupLoader } from './consumer-group-loader.ts';
import { type ConsumerGroupRules, phaseOf } from './consumer-group-state.ts';
import { GroupDirectory } from './group-directory.ts';
import { GroupOffsets, type TransactionGuard } from './group-offsets.ts';
import { inProcessHeader, type LoadedGroup, readGroupRecord } from './group-record.ts';
import { describeGroups, listedGroup, passesFilters } from './group-views.ts';
import { LiveConsumerGroups } from './live-consumer-groups.ts';
import { LiveGroups } from './live-groups.ts';
import { Offsets, readOffsetRecord } from './offsets.ts';
import { LogTopics } from './topics-view.ts';

/** The arguments of every request; methods that do not look at the context leave it out of sight. */
type Call<K extends ApiName> = readonly [request: RequestOf<K>, context: RequestContext];

export class GroupCoordinator {
  private readonly dependencies: CoordinatorDependencies;
  private readonly topic: CoordinatorTopic;
  private readonly offsets = new Offsets();
  private readonly groups: LiveGroups;
  private readonly consumers: LiveConsumerGroups;
  private readonly directory: GroupDirectory;
  private readonly commits: GroupOffsets;
  private guard: TransactionGuard | undefined;
  private expiryTimer: Timer | undefined;
  private closed = false;

  /** Reads __consumer_offsets, when it is there. Throws KafkaError when it cannot be read. */
  static async open(dependencies: CoordinatorDependencies): Promise<GroupCoordinator> {
    const coordinator = new GroupCoordinator(dependencies);
    await coordinator.load();
    coordinator.scheduleExpiry();
    return coordinator;
  }

  private constructor(dependencies: CoordinatorDependencies) {
    const { log, clock, logger, setting } = dependencies;
    this.dependencies = dependencies;
    this.topic = new CoordinatorTopic(log, OFFSETS_TOPIC, setting('offsets.topic.num.partitions'));
    const { topic, offsets } = this;
    this.groups = new LiveGroups(topic, clock, logger);
    const parts = { topic, topics: new LogTopics(log), clock, logger, setting };
    this.consumers = new LiveConsumerGroups({ ...parts, classic: this.groups, rules: () => this.rules() });
    this.directory = new GroupDirectory(this.groups, this.consumers);
    this.commits = new GroupOffsets({ ...dependencies, topic, offsets, groups: this.directory });
  }

  /** JoinGroup: resolves when the generation has formed. */
  async joinGroup(request: RequestOf<'JoinGroup'>, context: RequestContext): Promise<ResponseOf<'JoinGroup'>> {
    const { groupId, memberId } = request;
    const { version } = context;
    const refusal = this.joinError(request);
    if (refusal !== ErrorCode.NONE) return joinRefused(refusal, memberId, version);
    const join = classicJoin(request, context, this.freshId());
    try {
      if (this.hasNewMembers(groupId)) return joinResponse(await this.consumers.join(groupId, join), version);
      this.consumers.giveUp(groupId);
    } catch (error) {
      return joinRefused(errorCodeOf(error), memberId, version);
    }
    const answer = await this.groups.join(this.groups.getOrCreate(groupId), (ticket) => ({
      ...{ kind: 'join', ticket, ...join, maxMembers: this.dependencies.setting('group.max.size') },
      initialDelayMs: this.dependencies.setting('group.initial.rebalance.delay.ms'),
    }));
    return joinResponse(answer, version);
  }

  /** SyncGroup: resolves when the leader's assignment is durable. */
  async syncGroup(...[request]: Call<'SyncGroup'>): Promise<ResponseOf<'SyncGroup'>> {
    const { groupId, protocolType, protocolName } = request;
    const sync = { ...classicCall(request), protocolType, protocolName };
    const group = this.groups.get(groupId);
    if (group !== undefined) {
      const assignments = new Map(
        request.assignments.map(({ memberId, assignment }) => [memberId, Buffer.from(assignment)]),
      );
      return syncResponse(await this.groups.sync(group, (ticket) => ({ kind: 'sync', ticket, ...sync, assignments })));
    }
    if (!this.hasNewMembers(groupId)) return syncGroupResponse.create({ errorCode: this.missingGroupError(groupId) });
    try {
      return syncResponse(await this.consumers.sync(groupId, sync));
    } catch (error) {
      return syncGroupResponse.create({ errorCode: errorCodeOf(error) });
    }
  }

  async heartbeat(...[request]: Call<'Heartbeat'>): Promise<ResponseOf<'Heartbeat'>> {
    const { groupId } = request;
    const group = this.groups.get(groupId);
    if (group !== undefined) {
      const errorCode = await this.groups.tell(group, (ticket) => ({
        ...{ kind: 'heartbeat', ticket, ...classicCall(request) },
      }));
      return heartbeatResponse.create({ errorCode });
    }
    if (!this.hasNewMembers(groupId)) return heartbeatResponse.create({ errorCode: this.missingGroupError(groupId) });
    const errorCode = await this.consumers.beat(groupId, classicCall(request)).catch(errorCodeOf);
    return heartbeatResponse.create({ errorCode });
  }

  async leaveGroup(request: RequestOf<'LeaveGroup'>, context: RequestContext): Promise<ResponseOf<'LeaveGroup'>> {
    const leaving = context.version < 3 ? [{ memberId: request.memberId, groupInstanceId: null }] : request.members;
    if (request.groupId === '') return leaveGroupResponse.create({ errorCode: ErrorCode.INVALID_GROUP_ID });
    const errors = await this.leave(
      request.groupId,
      leaving.map(({ memberId, groupInstanceId: instanceId }) => ({ memberId, instanceId })),
    ).catch((error: unknown) => leaving.map(() => errorCodeOf(error)));
    if (context.version < 3) return leaveGroupResponse.create({ errorCode: errors[0]! });
    const members = leaving.map(({ memberId, groupInstanceId }, index) => ({
      ...{ memberId, groupInstanceId, errorCode: errors[index]! },
    }));
    return leaveGroupResponse.create({ members });
  }

  /** ConsumerGroupHeartbeat (KIP-848): resolves when what it changed is durable. */
  async consumerGroupHeartbeat(
    ...[request, context]: Call<'ConsumerGroupHeartbeat'>
  ): Promise<ResponseOf<'ConsumerGroupHeartbeat'>> {
    const { groupId } = request;
    try {
      checkHeartbeat(request, context.version);
      if (!this.topic.exists) await this.topic.ensure();
      const event = heartbeatEvent(request, context, request.memberId || this.freshId());
      const answer = await this.consumers.heartbeat(groupId, event);
      return consumerAnswer(answer, this.dependencies.setting('group.consumer.heartbeat.interval.ms'));
    } catch (error) {
      return consumerGroupHeartbeatResponse.create({ errorCode: errorCodeOf(error), errorMessage: messageOf(error) });
    }
  }

  consumerGroupDescribe(...[request]: Call<'ConsumerGroupDescribe'>): Promise<ResponseOf<'ConsumerGroupDescribe'>> {
    const groups = request.groupIds.map((groupId) => {
      const state = this.consumers.get(groupId);
      if (state !== undefined) return describeConsumerGroup(state, this.dependencies.log);
      const errorMessage = `There is no consumer group '${groupId}' of the new protocol`;
      return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage };
    });
    return Promise.resolve(consumerGroupDescribeResponse.create({ groups }));
  }

  /** Topics by name; the handler translates ids. */
  async offsetCommit(...[request, context]: Call<'OffsetCommit'>): Promise<ResponseOf<'OffsetCommit'>> {
    return offsetCommitResponse.create({ topics: await this.commits.commit(request, context) });
  }

  /** The offset that a group has committed; undefined when it has none there. */
  committedOffset(groupId: string, topic: string, partition: number): number | undefined {
    return this.offsets.get(groupId, topic, partition)?.offset;
  }

  /** TxnOffsetCommit (KIP-447): the offsets hold when the transaction is committed. */
  async txnOffsetCommit(
    request: RequestOf<'TxnOffsetCommit'>,
    context: RequestContext,
  ): Promise<ResponseOf<'TxnOffsetCommit'>> {
    const { guard } = this;
    if (guard === undefined) throw new Error('Transactional offsets came before the transaction coordinator was open');
    return txnOffsetCommitResponse.create({ topics: await this.commits.commitInTransaction(request, context, guard) });
  }

  /** Topics by name; the handler translates ids. */
  offsetFetch(request: RequestOf<'OffsetFetch'>, context: RequestContext): Promise<ResponseOf<'OffsetFetch'>> {
    const { requireStable } = request;
    const fetch = (groupId: string, topics: RequestOf<'OffsetFetch'>['topics']) =>
      this.commits.fetch(groupId, topics, requireStable);
    const response =
      context.version < 8
        ? { topics: fetch(request.groupId, request.topics) }
        : {
            groups: request.groups.map(({ groupId, topics, memberId, memberEpoch }) => {
              const errorCode = this.directory.fetchError(groupId, memberId, memberEpoch);
              return errorCode === ErrorCode.NONE
                ? { groupId, topics: fetch(groupId, topics) }
                : { groupId, errorCode };
            }),
          };
    return Promise.resolve(offsetFetchResponse.create(response));
  }

  describeGroups(request: RequestOf<'DescribeGroups'>, context: RequestContext): Promise<ResponseOf<'DescribeGroups'>> {
    const find = (groupId: string) => this.groups.get(groupId)?.state;
    return Promise.resolve(describeGroups(request.groups, find, context.version));
  }

  listGroups(...[request]: Call<'ListGroups'>): Promise<ResponseOf<'ListGroups'>> {
    const classic = [...this.groups.all()].map(({ state }) => listedGroup(state));
    const consumer = [...this.consumers.all()].map((state) => ({
      ...{ groupId: state.groupId, protocolType: 'consumer', groupState: phaseOf(state), groupType: 'consumer' },
    }));
    const groups = [...classic, ...consumer].filter((group) => passesFilters(group, request));
    return Promise.resolve(listGroupsResponse.create({ groups }));
  }

  async deleteGroups(...[request]: Call<'DeleteGroups'>): Promise<ResponseOf<'DeleteGroups'>> {
    const results = [];
    for (const groupId of request.groupsNames) {
      results.push({ groupId, errorCode: await this.commits.deleteGroup(groupId) });
    }
    return deleteGroupsResponse.create({ results });
  }

  offsetDelete(...[request]: Call<'OffsetDelete'>): Promise<ResponseOf<'OffsetDelete'>> {
    return this.commits.delete(request);
  }

  /** To be called when a topic has been deleted. */
  forgetTopic(topic: string): Promise<void> {
    return this.commits.forgetTopic(topic);
  }

  /** Called once by the transaction coordinator, which needs the groups to be open first. */
  attachTransactions(guard: TransactionGuard): void {
    this.guard = guard;
  }

  /** The partition of __consumer_offsets that holds a group. */
  partitionFor(groupId: string): number {
    return this.topic.partitionFor(groupId);
  }

  /** Whether requests wait for __consumer_offsets to be made. */
  get isCreatingTopic(): boolean {
    return this.topic.isCreating;
  }

  /** Resolves when __consumer_offsets is there, and behind every request that was waiting for it. */
  async ensureTopic(): Promise<void> {
    await this.topic.ensure();
  }

  /** A producer's transaction has ended in a partition of __consumer_offsets: the offsets it put there hold, or are dropped. */
  completeTransaction(partition: number, producerId: number, kind: 'commit' | 'abort'): void {
    this.offsets.completePending(partition, producerId, kind);
  }

  /** Stops timers and answers who waits; members stay in the log and may come back after a restart. */
  close(): void {
    this.closed = true;
    this.expiryTimer?.cancel();
    this.groups.close();
    this.consumers.close();
  }

  private joinError(request: RequestOf<'JoinGroup'>): number {
    const { setting } = this.dependencies;
    const { groupId, sessionTimeoutMs, memberId } = request;
    if (groupId === '') return ErrorCode.INVALID_GROUP_ID;
    const tooShort = sessionTimeoutMs < setting('group.min.session.timeout.ms');
    if (tooShort || sessionTimeoutMs > setting('group.max.session.timeout.ms'))
      return ErrorCode.INVALID_SESSION_TIMEOUT;
    if (memberId !== '' && this.groups.get(groupId) === undefined && !this.hasNewMembers(groupId)) {
      return ErrorCode.UNKNOWN_MEMBER_ID;
    }
    return ErrorCode.NONE;
  }

  /** Whether it is a group of the new protocol, and has members. */
  private hasNewMembers(groupId: string): boolean {
    return (this.consumers.get(groupId)?.members.size ?? 0) > 0;
  }

  /** Members leave: an error code for each. */
  private leave(
    groupId: string,
    members: readonly { memberId: string; instanceId: string | null }[],
  ): Promise<readonly number[]> {
    const group = this.groups.get(groupId);
    if (group === undefined && this.hasNewMembers(groupId)) return this.consumers.leave(groupId, members);
    if (group === undefined) return Promise.resolve(members.map(() => ErrorCode.UNKNOWN_MEMBER_ID));
    const leaveOne = ({ memberId, instanceId }: (typeof members)[number]) =>
      this.groups.tell(group, (ticket) => ({ kind: 'leave', ticket, memberId, instanceId }));
    return Promise.all(members.map(leaveOne));
  }

  /** What the settings allow new groups at the moment. */
  private rules(): ConsumerGroupRules {
    const { setting, word } = this.dependencies;
    const policy = word('group.consumer.migration.policy');
    return {
      maxMembers: setting('group.consumer.max.size'),
      maxClassicMembers: setting('group.max.size'),
      mayUpgrade: policy === 'bidirectional' || policy === 'upgrade',
      takesClassic: policy !== 'disabled',
      mayBecomeClassic: policy === 'bidirectional' || policy === 'downgrade',
    };
  }

  private missingGroupError(groupId: string): number {
    return groupId === '' ? ErrorCode.INVALID_GROUP_ID : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  private freshId(): string {
    const hex = randomUuid(this.dependencies.random).toString('hex');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  private async load(): Promise<void> {
    const loaded = new Map<string, LoadedGroup>();
    const consumers = new ConsumerGroupLoader();
    await this.topic.replay({
      record: (cursor, batch, partition) => {
        const key = cursor.key() ?? Buffer.alloc(0);
        const version = versionOf(key);
        if (version === 0 || version === 1) {
          const change = readOffsetRecord(key, cursor.value(), batch.baseOffset);
          if (batch.isTransactional) this.offsets.addPending(partition, batch.producerId, [change]);
          else this.offsets.apply(change);
        } else if (version === 2) {
          const { groupId, group } = readGroupRecord(cursor);
          if (group === undefined) loaded.delete(groupId);
          else loaded.set(groupId, group);
        } else if (version !== undefined) {
          consumers.read(version, key, cursor.value(), cursor.header(inProcessHeader) !== undefined);
        }
      },
      marker: (producerId, kind, partition) => this.offsets.completePending(partition, producerId, kind),
    });
    for (const group of loaded.values()) this.groups.restore(group);
    for (const state of consumers.states()) this.consumers.restore(state);
    for (const groupId of this.offsets.groupIds()) if (!this.directory.has(groupId)) this.groups.getOrCreate(groupId);
  }

  private scheduleExpiry(): void {
    if (this.closed) return;
    const { clock, logger, setting } = this.dependencies;
    this.expiryTimer = clock.schedule(setting('offsets.retention.check.interval.ms'), () => {
      this.commits
        .expire()
        .catch((error: unknown) => logger.warn('Expired offsets could not be removed', { error: messageOf(error) }))
        .finally(() => this.scheduleExpiry());
    });
  }
}
