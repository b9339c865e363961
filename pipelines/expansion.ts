// The full form of a configuration, as `check --expand` and `pipe --print-config` show it: shorthands written out, implied topics and defaults,
// those of agents and sinks included. It is made from the values as written: variables stay variables, so that no secret shows.
import { stringify } from 'yaml';
import { z } from 'zod';
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
  return Object.fromEntries(
    shown.map(({ name, partitions }) => [
      name,
      { ...(partitions === undefined ? {} : { partitions }), ...record(topics[name]) },
    ]),
  );
}

function expandComponent(value: unknown, definitions: Definitions['sinks'] | Definitions['agents']): Raw {
  type Definition = Definitions['sinks'][number] | Definitions['agents'][number];
  if (typeof value !== 'string') {
    const written = record(value);
    const definition = (definitions as readonly Definition[]).find(({ type }) => type === written['type']);
    return withDefaults(written, definition);
  }
  const found = fromUrl<Definition>(value, definitions);
  return found === undefined ? {} : withDefaults({ type: found.definition.type, ...found.settings }, found.definition);
}

interface InputSchema {
  properties?: Record<string, InputSchema>;
  default?: unknown;
}

/** The settings as written, with the defaults of those that are not. */
function withDefaults(written: Raw, definition: { settings: unknown } | undefined): Raw {
  if (!(definition?.settings instanceof z.ZodType)) return written;
  return fill(written, z.toJSONSchema(definition.settings, { io: 'input', unrepresentable: 'any' }) as InputSchema);
}

function fill(written: Raw, { properties = {} }: InputSchema): Raw {
  const filled = { ...written };
  for (const [name, schema] of Object.entries(properties)) {
    const value = written[name] ?? schema.default;
    if (value === undefined) continue;
    const isMap = schema.properties !== undefined && typeof value === 'object' && value !== null;
    const inner = isMap ? fill(record(value), schema) : value;
    // A map of nothing but what is not set says nothing.
    if (written[name] !== undefined || !isMap || Object.keys(record(inner)).length > 0) filled[name] = inner;
  }
  return filled;
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
