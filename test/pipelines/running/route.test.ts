// The step route over whole edges: each of the pipeline's targets gets its share, whether sink or topic.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isBalanced } from '../../../pipelines/account.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { pipeline, PipelineWorld } from '../../support/pipeline-world.ts';
import { planOf } from '../../support/planning.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
  for (const topic of ['app', 'errors']) await world.createTopic(topic);
});
afterEach(async () => {
  await runner?.stop(1000);
  await world.close();
});

it('gives each target its own records, and every record one end on each edge', async () => {
  const plan = await planOf(`topics: { app: {} }
sinks: { files: stdout }
pipelines:
  web:
    from: app
    to: [files, topic:errors]
    steps:
      - parse: json
      - route: [ { when: level == "error", to: [files, topic:errors] }, { when: level == "debug", to: [] }, { to: files } ]
`);
  const lines = ['error', 'debug', 'info', 'error'].map((level, n) => JSON.stringify({ level, n }));
  await world.write('app', lines);
  const { steps } = plan.pipelines[0]!;
  const sink = world.fileSink('{partition}-{offset}', { roll: { idle: '10ms' } });
  const web = pipeline('app', sink, { steps });
  runner = world.runner([{ ...web, edges: [...web.edges, ...pipeline('app', 'errors').edges] }]);
  await runner.start();
  await runner.drain();
  expect(await world.lines()).toEqual([lines[0], lines[2], lines[3]]);
  expect((await world.values('errors')).map(({ value }) => value)).toEqual([lines[0], lines[3]]);
  const accounts = runner.accounts().map(({ account }) => account);
  expect(accounts.map(({ in: read, out, dropped }) => [read, out, dropped])).toEqual([
    [4, 3, 1],
    [4, 2, 2],
  ]);
  expect(accounts.every(isBalanced)).toBe(true);
});
