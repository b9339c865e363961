// The sink at the end of a pipeline: dead letters with the store's reason, pauses that end by themselves, ids that a replay meets again.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import type { SinkPlan } from '../../../pipelines/plan.ts';
import { replay, type ReplayRequest } from '../../../pipelines/replay.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { elasticsearchSink } from '../../../sinks/elasticsearch/sink.ts';
import { BulkStore } from '../../support/bulk-store.ts';
import { pipeline, PipelineWorld } from '../../support/pipeline-world.ts';

let store: BulkStore;
let world: PipelineWorld;
let runners: PipelineRunner[] = [];

beforeEach(async () => {
  store = await BulkStore.start();
  world = await PipelineWorld.open();
  await world.createTopic('app');
});
afterEach(async () => {
  for (const runner of runners) runner.kill();
  await Promise.all(runners.map((runner) => runner.stop(1000)));
  runners = [];
  await world.close();
  await store.stop();
});

function sink(given: Record<string, unknown> = {}): SinkPlan {
  const settings = elasticsearchSink.settings.parse({ urls: [store.url], index: 'app-%Y', ...given });
  return { name: 'search', definition: elasticsearchSink, settings };
}

async function run(): Promise<PipelineRunner> {
  const runner = world.runner([pipeline('app', sink())]);
  runners.push(runner);
  await runner.start();
  return runner;
}

const lines = Array.from({ length: 1000 }, (_, n) => `{"n":${n}}`);

it('dead-letters one record in a thousand and stores the others', async () => {
  store.reactToItem = ({ document }) =>
    document['n'] === 500
      ? { status: 400, error: { type: 'document_parsing_exception', reason: 'failed to parse field [n]' } }
      : undefined;
  await world.write('app', lines);
  const runner = await run();
  await runner.drain();
  expect(runner.accounts()[0]!.account).toMatchObject({ in: 1000, out: 999, dead: 1 });
  expect(store.documents.size).toBe(999);
});

it('pauses with an alarm and the reason while the store refuses, and goes on by itself', async () => {
  const error = { type: 'cluster_block_exception', reason: 'blocked by: [FORBIDDEN/8/index write (api)];' };
  store.reactToItem = () => ({ status: 403, error });
  await world.write('app', lines);
  const runner = await run();
  await vi.waitUntil(() => runner.status()[0]!.state === 'paused');
  expect(runner.status()[0]!.problem).toBe(
    `${store.url} refuses to write to index app-2023: cluster_block_exception: ${error.reason}`,
  );
  expect(runner.status()[0]!.outage.needsSomebody).toBe(true);
  await runner.drain();
  expect(runner.accounts()[0]!.problem).toContain('refuses to write');
  store.reactToItem = () => undefined;
  await vi.waitUntil(() => runner.status()[0]!.state === 'running', { timeout: 10_000 });
  expect(store.documents.size).toBe(1000);
  expect(runner.status()[0]).toMatchObject({ state: 'running', problem: undefined });
});

it('meets the same ids in a replay with the steps of the pipeline, and others without', async () => {
  await world.write('app', lines);
  await (await run()).drain();
  const dependencies = {
    ...{ client: world.client, instance: 'here', files: nodeFiles, clock: systemClock, random: systemRandom },
    logger: silentLogger,
  };
  const web = { name: 'web', steps: [], stepsFingerprint: '', deadLetterTopic: 'web.dlq' };
  const again = (request: Pick<ReplayRequest, 'pipeline' | 'sink'>) =>
    replay({ topic: 'app', from: 'earliest', until: 'now', again: false, dryRun: false, ...request }, dependencies);
  const met = await again({ pipeline: web, sink: sink() });
  expect(met.account.account).toMatchObject({ in: 1000, alreadyThere: 1000 });
  const replaced = await again({ pipeline: web, sink: sink({ on_conflict: 'replace' }) });
  expect(replaced.account.account).toMatchObject({ in: 1000, out: 1000 });
  expect(store.documents.size).toBe(1000);
  await again({ pipeline: undefined, sink: sink() });
  expect(store.documents.size).toBe(2000);
});
