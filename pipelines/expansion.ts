// The full form of a configuration, as `check --expand` and `pipe --print-config` show it: shorthands written out, implied topics and defaults
// named. It is made from the values as written: variables stay variables, so that no secret shows.
import { stringify } from 'yaml';
import { fromUrl } from './components.ts';
import type { Plan } from './plan.ts';
import { defaultDataDirectory, type Definitions } from './planner.ts';

type Raw = Record<string, unknown>;

/** YAML that means the same as `raw`, of which `plan` was made. */
export function expandConfig(raw: Raw, plan: Plan, definitions: Definitions): string {
  const { data, instance, max_disk: maxDisk, broker, topics, agents, pipelines, sinks, ...others } = raw;
  const expanded: Raw = {
    data: data ?? defaultDataDirectory,
    ...(instance === undefined ? {} : { instance }),
    ...(maxDisk === undefined ? {} : { max_disk: maxDisk }),
    broker: expandBroker(broker, plan),
    topics: expandTopics(record(topics), plan),
    ...(agents === undefined
      ? {}
      : { agents: mapValues(agents, (value, name) => expandAgent(value, name, definitions)) }),
    ...(pipelines === undefined ? {} : { pipelines: mapValues(pipelines, expandPipeline) }),
    ...(sinks === undefined ? {} : { sinks: mapValues(sinks, (value) => expandComponent(value, definitions.sinks)) }),
    ...others,
  };
  return stringify(expanded, { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false });
}

function record(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

function mapValues(value: unknown, change: (item: unknown, name: string) => unknown): Raw {
  return Object.fromEntries(Object.entries(record(value)).map(([name, item]) => [name, change(item, name)]));
}

function expandBroker(broker: unknown, plan: Plan): unknown {
  if (plan.broker.kind === 'external') return broker;
  const { listen } = record(broker);
  const addresses = plan.broker.listen.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return { ...record(broker), listen: listen ?? (addresses.length === 1 ? addresses[0] : addresses) };
}

function expandTopics(topics: Raw, plan: Plan): Raw {
  const deadLetters = new Set(plan.pipelines.map(({ deadLetterTopic }) => deadLetterTopic));
  const shown = plan.topics.filter(({ name, declared }) => declared || !deadLetters.has(name));
  return Object.fromEntries(shown.map(({ name, partitions }) => [name, { partitions, ...record(topics[name]) }]));
}

function expandComponent(value: unknown, definitions: Definitions['sinks'] | Definitions['agents']): Raw {
  if (typeof value !== 'string') return record(value);
  const found = fromUrl<Definitions['sinks'][number] | Definitions['agents'][number]>(value, definitions);
  return found === undefined ? {} : { type: found.definition.type, ...found.settings };
}

function expandAgent(value: unknown, name: string, { agents }: Definitions): Raw {
  const expanded = expandComponent(value, agents);
  return { ...expanded, to: expanded['to'] ?? name };
}

function expandPipeline(value: unknown): Raw {
  const { from, start, until, steps, to, ...others } = record(value);
  return {
    from: list(from),
    start: start ?? 'earliest',
    ...(until === undefined ? {} : { until }),
    ...(steps === undefined ? {} : { steps }),
    to: list(to),
    ...others,
  };
}

function list(value: unknown): unknown {
  return Array.isArray(value) ? value : [value];
}
