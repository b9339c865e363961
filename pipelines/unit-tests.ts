// Runs the `tests:` of a configuration: lines through the very steps and the very loop that edges use, without broker, disk or network, and what comes out
// compared field by field.
import { fileIdBytes, fileReferenceHeader, writeFileReference } from '../broker/client/positions-record.ts';
import type { FetchedBatches } from '../broker/client/contract.ts';
import { BatchBuilder, encodeHeaders } from '../broker/wire/batch-builder.ts';
import { ExactInteger, parseExactJson } from './exact-integer.ts';
import type { FileNames } from './event.ts';
import type { TestPlan } from './plan.ts';
import { getField, isFields } from './steps/fields.ts';
import { targetName } from './test-planner.ts';
import { Transformer } from './transform.ts';

/** One thing that is not as expected; `expected` and `actual` are ready to be shown. */
export interface Difference {
  /** A field ("out[1].status" where there are several), or "out", "fails", "to", "time". */
  what: string;
  expected: string;
  actual: string;
}

export interface TestResult {
  name: string;
  place: string;
  passed: boolean;
  differences: readonly Difference[];
  /** What went out, as lines. */
  out: readonly string[];
  /** Reasons of dead letters. */
  failures: readonly string[];
}

/** Runs one test. Never rejects for what the test finds. */
export async function runUnitTest(test: TestPlan): Promise<TestResult> {
  const { out, failures, timesMs } = await runSteps(test, undefined);
  const { expected } = test;
  const differences: Difference[] = [];
  if (expected.fails !== undefined) compareFailure(expected.fails, out, failures, differences);
  else
    for (const reason of failures)
      differences.push({ what: 'fails', expected: 'no dead letter', actual: show(reason) });
  if (expected.out !== undefined) compareOutputs(expected.out, out, expected.exact, differences);
  if (expected.timeMs !== undefined) {
    for (const timeMs of timesMs.length === 0 ? [undefined] : timesMs)
      if (timeMs !== expected.timeMs)
        differences.push({ what: 'time', expected: showTime(expected.timeMs), actual: showTime(timeMs) });
  }
  if (expected.targets !== undefined) await compareTargets(test, expected.targets, differences);
  return { name: test.name, place: test.place, passed: differences.length === 0, differences, out, failures };
}

interface Outcome {
  out: string[];
  failures: string[];
  timesMs: number[];
}

async function runSteps(test: TestPlan, target: string | undefined): Promise<Outcome> {
  const names: FileNames | undefined = test.file && {
    peek: () => test.file,
    resolve: () => Promise.resolve(test.file),
  };
  const { steps } = test.pipeline;
  const transformer = new Transformer({ steps, names, askedPaths: [], ...(target === undefined ? {} : { target }) });
  const { batch, deadLetters, stopped } = await transformer.run(fetchOf(test), Infinity);
  const outcome: Outcome = { out: [], failures: deadLetters.map(({ reason }) => reason), timesMs: [] };
  if (stopped !== undefined) outcome.failures.push(stopped.error.message);
  batch.forEach(({ buffer, start, end, timestampMs }) => {
    outcome.out.push(buffer.toString('utf8', start, end));
    outcome.timesMs.push(timestampMs);
  });
  return outcome;
}

/** The lines as a fetch of the pipeline's first topic, beginning at offset 0. */
function fetchOf({ lines, atMs, file, pipeline }: TestPlan): FetchedBatches {
  const builder = new BatchBuilder();
  let headers = encodeHeaders([]);
  if (file !== undefined) {
    const reference = Buffer.alloc(fileIdBytes + 8);
    const length = writeFileReference(reference, Buffer.alloc(fileIdBytes), file.position, 0);
    headers = encodeHeaders([{ key: fileReferenceHeader, value: reference.subarray(0, length) }]);
  }
  for (const line of lines) {
    const bytes = Buffer.from(line);
    builder.append(atMs, null, bytes, 0, bytes.length, headers);
  }
  const end = lines.length;
  return {
    ...{
      topic: pipeline.from[0] ?? '',
      topicId: Buffer.alloc(16),
      partition: 0,
      batches: [builder.build({ baseOffset: 0 })],
    },
    ...{ fromOffset: 0, nextOffset: end, highWatermark: end, lastStableOffset: end },
  };
}

function compareFailure(
  expected: string,
  out: readonly string[],
  failures: readonly string[],
  differences: Difference[],
): void {
  if (out.length > 0) differences.push({ what: 'out', expected: 'nothing', actual: out.join('\n') });
  if (failures.some((reason) => reason.includes(expected))) return;
  differences.push({
    what: 'fails',
    expected: show(expected),
    actual: failures.length === 0 ? 'no dead letter' : failures.map(show).join(', '),
  });
}

function compareOutputs(
  expected: readonly (string | Readonly<Record<string, unknown>>)[],
  out: readonly string[],
  exact: boolean,
  differences: Difference[],
): void {
  if (expected.length !== out.length) {
    const count = (list: readonly unknown[]) =>
      list.length === 0 ? 'dropped' : list.length === 1 ? '1 record' : `${list.length} records`;
    const actual = out.length === 0 ? 'dropped' : `${count(out)}: ${out.join(' ')}`;
    differences.push({ what: 'out', expected: count(expected), actual });
    return;
  }
  for (const [index, line] of out.entries()) {
    const wanted = expected[index]!;
    const prefix = expected.length === 1 ? '' : `out[${index}]`;
    if (typeof wanted !== 'string') compareFields(wanted, line, { prefix, exact }, differences);
    else if (wanted !== line) differences.push({ what: prefix || 'out', expected: wanted, actual: line });
  }
}

function compareFields(
  wanted: Readonly<Record<string, unknown>>,
  line: string,
  { prefix, exact }: { prefix: string; exact: boolean },
  differences: Difference[],
): void {
  const fields = fieldsOf(line);
  const what = (name: string) => (prefix === '' ? name : `${prefix}.${name}`);
  for (const [name, value] of Object.entries(wanted)) {
    const actual = getField(fields, name);
    if (!isSame(value, actual))
      differences.push({ what: what(name), expected: value === null ? 'nothing' : show(value), actual: show(actual) });
  }
  if (!exact) return;
  for (const name of Object.keys(fields))
    if (!Object.hasOwn(wanted, name))
      differences.push({ what: what(name), expected: 'nothing', actual: show(fields[name]) });
}

/** A line that is no JSON object has the field `message`. */
function fieldsOf(line: string): Record<string, unknown> {
  try {
    const value = parseExactJson(line);
    if (isFields(value)) return value;
  } catch {
    // A plain line.
  }
  return { message: line };
}

/** null expects a field that is null or not there. */
function isSame(expected: unknown, actual: unknown): boolean {
  if (expected === null) return actual === null || actual === undefined;
  if (actual instanceof ExactInteger)
    return (typeof expected === 'string' || typeof expected === 'number') && actual.digits === String(expected);
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      expected.length === actual.length &&
      expected.every((item, index) => isSame(item, actual[index]))
    );
  if (!isFields(expected)) return expected === actual;
  const names = new Set([...Object.keys(expected), ...(isFields(actual) ? Object.keys(actual) : [])]);
  return isFields(actual) && [...names].every((name) => isSame(expected[name] ?? null, actual[name]));
}

async function compareTargets(test: TestPlan, expected: readonly string[], differences: Difference[]): Promise<void> {
  const reached: string[] = [];
  for (const { target } of test.pipeline.edges) {
    const name = targetName(target);
    if ((await runSteps(test, name)).out.length > 0) reached.push(name);
  }
  const list = (names: readonly string[]) => (names.length === 0 ? 'nowhere' : names.toSorted().join(', '));
  if (list(reached) !== list(expected))
    differences.push({ what: 'to', expected: list(expected), actual: list(reached) });
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function showTime(timeMs: number | undefined): string {
  return timeMs === undefined ? 'no record' : new Date(timeMs).toISOString();
}

/** For people: the tests that failed, each with its differences in columns, and the count. */
export function renderTestResults(results: readonly TestResult[]): string {
  const failed = results.filter(({ passed }) => !passed);
  const blocks = failed.map(({ name, place, differences }) => {
    const width = Math.max(...differences.map(({ what }) => what.length));
    const rows = differences.map(
      ({ what, expected, actual }) =>
        `  ${what.padEnd(width)}  expected ${expected}\n  ${' '.repeat(width)}  ${'got'.padStart(8)} ${actual}`,
    );
    return [`FAILED ${name} (${place})`, ...rows].join('\n');
  });
  const count = `${results.length - failed.length} of ${results.length} ${results.length === 1 ? 'test' : 'tests'} passed`;
  return [...blocks, count].join('\n\n');
}
