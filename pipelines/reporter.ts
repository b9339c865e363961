// Collects problems, each with its place: what all parts of the planner report to.
import { type Diagnostic, formatPlace, type Place } from './diagnostics.ts';
import type { Issue } from './issues.ts';
import type { Locator, Path } from './source.ts';

export class Reporter {
  readonly problems: Diagnostic[];
  readonly locator: Locator | undefined;

  private readonly causes: readonly Diagnostic[];

  /** What stands in `problems` already (variables that are not set) is the cause of whatever else is wrong at its place. */
  constructor(locator: Locator | undefined, problems: Diagnostic[] = []) {
    this.locator = locator;
    this.problems = problems;
    this.causes = [...problems];
  }

  get failed(): boolean {
    return this.problems.some(({ severity }) => severity === 'error');
  }

  add(problem: Diagnostic): void {
    if (!this.causes.some((cause) => isWithin(problem.place, cause.place))) this.problems.push(problem);
  }

  error(path: Path, message: string, part: 'key' | 'value' = 'value'): void {
    this.add({ severity: 'error', message, place: this.locator?.locate(path, part) });
  }

  warn(path: Path, message: string, part: 'key' | 'value' = 'key'): void {
    this.add({ severity: 'warning', message, place: this.locator?.locate(path, part) });
  }

  /** An error inside a text. */
  errorInside(path: Path, message: string, start: number, length: number): void {
    this.add({ severity: 'error', message, place: this.locator?.locateInside(path, start, length) });
  }

  issues(above: Path, issues: readonly Issue[]): void {
    for (const { path, part, message } of issues) this.error([...above, ...path], message, part);
  }

  /** "tailrace.yaml:3:5", or the path itself for a configuration without a file. */
  place(path: Path): string {
    const place = this.locator?.locate(path, 'key');
    return place === undefined ? path.join('.') : formatPlace(place);
  }
}

function isWithin(inner: Place | undefined, outer: Place | undefined): boolean {
  if (inner === undefined || outer === undefined || inner.file !== outer.file || inner.line !== outer.line)
    return false;
  return inner.column >= outer.column && inner.column < outer.column + outer.length;
}
