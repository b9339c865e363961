// From configuration files to a Plan: reads and merges the files, validates, wires names, compiles steps. The doors for the command.
import { messageOf } from '../base/errors.ts';
import { type Diagnostic, renderDiagnostics, sortDiagnostics } from './diagnostics.ts';
import { expandConfig } from './expansion.ts';
import { type Issue, issuesOf } from './issues.ts';
import { mergeSources } from './merge.ts';
import type { Plan } from './plan.ts';
import { type Definitions, namesOf, planConfig } from './planner.ts';
import { Reporter } from './reporter.ts';
import { configSchema } from './schema.ts';
import { StepFiles } from './step-files.ts';
import { type Locator, parseSource, type Source, type SourceOptions } from './source.ts';

/** What loading may use: nothing is taken from the process itself. */
export interface LoadOptions extends SourceOptions, Definitions {}

/** `plan` is there when `problems` has no error (warnings may remain, and are in `plan.warnings` too). */
export interface LoadResult {
  plan: Plan | undefined;
  /** Sorted: errors and warnings with their places. Show them with renderDiagnostics. */
  problems: readonly Diagnostic[];
  /** The full form as YAML (`check --expand`, `pipe --print-config`), variables unsubstituted; empty without a plan. */
  expand: () => string;
}

/** Loads one or several files as one configuration. Never rejects for what is in the files or missing: that is a problem with its place. */
export async function loadPlan(files: readonly string[], options: LoadOptions): Promise<LoadResult> {
  const problems: Diagnostic[] = [];
  const sources: Source[] = [];
  for (const file of files) {
    const text = await readText(file, options, problems);
    const source = text === undefined ? undefined : await parseSource(file, text, options, problems);
    if (source !== undefined) sources.push(source);
  }
  if (sources.length < files.length || sources.length === 0) return refused(problems, files);
  const merged = mergeSources(sources, problems);
  const stepFiles = new StepFiles(merged);
  await stepFiles.readAll(merged.value, (path) => options.readFile(path));
  return build(merged, { files, stepFiles, locator: merged }, options, problems);
}

/** The same for a configuration made by the command (`tailrace pipe`, ad-hoc sinks): an object of the YAML's shape, without variables. */
export function planFromObject(config: Record<string, unknown>, definitions: Definitions): LoadResult {
  const stepFiles = new StepFiles(undefined);
  return build({ value: config, raw: config }, { files: [], stepFiles, locator: undefined }, definitions, []);
}

interface Origins {
  files: readonly string[];
  stepFiles: StepFiles;
  locator: Locator | undefined;
}

function build(
  { value, raw }: { value: Record<string, unknown>; raw: Record<string, unknown> },
  { files, stepFiles, locator }: Origins,
  definitions: Definitions,
  problems: Diagnostic[],
): LoadResult {
  const reporter = new Reporter(locator, problems);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) {
    const issues = issuesOf(parsed.error, configSchema, value) ?? [];
    reporter.issues([], issues);
    checkRest(value, issues, definitions, stepFiles, reporter);
    return refused(problems, files);
  }
  const plan = planConfig(parsed.data, namesOf(value), files, definitions, stepFiles, reporter);
  if (plan === undefined) return refused(problems, files);
  const sorted = sortDiagnostics(problems, files);
  const complete = { ...plan, warnings: sorted.map((problem) => renderDiagnostics([problem])) };
  return { plan: complete, problems: sorted, expand: () => expandConfig(raw, complete, definitions) };
}

/** What is well-formed is planned too, so that all problems show in one go. */
function checkRest(
  value: Record<string, unknown>,
  issues: readonly Issue[],
  definitions: Definitions,
  stepFiles: StepFiles,
  reporter: Reporter,
): void {
  const pruned = structuredClone(value);
  prune(pruned, issues, 3);
  let parsed = configSchema.safeParse(pruned);
  if (!parsed.success) {
    prune(pruned, issuesOf(parsed.error, configSchema, pruned) ?? [], 2);
    parsed = configSchema.safeParse(pruned);
  }
  if (!parsed.success) return;
  const rest = new Reporter(reporter.locator);
  planConfig(parsed.data, namesOf(value), [], definitions, stepFiles, rest);
  for (const problem of rest.problems) if (problem.severity === 'error') reporter.add(problem);
}

/** Removes what is wrong: the setting of an agent, pipeline, … with depth 3, the whole thing with 2. */
function prune(value: Record<string, unknown>, issues: readonly Issue[], depth: number): void {
  for (const { path } of issues) {
    const steps = path.slice(0, depth);
    const last = steps.pop();
    let holder: unknown = value;
    for (const step of steps) holder = (holder as Record<string, unknown> | undefined)?.[String(step)];
    if (last !== undefined && typeof holder === 'object' && holder !== null) Reflect.deleteProperty(holder, last);
  }
}

function refused(problems: readonly Diagnostic[], files: readonly string[]): LoadResult {
  return { plan: undefined, problems: sortDiagnostics(problems, files), expand: () => '' };
}

/** The problem with a file of the configuration that cannot be read. */
export function unreadable(file: string, error: unknown): Diagnostic {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  const message = isMissing
    ? `there is no file ${file}: name the one that you mean, or write it (README.md has the smallest one, examples/ has more)`
    : `cannot read ${file}: ${messageOf(error)}`;
  return { severity: 'error', message, place: undefined };
}

async function readText(file: string, options: SourceOptions, problems: Diagnostic[]): Promise<string | undefined> {
  try {
    return (await options.readFile(file)).toString('utf8');
  } catch (error) {
    problems.push(unreadable(file, error));
    return undefined;
  }
}
