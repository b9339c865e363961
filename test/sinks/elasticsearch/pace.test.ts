import { expect, it } from 'vitest';
import { Pace } from '../../../sinks/elasticsearch/pace.ts';

const limits = { bytes: 4_000_000, parallel: 8 };

it('halves at once, and gives back a little at a time up to the limits', () => {
  const pace = new Pace(limits);
  pace.overloaded(0);
  expect([pace.bulkBytes, pace.concurrency]).toEqual([2_000_000, 4]);
  for (let good = 0; good < 4; good++) pace.succeeded();
  expect([pace.bulkBytes, pace.concurrency]).toEqual([2_250_000, 5]);
  for (let good = 0; good < 1000; good++) pace.succeeded();
  expect([pace.bulkBytes, pace.concurrency]).toEqual([4_000_000, 8]);
});

it('takes requests that were on their way together for one overload', () => {
  const pace = new Pace(limits);
  for (let request = 0; request < 8; request++) pace.overloaded(100 + request);
  expect(pace.concurrency).toBe(4);
  pace.overloaded(1000);
  expect(pace.concurrency).toBe(2);
});

it('never stops altogether', () => {
  const pace = new Pace(limits);
  for (let round = 0; round < 20; round++) pace.overloaded(round * 1000);
  expect([pace.bulkBytes, pace.concurrency]).toEqual([64 * 1024, 1]);
  const small = new Pace({ bytes: 1000, parallel: 1 });
  small.overloaded(0);
  expect(small.bulkBytes).toBe(1000);
});

it('has as many places as bulks may be on their way, for all deliveries together', async () => {
  const pace = new Pace({ bytes: 1_000_000, parallel: 2 });
  expect([pace.enter(), pace.enter(), pace.enter()]).toEqual([true, true, false]);
  const changed = pace.changed();
  pace.leave();
  await changed;
  expect([pace.enter(), pace.enter()]).toEqual([true, false]);
  pace.overloaded(0);
  pace.leave();
  expect(pace.enter()).toBe(false);
  pace.leave();
  expect(pace.enter()).toBe(true);
});
