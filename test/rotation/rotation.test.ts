// Rotation in every form: see forms.ts for the forms, course.ts for what happens to the reader meanwhile. ROTATION=all runs the whole matrix, with
// rsyslog beside it up to 100 logs, and writes docs/rotation.md; ROTATION_FORM (a regular expression) and ROTATION_STATE choose some of it, ROTATION_LOGS the number of logs,
// ROTATION_PATTERN one of the two patterns instead of both in one process.
import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../base/random.ts';
import { endAll } from '../support/command.ts';
import { Course, patterns, type State } from './course.ts';
import { forms } from './forms.ts';
import { record } from './report.ts';
import { hasRsyslog } from './rsyslog.ts';

const isLong = process.env['ROTATION'] === 'all';
const seed = Number(process.env['ROTATION_SEED'] ?? Date.now() % 1_000_000);
const chosen = forms.filter(({ name }) => new RegExp(process.env['ROTATION_FORM'] ?? '').test(name));
const states = (['up', 'down', 'killed'] as const).filter((state) =>
  state.includes(process.env['ROTATION_STATE'] ?? ''),
);
const chosenPatterns = patterns.filter((pattern) => pattern === (process.env['ROTATION_PATTERN'] ?? pattern));
const logs = Number(process.env['ROTATION_LOGS'] ?? 1);
const withRsyslog = isLong && logs <= 100 && hasRsyslog();

afterEach(endAll);

async function check(state: State, count: number): Promise<void> {
  const random = seededRandom(seed);
  const options = { forms: chosen, patterns: chosenPatterns, state, logs: count, withRsyslog };
  const course = new Course({ ...options, random: () => random.next() });
  const result = await course.run();
  if (isLong) record(result, count, state);
  const wrong = result.outcomes.filter(
    ({ subject, sums }) => subject === 'tailrace' && sums.lost + sums.doubled + sums.strange > 0,
  );
  expect(wrong, `seed ${seed}\n${result.log.slice(-4_000)}`).toEqual([]);
  expect(result.atEnd.deletedLogs, 'handles of deleted files').toBe(0);
}

describe(`rotation (seed ${seed})`, () => {
  it.each(states)('reader %s: nothing is lost, nothing doubled', (state) => check(state, logs));
});
