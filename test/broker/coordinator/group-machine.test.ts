// The group machine under random events: members that join, sync, leave, come back, fall silent, in any order and with any arguments, while time passes
// and records are written late or not at all. Whatever happens: one leader a generation, one protocol a generation, each request answered once, and in
// the end, when everybody falls silent, nobody waits any more and nobody is left.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stepGroup } from '../../../broker/coordinator/group.ts';
import {
  emptyGroup,
  type GroupEffect,
  type GroupEvent,
  type GroupState,
  type JoinAnswer,
  type Protocol,
  type SyncAnswer,
  type TimerName,
} from '../../../broker/coordinator/group-state.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Answer = JoinAnswer | SyncAnswer | number;

/** Runs the machine as the coordinator does, and keeps what it said. */
class Runner {
  state: GroupState = emptyGroup('group');
  readonly initialDelayMs: number;
  readonly clock = new ManualClock();
  readonly answers = new Map<number, Answer>();
  /** Ids that the group gave out, the newest last. */
  readonly ids: string[] = [];
  readonly unwritten: number[] = [];
  tickets = 0;
  private readonly timers = new Map<TimerName, { cancel(): void }>();
  private readonly leaders = new Map<number, string>();
  private readonly protocols = new Map<number, string | null>();
  private readonly rosters = new Map<number, string[]>();

  constructor(initialDelayMs = 0) {
    this.initialDelayMs = initialDelayMs;
  }

  step(event: GroupEvent): void {
    const { state, effects } = stepGroup(this.state, event);
    this.state = state;
    for (const effect of effects) this.perform(effect);
    this.check();
  }

  ask(event: (ticket: number) => GroupEvent): number {
    const ticket = ++this.tickets;
    this.step(event(ticket));
    return ticket;
  }

  private perform(effect: GroupEffect): void {
    if (effect.kind === 'arm') {
      this.timers.get(effect.timer)?.cancel();
      const fire = () => {
        this.timers.delete(effect.timer);
        this.step({ kind: 'timer', timer: effect.timer });
      };
      this.timers.set(effect.timer, this.clock.schedule(effect.delayMs, fire));
    } else if (effect.kind === 'disarm') {
      this.timers.get(effect.timer)?.cancel();
      this.timers.delete(effect.timer);
    } else if (effect.kind === 'persist') {
      this.unwritten.push(effect.generation);
    } else {
      expect(this.answers.has(effect.ticket)).toBe(false);
      this.answers.set(effect.ticket, effect.kind === 'answer' ? effect.errorCode : effect.answer);
      if (effect.kind === 'join-answer') this.checkJoin(effect.answer);
    }
  }

  private checkJoin(answer: JoinAnswer): void {
    if (answer.memberId !== '') this.ids.push(answer.memberId);
    if (answer.errorCode !== ErrorCode.NONE) return;
    expect(answer.generation).toBe(this.state.generation);
    expect(this.protocols.get(answer.generation) ?? answer.protocolName).toBe(answer.protocolName);
    this.protocols.set(answer.generation, answer.protocolName);
    if (answer.members.length === 0) return;
    expect(answer.leader).toBe(answer.memberId);
    // Who may compute an assignment: one member a generation, however often it asks.
    if (answer.skipAssignment) return;
    expect(this.leaders.get(answer.generation) ?? answer.memberId).toBe(answer.memberId);
    this.leaders.set(answer.generation, answer.memberId);
    const roster = answer.members.map((member) => member.memberId);
    expect(roster).toEqual([...this.state.members.keys()]);
    expect(this.rosters.get(answer.generation) ?? roster).toEqual(roster);
    this.rosters.set(answer.generation, roster);
  }

  private check(): void {
    const { members, leader, phase, pendingSync, protocolName } = this.state;
    if (phase === 'Empty' || phase === 'Dead') expect(members.size).toBe(0);
    if (phase === 'CompletingRebalance' || phase === 'Stable') {
      expect(members.has(leader!)).toBe(true);
      for (const member of members.values()) {
        expect(member.protocols.some(({ name }) => name === protocolName)).toBe(true);
      }
    }
    for (const memberId of pendingSync) expect(members.has(memberId)).toBe(true);
    const instances = [...members.values()].flatMap(({ instanceId }) => instanceId ?? []);
    expect(new Set(instances).size).toBe(instances.length);
  }

  /** Everybody falls silent and the disk keeps up: all timers run out. */
  quiesce(): void {
    for (let round = 0; round < 40; round++) {
      while (this.unwritten.length > 0) {
        this.step({ kind: 'persisted', generation: this.unwritten.shift()!, errorCode: ErrorCode.NONE });
      }
      this.clock.pass(400_000);
    }
  }
}

const instance = fc.option(fc.constantFrom('static-1', 'static-2'), { freq: 3 });
const act = fc.oneof(
  fc.record({
    kind: fc.constant('join' as const),
    /** Which known id to come with; -1 for none. */
    id: fc.integer({ min: -1, max: 4 }),
    instance,
    protocols: fc.constantFrom(['range'], ['range', 'sticky'], ['sticky', 'range'], ['other']),
    changed: fc.boolean(),
    modern: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('sync' as const), id: fc.nat(4), instance, wrong: fc.boolean() }),
  fc.record({ kind: fc.constant('heartbeat' as const), id: fc.nat(4), instance }),
  fc.record({ kind: fc.constant('leave' as const), id: fc.integer({ min: -1, max: 4 }), instance }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(100, 5000, 12_000, 70_000) }),
  fc.record({ kind: fc.constant('persisted' as const), fails: fc.boolean() }),
  /** All members, or all but one, do what they should: join again, or fetch their assignment. */
  fc.record({ kind: fc.constant('follow' as const), except: fc.integer({ min: 0, max: 8 }) }),
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

function perform(runner: Runner, one: Act): void {
  const idOf = (index: number) => (index < 0 ? '' : (runner.ids.at(-1 - index) ?? 'nobody'));
  const instanceOf = (memberId: string, given: string | null) =>
    given === null ? (runner.state.members.get(memberId)?.instanceId ?? null) : given;
  switch (one.kind) {
    case 'join': {
      const memberId = idOf(one.id);
      const metadata = Buffer.from(one.changed ? 'changed' : 'same');
      const protocols = one.protocols.map((name) => ({ name, metadata }));
      join(runner, memberId, instanceOf(memberId, one.instance), protocols, one.modern);
      return;
    }
    case 'follow':
      for (const [index, member] of [...runner.state.members.values()].entries()) {
        const { memberId, instanceId, protocols, joinTicket, syncTicket } = member;
        if (index === one.except || joinTicket !== undefined || syncTicket !== undefined) continue;
        if (runner.state.phase === 'PreparingRebalance') join(runner, memberId, instanceId, protocols, true);
        else
          perform(runner, {
            kind: 'sync',
            id: runner.ids.length - 1 - runner.ids.indexOf(memberId),
            instance: null,
            wrong: false,
          });
      }
      return;
    case 'sync': {
      const memberId = idOf(one.id);
      const generation = runner.state.generation - (one.wrong ? 1 : 0);
      const assignments = new Map([...runner.state.members.keys()].map((id) => [id, Buffer.from(id)]));
      const instanceId = instanceOf(memberId, one.instance);
      const rest = { protocolType: null, protocolName: null, assignments };
      runner.ask((ticket) => ({ kind: 'sync', ticket, memberId, instanceId, generation, ...rest }));
      return;
    }
    case 'heartbeat': {
      const [memberId, { generation }] = [idOf(one.id), runner.state];
      const instanceId = instanceOf(memberId, one.instance);
      runner.ask((ticket) => ({ kind: 'heartbeat', ticket, memberId, instanceId, generation }));
      return;
    }
    case 'leave': {
      const memberId = idOf(one.id);
      const instanceId = instanceOf(memberId, one.instance);
      runner.ask((ticket) => ({ kind: 'leave', ticket, memberId, instanceId }));
      return;
    }
    case 'pass':
      runner.clock.pass(one.ms);
      return;
    case 'persisted': {
      const generation = runner.unwritten.shift();
      const errorCode = one.fails ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.NONE;
      if (generation !== undefined) runner.step({ kind: 'persisted', generation, errorCode });
    }
  }
}

function join(
  runner: Runner,
  memberId: string,
  instanceId: string | null,
  protocols: readonly Protocol[],
  modern: boolean,
): number {
  return runner.ask((ticket) => ({
    ...{ kind: 'join', ticket, memberId, freshMemberId: `m${ticket}`, clientId: 'c', clientHost: 'h' },
    ...{ inProcess: false, protocolType: 'consumer', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000 },
    ...{ requiresKnownMemberId: modern, canSkipAssignment: modern, maxMembers: 4, instanceId, protocols },
    // Groups that wait for more members when they begin, and groups that do not.
    initialDelayMs: runner.initialDelayMs,
  }));
}

describe('the group machine', () => {
  it('keeps its promises whatever members do', () => {
    const acts = fc.array(act, { maxLength: 60, size: 'max' });
    const run = fc.property(acts, fc.constantFrom(0, 3000), (acts, initialDelayMs) => {
      const runner = new Runner(initialDelayMs);
      for (const one of acts) perform(runner, one);
      runner.quiesce();
      expect(runner.answers.size).toBe(runner.tickets);
      expect(runner.state).toMatchObject({ phase: 'Empty', members: new Map(), pendingMembers: new Set() });
      expect(runner.clock.pending).toBe(0);
    });
    fc.assert(run, { numRuns: Number(process.env['RUNS'] ?? 600) });
  });

  it('never changes a state it was given', () => {
    const run = fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      const runner = new Runner();
      for (const one of acts) {
        const before = runner.state;
        const copy = structuredClone(before);
        perform(runner, one);
        expect(structuredClone(before)).toEqual(copy);
      }
    });
    fc.assert(run, { numRuns: 100 });
  });
});
