import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignRange,
  assignUndivided,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../broker/client/group-assignor.ts';

const topicNames = ['a', 'b', 'c'];
const member = fc.record({
  memberId: fc.string({ minLength: 1, maxLength: 8 }),
  instanceId: fc.option(fc.string({ minLength: 1, maxLength: 4 }), { nil: undefined }),
  topics: fc.subarray(topicNames),
});
const counts = fc.record({ a: fc.nat(9), b: fc.nat(9), c: fc.nat(9) });

it('assignUndivided gives everything to the first member that is static, or else the first', () => {
  const partitions = (topic: string) => (topic === 'a' ? 2 : topic === 'b' ? 1 : 0);
  const topics = ['a', 'b', 'c'];
  const members = [
    { memberId: '1', instanceId: undefined, topics },
    { memberId: '2', instanceId: 'y', topics },
    { memberId: '3', instanceId: 'x', topics },
  ];
  const all = new Map([
    ['a', [0, 1]],
    ['b', [0]],
  ]);
  expect(assignUndivided(members, partitions)).toEqual(
    new Map([
      ['1', new Map()],
      ['2', new Map()],
      ['3', all],
    ]),
  );
  expect(assignUndivided(members.slice(0, 1), partitions)).toEqual(new Map([['1', all]]));
});

describe('assignRange', () => {
  it('gives every partition of a subscribed topic to exactly one subscriber, evenly', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(member, { selector: ({ memberId }) => memberId, maxLength: 6 }),
        counts,
        (members, sizes) => {
          const assignments = assignRange(members, (topic) => sizes[topic as 'a' | 'b' | 'c']);
          expect([...assignments.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort());
          for (const topic of topicNames) {
            const readers = members.filter(({ topics }) => topics.includes(topic));
            const given = readers.map(({ memberId }) => assignments.get(memberId)!.get(topic) ?? []);
            const size = readers.length === 0 ? 0 : sizes[topic as 'a' | 'b' | 'c'];
            expect(given.flat().sort((left, right) => left - right)).toEqual(
              Array.from({ length: size }, (_, index) => index),
            );
            const shares = given.map((each) => each.length);
            if (shares.length > 0) expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
            for (const { memberId, topics } of members) {
              if (!topics.includes(topic)) expect(assignments.get(memberId)!.has(topic)).toBe(false);
            }
          }
        },
      ),
    );
  });

  it('does as the Java range assignor: in order of member id, static members first, the first ones get one more', () => {
    const members = [
      { memberId: 'm2', instanceId: undefined, topics: ['t'] },
      { memberId: 'm1', instanceId: undefined, topics: ['t'] },
      { memberId: 'z', instanceId: 'one', topics: ['t'] },
    ];
    const assignments = assignRange(members, () => 7);
    expect(assignments.get('z')?.get('t')).toEqual([0, 1, 2]);
    expect(assignments.get('m1')?.get('t')).toEqual([3, 4]);
    expect(assignments.get('m2')?.get('t')).toEqual([5, 6]);
  });
});

describe('the consumer protocol', () => {
  it('round-trips subscriptions and assignments', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string()),
        fc.uniqueArray(fc.string()),
        fc.array(fc.nat(100)),
        (topics, assigned, partitions) => {
          expect(decodeSubscription(encodeSubscription(topics))).toEqual([...topics].sort());
          const assignment = new Map(assigned.map((topic) => [topic, partitions]));
          expect(decodeAssignment(encodeAssignment(assignment))).toEqual(assignment);
        },
      ),
    );
  });

  it('takes no bytes for no partitions, and newer versions for what is known of them', () => {
    expect(decodeAssignment(Buffer.alloc(0))).toEqual(new Map());
    const newer = Buffer.concat([
      Buffer.from([0, 9]),
      Buffer.from('00000001000174', 'hex'),
      Buffer.from('ffffffff', 'hex'),
    ]);
    const rest = Buffer.from('00000000' + 'ffffffff' + 'ffff' + '0badcafe', 'hex');
    expect(decodeSubscription(Buffer.concat([newer, rest]))).toEqual(['t']);
    expect(() => decodeSubscription(Buffer.from('ffff', 'hex'))).toThrow(/version -1/);
  });
});
