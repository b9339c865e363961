// The new consumer groups of this broker as they run: gives each heartbeat and timer to the pure machine (consumer-group.ts), writes what changed, and
// answers when that is durable. The next request sees the change at once; when the log takes it back, the group is again what is durable.
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Appended } from '../log/contract.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { AppendWatch } from './append-watch.ts';
import { expireConsumer, heartbeatConsumer, timersOf } from './consumer-group.ts';
import { consumerGroupRecords, consumerGroupTombstones } from './consumer-group-record.ts';
import {
  type ConsumerEffect,
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

interface LiveConsumerGroup {
  state: ConsumerGroupState;
  /** The last state that is on disk; undefined before the first is. */
  durable: ConsumerGroupState | undefined;
  /** Resolves when all that was appended is durable. */
  written: Promise<void>;
  readonly timers: Map<ConsumerTimer, Timer>;
}

interface Parts {
  readonly topic: CoordinatorTopic;
  readonly topics: TopicsView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly setting: (name: string) => number;
}

export class LiveConsumerGroups {
  private readonly groups = new Map<string, LiveConsumerGroup>();
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

  /** Puts a group of the log in place; its members have one session to be heard of. */
  restore(state: ConsumerGroupState): void {
    const group = { state, durable: state, written: Promise.resolve(), timers: new Map<ConsumerTimer, Timer>() };
    this.groups.set(state.groupId, group);
    for (const effect of timersOf(state)) this.perform(group, effect);
  }

  /**
   * Resolves when what the heartbeat changed is durable. `before`: records that go in front of a new group's own. Throws KafkaError: what the machine
   * refuses with, GROUP_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE.
   */
  async heartbeat(
    groupId: string,
    event: HeartbeatEvent,
    before: readonly CoordinatorRecord[],
  ): Promise<HeartbeatAnswer> {
    const { topics, setting } = this.parts;
    const known = this.groups.get(groupId);
    if (known === undefined && event.memberEpoch !== JOIN_EPOCH) {
      throw new KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, `group ${groupId}`);
    }
    const group = known ?? newGroup(groupId);
    const step = heartbeatConsumer(group.state, event, topics, setting('group.consumer.max.size'));
    try {
      await this.take(group, step, before);
    } catch (error) {
      this.warn(groupId, error);
      throw new KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, `group ${groupId}`, { cause: error });
    }
    return step.answer;
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

  /** Appends what a step changes before it returns, and makes it the state; throws when the log refuses it. */
  private take(
    group: LiveConsumerGroup,
    { state, effects }: ConsumerGroupStep,
    before: readonly CoordinatorRecord[] = [],
  ): Promise<void> {
    const { topic, clock } = this.parts;
    const { groupId } = state;
    const records = consumerGroupRecords(group.state, state, clock.now());
    if (records.length > 0) {
      const partition = topic.partitionFor(groupId);
      const appended = topic.append(partition, [...before, ...records], clock.now());
      this.groups.set(groupId, group);
      group.written = this.whenDurable(group, state, partition, appended);
      // Whoever has to answer waits for it too.
      group.written.catch(() => undefined);
    }
    group.state = state;
    for (const effect of effects) this.perform(group, effect);
    return group.written;
  }

  private async whenDurable(
    group: LiveConsumerGroup,
    state: ConsumerGroupState,
    partition: number,
    { lastOffset, durable }: Appended,
  ): Promise<void> {
    const watch = new AppendWatch(this.parts.topic.partition(partition), lastOffset, () => this.undo(group));
    try {
      await durable;
      group.durable = state;
    } finally {
      watch.cancel();
    }
  }

  /** The log has taken back what is not durable. */
  private undo(group: LiveConsumerGroup): void {
    const { durable } = group;
    if (this.groups.get(group.state.groupId) !== group) return;
    this.forget(group);
    if (durable !== undefined) this.restore(durable);
  }

  private forget(group: LiveConsumerGroup): void {
    cancelTimers(group);
    this.groups.delete(group.state.groupId);
  }

  private perform(group: LiveConsumerGroup, effect: ConsumerEffect): void {
    const { timer } = effect;
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
    try {
      this.take(group, expireConsumer(group.state, timer, this.parts.topics)).catch((error: unknown) =>
        this.warn(group.state.groupId, error),
      );
    } catch (error) {
      // The log takes nothing at the moment: the member goes a session later.
      this.warn(group.state.groupId, error);
      this.perform(group, { kind: 'arm', timer });
    }
  }

  private warn(groupId: string, error: unknown): void {
    this.parts.logger.warn('The state of a consumer group could not be written', {
      group: groupId,
      error: messageOf(error),
    });
  }
}

function newGroup(groupId: string): LiveConsumerGroup {
  return { state: emptyConsumerGroup(groupId), durable: undefined, written: Promise.resolve(), timers: new Map() };
}

function cancelTimers(group: LiveConsumerGroup): void {
  for (const timer of group.timers.values()) timer.cancel();
  group.timers.clear();
}
