// Loading a configuration for a verb: problems go to standard error with their places, and the verb ends.
import { type Diagnostic, renderDiagnostics } from '../pipelines/diagnostics.ts';
import { loadPlan, planFromObject, type LoadResult, unreadable } from '../pipelines/load.ts';
import type { Plan } from '../pipelines/plan.ts';
import { defaultDataDirectory } from '../pipelines/planner.ts';
import { parseSource } from '../pipelines/source.ts';
import { note } from './output.ts';
import { loadOptions } from './registries.ts';

export interface Loaded {
  plan: Plan;
  expand: () => string;
}

function report(result: LoadResult, json: boolean): Loaded | undefined {
  if (result.problems.length > 0) {
    note(json ? JSON.stringify({ problems: result.problems }) : renderDiagnostics(result.problems));
  }
  return result.plan === undefined ? undefined : { plan: result.plan, expand: () => result.expand() };
}

/** The plan of the files, or undefined after the problems were printed. */
export async function loadOrReport(files: readonly string[], json: boolean): Promise<Loaded | undefined> {
  return report(await loadPlan(files, loadOptions), json);
}

/** As loadOrReport for a configuration that a command made. */
export function planOrReport(config: Record<string, unknown>, json: boolean): Loaded | undefined {
  return report(planFromObject(config, loadOptions), json);
}

/**
 * Only the data directory that the files name, whatever else is in them: variables may be set for the running process alone. Undefined after the problems were
 * printed, when a file cannot be read at all.
 */
export async function dataDirectoryOf(files: readonly string[]): Promise<string | undefined> {
  let found = defaultDataDirectory;
  for (const file of files) {
    const problems: Diagnostic[] = [];
    const text = await loadOptions.readFile(file).catch((error: unknown) => {
      problems.push(unreadable(file, error));
      return undefined;
    });
    const source = text && (await parseSource(file, text.toString('utf8'), loadOptions, problems));
    if (source === undefined) {
      note(renderDiagnostics(problems));
      return undefined;
    }
    const data = (source.value as Record<string, unknown>)['data'];
    if (typeof data === 'string') found = data;
  }
  return found;
}
