// What has to be done to a running plan to make it another one: which agents and edges begin, are replaced or end, which topics change, and what only a restart
// can change. Pure: nothing is done here. Things are known by their names, agents by their own, edges by their consumer group: one that is renamed ends and
// another begins. What is alike in both plans is not named at all, and must not be touched.
//
// Two things are alike when their data is. Functions in plans and settings are made of the data beside them (a pattern of its text), so they are not looked at;
// steps are compared by their fingerprint, which covers the files they name.
import { isDeepStrictEqual } from 'node:util';
import type { AgentPlan, EdgePlan, PipelinePlan, Plan, TopicPlan } from './plan.ts';

/** An edge with the pipeline it belongs to. */
export interface EdgeOfPipeline {
  pipeline: PipelinePlan;
  edge: EdgePlan;
}

export interface Changes<Item> {
  added: readonly Item[];
  changed: readonly { from: Item; to: Item }[];
  removed: readonly Item[];
}

export interface TopicChange {
  topic: TopicPlan;
  /** Settings that the configuration no longer makes: they go back to their defaults. */
  dropped: readonly string[];
}

export interface PlanDifference {
  /** Parts of the configuration that only a restart changes, as they are called in the YAML. Nothing can be applied when there is one. */
  restart: readonly string[];
  /** Topics to be made or altered. One that is no longer named is left as it is. */
  topics: readonly TopicChange[];
  agents: Changes<AgentPlan>;
  edges: Changes<EdgeOfPipeline>;
}

/** What becomes of `from` when `to` is applied. */
export function comparePlans(from: Plan, to: Plan): PlanDifference {
  return {
    restart: restartNeeds(from, to),
    topics: compareTopics(from.topics, to.topics),
    agents: compare(from.agents, to.agents, ({ name }) => name, sameAgent),
    edges: compare(edgesOf(from), edgesOf(to), ({ edge }) => edge.group, sameEdge),
  };
}

/** What else is to be said of agents and edges that come or change. */
export type Notes = ReadonlyMap<AgentPlan | EdgeOfPipeline, string>;

/** One line for each change, for people; empty when the plans mean the same. */
export function describeDifference(
  { restart, topics, agents, edges }: PlanDifference,
  notes: Notes = new Map(),
): string[] {
  const noteOn = (item: AgentPlan | EdgeOfPipeline) => (notes.has(item) ? `: ${notes.get(item)!}` : '');
  const lines = <Item extends AgentPlan | EdgeOfPipeline>(
    kind: string,
    { added, changed, removed }: Changes<Item>,
    nameOf: (item: Item) => string,
  ) => [
    ...removed.map((item) => `${kind} ${nameOf(item)} removed`),
    ...changed.map(({ to }) => `${kind} ${nameOf(to)} changed${noteOn(to)}`),
    ...added.map((item) => `${kind} ${nameOf(item)} added${noteOn(item)}`),
  ];
  return [
    ...restart.map((part) => `${part} needs a restart`),
    ...topics.map(({ topic }) => `topic ${topic.name} set`),
    ...lines('agent', agents, ({ name }) => name),
    ...lines('edge', edges, ({ edge }) => edge.group),
  ];
}

export function edgesOf({ pipelines }: Plan): EdgeOfPipeline[] {
  return pipelines.flatMap((pipeline) => pipeline.edges.map((edge) => ({ pipeline, edge })));
}

/** Parts that mean nothing to what runs, that are compared on their own, or (the monitor) that whoever owns them compares. */
type Elsewhere = 'monitor' | 'files' | 'tests' | 'warnings' | 'topics' | 'agents' | 'pipelines' | 'sinks';

/** Everything else in a plan, and what it is called. A new part of Plan must be added here or above: the compiler says so. */
const restartParts: Record<Exclude<keyof Plan, Elsewhere>, string> = {
  dataDirectory: 'data',
  instance: 'instance',
  maxDiskBytes: 'max_disk',
  broker: 'broker',
};

function restartNeeds(from: Plan, to: Plan): string[] {
  const needs: string[] = [];
  for (const [part, name] of Object.entries(restartParts)) {
    const key = part as keyof typeof restartParts;
    if (!sameData(withoutPlaces(from[key]), withoutPlaces(to[key]))) needs.push(name);
  }
  return needs;
}

/** What a part means, wherever it stands in the file. */
function withoutPlaces(part: Plan[keyof typeof restartParts]): unknown {
  if (typeof part !== 'object' || part.kind === 'external') return part;
  return { ...part, listen: part.listen.map((listener) => ({ ...listener, place: undefined })) };
}

function compareTopics(from: readonly TopicPlan[], to: readonly TopicPlan[]): TopicChange[] {
  const { added, changed } = compare(from, to, ({ name }) => name, sameData);
  return [
    ...added.map((topic) => ({ topic, dropped: [] })),
    ...changed.map(({ from: before, to: topic }) => ({
      topic,
      dropped: Object.keys(before.configs).filter((name) => !(name in topic.configs)),
    })),
  ];
}

function compare<Item>(
  from: readonly Item[],
  to: readonly Item[],
  nameOf: (item: Item) => string,
  isSame: (before: Item, after: Item) => boolean,
): Changes<Item> {
  const before = new Map(from.map((item) => [nameOf(item), item]));
  const names = new Set(to.map(nameOf));
  const added: Item[] = [];
  const changed: { from: Item; to: Item }[] = [];
  for (const item of to) {
    const known = before.get(nameOf(item));
    if (known === undefined) added.push(item);
    else if (!isSame(known, item)) changed.push({ from: known, to: item });
  }
  return { added, changed, removed: from.filter((item) => !names.has(nameOf(item))) };
}

function sameAgent(before: AgentPlan, after: AgentPlan): boolean {
  return before.topic === after.topic && sameReading(before, after);
}

/** Whether two agents, whatever their names and topics, read the same. */
export function sameReading(before: AgentPlan, after: AgentPlan): boolean {
  return before.definition === after.definition && sameData(before.settings, after.settings);
}

function sameEdge(before: EdgeOfPipeline, after: EdgeOfPipeline): boolean {
  return sameData(ownPart(before.pipeline), ownPart(after.pipeline)) && sameTarget(before.edge, after.edge);
}

/** What an edge has from its pipeline. The other edges of it, and compiled steps, are not part of that. */
function ownPart(pipeline: PipelinePlan): Partial<PipelinePlan> {
  const part: Partial<PipelinePlan> = { ...pipeline };
  delete part.steps;
  delete part.edges;
  return part;
}

/** Whether two edges write to the same place. */
export function sameTarget({ target: before }: EdgePlan, { target: after }: EdgePlan): boolean {
  if (before.kind === 'topic' || after.kind === 'topic') return sameData(before, after);
  return before.sink.definition === after.sink.definition && sameData(before.sink.settings, after.sink.settings);
}

/** Whether two values hold the same data; functions are not looked at. */
function sameData(before: unknown, after: unknown): boolean {
  if (Object.is(before, after)) return true;
  if (typeof before === 'function' && typeof after === 'function') return true;
  if (Array.isArray(before) && Array.isArray(after))
    return before.length === after.length && before.every((item, index) => sameData(item, after[index]));
  if (!isPlain(before) || !isPlain(after)) return isDeepStrictEqual(before, after);
  const keys = Object.keys(before);
  return (
    keys.length === Object.keys(after).length &&
    keys.every((key) => Object.hasOwn(after, key) && sameData(before[key], after[key]))
  );
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
