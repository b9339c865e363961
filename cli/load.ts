// Loading a configuration for a verb: problems go to standard error with their places, and the verb ends.
import { renderDiagnostics } from '../pipelines/diagnostics.ts';
import { loadPlan, planFromObject, type LoadResult } from '../pipelines/load.ts';
import type { Plan } from '../pipelines/plan.ts';
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
