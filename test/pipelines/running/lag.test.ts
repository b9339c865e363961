// How far behind a group is: records, seconds, bytes.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { groupLag } from '../../../pipelines/lag.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { numbered, PipelineWorld } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
const nowMs = 1_700_000_000_000;
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app', 2);
  await world.write('app', numbered(10), { timestampMs: nowMs - 90_000 });
  await world.write('app', numbered(10), { timestampMs: nowMs - 30_000 });
  // A commit is answered before its marker is written, which the stable end waits for.
  await expect.poll(async () => (await world.client.admin().offsets('app', 'latest-stable')).get(0)).toBe(22);
});
afterEach(() => world.close());

const lag = (topics: string[] = [], assigned?: Map<string, number[]>) =>
  groupLag(world.client, new ManualClock(nowMs), 'web.files', topics, assigned);
const commit = (offset: number) =>
  world.client.admin().commitGroupOffsets('web.files', [{ topic: 'app', partition: 0, offset }]);

it('knows nothing of a group that committed nothing, unless told what it reads', async () => {
  expect(await lag()).toEqual([]);
  const rows = await lag(['app']);
  expect(rows).toMatchObject([
    { topic: 'app', partition: 0, committed: undefined, lagRecords: 22, lagSeconds: 90 },
    { topic: 'app', partition: 1, committed: undefined, lagRecords: 0, lagSeconds: 0, lagBytes: 0 },
  ]);
  expect(rows[0]!.lagBytes).toBeGreaterThan(100);
});

it('shows what members have and did not commit, also of a topic that is gone', async () => {
  await commit(11);
  const assigned = new Map([
    ['app', [1, 0]],
    ['gone', [0]],
  ]);
  expect(await lag([], assigned)).toMatchObject([
    { topic: 'app', partition: 0, committed: 11, end: 22, lagRecords: 11 },
    { topic: 'app', partition: 1, committed: undefined, end: 0, lagRecords: undefined },
    { topic: 'gone', partition: 0, committed: undefined, end: undefined, lagRecords: undefined },
  ]);
});

it('counts from what was committed, by the age of the next record', async () => {
  await commit(11);
  expect(await lag()).toMatchObject([{ committed: 11, end: 22, lagRecords: 11, lagSeconds: 30 }]);
  await commit(22);
  expect(await lag()).toMatchObject([{ committed: 22, end: 22, lagRecords: 0, lagSeconds: 0 }]);
});
