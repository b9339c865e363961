// From configuration files to a Plan: reads and merges the files, validates, wires names, compiles steps. The doors for the command.
import { type AgentDefinition } from '../agents/agent.ts';
import { type SinkDefinition } from '../sinks/sink.ts';
import { type Diagnostic } from './diagnostics.ts';
import { type Plan } from './plan.ts';

/** What loading may use: nothing is taken from the process itself. */
export interface LoadOptions {
  /** For `${env:X}`. */
  env: Readonly<Record<string, string | undefined>>;
  /** For the files themselves and `${file:path}` (relative paths: to the folder of the file that names them). Rejects with Node's errors. */
  readFile(path: string): Promise<Buffer>;
  /** `until: now` and relative times are not resolved here; nothing in a plan depends on the clock. */
  agents: readonly AgentDefinition<unknown>[];
  sinks: readonly SinkDefinition<unknown>[];
}

/** `plan` is there when `problems` has no error (warnings may remain). */
export interface LoadResult {
  plan: Plan | undefined;
  /** Sorted: errors and warnings with their places. Show them with renderDiagnostics. */
  problems: readonly Diagnostic[];
  /** The full form as YAML (`check --expand`, `pipe --print-config`): shorthands and defaults written out, variables unsubstituted. */
  expand(): string;
}

/** Loads one or several files as one configuration. Never rejects for what is in the files or missing: that is a problem with its place. */
export declare function loadPlan(files: readonly string[], options: LoadOptions): Promise<LoadResult>;

/** The same for a configuration made by the command (`tailrace pipe`, ad-hoc sinks): an object of the YAML's shape. */
export declare function planFromObject(config: Record<string, unknown>, options: LoadOptions): Promise<LoadResult>;
