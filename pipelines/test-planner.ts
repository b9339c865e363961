// The `tests:` of a configuration: names to pipelines, and what they expect in one form. They are checked with everything else, and run by unit-tests.ts.
import { suggest } from './diagnostics.ts';
import type { EdgePlan, PipelinePlan, TestPlan } from './plan.ts';
import type { Reporter } from './reporter.ts';
import type { TestConfig } from './schema.ts';
import type { Path } from './source.ts';

/** Records of tests have this time unless they say otherwise: fixed, for tests must not depend on when they run. */
const defaultTimeMs = Date.UTC(2026, 0, 1);

/** Tests with problems are left out, after those were reported. */
export function planTests(
  tests: readonly TestConfig[],
  pipelines: readonly PipelinePlan[],
  reporter: Reporter,
): TestPlan[] {
  return tests.flatMap((test, index) => planTest(test, ['tests', index], pipelines, reporter) ?? []);
}

function planTest(
  test: TestConfig,
  path: Path,
  pipelines: readonly PipelinePlan[],
  reporter: Reporter,
): TestPlan | undefined {
  const pipeline = pipelines.find(({ name }) => name === test.pipeline);
  if (pipeline === undefined) {
    const names = pipelines.map(({ name }) => name);
    reporter.error([...path, 'pipeline'], `there is no pipeline "${test.pipeline}"${suggest(test.pipeline, names)}`);
    return undefined;
  }
  const { out, fails, to, time, meta } = test;
  if (out === undefined && fails === undefined && to === undefined && time === undefined)
    reporter.error(path, 'a test says what it expects: out, fails, to or time');
  if (out !== undefined && fails !== undefined)
    reporter.error([...path, 'fails'], 'what becomes a dead letter does not go out: leave out or fails away');
  const known = pipeline.edges.map(({ target }) => targetName(target));
  const targets = to === undefined ? undefined : [to].flat();
  for (const name of targets ?? [])
    if (!known.includes(name))
      reporter.error(
        [...path, 'to'],
        `"${name}" is not among the targets of ${pipeline.name}, ${known.join(', ')}${suggest(name, known)}`,
      );
  return {
    name: test.name ?? `${test.pipeline} ${Number(path[1]) + 1}`,
    place: reporter.place(path),
    pipeline,
    lines: [test.in].flat().map((line) => (typeof line === 'string' ? line : JSON.stringify(line))),
    atMs: test.at?.timestampMs ?? defaultTimeMs,
    file: meta && { path: meta.path ?? '', host: meta.host ?? '', position: meta.position ?? 0 },
    expected: {
      out: out === undefined ? undefined : out === 'dropped' ? [] : [out].flat(),
      ...{ exact: test.exact ?? false, fails, targets, timeMs: time?.timestampMs },
    },
  };
}

/** As written under `to`. */
export function targetName(target: EdgePlan['target']): string {
  return target.kind === 'sink' ? target.sink.name : `topic:${target.topic}`;
}
