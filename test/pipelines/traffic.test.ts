// What `tailrace top` looks at, set against what was written and delivered between two looks.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import type { PipelineRunner } from '../../pipelines/runner.ts';
import { type Traffic, TrafficWatch } from '../../pipelines/traffic.ts';
import { fitted, trafficLines } from '../../cli/traffic-report.ts';
import { numbered, pipeline, PipelineWorld, step } from '../support/pipeline-world.ts';

const patience = { timeout: 30_000 };

let world: PipelineWorld;
let watch: TrafficWatch;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
  watch = new TrafficWatch(world.client, systemClock);
  await world.createTopic('app', 2);
});
afterEach(async () => {
  await watch.close();
  runner?.kill();
  await runner?.stop(1000);
  runner = undefined;
  await world.close();
});

it('counts what comes into topics, what an edge takes, and what became of it', async () => {
  const drops = step((event) => (event.message.endsWith('0') ? 'drop' : 'keep'));
  runner = world.runner([pipeline('app', world.fileSink('{partition}-{offset}'), { steps: [drops] })]);
  expect((await watch.look()).topics).toMatchObject([
    { topic: 'app', partitions: 2, offsets: 0, perSecond: undefined },
  ]);
  await world.write('app', numbered(20));
  await runner.start();
  await runner.drain();
  await world.write('app', numbered(5, 20), { partition: 1 });
  // The answer to a commit may come before its mark is in the partition.
  const seen: Traffic[] = [];
  await expect
    .poll(async () => {
      seen.push(await watch.look());
      return seen.at(-1)?.topics.find(({ topic }) => topic === 'app')?.offsets;
    }, patience)
    .toBe(27);
  await runner.drain();
  await expect
    .poll(async () => {
      seen.push(await watch.look());
      return seen.at(-1)?.groups;
    }, patience)
    .toMatchObject([
      { group: 'web.files', state: 'Stable', members: 1, lag: 0, account: { in: 25, out: 22, dropped: 3 } },
    ]);
  expect(seen.some(({ topics }) => topics.some(({ perSecond = 0 }) => perSecond > 0))).toBe(true);
  expect(seen.some(({ groups }) => groups.some(({ perSecond = 0 }) => perSecond > 0))).toBe(true);
  const lines = trafficLines(seen.at(-1)!, 'here');
  expect(lines.join('\n')).toMatch(/app +2 +27 .*\n[^]*web\.files +Stable +1 +\d+ +0 +22 +3 +0 +caught up/);
  expect(fitted(lines, 3)).toEqual([lines[0], lines[1], `… ${lines.length - 2} lines more`]);
  expect(fitted(lines, 99)).toEqual(lines);
});

it('tells when a lag will be gone, and that nobody reads', async () => {
  await world.write('app', numbered(10));
  const admin = world.client.admin();
  const commit = (offset: number) => admin.commitGroupOffsets('by-hand', [{ topic: 'app', partition: 0, offset }]);
  const untilLagIs = (lag: number) =>
    expect.poll(async () => (await watch.look()).groups, patience).toMatchObject([{ lag }]);
  await commit(1);
  await untilLagIs(10);
  await commit(6);
  const [group] = (await watch.look()).groups;
  expect(group).toMatchObject({ group: 'by-hand', members: 0, lag: 5, account: undefined });
  // Five of ten in the time between the looks: the other five take as long.
  expect(group?.caughtUpInSeconds).toBeGreaterThan(0);
  expect(group?.caughtUpInSeconds).toBeCloseTo(5 / group!.perSecond!, 6);
  const [shown] = trafficLines(await watch.look(), 'here').slice(-1);
  expect(shown).toMatch(/by-hand +Empty +0 +0 +5 +- +- +- +nobody reads/);
});
