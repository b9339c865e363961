// The JSON Schema of the configuration, for editors: made of the same zod schemas that validate it, those of all agents, sinks and steps included.
// Written to docs/tailrace.schema.json by `npm run docs`; a test fails when it is out of date.
import { z } from 'zod';
import type { Definitions } from './planner.ts';
import { configSchema, stepExtras } from './schema.ts';
import { steps } from './steps/index.ts';

type JsonSchema = Record<string, unknown>;

/** A JSON Schema (draft 2020-12) of one configuration file. */
export function configJsonSchema({ agents, sinks }: Definitions): JsonSchema {
  const schema = toJsonSchema(configSchema);
  const properties = at(schema, 'properties');
  const topic = { type: 'string', description: "the topic it writes to; default is the agent's own name" };
  const agentSchema = alternatives(agents, { to: topic });
  const sinkSchema = alternatives(sinks, {});
  properties['agents'] = { ...at(properties, 'agents'), additionalProperties: agentSchema };
  properties['sinks'] = { ...at(properties, 'sinks'), additionalProperties: sinkSchema };
  const pipeline = at(at(properties, 'pipelines'), 'additionalProperties');
  const use = {
    type: 'object',
    properties: { use: { type: 'string' } },
    required: ['use'],
    additionalProperties: false,
  };
  at(pipeline, 'properties')['steps'] = { anyOf: [{ type: 'array', items: stepSchema() }, use] };
  return { ...schema, title: 'Tailrace configuration' };
}

function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

function at(schema: JsonSchema, key: string): JsonSchema {
  return (schema[key] ?? {}) as JsonSchema;
}

/** A URL, or a map with one of the types and its settings. */
function alternatives(definitions: Definitions['agents'] | Definitions['sinks'], beside: JsonSchema): JsonSchema {
  const maps = definitions.map(({ type, summary, settings }) => {
    const own = settings instanceof z.ZodType ? inner(toJsonSchema(settings)) : {};
    return {
      ...own,
      type: 'object',
      description: summary,
      properties: { type: { const: type }, ...at(own, 'properties'), ...beside },
      required: ['type', ...((own['required'] ?? []) as string[])],
    };
  });
  return { anyOf: [{ type: 'string', description: 'a URL' }, ...maps] };
}

/** Without the `$schema` that belongs at the top alone. */
function inner(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema'));
}

/** A map with exactly one step, and what may stand beside it. */
function stepSchema(): JsonSchema {
  const properties = Object.fromEntries(
    steps.map(({ name, summary, settings }) => [name, { description: summary, ...inner(toJsonSchema(settings)) }]),
  );
  return {
    type: 'object',
    properties: { ...properties, ...at(toJsonSchema(stepExtras), 'properties') },
    oneOf: steps.map(({ name }) => ({ required: [name] })),
    additionalProperties: false,
  };
}
