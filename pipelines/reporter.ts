// Collects problems, each with its place: what all parts of the planner report to.
import { type Diagnostic, formatPlace } from './diagnostics.ts';
import { type Issue } from './issues.ts';
import { type Locator, type Path } from './source.ts';

export class Reporter {
  readonly problems: Diagnostic[];
  private readonly locator: Locator | undefined;

  constructor(locator: Locator | undefined, problems: Diagnostic[] = []) {
    this.locator = locator;
    this.problems = problems;
  }

  get failed(): boolean {
    return this.problems.some(({ severity }) => severity === 'error');
  }

  error(path: Path, message: string, part: 'key' | 'value' = 'value'): void {
    this.problems.push({ severity: 'error', message, place: this.locator?.locate(path, part) });
  }

  warn(path: Path, message: string, part: 'key' | 'value' = 'key'): void {
    this.problems.push({ severity: 'warning', message, place: this.locator?.locate(path, part) });
  }

  /** An error inside a text. */
  errorInside(path: Path, message: string, start: number, length: number): void {
    this.problems.push({ severity: 'error', message, place: this.locator?.locateInside(path, start, length) });
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
