// How a step is declared: one file with its settings (a zod schema, which also gives the JSON Schema and the docs), and how it is compiled.
// Compiling reports everything that is wrong, each at its place, instead of throwing at the first.
import type { z } from 'zod';
import type { Expression } from '../expression.ts';
import type { Pattern } from '../../base/regex.ts';
import type { Path } from '../source.ts';
import type { Event, Step } from './step.ts';

/** What compiling a step may use. Paths are relative to the step's settings. A thing that failed is reported and comes back as undefined. */
export interface StepContext {
  expression(path: Path, source: string): Expression | undefined;
  condition(path: Path, source: string): ((event: Event) => boolean) | undefined;
  pattern(path: Path, source: string): Pattern | undefined;
  /** What the pipelines that use these steps have under `to`: "search", "topic:clean". */
  readonly targets: readonly string[];
  /** A file that `files` of the definition names, as it was when the configuration was loaded. */
  file(path: Path, name: string): Buffer | undefined;
  /** Reports a problem of the settings; `start` and `length` point inside a text. */
  fail(path: Path, message: string, start?: number, length?: number): void;
}

/** A kind of step. `name` is its key in the YAML. */
export interface StepDefinition<Settings> {
  readonly name: string;
  /** One line for people: what it does. */
  readonly summary: string;
  readonly settings: z.ZodType<Settings>;
  /** The files it needs, relative to the configuration file it stands in. */
  files?(settings: Settings): readonly string[];
  /** Undefined when something was reported. */
  compile(settings: Settings, context: StepContext): Step | undefined;
}

/** A definition whose settings are its own affair, as the registry holds it. */
export interface AnyStepDefinition {
  readonly name: string;
  readonly summary: string;
  readonly settings: z.ZodType;
  files(settings: unknown): readonly string[];
  compile(settings: unknown, context: StepContext): Step | undefined;
}

/** Checks a definition against its settings, and hides them for the registry. */
export function defineStep<Settings>(definition: StepDefinition<Settings>): AnyStepDefinition {
  return {
    name: definition.name,
    summary: definition.summary,
    settings: definition.settings,
    files: (settings) => definition.files?.(settings as Settings) ?? [],
    compile: (settings, context) => definition.compile(settings as Settings, context),
  };
}
