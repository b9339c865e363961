// The coordinator's assignors: every partition once, to somebody who reads its topic; as even as can be; and what can stay, stays.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AssignableMember, assignors } from '../../../broker/coordinator/assignors.ts';
import {
  type PartitionKey,
  partitionKey,
  type SubscribedTopic,
} from '../../../broker/coordinator/consumer-group-state.ts';

const uniform = assignors.get('uniform')!;
const range = assignors.get('range')!;

function topic(topicId: string, partitions: number): SubscribedTopic {
  return { topicId, partitions };
}

/** Members a, b, c …, all of whom read `topics`. */
function alike(count: number, topics: readonly SubscribedTopic[]): AssignableMember[] {
  return Array.from({ length: count }, (_, index) => ({
    memberId: String.fromCharCode(97 + index),
    topics,
    before: new Set<PartitionKey>(),
  }));
}

function after(members: readonly AssignableMember[], assignment: ReadonlyMap<string, Set<PartitionKey>>) {
  return members.map((member) => ({ ...member, before: assignment.get(member.memberId) ?? new Set<PartitionKey>() }));
}

function sizes(assignment: ReadonlyMap<string, Set<PartitionKey>>): number[] {
  return [...assignment.values()].map((keys) => keys.size);
}

const groups = fc
  .tuple(
    fc.array(fc.nat(7), { minLength: 1, maxLength: 5 }),
    fc.array(fc.record({ reads: fc.nat(31), had: fc.array(fc.tuple(fc.nat(5), fc.nat(7))) }), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([counts, members]) => {
    const topics = counts.map((partitions, index) => topic(`t${index}`, partitions + 1));
    const taken = new Set<PartitionKey>();
    return members.map(({ reads, had }, index): AssignableMember => {
      const before = had.map(([of, partition]) => partitionKey(`t${of}`, partition)).filter((key) => !taken.has(key));
      for (const key of before) taken.add(key);
      return { memberId: `m${index}`, topics: topics.filter((_, bit) => (reads >> bit) & 1), before: new Set(before) };
    });
  });

describe.each([...assignors])('%s', (_name, assign) => {
  it('gives every partition once, to a reader of its topic', () => {
    const property = fc.property(groups, (members) => {
      const assignment = assign(members);
      expect([...assignment.keys()]).toEqual(members.map(({ memberId }) => memberId));
      const given = [...assignment.values()].flatMap((keys) => [...keys]);
      const all = new Map(members.flatMap(({ topics }) => topics.map((one) => [one.topicId, one])));
      expect(new Set(given).size).toBe(given.length);
      expect(given).toHaveLength([...all.values()].reduce((sum, { partitions }) => sum + partitions, 0));
      for (const { memberId, topics } of members) {
        for (const key of assignment.get(memberId)!) {
          expect(topics.map(({ topicId }) => topicId)).toContain(key.slice(0, key.indexOf('/')));
        }
      }
    });
    fc.assert(property);
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(groups, (members) => {
        const first = assign(members);
        expect(assign(after(members, first))).toEqual(first);
      }),
    );
  });
});

describe('uniform', () => {
  it('is even over all topics together', () => {
    expect(sizes(uniform(alike(3, [topic('t', 1), topic('u', 1), topic('v', 5)]))).sort()).toEqual([2, 2, 3]);
  });

  it('moves no more than a new member needs', () => {
    const topics = [topic('t', 8)];
    const first = uniform(alike(2, topics));
    const second = uniform(after(alike(3, topics), first));
    expect(sizes(second).sort()).toEqual([2, 3, 3]);
    for (const name of ['a', 'b']) for (const key of second.get(name)!) expect(first.get(name)).toContain(key);
  });

  it('passes partitions on through members in between', () => {
    const before = (...keys: PartitionKey[]) => new Set(keys);
    const members = [
      { memberId: 'a', topics: [topic('t', 2)], before: before('t/0', 't/1') },
      { memberId: 'b', topics: [topic('t', 2), topic('u', 1)], before: before('u/0') },
      { memberId: 'c', topics: [topic('u', 1)], before: before() },
    ];
    expect(sizes(uniform(members))).toEqual([1, 1, 1]);
  });

  it('never leaves a member two behind another that could give to it', () => {
    fc.assert(
      fc.property(groups, (members) => {
        const assignment = uniform(members);
        for (const { memberId } of members) {
          for (const key of assignment.get(memberId)!) {
            for (const other of members.filter(({ topics }) =>
              topics.some(({ topicId }) => key.startsWith(`${topicId}/`)),
            )) {
              const difference = assignment.get(memberId)!.size - assignment.get(other.memberId)!.size;
              expect(difference).toBeLessThan(2);
            }
          }
        }
      }),
    );
  });
});

describe('range', () => {
  it('gives members with the same topics the same partitions of each', () => {
    const assignment = range(alike(3, [topic('t', 7), topic('u', 7)]));
    expect([...assignment.values()].map((keys) => [...keys])).toEqual([
      ['t/0', 't/1', 't/2', 'u/0', 'u/1', 'u/2'],
      ['t/3', 't/4', 'u/3', 'u/4'],
      ['t/5', 't/6', 'u/5', 'u/6'],
    ]);
  });
});
