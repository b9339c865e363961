// The new consumer groups of this broker as they run: gives each heartbeat and timer to the pure machine (consumer-group.ts), writes what changed, and
// answers when that is durable. The next request sees the change at once; when the log takes it back, the group is again what is durable.
//
// It owns, too, the moment in which a group changes its kind (group-migration.ts): one batch says that the one is gone and the other is there. Until that
// is durable, no further change of kind is begun.
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Appended } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { AppendWatch } from './append-watch.ts';
import { beatClassic, joinClassic, leaveByRequest, syncClassic } from './consumer-classic-members.ts';
import { expireConsumer, heartbeatConsumer, timersOf, without } from './consumer-group.ts';
import { consumerGroupRecords, consumerGroupTombstones } from './consumer-group-record.ts';
import {
  type ConsumerEffect,
  type ConsumerGroupRules,
  type ConsumerGroupState,
  type ConsumerGroupStep,
  type ConsumerTimer,
  emptyConsumerGroup,
  type HeartbeatAnswer,
  type HeartbeatEvent,
  JOIN_EPOCH,
  type TopicsView,
} from './consumer-group-state.ts';
import type { CoordinatorRecord, CoordinatorTopic } from './coordinator-topic.ts';
import { downgraded, upgraded } from './group-migration.ts';
import { groupRecord, groupTombstone } from './group-record.ts';
import type { ClassicCall, ClassicJoin, ClassicSync, GroupState, JoinAnswer, SyncAnswer } from './group-state.ts';
import type { LiveGroups } from './live-groups.ts';

interface LiveConsumerGroup {
  state: ConsumerGroupState;
  /** The last state that is on disk; undefined before the first is. */
  durable: ConsumerGroupState | undefined;
  /** Resolves when all that was appended is durable. */
  written: Promise<void>;
  readonly timers: Map<ConsumerTimer, Timer>;
  /** The classic group that it has been. */
  readonly former: GroupState | undefined;
}

interface Parts {
  /** The classic groups, where those come from and go to that change their kind. */
  readonly classic: LiveGroups;
  readonly rules: () => ConsumerGroupRules;
  readonly topic: CoordinatorTopic;
  readonly topics: TopicsView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly setting: (name: string) => number;
}

export class LiveConsumerGroups {
  private readonly groups = new Map<string, LiveConsumerGroup>();
  /** Groups whose change of kind is not durable yet; resolves, and never rejects, when it is, or undone. */
  private readonly changing = new Map<string, Promise<void>>();
  private readonly parts: Parts;
  private closed = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  get(groupId: string): ConsumerGroupState | undefined {
    return this.groups.get(groupId)?.state;
  }

  *all(): Generator<ConsumerGroupState> {
    for (const { state } of this.groups.values()) yield state;
  }

  /** Puts a group of the log in place; its members have one session to be heard of, but for those of the process that wrote it: they are gone. */
  restore(state: ConsumerGroupState): void {
    const group = this.put(state);
    const { topics, rules } = this.parts;
    const gone = [...state.members.values()].filter(({ classic }) => classic?.inProcess === true);
    if (gone.length > 0) this.takeUnasked(group, () => without(state, gone, topics, rules()));
  }

  /**
   * Resolves when what the heartbeat changed is durable; a classic group becomes one of the new protocol by it. Throws KafkaError: what the machine refuses
   * with, GROUP_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE.
   */
  async heartbeat(groupId: string, event: HeartbeatEvent): Promise<HeartbeatAnswer> {
    if (this.changing.has(groupId)) await this.changing.get(groupId);
    const { topics, rules } = this.parts;
    const known = this.groups.get(groupId);
    if (known === undefined && event.memberEpoch !== JOIN_EPOCH) {
      throw new KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, `group ${groupId}`);
    }
    const group = known ?? this.newGroup(groupId);
    const step = heartbeatConsumer(group.state, event, topics, rules());
    await this.answered(groupId, () => (known === undefined ? this.begin(group, step) : this.take(group, step)));
    return step.answer;
  }

  /** JoinGroup in a group that has members. Throws KafkaError as `heartbeat` does. */
  async join(groupId: string, event: ClassicJoin): Promise<JoinAnswer> {
    if (this.changing.has(groupId)) await this.changing.get(groupId);
    const group = this.live(groupId);
    const step = joinClassic(group.state, event, this.parts.topics, this.parts.rules());
    await this.answered(groupId, () => this.take(group, step));
    return step.answer;
  }

  /** SyncGroup. Throws KafkaError as `heartbeat` does. */
  async sync(groupId: string, event: ClassicSync): Promise<SyncAnswer> {
    if (this.changing.has(groupId)) await this.changing.get(groupId);
    const group = this.live(groupId);
    const { effects, answer } = syncClassic(group.state, event);
    await this.answered(groupId, () => this.take(group, { state: group.state, effects }));
    return answer;
  }

  /** Heartbeat of a classic member: the error code to answer. Throws KafkaError as `heartbeat` does. */
  async beat(groupId: string, event: ClassicCall): Promise<number> {
    if (this.changing.has(groupId)) await this.changing.get(groupId);
    const group = this.live(groupId);
    const { effects, errorCode } = beatClassic(group.state, event);
    for (const effect of effects) this.perform(group, effect);
    return errorCode;
  }

  /** LeaveGroup: an error code for each. Throws KafkaError as `heartbeat` does. */
  async leave(
    groupId: string,
    identities: readonly Pick<ClassicCall, 'memberId' | 'instanceId'>[],
  ): Promise<readonly number[]> {
    if (this.changing.has(groupId)) await this.changing.get(groupId);
    const group = this.live(groupId);
    const { step, errors } = leaveByRequest(group.state, identities, this.parts.topics, this.parts.rules());
    await this.answered(groupId, () => this.take(group, step));
    return errors;
  }

  /** A group without members makes place for a classic one. Throws KafkaError when the log does not take it. */
  giveUp(groupId: string): void {
    const { topic, clock } = this.parts;
    const group = this.groups.get(groupId);
    if (group === undefined) return;
    topic.append(topic.partitionFor(groupId), consumerGroupTombstones(group.state), clock.now());
    this.forget(group);
  }

  /** Forgets a group without members; the records say so in the log. */
  remove(groupId: string): CoordinatorRecord[] {
    const group = this.groups.get(groupId);
    if (group === undefined) return [];
    this.forget(group);
    return consumerGroupTombstones(group.state);
  }

  /** Stops all timers. */
  close(): void {
    this.closed = true;
    for (const group of this.groups.values()) cancelTimers(group);
  }

  private live(groupId: string): LiveConsumerGroup {
    const group = this.groups.get(groupId);
    if (group === undefined) throw new KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, `group ${groupId}`);
    return group;
  }

  /** Waits until what `act` writes is durable. */
  private async answered(groupId: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.warn(groupId, error);
      throw new KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, `group ${groupId}`, { cause: error });
    }
  }

  /** A group that is not there yet, as its first heartbeat finds it. Throws GROUP_ID_NOT_FOUND where there is a classic one that stays. */
  private newGroup(groupId: string): LiveConsumerGroup {
    const { classic, topics, rules } = this.parts;
    const former = classic.get(groupId)?.state;
    let state = emptyConsumerGroup(groupId);
    if (former !== undefined && former.members.size > 0) {
      const { maxMembers, mayUpgrade } = rules();
      if (!mayUpgrade || former.members.size > maxMembers) {
        throw new KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, `group ${groupId} stays one of the classic protocol`);
      }
      state = upgraded(former, topics);
    }
    return { state, durable: undefined, written: Promise.resolve(), timers: new Map(), former };
  }

  /** The first step of a group; if it was a classic one, that one is gone, and whoever waits in it has to join again. */
  private begin(group: LiveConsumerGroup, step: ConsumerGroupStep): Promise<void> {
    const { groupId } = group.state;
    const { state, former } = group;
    const { classic, clock } = this.parts;
    const before = former !== undefined && former.generation > 0 ? [groupTombstone(groupId)] : [];
    const records = consumerGroupRecords(emptyConsumerGroup(groupId), step.state, clock.now());
    this.write(group, step.state, [...before, ...records], () => this.undo(group));
    group.state = step.state;
    this.groups.set(groupId, group);
    classic.remove(groupId, ErrorCode.REBALANCE_IN_PROGRESS);
    if (former !== undefined) this.noteChange(group);
    for (const effect of [...timersOf(state), ...step.effects]) this.perform(group, effect);
    return group.written;
  }

  /** Appends what a step changes before it returns, and makes it the state; throws when the log refuses it. */
  private take(group: LiveConsumerGroup, step: ConsumerGroupStep): Promise<void> {
    if (step.becomesClassic !== undefined) return this.becomeClassic(group, step.state, step.becomesClassic);
    const records = consumerGroupRecords(group.state, step.state, this.parts.clock.now());
    if (records.length > 0) this.write(group, step.state, records, () => this.undo(group));
    group.state = step.state;
    for (const effect of step.effects) this.perform(group, effect);
    return group.written;
  }

  private becomeClassic(
    group: LiveConsumerGroup,
    state: ConsumerGroupState,
    how: 'stable' | 'rebalance',
  ): Promise<void> {
    const { classic, clock } = this.parts;
    const next = downgraded(state);
    const records = [...consumerGroupTombstones(group.state), groupRecord(next, clock.now())];
    this.write(group, undefined, records, () => this.putBack(group));
    this.forget(group);
    classic.adopt(next, how === 'rebalance');
    this.noteChange(group);
    return group.written;
  }

  /** Appends; `state` is what the group is when that is durable. */
  private write(
    group: LiveConsumerGroup,
    state: ConsumerGroupState | undefined,
    records: readonly CoordinatorRecord[],
    onLost: () => void,
  ): void {
    const { topic, clock } = this.parts;
    const partition = topic.partitionFor(group.state.groupId);
    const appended = topic.append(partition, records, clock.now());
    group.written = this.whenDurable(group, state, partition, appended, onLost);
    // Whoever has to answer waits for it too.
    group.written.catch(() => undefined);
  }

  private noteChange({ state: { groupId }, written }: LiveConsumerGroup): void {
    const change = written
      .catch(() => undefined)
      .finally(() => {
        if (this.changing.get(groupId) === change) this.changing.delete(groupId);
      });
    this.changing.set(groupId, change);
  }

  private async whenDurable(
    group: LiveConsumerGroup,
    state: ConsumerGroupState | undefined,
    partition: number,
    { lastOffset, durable }: Appended,
    onLost: () => void,
  ): Promise<void> {
    const watch = new AppendWatch(this.parts.topic.partition(partition), lastOffset, onLost);
    try {
      await durable;
      group.durable = state;
    } finally {
      watch.cancel();
    }
  }

  /** The log has taken back what is not durable. */
  private undo(group: LiveConsumerGroup): void {
    if (this.groups.get(group.state.groupId) !== group) return;
    this.forget(group);
    this.putBack(group);
  }

  /** Makes a group what it durably is: of the new protocol, classic as it was before, or not there. */
  private putBack({ state: { groupId }, durable, former }: LiveConsumerGroup): void {
    const { classic } = this.parts;
    classic.remove(groupId);
    if (durable !== undefined) this.put(durable);
    else if (former !== undefined && former.members.size > 0) classic.adopt(asIdle(former), true);
  }

  private put(state: ConsumerGroupState): LiveConsumerGroup {
    const timers = new Map<ConsumerTimer, Timer>();
    const group = { state, durable: state, written: Promise.resolve(), timers, former: undefined };
    this.groups.set(state.groupId, group);
    for (const effect of timersOf(state)) this.perform(group, effect);
    return group;
  }

  private forget(group: LiveConsumerGroup): void {
    cancelTimers(group);
    this.groups.delete(group.state.groupId);
  }

  private perform(group: LiveConsumerGroup, effect: ConsumerEffect): void {
    const { timer } = effect;
    if (effect.kind === 'arm' && effect.goesOn === true && group.timers.has(timer)) return;
    group.timers.get(timer)?.cancel();
    group.timers.delete(timer);
    if (effect.kind === 'disarm' || this.closed) return;
    const delayMs = effect.delayMs ?? this.parts.setting('group.consumer.session.timeout.ms');
    group.timers.set(
      timer,
      this.parts.clock.schedule(delayMs, () => this.expire(group, timer)),
    );
  }

  private expire(group: LiveConsumerGroup, timer: ConsumerTimer): void {
    group.timers.delete(timer);
    const { topics, rules } = this.parts;
    const isTaken =
      !this.changing.has(group.state.groupId) &&
      this.takeUnasked(group, () => expireConsumer(group.state, timer, topics, rules()));
    // The log takes nothing at the moment: the member goes a session later.
    if (!isTaken) this.perform(group, { kind: 'arm', timer });
  }

  /** A step that nobody waits for: whether the log has taken it. */
  private takeUnasked(group: LiveConsumerGroup, step: () => ConsumerGroupStep): boolean {
    const { groupId } = group.state;
    try {
      this.take(group, step()).catch((error: unknown) => this.warn(groupId, error));
      return true;
    } catch (error) {
      this.warn(groupId, error);
      return false;
    }
  }

  private warn(groupId: string, error: unknown): void {
    this.parts.logger.warn('The state of a consumer group could not be written', {
      group: groupId,
      error: messageOf(error),
    });
  }
}

/** A classic group in which nobody waits any more. */
function asIdle(group: GroupState): GroupState {
  const members = [...group.members].map(
    ([memberId, member]) => [memberId, { ...member, joinTicket: undefined, syncTicket: undefined }] as const,
  );
  return { ...group, phase: 'Stable', members: new Map(members), pendingMembers: new Set(), pendingSync: new Set() };
}

function cancelTimers(group: LiveConsumerGroup): void {
  for (const timer of group.timers.values()) timer.cancel();
  group.timers.clear();
}
