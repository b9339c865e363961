// The audit against what edges really did: it adds up, and when one thing is taken away it names the range, and nothing else.
import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import type { PipelinePlan, SinkPlan } from '../../../pipelines/plan.ts';
import { replay } from '../../../pipelines/replay.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { StepError } from '../../../pipelines/steps/step.ts';
import { elasticsearchSink } from '../../../sinks/elasticsearch/sink.ts';
import { auditOf } from '../../support/auditing.ts';
import { BulkStore } from '../../support/bulk-store.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan, step } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runners: PipelineRunner[] = [];
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app', 2);
});
afterEach(async () => {
  for (const runner of runners) runner.kill();
  await Promise.all(runners.map((runner) => runner.stop(1000)));
  runners = [];
  await world.close();
});

/** Runs the pipelines until they have delivered everything, and ends them. */
async function deliver(pipelines: readonly PipelinePlan[]): Promise<void> {
  const runner = world.runner(pipelines);
  runners.push(runner);
  await runner.start();
  await runner.drain();
  await runner.stop(5000);
}

/** 300 lines in partition 0 in three rolls, 100 in partition 1. */
async function writeAll(pipelines: readonly PipelinePlan[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await world.write('app', numbered(100, round * 100), {
      partition: 0,
      timestampMs: 1_700_000_000_000 + round * 3_600_000,
    });
    await deliver(pipelines);
  }
  await world.write('app', numbered(100, 300), { partition: 1 });
  await deliver(pipelines);
}

const fileName = (partition: number, offset: number) => `${partition}-${String(offset).padStart(20, '0')}`;

describe('files', () => {
  it('add up, and the one that is missing is named with its range, and comes back by the replay of that range', async () => {
    const sink = world.fileSink('{partition}-{offset}');
    const plan = pipeline('app', sink);
    await writeAll([plan]);
    const whole = await auditOf(world, [plan]);
    expect(whole).toMatchObject({ balanced: true, problems: [], notes: [] });
    expect(whole.edges[0]).toMatchObject({
      ...{ edge: 'web.files', read: 400, delivered: 400, checked: { what: 'files', count: 4, lines: 400 } },
      ranges: [
        { topic: 'app', partition: 0, from: 0, to: 303, records: 300, skipped: 3 },
        { topic: 'app', partition: 1, from: 0, to: 101, records: 100, skipped: 1 },
      ],
    });
    const path = join(world.folder, 'out', fileName(0, 101));
    const content = await readFile(path);
    await rm(path);
    const broken = await auditOf(world, [plan]);
    expect(broken.balanced).toBe(false);
    expect(broken.problems).toEqual([
      {
        ...{ who: 'web.files', kind: 'published', where: path, what: 'is missing (100 lines)' },
        ranges: [{ topic: 'app', partition: 0, from: 101, to: 202 }],
        remedy: 'web.files app/0 101 202',
      },
    ]);
    const range = { from: { offset: 101 }, until: { offset: 202 }, partition: 0, again: false, dryRun: false };
    await replay(
      { topic: 'app', sink, pipeline: plan, ...range },
      {
        client: world.client,
        instance: 'here',
        files: nodeFiles,
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      },
    );
    expect(await readFile(path)).toEqual(content);
    expect(await auditOf(world, [plan])).toMatchObject({ balanced: true });
  });

  it('that were changed are named, by length and by content', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
    await writeAll([plan]);
    const path = join(world.folder, 'out', fileName(0, 202));
    const content = await readFile(path, 'utf8');
    await writeFile(path, content.replace('line 250', 'line 251'));
    expect((await auditOf(world, [plan])).problems).toMatchObject([
      { where: path, what: 'has other content than was written (100 lines)' },
    ]);
    await appendFile(path, 'more');
    expect((await auditOf(world, [plan])).problems).toMatchObject([
      { where: path, what: expect.stringMatching(/^has \d+ bytes where \d+ were written/) as string },
    ]);
  });

  it('that are appended to are looked at piece by piece', async () => {
    const plan = pipeline('app', world.fileSink('{partition}.log'));
    await writeAll([plan]);
    expect(await auditOf(world, [plan])).toMatchObject({ balanced: true });
    const path = join(world.folder, 'out', '0.log');
    await truncate(path, (await readFile(path)).indexOf('line 250'));
    expect((await auditOf(world, [plan])).problems).toMatchObject([
      {
        ranges: [{ partition: 0, from: 202, to: 303 }],
        where: path,
        what: expect.stringContaining('lacks some of') as string,
      },
    ]);
  });

  it('that are decided and not published yet are told from those that are gone', async () => {
    const plan = world.fileSink('{partition}-{offset}');
    const context = { edge: 'web.files', pipeline: 'web', instance: 'here', generation: 1, files: nodeFiles };
    const whole = { ...context, clock: systemClock, random: systemRandom, logger: silentLogger };
    const sink = await plan.definition.open(plan.settings, whole);
    const auditor = await plan.definition.audit!(plan.settings, whole);
    if (sink.guarantee !== 'two-phase') throw new Error('not a two-phase sink');
    const writer = await sink.openWriter({ kind: 'partition', coordinates: testPartition });
    await writer.write(deliveryBatch([{ offset: 0, text: 'one' }]));
    const manifest = (await writer.prepare())!;
    expect(await auditor.published!(manifest)).toMatchObject([
      { problem: 'is decided and not published yet', waits: true },
    ]);
    await writer.publish(manifest);
    expect(await auditor.published!(manifest)).toMatchObject([{ problem: undefined, lines: 1, waits: false }]);
    await sink.close();
  });

  it('are those of the period that is asked for', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
    await writeAll([plan]);
    for (const offset of [0, 202]) await rm(join(world.folder, 'out', fileName(0, offset)));
    const fromMs = 1_700_000_000_000 + 2 * 3_600_000;
    const late = await auditOf(world, [plan], { fromMs });
    expect(late.problems.map(({ ranges }) => ranges[0])).toEqual([{ topic: 'app', partition: 0, from: 202, to: 303 }]);
    const early = await auditOf(world, [plan], { untilMs: fromMs });
    expect(early.problems.map(({ ranges }) => ranges[0])).toEqual([{ topic: 'app', partition: 0, from: 0, to: 101 }]);
  });
});

describe('offsets', () => {
  it('that an edge was made to skip are named', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
    await writeAll([plan]);
    await world.write('app', numbered(50, 400), { partition: 0 });
    const end = (await world.client.admin().offsets('app', 'latest')).get(0)!;
    await world.client.admin().commitGroupOffsets('web.files', [{ topic: 'app', partition: 0, offset: end }]);
    expect((await auditOf(world, [plan])).problems).toMatchObject([
      {
        kind: 'published',
        ranges: [{ partition: 0, from: 303, to: end }],
        what: '50 records are committed, and no file is recorded for them',
      },
    ]);
  });

  it('that an edge was made to read again are named', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}', { roll: { idle: '10s' } }));
    await writeAll([plan]);
    await world.client.admin().commitGroupOffsets('web.files', [{ topic: 'app', partition: 0, offset: 202 }]);
    await rm(join(world.folder, 'out', fileName(0, 202)));
    await deliver([plan]);
    expect((await auditOf(world, [plan])).problems).toMatchObject([
      {
        kind: 'offsets',
        ranges: [{ partition: 0, from: 202, to: 303 }],
        what: expect.stringContaining('twice') as string,
      },
    ]);
  });
});

describe('dead letters', () => {
  const refuse = step((event) => {
    if (event.message.endsWith('7')) throw new StepError('a seven');
    return event.message.endsWith('5') ? 'drop' : 'keep';
  });

  it('add up with what was dropped, and are missed when they are gone', async () => {
    const plan = pipeline('app', world.fileSink('{partition}-{offset}'), { steps: [refuse] });
    await writeAll([plan]);
    const whole = await auditOf(world, [plan]);
    expect(whole).toMatchObject({
      balanced: true,
      edges: [{ read: 400, delivered: 320, dropped: 40, deadLetters: 40 }],
    });
    await world.client.admin().deleteTopic('web.dlq');
    const { problems } = await auditOf(world, [plan]);
    expect(problems).toHaveLength(4);
    expect(problems[0]).toMatchObject({
      kind: 'letters',
      where: 'web.dlq',
      what: '10 of 10 dead letters are not there',
    });
  });
});

describe('stores', () => {
  let store: BulkStore;
  beforeEach(async () => {
    store = await BulkStore.start();
    store.rollOver('app');
  });
  afterEach(() => store.stop());

  function sink(): SinkPlan {
    const settings = elasticsearchSink.settings.parse({ urls: [store.url], index: 'app' });
    return { name: 'search', definition: elasticsearchSink, settings };
  }

  it('add up, and each document that is missing is named by index, id and offset', async () => {
    store.reactToItem = ({ document }) =>
      document['message'] === 'line 42' ? { status: 400, error: { type: 'mapper', reason: 'no' } } : undefined;
    const plan = pipeline('app', sink());
    await writeAll([plan]);
    const whole = await auditOf(world, [plan]);
    expect(whole).toMatchObject({
      ...{ balanced: true, problems: [] },
      edges: [{ delivered: 399, deadLetters: 1, checked: { what: 'documents', count: 400 } }],
    });
    const keyOf = (message: string) => [...store.documents].find(([, document]) => document['message'] === message)![0];
    const gone = ['line 10', 'line 11', 'line 250'].map(keyOf);
    for (const key of gone) store.documents.delete(key);
    const { problems } = await auditOf(world, [plan]);
    const id = (key: string) => `app/_doc/${key.slice(key.indexOf('/') + 1)}`;
    expect(problems).toMatchObject([
      {
        ...{
          who: 'web.search',
          kind: 'missing',
          where: `${id(gone[0]!)}, ${id(gone[1]!)}`,
          what: '2 documents are missing',
        },
        ...{ ranges: [{ topic: 'app', partition: 0, from: 10, to: 12 }], remedy: 'web.search app/0 10 12' },
      },
      { ranges: [{ partition: 0, from: 252, to: 253 }], where: id(gone[2]!), what: 'the document is missing' },
    ]);
  });

  it('are asked for nothing when other steps were run then', async () => {
    await writeAll([pipeline('app', sink())]);
    store.documents.clear();
    const changed = pipeline('app', sink(), { stepsFingerprint: 'others' });
    const result = await auditOf(world, [changed]);
    expect(result).toMatchObject({ balanced: true, edges: [{ checked: { count: 0 } }] });
    expect(result.notes[0]).toContain('other steps');
  });

  it('that cannot be reached are a problem', async () => {
    const plan = pipeline('app', sink());
    await writeAll([plan]);
    await store.stop();
    const { problems } = await auditOf(world, [plan]);
    expect(problems).toMatchObject([
      { who: 'web.search', what: expect.stringContaining('cannot be looked at') as string },
    ]);
    store = await BulkStore.start();
  });
});

describe('topics', () => {
  it('add up with what was written into them', async () => {
    const plan = pipeline('app', 'copy');
    await writeAll([plan]);
    const result = await auditOf(world, [plan]);
    expect(result).toMatchObject({ balanced: true, edges: [{ checked: { what: 'records', count: 400 } }] });
  });

  it('that lost records are named', async () => {
    const plan = pipeline('app', 'copy');
    await writeAll([plan]);
    await world.client.admin().deleteTopic('copy');
    const { problems } = await auditOf(world, [plan]);
    expect(problems.map(({ what, where }) => `${where} ${what}`)).toEqual([
      ...['copy 100 records are missing', 'copy 100 records are missing', 'copy 100 records are missing'],
      'copy 100 records are missing',
    ]);
  });
});

it('says what cannot be asked', async () => {
  const quiet = sinkPlan('quiet', () =>
    Promise.resolve({
      guarantee: 'at-least-once',
      fieldPaths: [],
      deliver: () => Promise.resolve(undefined),
      close: () => Promise.resolve(),
    }),
  );
  const plan = pipeline('app', quiet);
  await writeAll([plan]);
  const result = await auditOf(world, [plan]);
  expect(result).toMatchObject({ balanced: true, edges: [{ read: 400, checked: { what: 'nothing' } }] });
  expect(result.notes).toEqual([
    'web.quiet: quiet (quiet) cannot be asked what has arrived; its offsets alone are checked',
  ]);
});

it('adds up before anything was delivered', async () => {
  const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
  expect(await auditOf(world, [plan])).toMatchObject({ balanced: true, edges: [{ read: 0 }] });
  await world.write('app', numbered(10));
  expect(await auditOf(world, [plan, pipeline('nothing', 'copy', { name: 'other' })])).toMatchObject({
    balanced: true,
  });
});

it('knows no other edges than those there are', async () => {
  const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
  await expect(auditOf(world, [plan], { edges: ['web.other'] })).rejects.toThrow(
    'there is no edge web.other; there are: web.files',
  );
});
