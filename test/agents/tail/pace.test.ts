import { expect, it } from 'vitest';
import { Pace, pauseAfterGlance } from '../../../agents/tail/pace.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** How long after a look that took `lookMs` the next one is due. */
function pauseAfter(lookMs: number, { isEager = false, isAsked = false } = {}): number {
  const clock = new ManualClock();
  const pace = new Pace(clock, 250);
  expect(pace.isFirst).toBe(true);
  expect(pace.dueMs).toBeLessThanOrEqual(clock.monotonicMs());
  pace.ask();
  pace.begin();
  pace.end(lookMs, isEager);
  expect(pace.isFirst).toBe(false);
  if (isAsked) pace.ask();
  return pace.dueMs - clock.monotonicMs();
}

it('looks at few files at once when it is asked to, and four times a second', () => {
  expect(pauseAfter(1)).toBe(250);
  expect(pauseAfter(1, { isAsked: true })).toBe(2);
});

it('looks at thousands of files a tenth of the time, a third while something asks or is not decided', () => {
  expect(pauseAfter(500)).toBe(4_500);
  expect(pauseAfter(500, { isAsked: true })).toBe(1_000);
  expect(pauseAfter(500, { isEager: true })).toBe(1_000);
  expect(pauseAfter(500, { isEager: true, isAsked: true })).toBe(1_000);
});

it('looks for what is new within ten seconds, as long as looking takes less than that', () => {
  expect(pauseAfter(3_000)).toBe(10_000);
  expect(pauseAfter(20_000)).toBe(40_000);
});

it('glances at what is open a fifth of the time at most while a look takes long', () => {
  expect(pauseAfterGlance(1)).toBe(50);
  expect(pauseAfterGlance(30)).toBe(120);
});
