// The machine of new consumer groups under random events: members that join, change their subscription, obey or are late, lose answers, fall silent, leave
// and come back, topics that appear, grow and vanish. Whatever happens: nobody is given what another holds, epochs only grow, what is written reads back
// as the same state; and when everything is quiet, all reach the target, which holds every partition once.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expireConsumer, heartbeatConsumer } from '../../../broker/coordinator/consumer-group.ts';
import { ConsumerGroupLoader } from '../../../broker/coordinator/consumer-group-loader.ts';
import { consumerGroupRecords } from '../../../broker/coordinator/consumer-group-record.ts';
import {
  AWAY_EPOCH,
  type ConsumerGroupState,
  emptyConsumerGroup,
  type HeartbeatEvent,
  LEAVE_EPOCH,
  type PartitionKey,
  phaseOf,
  type SubscribedTopic,
} from '../../../broker/coordinator/consumer-group-state.ts';
import { versionOf } from '../../../broker/coordinator/coordinator-topic.ts';
import { ErrorCode, KafkaError } from '../../../broker/wire/errors.ts';

interface Client {
  memberId: string;
  readonly instanceId: string | null;
  epoch: number;
  /** What it really reads at the moment. */
  readonly owned: Set<PartitionKey>;
  /** What it was told last; it gives back and takes when it likes. */
  assignment: ReadonlySet<PartitionKey>;
  /** What it said that it holds; it says so again when that has changed, or when an answer was lost. */
  said: ReadonlySet<PartitionKey> | undefined;
  names: readonly string[];
  regex: string | null;
  assignor: string | null;
}

const rules = {
  ...{ maxMembers: 100, maxClassicMembers: 100, mayUpgrade: true, takesClassic: true, mayBecomeClassic: true },
};
const topicNames = ['app', 'app.audit', 'web', 'other'];

class World {
  state: ConsumerGroupState = emptyConsumerGroup('group');
  readonly clients: Client[] = [];
  readonly topics = new Map<string, SubscribedTopic>();
  private readonly log = new ConsumerGroupLoader();
  private count = 0;

  readonly view = {
    topic: (name: string) => this.topics.get(name),
    matching: (regex: string) =>
      new Set([...this.topics.keys()].filter((name) => new RegExp(`^(?:${regex})$`).test(name))),
  };

  /** A topic with another id, or one with more partitions. */
  changeTopic(name: string, partitions: number, isNew: boolean): void {
    const known = this.topics.get(name);
    if (partitions === 0) this.topics.delete(name);
    else if (known === undefined || isNew)
      this.topics.set(name, { topicId: (++this.count).toString(16).padStart(32, '0'), partitions });
    else this.topics.set(name, { ...known, partitions: Math.max(known.partitions, partitions) });
  }

  join(instanceId: string | null, subscription: Pick<Client, 'names' | 'regex' | 'assignor'>): void {
    const memberId = `member-${++this.count}`;
    const client: Client = {
      memberId,
      instanceId,
      epoch: 0,
      owned: new Set(),
      assignment: new Set(),
      said: undefined,
      ...subscription,
    };
    if (this.heartbeat(client, { full: true })) this.clients.push(client);
  }

  /** One heartbeat; the answer may be lost. False when the group refused it, and the client is gone or starts over. */
  heartbeat(client: Client, how: { full?: boolean; lost?: boolean } = {}): boolean {
    const joins = client.epoch === 0;
    if (joins) client.owned.clear();
    const says = joins || how.full === true || client.said === undefined;
    const owned = new Set(client.owned);
    const isSaid = client.said?.size === owned.size && [...owned].every((key) => client.said?.has(key));
    const event: HeartbeatEvent = {
      memberId: client.memberId,
      memberEpoch: client.epoch,
      instanceId: client.instanceId,
      rackId: null,
      rebalanceTimeoutMs: says ? 60_000 : -1,
      topicNames: says ? client.names : null,
      topicRegex: says ? client.regex : null,
      assignor: client.assignor,
      owned: isSaid && !says ? null : owned,
      clientId: 'client',
      clientHost: '/127.0.0.1',
    };
    try {
      const { state, answer } = heartbeatConsumer(this.state, event, this.view, rules);
      this.become(state);
      client.said = how.lost === true ? undefined : owned;
      if (how.lost === true) return true;
      client.epoch = answer.memberEpoch;
      if (answer.assignment !== null) client.assignment = new Set(answer.assignment);
      return true;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      client.epoch = 0;
      client.owned.clear();
      if (error.errorCode === ErrorCode.UNRELEASED_INSTANCE_ID || error.errorCode === ErrorCode.FENCED_INSTANCE_ID) {
        // Another one has its place: it ends.
        if (this.clients.includes(client)) this.clients.splice(this.clients.indexOf(client), 1);
      } else expect([ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID]).toContain(error.errorCode);
      return false;
    }
  }

  /**
   * The client acts on what it was told: it gives back, and takes what is new. Not while it does not know what the group has made of its last word: to
   * take then what it was to give back is a risk that the protocol leaves to clients.
   */
  obey(client: Client): void {
    if (client.said === undefined) return;
    client.owned.clear();
    for (const key of client.assignment) client.owned.add(key);
  }

  leave(client: Client, epoch: number): void {
    const { memberId, instanceId } = client;
    const nothing = {
      rackId: null,
      rebalanceTimeoutMs: -1,
      topicNames: null,
      topicRegex: null,
      assignor: null,
      owned: null,
    };
    const event = {
      ...nothing,
      memberId,
      instanceId,
      memberEpoch: epoch,
      clientId: 'client',
      clientHost: '/127.0.0.1',
    };
    this.clients.splice(this.clients.indexOf(client), 1);
    // One that the group has given up, and that does not know it, is refused.
    if (this.state.members.has(memberId)) this.become(heartbeatConsumer(this.state, event, this.view, rules).state);
  }

  /** Its session is over; it does not know yet, but has stopped reading by then. */
  silence(client: Client): void {
    client.owned.clear();
    this.become(expireConsumer(this.state, `session:${client.memberId}`, this.view, rules).state);
  }

  private become(after: ConsumerGroupState): void {
    const before = this.state;
    this.state = after;
    expect(after.epoch).toBeGreaterThanOrEqual(before.epoch);
    expect(after.assignmentEpoch).toBeGreaterThanOrEqual(before.assignmentEpoch);
    expect(after.epoch).toBeGreaterThanOrEqual(after.assignmentEpoch);
    const held = new Set<PartitionKey>();
    const targeted = new Set<PartitionKey>();
    for (const [memberId, member] of after.members) {
      for (const key of [...member.assigned.keys(), ...member.revoking.keys()]) {
        must(!held.has(key), `${key} is held twice`);
        held.add(key);
      }
      const former = before.members.get(memberId);
      if (former !== undefined && member.epoch >= 0) must(member.epoch >= former.epoch, `${memberId} went back`);
      for (const key of after.target.get(memberId) ?? []) {
        must(!targeted.has(key), `${key} is promised twice`);
        targeted.add(key);
      }
    }
    for (const client of this.clients) {
      const member = after.members.get(client.memberId);
      if (member === undefined) continue;
      for (const key of client.owned) {
        for (const other of after.members.values()) {
          must(other === member || !other.assigned.has(key), `${key} is given away while it is read`);
        }
      }
    }
    for (const { key, value } of consumerGroupRecords(before, after, 1)) this.log.read(versionOf(key)!, key, value);
    if (after.epoch > 0) expect([...this.log.states()].map(comparable)).toEqual([comparable(after)]);
  }
}

/** expect() for the innermost loops, where it would take most of the time. */
function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/** Whatever the order of its members. */
function comparable(state: ConsumerGroupState): unknown {
  const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([left], [right]) => (left < right ? -1 : 1));
  return { ...state, members: sorted(state.members), target: sorted(state.target), regexes: sorted(state.regexes) };
}

const subscriptions = fc.record({
  names: fc.subarray(topicNames),
  regex: fc.constantFrom(null, 'app.*', '.*'),
  assignor: fc.constantFrom(null, 'uniform', 'range'),
});
const someSubscription = subscriptions.map((one) =>
  one.regex === null && one.names.length === 0 ? { ...one, regex: '.*' } : one,
);
const who = fc.nat(30);

const steps = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('join' as const),
      instance: fc.constantFrom(null, null, 'i1', 'i2'),
      says: someSubscription,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), who, full: fc.boolean(), lost: fc.boolean() }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('obey' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, says: someSubscription }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('silence' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who, away: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rejoin' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('topic' as const),
      name: fc.constantFrom(...topicNames),
      partitions: fc.nat(6),
      isNew: fc.boolean(),
    }),
  },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

function perform(world: World, step: Step): void {
  if (step.kind === 'join') world.join(step.instance, step.says);
  else if (step.kind === 'topic') world.changeTopic(step.name, step.partitions, step.isNew);
  if (!('who' in step) || world.clients.length === 0) return;
  const client = world.clients[step.who % world.clients.length]!;
  if (step.kind === 'heartbeat') world.heartbeat(client, step);
  else if (step.kind === 'obey') world.obey(client);
  else if (step.kind === 'subscribe') Object.assign(client, step.says);
  else if (step.kind === 'silence') world.silence(client);
  else if (step.kind === 'rejoin') client.epoch = 0;
  else world.leave(client, step.away && client.instanceId !== null ? AWAY_EPOCH : LEAVE_EPOCH);
}

/** Everybody beats and obeys, and those that are only away are gone for good. */
function settle(world: World): void {
  for (const { memberId, epoch } of world.state.members.values()) {
    if (epoch === AWAY_EPOCH) world.silence({ memberId, owned: new Set<PartitionKey>() } as Client);
  }
  for (let round = 0; round < 8; round++) {
    for (const client of [...world.clients]) {
      if (world.heartbeat(client, { full: true })) world.obey(client);
    }
  }
}

it('never gives a partition twice, and converges', () => {
  const property = fc.property(fc.array(steps, { minLength: 5, maxLength: 60 }), (course) => {
    const world = new World();
    for (const name of ['app', 'web']) world.changeTopic(name, 3, true);
    for (const step of course) perform(world, step);
    settle(world);
    const { state } = world;
    expect(phaseOf(state)).toBe(world.clients.length === 0 ? 'Empty' : 'Stable');
    expect(new Set(state.members.keys())).toEqual(new Set(world.clients.map(({ memberId }) => memberId)));
    const subscribed = [...state.topics.values()].reduce((sum, { partitions }) => sum + partitions, 0);
    expect(world.clients.reduce((sum, { owned }) => sum + owned.size, 0)).toBe(subscribed);
    for (const client of world.clients) {
      expect(client.owned).toEqual(state.target.get(client.memberId));
      expect(client.epoch).toBe(state.assignmentEpoch);
    }
  });
  fc.assert(property, { numRuns: Number(process.env['RUNS'] ?? 200) });
});
