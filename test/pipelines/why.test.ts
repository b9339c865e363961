// The path of one record, set against what edges really did with it.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import type { PipelinePlan } from '../../pipelines/plan.ts';
import type { PipelineRunner } from '../../pipelines/runner.ts';
import { StepError } from '../../pipelines/steps/step.ts';
import { type RecordPath, why } from '../../pipelines/why/why.ts';
import { elasticsearchSink } from '../../sinks/elasticsearch/sink.ts';
import { BulkStore } from '../support/bulk-store.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan, step } from '../support/pipeline-world.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app');
});
afterEach(async () => {
  runner?.kill();
  await runner?.stop(1000);
  runner = undefined;
  await world.close();
});

async function deliver(pipelines: readonly PipelinePlan[]): Promise<void> {
  runner = world.runner(pipelines);
  await runner.start();
  await runner.drain();
  await runner.stop(5000);
}

function pathOf(pipelines: readonly PipelinePlan[], offset: number, topic = 'app', partition = 0): Promise<RecordPath> {
  const common = { client: world.client, files: nodeFiles, clock: systemClock, random: systemRandom };
  const dependencies = { ...common, logger: silentLogger, signal: new AbortController().signal };
  return why({ plan: { pipelines }, place: { topic, partition, offset } }, dependencies);
}

const rolled = (offset: number) => join(world.folder, 'out', `0-${String(offset).padStart(20, '0')}`);

describe('a record', () => {
  it('that waits, then is in a rolled file, then is missing', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
    await world.write('app', numbered(10));
    // The answer to a commit may come before its mark is in the partition.
    await expect.poll(async () => (await pathOf([plan], 4)).state, { timeout: 30_000 }).toBe('committed');
    const before = await pathOf([plan], 4);
    expect(before).toMatchObject({ value: 'line 4', leader: 1, replicas: [1], inSyncReplicas: [1] });
    expect(before.edges).toMatchObject([{ edge: 'web.files', state: 'waits', committed: undefined, pieces: [] }]);
    await deliver([plan]);
    await world.write('app', numbered(10, 10));
    await deliver([plan]);
    expect((await pathOf([plan], 4)).edges).toMatchObject([
      {
        ...{ state: 'delivered', committed: 22, decided: { from: 0, to: 11, read: 10 }, notes: [] },
        pieces: [{ where: rolled(0), line: 5, value: 'line 4', problem: undefined }],
      },
    ]);
    expect((await pathOf([plan], 12)).edges[0]?.pieces).toMatchObject([{ where: rolled(11), line: 2 }]);
    await rm(rolled(0));
    const [edge] = (await pathOf([plan], 4)).edges;
    expect(edge).toMatchObject({ state: 'missing', pieces: [{ where: rolled(0), problem: 'is missing' }] });
  });

  it('whose file follows from a field, and that shares its decision with others', async () => {
    const parse = step((event) => {
      event.fields = JSON.parse(event.message) as Record<string, unknown>;
      event.markChanged();
      return 'keep';
    });
    const plan = pipeline('app', world.fileSink('{level}/{partition}-{offset}'), { steps: [parse] });
    await world.write('app', ['{"level":"info"}', '{"level":"warn"}', '{"level":"info"}', '{"level":"warn"}']);
    await deliver([plan]);
    const fileOf = async (offset: number) => (await pathOf([plan], offset)).edges[0]?.pieces[0];
    const name = (level: string, offset: number) => rolled(offset).replace('/out/', `/out/${level}/`);
    expect(await fileOf(2)).toMatchObject({ where: name('info', 0), line: 2 });
    expect(await fileOf(3)).toMatchObject({ where: name('warn', 1), line: 2 });
  });

  it('that was split, dropped or refused, with the step and the letter', async () => {
    const byKind = step((event) => {
      if (event.message === 'bad') throw new StepError('it is bad');
      return event.message === 'two' ? [{ n: 1 }, { n: 2 }] : 'keep';
    });
    const drops = step((event) => (event.message === 'no' ? 'drop' : 'keep'), { name: 'drop', place: 'web.yaml:3:5' });
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'), { steps: [byKind, drops] });
    await world.write('app', ['yes', 'two', 'no', 'bad']);
    await deliver([plan]);
    const [two, no, bad] = await Promise.all([1, 2, 3].map(async (offset) => (await pathOf([plan], offset)).edges[0]));
    expect(two?.pieces).toMatchObject([
      { ordinal: 1, value: '{"n":1}', where: rolled(0), line: 2 },
      { ordinal: 2, value: '{"n":2}', where: rolled(0), line: 3 },
    ]);
    expect(no).toMatchObject({ state: 'dropped', droppedBy: 'drop at web.yaml:3:5', pieces: [], letters: [] });
    expect(bad).toMatchObject({
      ...{ state: 'refused', pieces: [] },
      letters: [{ letter: 'web.dlq/0/0', reason: 'it is bad', isOpen: true }],
    });
  });

  it('that goes on into another topic, and from there', async () => {
    const onward = pipeline('clean', world.fileSink('{partition}-{offset}'), { name: 'onward' });
    await world.createTopic('clean');
    const plans = [pipeline('app', 'clean'), onward];
    await world.write('app', numbered(3));
    await deliver(plans);
    const path = await pathOf(plans, 1);
    expect(path.edges).toMatchObject([{ edge: 'web.clean', state: 'delivered', pieces: [{ where: 'clean/0/1' }] }]);
    expect(path.next).toMatchObject([
      {
        ...{ topic: 'clean', offset: 1, origin: { topic: 'app', partition: 0, offset: 1, ordinal: 0 } },
        edges: [{ edge: 'onward.files', state: 'delivered', pieces: [{ where: rolled(0), line: 2 }] }],
      },
    ]);
  });

  it('that is a document, by index and id', async () => {
    const store = await BulkStore.start();
    store.rollOver('app');
    const settings = elasticsearchSink.settings.parse({ urls: [store.url], index: 'app' });
    const sink = { ...sinkPlan('search', () => Promise.reject(new Error())), definition: elasticsearchSink, settings };
    const plan = pipeline('app', sink);
    await world.write('app', numbered(3));
    await deliver([plan]);
    const ids = [...store.documents.keys()];
    const [edge] = (await pathOf([plan], 1)).edges;
    expect(edge?.state).toBe('delivered');
    expect(ids.map((id) => id.split('/').at(-1))).toContain(edge?.pieces[0]?.where?.split('/').at(-1));
    store.documents.clear();
    expect((await pathOf([plan], 1)).edges[0]).toMatchObject({ state: 'missing', pieces: [{ problem: 'is missing' }] });
    await store.stop();
  });
});

describe('an offset', () => {
  it('that holds no record says why', async () => {
    await world.write('app', numbered(2));
    await world.write('app', numbered(2), { abort: true });
    const expected = ['committed', 'none', 'aborted', 'none'];
    const states = () => Promise.all([1, 2, 3, 5, 6, 900].map(async (offset) => (await pathOf([], offset)).state));
    await expect.poll(states, { timeout: 30_000 }).toEqual([...expected, 'not-yet', 'not-yet']);
    await expect(pathOf([], 0, 'app', 3)).rejects.toMatchObject({ code: 'TLR_NOT_FOUND' });
    await expect(pathOf([], 0, 'nowhere')).rejects.toMatchObject({ code: 'TLR_NOT_FOUND' });
  });

  it('is told of by the ledger alone when the edge is not in the configuration, and not by steps that are others now', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
    await world.write('app', numbered(3));
    await deliver([plan]);
    expect((await pathOf([], 1)).others).toMatchObject([{ edge: 'web.files', from: 0, to: 4 }]);
    const changed = { ...plan, stepsFingerprint: 'others', steps: [step(() => 'drop')] };
    expect((await pathOf([changed], 1)).edges).toMatchObject([{ state: 'decided', pieces: [] }]);
  });
});
