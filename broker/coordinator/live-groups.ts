// The groups of this broker as they run: gives each event to the pure machine (group.ts) and carries out what it asks for: starts timers,
// writes the group's record, answers requests that wait. It owns no rule of the protocol.
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { ErrorCode } from '../wire/errors.ts';
import type { CoordinatorTopic } from './coordinator-topic.ts';
import { groupRecord, type LoadedGroup } from './group-record.ts';
import { emptyGroup, type GroupEffect, type GroupEvent, type GroupState, type TimerName } from './group-state.ts';
import type { JoinAnswer, SyncAnswer } from './group-state.ts';
import { stepGroup } from './group.ts';

export interface LiveGroup {
  state: GroupState;
  /** When it came into its phase, wall clock. */
  sinceMs: number;
  readonly timers: Map<TimerName, Timer>;
}

type Answer = JoinAnswer | SyncAnswer | number;

export class LiveGroups {
  private readonly groups = new Map<string, LiveGroup>();
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private readonly topic: CoordinatorTopic;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private lastTicket = 0;
  private closed = false;

  constructor(topic: CoordinatorTopic, clock: Clock, logger: Logger) {
    this.topic = topic;
    this.clock = clock;
    this.logger = logger;
  }

  get(groupId: string): LiveGroup | undefined {
    return this.groups.get(groupId);
  }

  all(): Iterable<LiveGroup> {
    return this.groups.values();
  }

  /** The group, made empty when it is not there. */
  getOrCreate(groupId: string): LiveGroup {
    let group = this.groups.get(groupId);
    if (group === undefined) {
      group = { state: emptyGroup(groupId), sinceMs: this.clock.now(), timers: new Map() };
      this.groups.set(groupId, group);
    }
    return group;
  }

  /**
   * Puts a group of the log in place: its members have one session to be heard of; those of the process that wrote it are gone (the lock of the
   * data directory proves it), so nobody waits for them.
   */
  restore({ state, sinceMs }: LoadedGroup): void {
    const group = this.put({ state, sinceMs });
    for (const { memberId, inProcess } of [...state.members.values()]) {
      if (inProcess) this.step(group, { kind: 'leave', ticket: 0, memberId, instanceId: null });
    }
  }

  /** Takes a group that was one of the new protocol until now; with `rebalance` everybody has to join again. */
  adopt(state: GroupState, rebalance: boolean): void {
    const group = this.put({ state, sinceMs: this.clock.now() });
    if (rebalance) this.step(group, { kind: 'rebalance' });
  }

  /** Forgets a group that is dead or about to be; whoever waits in it is answered with `errorCode`. */
  remove(groupId: string, errorCode: number = ErrorCode.COORDINATOR_NOT_AVAILABLE): void {
    const group = this.groups.get(groupId);
    if (group === undefined) return;
    this.step(group, { kind: 'delete', errorCode });
    this.groups.delete(groupId);
  }

  join(group: LiveGroup, event: (ticket: number) => GroupEvent): Promise<JoinAnswer> {
    return this.ask(group, event) as Promise<JoinAnswer>;
  }

  sync(group: LiveGroup, event: (ticket: number) => GroupEvent): Promise<SyncAnswer> {
    return this.ask(group, event) as Promise<SyncAnswer>;
  }

  /** Heartbeat and leave: the error code to answer. */
  tell(group: LiveGroup, event: (ticket: number) => GroupEvent): Promise<number> {
    return this.ask(group, event) as Promise<number>;
  }

  /** A sign of life other than a heartbeat. */
  touch(group: LiveGroup, memberId: string): void {
    const member = group.state.members.get(memberId);
    if (member === undefined) return;
    this.perform(group, { kind: 'arm', timer: `session:${memberId}`, delayMs: member.sessionTimeoutMs });
  }

  /** Stops all timers and answers all that wait. */
  close(): void {
    this.closed = true;
    for (const groupId of [...this.groups.keys()]) this.remove(groupId);
  }

  private put({ state, sinceMs }: LoadedGroup): LiveGroup {
    const group: LiveGroup = { state, sinceMs, timers: new Map() };
    this.groups.set(state.groupId, group);
    for (const { memberId, sessionTimeoutMs } of state.members.values()) {
      this.perform(group, { kind: 'arm', timer: `session:${memberId}`, delayMs: sessionTimeoutMs });
    }
    return group;
  }

  private ask(group: LiveGroup, event: (ticket: number) => GroupEvent): Promise<Answer> {
    const ticket = ++this.lastTicket;
    return new Promise((resolve) => {
      this.waiting.set(ticket, resolve);
      this.step(group, event(ticket));
    });
  }

  private step(group: LiveGroup, event: GroupEvent): void {
    const { phase } = group.state;
    const { state, effects } = stepGroup(group.state, event);
    group.state = state;
    if (state.phase !== phase) group.sinceMs = this.clock.now();
    for (const effect of effects) this.perform(group, effect);
  }

  private perform(group: LiveGroup, effect: GroupEffect): void {
    switch (effect.kind) {
      case 'arm': {
        if (this.closed) return;
        const { timer, delayMs } = effect;
        group.timers.get(timer)?.cancel();
        const fire = () => {
          group.timers.delete(timer);
          this.step(group, { kind: 'timer', timer });
        };
        group.timers.set(timer, this.clock.schedule(delayMs, fire));
        return;
      }
      case 'disarm':
        group.timers.get(effect.timer)?.cancel();
        group.timers.delete(effect.timer);
        return;
      case 'persist':
        void this.persist(group, effect.generation);
        return;
      case 'answer': {
        this.answer(effect.ticket, effect.errorCode);
        return;
      }
      case 'join-answer':
      case 'sync-answer': {
        this.answer(effect.ticket, effect.answer);
        return;
      }
    }
  }

  private answer(ticket: number, answer: Answer): void {
    const resolve = this.waiting.get(ticket);
    this.waiting.delete(ticket);
    resolve?.(answer);
  }

  /** Writes the group's record as it is now; the group learns when it is durable. */
  private async persist(group: LiveGroup, generation: number): Promise<void> {
    const { groupId } = group.state;
    const record = groupRecord(group.state, group.sinceMs);
    let errorCode: number = ErrorCode.NONE;
    try {
      if (!this.topic.exists) await this.topic.ensure();
      if (group.state.phase === 'Dead') return;
      const { durable } = this.topic.append(this.topic.partitionFor(groupId), [record], this.clock.now());
      await durable;
    } catch (error) {
      errorCode = ErrorCode.COORDINATOR_NOT_AVAILABLE;
      this.logger.warn('The state of a consumer group could not be written; its members have to join again', {
        group: groupId,
        error: messageOf(error),
      });
    }
    this.step(group, { kind: 'persisted', generation, errorCode });
  }
}
