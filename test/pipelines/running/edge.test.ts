// One edge and its troubles: sinks that refuse, fail or hang; members that come and go; names that are taken.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import type { Files } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { decodeAccount } from '../../../pipelines/account.ts';
import type { SinkPlan } from '../../../pipelines/plan.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import type { DeliveryBatch, Outcome } from '../../../sinks/sink.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan, step } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runners: PipelineRunner[] = [];
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app', 2);
});
afterEach(async () => {
  for (const runner of runners) await runner.stop(1000);
  runners = [];
  await world.close();
});

async function run(...pipelines: ReturnType<typeof pipeline>[]): Promise<PipelineRunner> {
  const runner = world.runner(pipelines);
  runners.push(runner);
  await runner.start();
  return runner;
}

function textsOf(batch: DeliveryBatch): string[] {
  const texts: string[] = [];
  batch.forEach(({ buffer, start, end }) => texts.push(buffer.toString('utf8', start, end)));
  return texts;
}

/** A sending sink made of a function. */
function sending(deliver: (texts: string[]) => Promise<readonly Outcome[] | undefined>): SinkPlan {
  return sinkPlan('send', () =>
    Promise.resolve({
      guarantee: 'idempotent',
      fieldPaths: [],
      deliver: (batch) => deliver(textsOf(batch)),
      close: () => Promise.resolve(),
    }),
  );
}

describe('sinks that send', () => {
  it('are told apart by outcome, and what they refuse is a dead letter', async () => {
    await world.write('app', numbered(30));
    const sink = sending((texts) =>
      Promise.resolve(
        texts.map((text): Outcome => {
          if (text.endsWith('3')) return { kind: 'refused', reason: `no ${text}` };
          return text.endsWith('4') ? { kind: 'already-there' } : { kind: 'stored' };
        }),
      ),
    );
    const upper = step((event) => {
      event.fields = { text: event.message };
      return 'keep';
    });
    const runner = await run(
      pipeline('app', { ...sink, name: 'send' }, { steps: [step(() => 'keep'), { ...upper, when: () => false }] }),
    );
    await runner.drain();
    expect(runner.accounts()[0]!.account).toEqual({ in: 30, out: 24, dropped: 0, dead: 3, alreadyThere: 3, split: 0 });
    const letters = await world.values('web.dlq');
    expect(letters.map(({ value }) => value)).toEqual(['line 3', 'line 13', 'line 23']);
    expect(letters[1]!.headers.get('sink')?.toString()).toBe('send');
    expect(letters[1]!.headers.get('reason')?.toString()).toBe('no line 13');
    await runner.stop(1000);
    const committed = (await world.client.admin().groupOffsets('web.send')).get('app')?.get(0);
    expect(decodeAccount(committed!.metadata)).toMatchObject({ in: 30, dead: 3 });
  });

  it('that are away are waited for, and hold up nobody else', async () => {
    await world.write('app', numbered(50));
    const delivered: string[] = [];
    let away = true;
    const sink = sending((texts) => {
      if (away) return Promise.reject(new TailraceError('TLR_SINK', 'connection refused', { retriable: true }));
      delivered.push(...texts);
      return Promise.resolve(undefined);
    });
    const files = world.fileSink('{partition}-{offset}', { roll: { idle: '10ms' } });
    const runner = await run(pipeline('app', sink, { name: 'slow' }), pipeline('app', files, { name: 'fine' }));
    await vi.waitUntil(async () => (await world.lines()).length === 50, { timeout: 5000 });
    await vi.waitUntil(() => runner.status()[0]!.state === 'paused', { timeout: 5000 });
    expect(runner.status()[0]!.problem).toBe('connection refused');
    const drained = runner.drain();
    away = false;
    await drained;
    expect(delivered).toEqual(numbered(50));
    expect(runner.status().map(({ state }) => state)).toEqual(['running', 'running']);
  });

  it('that hang are let go of at the deadline', async () => {
    await world.write('app', numbered(5));
    const asked = vi.fn(() => new Promise<undefined>(() => undefined));
    const runner = await run(pipeline('app', sending(asked)));
    await vi.waitUntil(() => asked.mock.calls.length > 0, { timeout: 5000 });
    const startedMs = performance.now();
    await runner.stop(100);
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect((await world.client.admin().groupOffsets('web.send')).get('app')?.get(0)).toBeUndefined();
  });
});

describe('taken names', () => {
  it('pause the edge with a message, until they are moved away', async () => {
    await world.write('app', numbered(5));
    await mkdir(join(world.folder, 'out'));
    const taken = join(world.folder, 'out/0-00000000000000000000');
    await writeFile(taken, 'somebody else\n');
    const runner = await run(pipeline('app', world.fileSink('{partition}-{offset}')));
    await runner.drain();
    expect(runner.accounts()[0]!.problem).toContain(`${taken} exists with other content and is not overwritten`);
    await rm(taken);
    await runner.drain();
    expect(await world.lines()).toEqual(numbered(5));
    expect(runner.accounts()[0]!.problem).toBeUndefined();
  });
});

describe('members', () => {
  it('share partitions, and take over without loss or doubles', async () => {
    const roll = { roll: { size: '1KB', idle: '20ms' } };
    const plan = pipeline('app', world.fileSink('{partition}-{offset}', roll));
    const first = await run(plan);
    await world.write('app', numbered(100), { partition: 0 });
    await world.write('app', numbered(100, 100), { partition: 1 });
    await vi.waitUntil(async () => (await world.lines()).length > 0, { timeout: 30_000 });
    const client = world.newClient();
    const other = world.runner([plan], { client, instance: 'there' });
    runners.push(other);
    await other.start();
    await world.write('app', numbered(100, 200), { partition: 0 });
    await world.write('app', numbered(100, 300), { partition: 1 });
    await vi.waitUntil(() => other.status()[0]!.account.in > 0, { timeout: 30_000 });
    await first.stop(1000);
    await world.write('app', numbered(100, 400), { partition: 0 });
    await vi.waitUntil(async () => (await world.lines()).length >= 500, { timeout: 30_000 });
    await other.drain();
    expect((await world.lines()).sort()).toEqual(numbered(500).sort());
    await other.stop(1000);
    await client.close();
    expect(await world.leftOvers()).toEqual([]);
  }, 90_000);
});

describe('memory', () => {
  it('holds dead letters only up to a bound: then the decision is made early', async () => {
    const large = 'x'.repeat(100_000);
    const refuse = step(() => {
      throw new Error('refused');
    });
    const runner = await run(pipeline('app', world.fileSink('{partition}-{offset}'), { steps: [refuse] }));
    for (let round = 0; round < 6; round++)
      await world.write(
        'app',
        Array.from({ length: 10 }, () => large),
      );
    await vi.waitUntil(async () => (await world.values('web.dlq').catch(() => [])).length >= 40, { timeout: 10_000 });
    await runner.drain();
    expect(await world.values('web.dlq')).toHaveLength(60);
  });
});

it.each([
  ['{partition}-{offset}.log', 'all.log'],
  ['all.log', '{partition}-{offset}.log'],
])('publishes what was decided for %s although the path is %s now', async (before, after) => {
  await world.write('app', ['one']);
  const roll = { roll: { size: '1MB', idle: '1ms' } };
  const refuse = () => Promise.reject(new TailraceError('TLR_SINK', 'the disk is away', { retriable: true }));
  // It is decided, and then neither linked nor copied to its place.
  const open: Files['open'] = (path, mode, permissions) =>
    path.endsWith('/all.log') ? refuse() : nodeFiles.open(path, mode, permissions);
  const { client, cut } = world.cuttableClient();
  const first = world.runner([pipeline('app', world.fileSink(before, roll))], {
    client,
    files: { ...nodeFiles, open, link: refuse },
  });
  await first.start();
  await vi.waitUntil(() => first.status()[0]!.outage.outages > 0, { timeout: 30_000 });
  cut();
  first.kill();
  await world.restartBroker();
  await world.write('app', ['two']);
  await run(pipeline('app', world.fileSink(after, roll)));
  await vi.waitUntil(async () => (await world.lines()).length === 2, { timeout: 30_000 });
  expect((await world.lines()).sort()).toEqual(['one', 'two']);
});
