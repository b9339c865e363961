// Wires a valid configuration: agents to topics, pipelines from topics to sinks, steps compiled, defaults filled in. Reports all that does not
// fit together; makes a Plan only when nothing is wrong.
import type { AgentDefinition } from '../agents/agent.ts';
import type { SinkDefinition } from '../sinks/sink.ts';
import { type Address, isLoopback, parseAddress } from '../base/address.ts';
import { planBroker, texts } from './broker-planner.ts';
import { resolveComponent } from './components.ts';
import { suggest } from './diagnostics.ts';
import { PipelinePlanner } from './pipeline-planner.ts';
import type { AgentPlan, BrokerPlan, Plan, PipelinePlan, SinkPlan, TopicPlan } from './plan.ts';
import type { Reporter } from './reporter.ts';
import { type Config, type TopicConfig, topicName } from './schema.ts';
import type { StepFiles } from './step-files.ts';
import { planTests } from './test-planner.ts';
import { findCycles } from './topic-graph.ts';

export interface Definitions {
  agents: readonly AgentDefinition<unknown>[];
  sinks: readonly SinkDefinition<unknown>[];
}

export const defaultDataDirectory = './tailrace-data';

/** Undefined after reporting what is wrong. `warnings` are left to the caller. */
export function planConfig(
  config: Config,
  names: Names,
  files: readonly string[],
  definitions: Definitions,
  stepFiles: StepFiles,
  reporter: Reporter,
): Plan | undefined {
  const broker = planBroker(config.broker, reporter);
  checkReplicas(config, reporter);
  const monitor = planMonitor(config.monitor, reporter);
  const agents = planAgents(config, definitions, reporter);
  const sinks = planSinks(config, definitions, reporter);
  const known = {
    sinks,
    names,
    external: broker?.kind === 'external' || (config.broker === undefined && names.broker),
  };
  const pipelines = new PipelinePlanner(config, known, stepFiles, reporter).planAll();
  for (const { pipeline, description } of findCycles(pipelines))
    reporter.error(['pipelines', pipeline, 'to'], `records would go round without end: ${description}`);
  const tests = planTests(config.tests ?? [], pipelines, reporter);
  warnUnused(config, sinks, pipelines, reporter);
  if (broker === undefined || reporter.failed) return undefined;
  return {
    files,
    dataDirectory: config.data ?? defaultDataDirectory,
    instance: config.instance,
    maxDiskBytes: config.max_disk,
    monitor,
    broker,
    topics: planTopics(config, broker, agents, pipelines),
    agents,
    pipelines,
    sinks: [...sinks.values()],
    tests,
    warnings: [],
  };
}

/** The embedded broker keeps one copy: who asks for more must hear that it does not. */
function checkReplicas({ broker, topics }: Config, reporter: Reporter): void {
  if (typeof broker === 'string' || broker?.url !== undefined) return;
  for (const [name, { replicas }] of Object.entries<TopicConfig>(topics ?? {}))
    if ((replicas ?? 1) > 1)
      reporter.error(
        ['topics', name, 'replicas'],
        'the broker in this process keeps one copy; several need a cluster: broker: kafka://host:port,host:port',
      );
}

function planMonitor(monitor: Config['monitor'], reporter: Reporter): Address | undefined {
  if (monitor === undefined) return undefined;
  const isText = typeof monitor === 'string';
  const path = ['monitor', ...(isText ? [] : ['listen'])];
  const address = parseAddress(isText ? monitor : monitor.listen);
  if (address === undefined) reporter.error(path, 'an address is written host:port, as 127.0.0.1:9080');
  else if (!isLoopback(address.host) && (isText || monitor.insecure !== true)) {
    const message = `everybody who reaches ${address.host} could read the metrics: listen on 127.0.0.1, or write { listen: "${address.host}:${address.port}", insecure: true }`;
    reporter.error(path, message);
  }
  return address;
}

/** An agent's topic: its `to`, or its own name. */
function topicOf(name: string, agent: string | Record<string, unknown>): unknown {
  return typeof agent === 'string' ? name : (agent['to'] ?? name);
}

function planAgents(config: Config, definitions: Definitions, reporter: Reporter): AgentPlan[] {
  return Object.entries(config.agents ?? {}).flatMap(([name, value]) => {
    const path = ['agents', name];
    const topic = topicName.safeParse(topicOf(name, value));
    if (!topic.success) reporter.error([...path, 'to'], `to: ${topic.error.issues[0]?.message ?? 'is no topic'}`);
    const place = reporter.place(typeof value === 'object' && 'listen' in value ? [...path, 'listen'] : path);
    const resolved = resolveComponent('agent', value, path, definitions.agents, ['to'], reporter);
    return resolved !== undefined && topic.success ? { name, place, ...resolved, topic: topic.data } : [];
  });
}

function planSinks(config: Config, definitions: Definitions, reporter: Reporter): Map<string, SinkPlan> {
  const sinks = new Map<string, SinkPlan>();
  for (const [name, value] of Object.entries(config.sinks ?? {})) {
    const resolved = resolveComponent('sink', value, ['sinks', name], definitions.sinks, [], reporter);
    if (resolved !== undefined) sinks.set(name, { name, ...resolved });
  }
  return sinks;
}

/** All names of a configuration, those of things with problems of their own included: so that no problem gives rise to another. */
export interface Names {
  agents: ReadonlySet<string>;
  pipelines: ReadonlySet<string>;
  sinks: ReadonlySet<string>;
  /** Topics that something in this configuration writes to, or that are declared because others do. */
  filled: ReadonlySet<string>;
  /** Whether anything is said about the broker. */
  broker: boolean;
}

/** Reads the names from a configuration that need not be valid. */
export function namesOf(value: Record<string, unknown>): Names {
  const part = (key: string) => Object.entries(asRecord(value[key]));
  const filled = new Set(part('topics').map(([name]) => name));
  for (const [name, agent] of part('agents')) {
    const { to, topics } = asRecord(agent);
    filled.add(typeof to === 'string' ? to : name);
    for (const topic of [topics].flat()) if (typeof topic === 'string') filled.add(topic);
  }
  for (const [name, pipeline] of part('pipelines')) {
    filled.add(`${name}.dlq`);
    for (const target of [asRecord(pipeline)['to']].flat())
      if (typeof target === 'string' && target.startsWith('topic:')) filled.add(target.slice('topic:'.length));
  }
  const keys = (key: string) => new Set(part(key).map(([name]) => name));
  return {
    agents: keys('agents'),
    pipelines: keys('pipelines'),
    sinks: keys('sinks'),
    filled,
    broker: value['broker'] !== undefined,
  };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function warnUnused(
  config: Config,
  sinks: ReadonlyMap<string, SinkPlan>,
  pipelines: readonly PipelinePlan[],
  reporter: Reporter,
): void {
  const targets = Object.values(config.pipelines ?? {}).flatMap(({ to }) => to);
  for (const name of sinks.keys())
    if (!targets.includes(name)) reporter.warn(['sinks', name], `no pipeline leads to the sink ${name}`);
  const { filled } = namesOf({ ...config, topics: {} });
  const read = new Set(pipelines.flatMap(({ from }) => from));
  for (const name of Object.keys(config.topics ?? {})) {
    const near = filled.has(name) || read.has(name) ? '' : suggest(name, filled);
    if (near !== '') reporter.warn(['topics', name], `nothing here writes to the topic ${name} or reads it${near}`);
  }
}

function planTopics(
  config: Config,
  broker: BrokerPlan,
  agents: readonly AgentPlan[],
  pipelines: readonly PipelinePlan[],
): TopicPlan[] {
  const defaultPartitions =
    broker.kind === 'external' ? undefined : Math.max(1, Number(broker.settings['num.partitions'] ?? 1) || 1);
  const declared = new Map(Object.entries<TopicConfig>(config.topics ?? {}));
  const names = new Set([...declared.keys(), ...agents.map(({ topic }) => topic)]);
  for (const { definition, settings: given } of agents)
    for (const topic of definition.topics?.(given) ?? []) names.add(topic);
  for (const { from, edges, deadLetterTopic } of pipelines) {
    for (const topic of from) names.add(topic);
    for (const { target } of edges) if (target.kind === 'topic') names.add(target.topic);
    names.add(deadLetterTopic);
  }
  return [...names].map((name) => {
    const topic = declared.get(name);
    return {
      name,
      declared: topic !== undefined,
      partitions: topic?.partitions ?? defaultPartitions,
      replicas: topic?.replicas,
      configs: topic === undefined ? {} : topicConfigs(topic),
    };
  });
}

function topicConfigs({ retain, max_size: maxSize, compression, settings }: TopicConfig): Record<string, string> {
  return {
    ...texts(settings),
    ...(retain === undefined ? {} : { 'retention.ms': String(retain) }),
    ...(maxSize === undefined ? {} : { 'retention.bytes': String(maxSize) }),
    ...(compression === undefined ? {} : { 'compression.type': compression === 'none' ? 'uncompressed' : compression }),
  };
}
