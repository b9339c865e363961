// The steps of a pipeline: from the list in the YAML to compiled steps, every problem at its place.
import { createHash } from 'node:crypto';
import { messageOf } from '../base/errors.ts';
import { suggest } from './diagnostics.ts';
import { compileCondition, compileExpression, ExpressionError } from './expression.ts';
import { issuesOf } from './issues.ts';
import type { CompiledStep } from './plan.ts';
import { compilePattern } from '../base/regex.ts';
import type { Reporter } from './reporter.ts';
import { stepExtras } from './schema.ts';
import type { Path } from './source.ts';
import type { StepFiles } from './step-files.ts';
import type { AnyStepDefinition, StepContext } from './steps/definition.ts';
import { steps as definitions } from './steps/index.ts';

const extras = Object.keys(stepExtras.shape);

/** What steps may know of where they stand. */
export interface StepSurroundings {
  /** Of the pipeline they stand in. */
  targets: readonly string[];
  files: StepFiles;
  reporter: Reporter;
}

/** Compiles a list of steps that stands at `path`. Steps with problems are left out, after the problems were reported. */
export function compileSteps(
  list: readonly Record<string, unknown>[],
  path: Path,
  around: StepSurroundings,
): CompiledStep[] {
  return list.flatMap((item, index) => compileStep(item, [...path, index], around) ?? []);
}

/** Changes when the steps do, the files they name, or the targets that `route` chooses from, and only then; part of a replay's identity. */
export function fingerprintSteps(
  list: readonly Record<string, unknown>[],
  path: Path,
  { files, targets }: Pick<StepSurroundings, 'files' | 'targets'>,
): string {
  const routed = list.some((item) => Object.hasOwn(item, 'route')) ? JSON.stringify(targets) : '';
  const text = JSON.stringify(list) + files.fingerprint(list, path) + routed;
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function compileStep(item: Record<string, unknown>, path: Path, around: StepSurroundings): CompiledStep | undefined {
  const { reporter } = around;
  const definition = findDefinition(item, path, reporter);
  const beside = parseExtras(item, path, reporter);
  if (definition === undefined || beside === undefined) return undefined;
  const { name } = definition;
  const at = [...path, name];
  const context = contextFor(at, around);
  const when = beside.when === undefined ? undefined : contextFor([...path, 'when'], around).condition([], beside.when);
  let settings: unknown;
  try {
    settings = definition.settings.parse(item[name]);
  } catch (error) {
    const issues = issuesOf(error, definition.settings, item[name]);
    if (issues === undefined) throw error;
    reporter.issues(
      at,
      issues.map((issue) => ({
        ...issue,
        message: issue.part === 'key' ? issue.message : `${name}: ${issue.message}`,
      })),
    );
    return undefined;
  }
  const step = definition.compile(settings, context);
  return step && { name, place: reporter.place(at), step, when, onError: beside.on_error };
}

function findDefinition(item: Record<string, unknown>, path: Path, reporter: Reporter): AnyStepDefinition | undefined {
  const keys = Object.keys(item).filter((key) => !extras.includes(key));
  const names = definitions.map(({ name }) => name);
  let found: AnyStepDefinition | undefined;
  for (const key of keys) {
    const definition = definitions.find(({ name }) => name === key);
    if (definition === undefined)
      reporter.error(
        [...path, key],
        `there is no step "${key}"${suggest(key, [...names, ...extras]) || `; there are ${names.join(', ')}`}`,
        'key',
      );
    else if (found !== undefined)
      reporter.error(
        [...path, key],
        `one step each: ${found.name} and ${key} stand in the same one; begin the second with "- "`,
        'key',
      );
    else found = definition;
  }
  if (keys.length === 0) reporter.error(path, `a step is missing here; there are ${names.join(', ')}`);
  return found;
}

function parseExtras(item: Record<string, unknown>, path: Path, reporter: Reporter) {
  const beside = Object.fromEntries(Object.entries(item).filter(([key]) => extras.includes(key)));
  const parsed = stepExtras.safeParse(beside);
  if (!parsed.success) reporter.issues(path, issuesOf(parsed.error, stepExtras, beside) ?? []);
  return parsed.data;
}

function contextFor(at: Path, { reporter, targets, files }: StepSurroundings): StepContext {
  function attempt<Result>(path: Path, compile: () => Result): Result | undefined {
    try {
      return compile();
    } catch (error) {
      if (error instanceof ExpressionError)
        reporter.errorInside([...at, ...path], error.message, error.start, error.length);
      else reporter.error([...at, ...path], messageOf(error));
      return undefined;
    }
  }
  return {
    expression: (path, source) => attempt(path, () => compileExpression(source)),
    condition: (path, source) => attempt(path, () => compileCondition(source)),
    pattern: (path, source) => attempt(path, () => compilePattern(source)),
    targets,
    file(path, name) {
      const found = files.get(at, name);
      if (typeof found !== 'string') return found;
      reporter.error([...at, ...path], found);
      return undefined;
    },
    fail(path, message, start, length = 1) {
      if (start === undefined) reporter.error([...at, ...path], message);
      else reporter.errorInside([...at, ...path], message, start, length);
    },
  };
}
