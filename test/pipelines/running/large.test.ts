// Decisions that are large: one record must hold what an edge publishes, or refuses, whatever the size.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StepError } from '../../../pipelines/steps/step.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { numbered, pipeline, PipelineWorld, step } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
});
afterEach(async () => {
  await runner?.stop(1000);
  await world.close();
});

async function drain(plan: ReturnType<typeof pipeline>): Promise<PipelineRunner> {
  runner = world.runner([plan]);
  await runner.start();
  await runner.drain();
  return runner;
}

it('publishes as many files at once as came into being', async () => {
  await world.createTopic('app');
  const lines = numbered(300);
  await world.write('app', lines);
  const host = step((event) => {
    event.fields = { host: event.message.replace(' ', '-') };
    return 'keep';
  });
  // Long names stand for thousands of files.
  const folder = Array.from({ length: 10 }, () => 'x'.repeat(200)).join('/');
  await drain(pipeline('app', world.fileSink(`${folder}/{host}-{partition}-{offset}.ndjson`), { steps: [host] }));
  expect((await world.published()).size).toBe(lines.length);
});

it.each([1_048_400, 5_000_000])('keeps dead letters as large as records can be (%d bytes)', async (bytes) => {
  const configs = { 'max.message.bytes': '6000000' };
  await world.client.admin().createTopic({ name: 'app', partitions: 1, ...(bytes > 1_048_500 ? { configs } : {}) });
  const large = 'x'.repeat(bytes);
  await world.write('app', [large, 'small']);
  const refuse = step((event) => {
    if (event.message.length > 100) throw new StepError('it is too large');
    return 'keep';
  });
  await drain(pipeline('app', world.fileSink('{partition}-{offset}.txt'), { steps: [refuse] }));
  expect(await world.lines()).toEqual(['small']);
  expect((await world.values('web.dlq')).map(({ value }) => value.length)).toEqual([bytes]);
});
