// The shape of a configuration: strict objects, so that a key nobody reads is an error. Settings of agents, sinks and steps belong to their
// own definitions and are looked at by the planner. The JSON Schema for editors comes from the same definitions (./json-schema.ts).
import { z } from 'zod';
import { homePathProblem } from '../base/home-path.ts';
import { parseDurationMs, parseSizeBytes } from '../base/units.ts';
import { parseTimeAs } from './time-format.ts';

/** Kafka's rule for topic names (KIP-4), without the names that are Tailrace's or Kafka's own. */
export const topicName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, 'a topic name is made of letters, digits, ".", "_" and "-"')
  .refine((name) => !/^\.{1,2}$/.test(name) && !name.startsWith('__'), 'names beginning with "__" are taken');

/** Names of agents, pipelines and sinks are parts of group and file names; without dots, so that `<pipeline>.<sink>` is never ambiguous. */
const plainName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,79}$/, 'a name is made of letters, digits, "_" and "-"');

/** A setting with a unit; the parsed value is a number in bytes or milliseconds, or -1 for "forever" and "unlimited". */
function unit(parse: (text: string) => number | undefined, unlimited: string, example: string) {
  const message = `write a number with a unit, such as ${example}, or ${unlimited}`;
  return z.string(message).transform((text, context) => {
    const value = text === unlimited ? -1 : parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

function size(example: string) {
  return z.string().transform((text, context) => {
    const bytes = parseSizeBytes(text);
    if (bytes !== undefined && bytes > 0) return bytes;
    context.addIssue({ code: 'custom', message: `write a size with a unit, such as ${example}` });
    return z.NEVER;
  });
}

const kafkaSettings = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const topic = z.strictObject({
  partitions: z.int().min(1).max(10_000).optional(),
  /** On a cluster; three where there are as many brokers, unless the cluster has a default of its own. */
  replicas: z.int().min(1).max(100).optional(),
  /** Becomes retention.ms. */
  retain: unit(parseDurationMs, 'forever', '14d').optional(),
  /** Per partition, as Kafka's retention.bytes, which it becomes. */
  max_size: unit(parseSizeBytes, 'unlimited', '50GB').optional(),
  compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd', 'producer']).optional(),
  /** Any other topic setting under Kafka's own name. */
  settings: kafkaSettings.optional(),
});

const mechanism = z.enum(['plain', 'scram-sha-256', 'scram-sha-512']);
const pem = (what: string) => z.string().min(1).describe(`${what}: a PEM file, or the PEM text itself`);
const secret = z.string().min(1);

const listener = z.strictObject({
  address: z.string().describe('where it listens, host:port'),
  advertise: z.string().optional().describe('where its clients are sent, host:port; where they came in unless given'),
  tls: z
    .strictObject({
      cert: pem('certificate chain'),
      key: pem('its private key'),
      ca: pem('clients have to show a certificate that this one signed').optional(),
    })
    .optional()
    .describe('speaks TLS'),
  sasl: z.array(mechanism).min(1).optional().describe('clients have to say who they are, by one of these'),
});

const listen = z.union([z.string(), listener], 'an address such as 127.0.0.1:9092, or a map with an address');

const broker = z.strictObject({
  listen: z
    .union([listen, z.array(listen)], 'an address such as 127.0.0.1:9092, a map with one, or a list of these')
    .optional()
    .describe('where clients can come in; 127.0.0.1:9092 unless given, [] for nowhere'),
  users: z.record(z.string().min(1), secret).optional().describe('passwords by user, for listeners with sasl'),
  insecure: z
    .boolean()
    .optional()
    .describe('allows to listen on other than loopback addresses without asking who comes'),
  settings: kafkaSettings.optional().describe("any broker setting under Kafka's own name"),
  url: z.string().optional().describe('another broker instead of our own: kafka://host:port,host:port'),
  tls: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          ca: pem("who signs the brokers' certificates; the system's authorities unless given").optional(),
          cert: pem('certificate that is shown to the brokers').optional(),
          key: pem('its private key').optional(),
        }),
      ],
      'true, or a map of ca, cert and key',
    )
    .optional()
    .describe('how the brokers at url are reached'),
  sasl: z
    .strictObject({ mechanism: mechanism.default('scram-sha-512'), user: z.string().min(1), password: secret })
    .optional()
    .describe('who we are to the brokers at url'),
});

const monitor = z.strictObject({ listen: z.string(), insecure: z.boolean().optional() });

const component = (what: string) =>
  z.union(
    [z.string(), z.looseObject({ type: z.string() })],
    `a URL, or a map with the type of the ${what} and its settings`,
  );

const names = z.union([z.string(), z.array(z.string()).min(1)], 'a name, or a list of them');

/** A date or a time, UTC where no zone is given. */
const time = z.string().transform((text, context) => {
  const timestampMs = parseTimeAs('iso', text, 0) ?? parseTimeAs('%Y-%m-%d', text, 0);
  if (timestampMs !== undefined) return { timestampMs };
  context.addIssue({ code: 'custom', message: 'is no time' });
  return z.NEVER;
});

const pipeline = z.strictObject({
  from: names,
  start: z
    .union([z.enum(['earliest', 'latest']), time], 'earliest, latest, or a time such as 2026-11-22T10:00:00Z')
    .optional(),
  until: z.union([z.literal('now'), time], 'now, or a time such as 2026-11-22T10:00:00Z').optional(),
  steps: z
    .union([z.array(z.looseObject({})), z.strictObject({ use: z.string() })], 'a list of steps, or { use: PIPELINE }')
    .optional(),
  to: names,
});

const line = z.union(
  [z.string(), z.record(z.string(), z.unknown())],
  'a line, or a map that is written as a line of JSON',
);
const unitTest = z.strictObject({
  name: z.string().optional().describe('what is shown for it'),
  pipeline: z.string().describe('whose steps are run'),
  in: z.union([line, z.array(line).min(1)], 'a line, a map, or a list of them').describe('what is read'),
  at: time.optional().describe('the time of the records before the steps; default is 2026-01-01T00:00:00Z'),
  meta: z
    .strictObject({ path: z.string().optional(), host: z.string().optional(), position: z.int().min(0).optional() })
    .optional()
    .describe('the file the lines were read from'),
  out: z
    .union(
      [z.literal('dropped'), line, z.array(line)],
      'dropped, the line that goes out, a map of fields, or a list of these',
    )
    .optional()
    .describe('what goes out: a text is the whole line, a map are fields that must be there so (null: absent)'),
  exact: z.boolean().optional().describe('no other fields than those of `out` go out'),
  fails: z.string().optional().describe('the record becomes a dead letter, with this in its reason'),
  to: z
    .union([z.string(), z.array(z.string())], 'a target, or a list of them')
    .optional()
    .describe('where it goes, of the targets of the pipeline'),
  time: time.optional().describe("the record's time after the steps"),
});

const nothingYet = z.null().transform(() => ({}));

export const configSchema = z.strictObject({
  /** Log, identity of this instance and lock. */
  data: z
    .string()
    .min(1)
    .superRefine((path, context) => {
      const message = homePathProblem(path);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .optional(),
  /** Fixes the identity where the disk does not last. */
  instance: plainName.optional(),
  /** The most that the log may take on disk: then the oldest delivered segments go, and when there are none, intake stops. */
  max_disk: size('50GB').optional(),
  /** /metrics, /health and /ready; off when absent. */
  monitor: z
    .union([z.string(), monitor], 'an address such as 127.0.0.1:9080, or a map of listen and insecure')
    .optional()
    .describe('where /metrics, /health and /ready are served; off when absent'),
  broker: z.union([z.string(), broker], 'a map of listen and settings, or kafka://host:port,…').optional(),
  topics: z.record(topicName, z.union([nothingYet, topic])).optional(),
  agents: z.record(plainName, component('agent')).optional(),
  pipelines: z.record(plainName, pipeline).optional(),
  sinks: z.record(plainName, component('sink')).optional(),
  /** Unit tests of pipelines, run by `tailrace test`. */
  tests: z.array(unitTest).optional(),
});

export type Config = z.infer<typeof configSchema>;
export type BrokerConfig = z.infer<typeof broker>;
export type ListenConfig = z.infer<typeof listen>;
export type PipelineConfig = z.infer<typeof pipeline>;
export type TestConfig = z.infer<typeof unitTest>;
export type TopicConfig = z.infer<typeof topic>;

/** What may stand beside any step. */
export const stepExtras = z.strictObject({
  /** The step is skipped where this condition is false. */
  when: z.string().optional(),
  on_error: z.enum(['dlq', 'drop', 'keep', 'stop']).default('dlq'),
});
