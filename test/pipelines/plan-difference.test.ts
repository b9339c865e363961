// What is different between two plans: real ones out of YAML for each kind of change, made-up ones for the laws that hold for all.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tailAgent } from '../../agents/tail/agent.ts';
import type { AgentPlan, Plan, TopicPlan } from '../../pipelines/plan.ts';
import {
  type Changes,
  comparePlans,
  describeDifference,
  type EdgeOfPipeline,
  edgesOf,
} from '../../pipelines/plan-difference.ts';
import { fileSink } from '../../sinks/file/sink.ts';
import { load, planOf } from '../support/planning.ts';
import { pipeline } from '../support/pipeline-world.ts';

const base = `
topics: { app: { partitions: 2, retain: 1d }, other: {} }
agents:
  app: { type: tail, paths: [ "/var/log/a.log" ] }
  push: { type: tail, paths: [ "/var/log/p.log" ], to: other }
pipelines:
  keep: { from: app, steps: [ { parse: json }, { drop: 'level == "debug"' } ], to: [ files, "topic:clean" ] }
  sort: { from: other, steps: [ { route: [ { when: 'a == 1', to: rest }, { to: more } ] } ], to: [ rest, more ] }
  all: { from: "/app|other/", to: rest }
sinks:
  files: "file:/out/{partition}-{offset}.log"
  rest: "file:/rest/{partition}-{offset}.log"
  more: "file:/more/{partition}-{offset}.log"
`;

async function changesOf(...edits: [string, string][]): Promise<string[]> {
  let text = base;
  for (const [before, after] of edits) {
    expect(text).toContain(before);
    text = text.replaceAll(before, after);
  }
  return describeDifference(comparePlans(await planOf(base), await planOf(text)));
}

describe('a change in the YAML', () => {
  it.each<[string, [string, string][], string[]]>([
    ['of nothing', [], []],
    ['of layout alone', [['topics: {', '# moved\n\n\ntopics: {']], []],
    ['of a sink', [['/out/', '/out2/']], ['edge keep.files changed']],
    ['of a sink with two readers', [['/rest/', '/rest2/']], ['edge sort.rest changed', 'edge all.rest changed']],
    ['of steps', [['level == "debug"', 'level == "trace"']], ['edge keep.files changed', 'edge keep.clean changed']],
    ['of one target', [[', "topic:clean" ]', ' ]']], ['edge keep.clean removed']],
    [
      'of the targets that route chooses from',
      [['to: [ rest, more ]', 'to: [ rest, more, files ]']],
      ['edge sort.rest changed', 'edge sort.more changed', 'edge sort.files added'],
    ],
    ['of an agent', [['a.log', 'b.log']], ['agent app changed']],
    ["of an agent's name", [['push:', 'pull:']], ['agent push removed', 'agent pull added']],
    ["of a topic's settings", [['retain: 1d', 'retain: 2d']], ['topic app set']],
    ['of a pattern', [['/app|other/', '/other|app/']], ['edge all.rest changed']],
    ['of the broker', [['topics: {', 'broker: { listen: "127.0.0.1:1234" }\ntopics: {']], ['broker needs a restart']],
    ['of the data directory', [['topics: {', 'data: ./x\ntopics: {']], ['data needs a restart']],
    ['of the room on disk', [['topics: {', 'max_disk: 1GB\ntopics: {']], ['max_disk needs a restart']],
    ['of the identity', [['topics: {', 'instance: me\ntopics: {']], ['instance needs a restart']],
  ])('%s', async (_what, edits, expected) => {
    expect(await changesOf(...edits)).toEqual(expected);
  });

  it('of a table that a step looks things up in', async () => {
    const yaml = `
topics: { app: {} }
pipelines: { p: { from: app, steps: [ { lookup: { file: users.csv, by: id, add: [ name ] } } ], to: s } }
sinks: { s: stdout }
`;
    const plan = async (table: string) => (await load({ 'a.yaml': yaml, 'users.csv': table })).plan!;
    const before = await plan('id,name\n1,a\n');
    expect(describeDifference(comparePlans(before, await plan('id,name\n1,a\n')))).toEqual([]);
    expect(describeDifference(comparePlans(before, await plan('id,name\n1,b\n')))).toEqual(['edge p.s changed']);
  });

  it('names the settings of topics that are no longer made', async () => {
    const { topics } = comparePlans(await planOf(base), await planOf(base.replace(', retain: 1d', '')));
    expect(topics).toEqual([
      { topic: { name: 'app', declared: true, partitions: 2, configs: {} }, dropped: ['retention.ms'] },
    ]);
  });
});

const names = ['a', 'b', 'c', 'd'];
const values = fc.constantFrom('1', '2', '3');
const topics = fc.uniqueArray(
  fc.record<TopicPlan>({
    name: fc.constantFrom(...names),
    declared: fc.boolean(),
    partitions: fc.integer({ min: 1, max: 2 }),
    replicas: fc.constantFrom(undefined, 2),
    configs: fc.dictionary(fc.constantFrom('retention.ms', 'retention.bytes'), values, { noNullPrototype: true }),
  }),
  { selector: ({ name }) => name },
);
const agents = fc.uniqueArray(
  fc
    .record({ name: fc.constantFrom(...names), path: values, topic: values })
    .map(({ name, path, topic }): AgentPlan => {
      return { name, place: '', topic, definition: tailAgent, settings: { paths: [path], test: () => path } };
    }),
  { selector: ({ name }) => name },
);
const pipelines = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom(...names),
      from: values,
      fingerprint: values,
      sinks: fc.uniqueArray(values),
      path: values,
    })
    .map(({ name, from, fingerprint, sinks, path }) =>
      pipeline(from, 'unused', {
        name,
        stepsFingerprint: fingerprint,
        edges: sinks.map((sink) => ({
          group: `${name}.${sink}`,
          target: { kind: 'sink', sink: { name: sink, definition: fileSink, settings: { path } } },
        })),
      }),
    ),
  { selector: ({ name }) => name },
);
const plans = fc.record({ topics, agents, pipelines }).map((parts): Plan => {
  return {
    ...{
      files: [],
      dataDirectory: 'data',
      instance: undefined,
      maxDiskBytes: undefined,
      monitor: undefined,
      sinks: [],
      tests: [],
    },
    ...{ broker: { kind: 'embedded', listen: [], users: {}, settings: {} }, warnings: [] },
    ...parts,
  };
});

/** What runs after the changes were carried out on what ran before. */
function carriedOut<Item>(before: readonly Item[], changes: Changes<Item>, nameOf: (item: Item) => string): Item[] {
  const running = new Map(before.map((item) => [nameOf(item), item]));
  for (const item of [...changes.removed, ...changes.changed.map(({ from }) => from)]) {
    expect(running.delete(nameOf(item))).toBe(true);
  }
  for (const item of [...changes.added, ...changes.changed.map(({ to }) => to)]) {
    expect(running.has(nameOf(item))).toBe(false);
    running.set(nameOf(item), item);
  }
  return [...running.values()].sort((left, right) => (nameOf(left) < nameOf(right) ? -1 : 1));
}

const byGroup = ({ edge }: EdgeOfPipeline) => edge.group;
const meaningOfEdges = (edges: readonly EdgeOfPipeline[]) =>
  edges.map(({ pipeline: { from, stepsFingerprint }, edge }) => JSON.stringify([edge, from, stepsFingerprint])).sort();
const meaningOfAgents = (plan: readonly AgentPlan[]) => plan.map((agent) => JSON.stringify(agent)).sort();

describe('any two plans', () => {
  it('are brought from one to the other by their difference, and nothing is named twice', () => {
    fc.assert(
      fc.property(plans, plans, (before, after) => {
        const difference = comparePlans(before, after);
        const edges = carriedOut(edgesOf(before), difference.edges, byGroup);
        expect(meaningOfEdges(edges)).toEqual(meaningOfEdges(edgesOf(after)));
        const running = carriedOut(before.agents, difference.agents, ({ name }) => name);
        expect(meaningOfAgents(running)).toEqual(meaningOfAgents(after.agents));
      }),
    );
  });

  it('leave alone what means the same', () => {
    fc.assert(
      fc.property(plans, plans, (before, after) => {
        const { edges, agents: changed } = comparePlans(before, after);
        const alike = new Set(meaningOfEdges(edgesOf(before)));
        for (const { to } of edges.changed) expect(alike).not.toContain(meaningOfEdges([to])[0]);
        const same = new Set(meaningOfAgents(before.agents));
        for (const { to } of changed.changed) expect(same).not.toContain(meaningOfAgents([to])[0]);
      }),
    );
  });

  it('are not different from themselves, whatever the order of what is in them', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const turned = {
          ...plan,
          topics: plan.topics.toReversed(),
          agents: plan.agents.toReversed(),
          pipelines: plan.pipelines.toReversed(),
        };
        expect(describeDifference(comparePlans(plan, turned))).toEqual([]);
      }),
    );
  });

  it('have the topics of the second, with its settings and no others, after going there and back', () => {
    fc.assert(
      fc.property(plans, plans, (before, after) => {
        const configs = new Map(before.topics.map((topic) => [topic.name, { ...topic.configs }]));
        for (const [from, to] of [
          [before, after],
          [after, before],
        ] as const) {
          for (const { topic, dropped } of comparePlans(from, to).topics) {
            const current = { ...configs.get(topic.name), ...topic.configs };
            for (const name of dropped) Reflect.deleteProperty(current, name);
            configs.set(topic.name, current);
          }
        }
        for (const topic of before.topics)
          if (after.topics.some(({ name }) => name === topic.name))
            expect(configs.get(topic.name)).toEqual(topic.configs);
      }),
    );
  });
});
