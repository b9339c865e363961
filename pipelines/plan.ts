// What a configuration means, after loading and checking: plain data that the command starts from, the runner runs, and `tailrace graph`
// draws. Everything is resolved: names are wired, steps compiled, units numbers, defaults filled in.
import type { AgentDefinition } from '../agents/agent.ts';
import type { Address } from '../base/address.ts';
import type { SaslMechanism } from '../broker/wire/sasl.ts';
import type { SinkDefinition } from '../sinks/sink.ts';
import type { Event, Step } from './steps/step.ts';
import type { TopicPattern } from './topic-pattern.ts';

export interface Plan {
  /** Files it came from. */
  files: readonly string[];
  /** Data directory, as written; the command resolves it and `--data` overrides. */
  dataDirectory: string;
  /** Fixed identity, where the disk does not last. */
  instance: string | undefined;
  /** The most that the log may take on disk, in bytes; the broker's default when undefined. */
  maxDiskBytes: number | undefined;
  /** Where metrics and health are served; nowhere when undefined. */
  monitor: Address | undefined;
  broker: BrokerPlan;
  topics: readonly TopicPlan[];
  agents: readonly AgentPlan[];
  pipelines: readonly PipelinePlan[];
  sinks: readonly SinkPlan[];
  /** Run by `tailrace test` and nothing else. */
  tests: readonly TestPlan[];
  warnings: readonly string[];
}

export type BrokerPlan =
  | {
      kind: 'embedded';
      listen: readonly ListenPlan[];
      /** Passwords by user. */
      users: Readonly<Record<string, string>>;
      settings: Readonly<Record<string, string>>;
    }
  | {
      kind: 'external';
      bootstrap: readonly Address[];
      /** Undefined without TLS. Each a PEM text, or the file that holds it. */
      tls: { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
      sasl: { mechanism: SaslMechanism; user: string; password: string } | undefined;
    };

/** One address that the embedded broker listens on. */
export interface ListenPlan extends Address {
  advertised: Address | undefined;
  /** Where it stands, `file:line:column`; undefined for the address that nobody wrote. */
  place: string | undefined;
  /** Each a PEM text, or the file that holds it. */
  tls: { cert: string; key: string; ca?: string | undefined } | undefined;
  /** Empty: nobody is asked. */
  sasl: readonly SaslMechanism[];
}

export interface TopicPlan {
  name: string;
  declared: boolean;
  /** As many as the cluster gives a new topic when undefined. */
  partitions: number | undefined;
  /** As the cluster's size asks for when undefined (broker/client/replication.ts). */
  replicas: number | undefined;
  /** Under Kafka's names: `retain` is retention.ms, `max_size` retention.bytes, `compression` compression.type. */
  configs: Readonly<Record<string, string>>;
}

export interface AgentPlan {
  name: string;
  /** Where it stands, `file:line:column`. */
  place: string;
  definition: AgentDefinition<unknown>;
  settings: unknown;
  topic: string;
}

export interface SinkPlan {
  name: string;
  definition: SinkDefinition<unknown>;
  settings: unknown;
}

export type StartPosition = 'earliest' | 'latest' | { timestampMs: number };
/** Where a replay begins and ends: also at an offset. */
export type ReplayStart = StartPosition | { offset: number };
export type ReplayEnd = 'now' | { timestampMs: number } | { offset: number };

export interface PipelinePlan {
  name: string;
  /** Topics by name: those written so, and those of this configuration that a pattern matches. */
  from: readonly string[];
  /** Topics that match are read too, also those that appear later. */
  fromPatterns: readonly TopicPattern[];
  start: StartPosition;
  /** With an end the pipeline is a job: 'now' is the end offsets when the job first starts, kept with it. */
  until: 'now' | { timestampMs: number } | undefined;
  steps: readonly CompiledStep[];
  /** Changes when the steps change; part of a replay's identity. */
  stepsFingerprint: string;
  edges: readonly EdgePlan[];
  /** `<pipeline>.dlq`. */
  deadLetterTopic: string;
}

/** What should become of some lines in a pipeline (unit-tests.ts). */
export interface TestPlan {
  name: string;
  /** Where it stands, `file:line:column`. */
  place: string;
  pipeline: PipelinePlan;
  /** The lines as they are read. */
  lines: readonly string[];
  /** Time of the records before the steps. */
  atMs: number;
  file: { path: string; host: string; position: number } | undefined;
  expected: {
    /** What goes out, in order; empty: dropped. A text is the whole line, a map are fields. */
    out: readonly (string | Readonly<Record<string, unknown>>)[] | undefined;
    /** Maps of `out` name all fields. */
    exact: boolean;
    /** Part of the reason of a dead letter. */
    fails: string | undefined;
    /** As under `to`. */
    targets: readonly string[] | undefined;
    timeMs: number | undefined;
  };
}

/** One pipeline-to-sink connection with its own consumer group. */
export interface EdgePlan {
  /** `<pipeline>.<sink>`: the consumer group. */
  group: string;
  target: { kind: 'sink'; sink: SinkPlan } | { kind: 'topic'; topic: string };
}

export interface CompiledStep {
  /** As in the YAML: "parse", "drop", … */
  name: string;
  /** Where it stands, `file:line:column`, for messages and dead letters. */
  place: string;
  step: Step;
  /** The guard of `when:`; the step is skipped where it is false. */
  when: ((event: Event) => boolean) | undefined;
  onError: 'dlq' | 'drop' | 'keep' | 'stop';
}
