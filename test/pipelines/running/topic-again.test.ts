// Topics that are deleted and made again under the same name while an edge reads them: another topic, whose records are read from its beginning.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Files } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import type { PipelinePlan } from '../../../pipelines/plan.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { recordingLogger, type LoggedLine } from '../../support/recording-logger.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runners: PipelineRunner[] = [];
let log: LoggedLine[] = [];
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app');
});
afterEach(async () => {
  for (const runner of runners) await runner.stop(1000);
  runners = [];
  log = [];
  await world.close();
});

async function run(plan: PipelinePlan, files: Files = nodeFiles): Promise<PipelineRunner> {
  const runner = world.runner([plan], { files, logger: recordingLogger(log) });
  runners.push(runner);
  await runner.start();
  return runner;
}

async function makeAgain(): Promise<void> {
  await world.client.admin().deleteTopic('app');
  await world.createTopic('app');
}

const waiting = { timeout: 30_000 };

describe('a topic that is made again', { timeout: 60_000 }, () => {
  it('is read from its beginning, though what was read of the old one is decided after that', async () => {
    const taken: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const sink = sinkPlan('send', () =>
      Promise.resolve({
        guarantee: 'idempotent' as const,
        fieldPaths: [],
        deliver: async (batch) => {
          batch.forEach(({ buffer, start, end }) => taken.push(buffer.toString('utf8', start, end)));
          if (taken.length === 5) await gate.promise;
          return undefined;
        },
        close: () => Promise.resolve(),
      }),
    );
    await world.write('app', numbered(5, 0, 'old'));
    await run(pipeline('app', sink));
    await vi.waitUntil(() => taken.length === 5, waiting);
    const takenMs = performance.now();
    await makeAgain();
    await world.write('app', numbered(10, 0, 'new'));
    // Then the next decision is due as soon as these are delivered.
    await vi.waitUntil(() => performance.now() - takenMs > 400, waiting);
    gate.resolve(undefined);
    await vi.waitUntil(() => taken.length >= 15, waiting);
    expect(taken).toEqual([...numbered(5, 0, 'old'), ...numbered(10, 0, 'new')]);
    const { fields } = log.find(({ message }) => message.startsWith('A topic was made again'))!;
    expect(fields).toMatchObject({ group: 'web.send', topic: 'app', partition: 0 });
  });

  it('leaves what was decided of the old one to be published', async () => {
    const isNaming = Promise.withResolvers<undefined>();
    const files: Files = Object.assign(Object.create(nodeFiles) as Files, {
      link: () => {
        isNaming.resolve(undefined);
        return new Promise<void>(() => undefined);
      },
    });
    const plan = pipeline('app', world.fileSink('{partition}-%Y-{offset}', { roll: { idle: '10ms' } }));
    await world.write('app', numbered(5, 0, 'old'), { timestampMs: Date.UTC(2025, 1) });
    const killed = await run(plan, files);
    await isNaming.promise;
    killed.kill();
    await makeAgain();
    await world.write('app', numbered(5, 0, 'new'), { timestampMs: Date.UTC(2026, 1) });
    const runner = await run(plan);
    await runner.drain();
    expect(await world.lines()).toEqual([...numbered(5, 0, 'old'), ...numbered(5, 0, 'new')]);
  });

  it('leaves nothing unfinished of the old one in the folder of the sink', async () => {
    // As much as is not held in memory.
    const lines = (name: string) => numbered(5, 0, name.repeat(300_000));
    await world.write('app', lines('o'));
    const runner = await run(pipeline('app', world.fileSink('{partition}-{offset}', { roll: { idle: '1h' } })));
    await vi.waitUntil(async () => (await world.leftOvers()).length === 1, waiting);
    const [old] = await world.leftOvers();
    await makeAgain();
    await world.write('app', lines('n'));
    await vi.waitUntil(async () => (await world.leftOvers()).some((name) => name !== old), waiting);
    await runner.drain();
    expect(await world.leftOvers()).toEqual([]);
    expect(await world.lines()).toEqual(lines('n'));
  });
});
