// Exchanging edges of a running runner: what leaves decides what it has taken, what comes goes on from there, the others notice nothing.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import type { PipelinePlan } from '../../../pipelines/plan.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
});
afterEach(async () => {
  await runner?.stop(1000);
  await world.close();
});

async function run(...pipelines: PipelinePlan[]): Promise<PipelineRunner> {
  runner = world.runner(pipelines);
  await runner.start();
  return runner;
}

const edgesOf = (plan: PipelinePlan) => plan.edges.map((edge) => ({ pipeline: plan, edge }));
/** Nothing is published before the edge ends or is drained. */
const late = { roll: { size: '1GB', age: '1h', idle: '1h' } };

it('hands over to a successor of the same group, each line once and none before its time', async () => {
  await world.createTopic('app', 2);
  const first = pipeline('app', world.fileSink('first/{partition}-{offset}', late));
  const second = pipeline('app', world.fileSink('second/{partition}-{offset}', late));
  const running = await run(first);
  await world.write('app', numbered(100));
  await world.write('app', numbered(50, 100), { partition: 1 });
  await vi.waitUntil(() => running.accounts()[0]!.account.in === 150);
  expect(await world.lines()).toEqual([]);
  await running.replace(['web.files'], edgesOf(second), 5000);
  expect((await world.lines('out/first')).sort()).toEqual(numbered(150).sort());
  await world.write('app', numbered(20, 150));
  await running.drain();
  expect(await world.lines('out/second')).toEqual(numbered(20, 150));
  expect(running.accounts().map(({ edge, account }) => [edge, account.in, account.out])).toEqual([
    ['web.files', 170, 170],
  ]);
  expect(await world.leftOvers()).toEqual([]);
});

it('does not disturb the others', async () => {
  await world.createTopic('app');
  const calm = pipeline('app', world.fileSink('calm/{partition}-{offset}', late), { name: 'calm' });
  const brief = pipeline('app', world.fileSink('brief/{partition}-{offset}', late), { name: 'brief' });
  const running = await run(calm);
  await world.write('app', numbered(10));
  await running.replace([], edgesOf(brief), 5000);
  await vi.waitUntil(() => running.accounts().every(({ account }) => account.in === 10));
  await running.replace(['brief.files'], [], 5000);
  expect(await world.lines('out/brief')).toEqual(numbered(10));
  expect(await world.lines('out/calm')).toEqual([]); // Had it been restarted, it would have published.
  expect(running.status().map(({ group }) => group)).toEqual(['calm.files']);
  await running.drain();
  expect(await world.lines('out/calm')).toEqual(numbered(10));
});

it('replaces an edge whose sink says nothing within the deadline; its lines go to the successor', async () => {
  await world.createTopic('app');
  const asked = Promise.withResolvers<boolean>();
  const silent = sinkPlan('files', () =>
    Promise.resolve({
      guarantee: 'idempotent',
      fieldPaths: [],
      deliver: (_batch, signal) => {
        asked.resolve(true);
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new TailraceError('TLR_CLOSED', 'ended')));
        });
      },
      close: () => Promise.resolve(),
    }),
  );
  const running = await run(pipeline('app', silent));
  await world.write('app', numbered(30));
  await asked.promise;
  await running.replace(['web.files'], edgesOf(pipeline('app', world.fileSink('{partition}-{offset}'))), 100);
  await running.drain();
  expect(await world.lines()).toEqual(numbered(30));
});

it('begins nothing once it is stopped', async () => {
  await world.createTopic('app');
  const running = await run(pipeline('app', world.fileSink('a/{partition}-{offset}')));
  await running.stop(1000);
  const other = pipeline('app', world.fileSink('b/{partition}-{offset}'), { name: 'other' });
  await running.replace([], edgesOf(other), 1000);
  expect(running.status().map(({ group, state }) => [group, state])).toEqual([['web.files', 'stopped']]);
});
