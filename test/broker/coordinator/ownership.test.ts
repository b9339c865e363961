// Who owns what while members come, go, die and change their protocol, seen from the members' side: whatever happens, no partition is read by two at once,
// also not for a moment in a round of a cooperative rebalance (KIP-429) or while a group changes its protocol (KIP-848); and when nobody comes or goes any
// more, every partition is read by one. RUNS sets how many courses are tried.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../base/random.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { openWorld, type World } from '../../support/coordinators.ts';
import { ClassicMember, type Group, type GroupMember, NewMember, type Style } from '../../support/group-members.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const sessionTimeoutMs = 10_000;
/** Fewer than in a session, as clients do. */
const heartbeatMs = 3000;

const who = fc.nat(10);
const steps = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('classic' as const), isStatic: fc.boolean() }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('step' as const), who }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('round' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);
const stepsOfBoth = fc.oneof(
  { weight: 6, arbitrary: steps },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('new' as const) }) },
);
type Step = typeof stepsOfBoth extends fc.Arbitrary<infer T> ? T : never;

class Course {
  members: GroupMember[] = [];
  private readonly files = new CrashFiles();
  private readonly clock = new ManualClock();
  private readonly style: Style;
  private readonly group: Group;
  private world!: World;
  private count = 0;

  constructor(style: Style) {
    this.style = style;
    this.group = {
      ...{ groupId: 'group', topic: 'app', partitions: 6, sessionTimeoutMs, rebalanceTimeoutMs: 60_000 },
      coordinator: () => this.world.groups,
    };
  }

  async open(): Promise<void> {
    const settings = { 'group.consumer.session.timeout.ms': sessionTimeoutMs };
    // Another broker gives out other ids.
    const random = seededRandom(++this.count);
    this.world = await openWorld({ files: this.files, clock: this.clock, random, settings });
    if (this.world.log.topic('app') === undefined) await this.world.log.createTopic({ name: 'app', partitions: 6 });
  }

  async perform(step: Step): Promise<void> {
    const member = 'who' in step ? this.members[step.who % Math.max(1, this.members.length)] : undefined;
    if (step.kind === 'classic' && this.members.length < 5) {
      const instanceId = step.isStatic ? `instance-${++this.count}` : null;
      this.members.push(new ClassicMember(this.group, this.style, instanceId));
    } else if (step.kind === 'new' && this.members.length < 5) {
      this.members.push(new NewMember(this.group, `new-${++this.count}`));
    } else if (step.kind === 'round') await this.round();
    else if (step.kind === 'restart') await this.restart();
    else if (step.kind === 'die' && member !== undefined) await this.die(member);
    else if (step.kind === 'leave' && member !== undefined) {
      this.members = this.members.filter((other) => other !== member);
      member.leave();
    } else member?.step();
    await this.quiet();
  }

  /** Everybody does a step, and a little time passes. */
  async round(): Promise<void> {
    for (const member of this.members) member.step();
    await this.quiet();
    this.clock.pass(heartbeatMs);
    await this.quiet();
  }

  /** Until everything that was asked is answered, or waits for other members; nobody reads what another reads. */
  private async quiet(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      const owned = this.members.flatMap((member) => [...member.owned]);
      if (new Set(owned).size !== owned.length) throw new Error(`partitions are read twice: ${owned.sort().join()}`);
    }
  }

  /** The others go on while the session of the dead one runs out. */
  private async die(member: GroupMember): Promise<void> {
    this.members = this.members.filter((other) => other !== member);
    member.die();
    for (let passedMs = 0; passedMs <= sessionTimeoutMs; passedMs += heartbeatMs) await this.round();
  }

  private async restart(): Promise<void> {
    await this.world.close();
    await this.open();
  }

  async close(): Promise<void> {
    await this.world.close();
  }
}

async function run(style: Style, course: readonly Step[]): Promise<void> {
  const at = new Course(style);
  await at.open();
  try {
    for (const step of course) await at.perform(step);
    if (at.members.length === 0) return;
    // A static member that is not heard of any more has its session, and who was told nothing its rebalance timeout.
    for (let round = 0; round < 60; round++) await at.round();
    const owned = at.members.flatMap((member) => [...member.owned]);
    expect(owned.sort()).toEqual([0, 1, 2, 3, 4, 5]);
  } finally {
    await at.close();
  }
}

const numRuns = Number(process.env['RUNS'] ?? 25);

describe.each(['eager', 'cooperative'] as const)('%s members', (style) => {
  it('never read what another reads', { timeout: 120_000 }, async () => {
    const courses = fc.array(steps, { minLength: 10, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(courses, (course) => run(style, course)),
      { numRuns },
    );
  });

  it('share with those of the new protocol, and never read what another reads', { timeout: 120_000 }, async () => {
    const courses = fc.array(stepsOfBoth, { minLength: 10, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(courses, (course) => run(style, course)),
      { numRuns },
    );
  });
});
