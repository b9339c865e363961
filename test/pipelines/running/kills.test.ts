// Everything is dropped at random moments, while the sink's disk stops at random changes: every line is still in every sink exactly once, the accounts
// are exact, and nothing is left over. The seeds are fixed; a failing one names itself.
import { describe, expect, it, vi } from 'vitest';
import { nodeFiles } from '../../../base/node-files.ts';
import { seededRandom } from '../../../base/random.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { StepError } from '../../../pipelines/steps/step.ts';
import { auditOf } from '../../support/auditing.ts';
import { numbered, pipeline, PipelineWorld, step } from '../../support/pipeline-world.ts';
import { StoppingFiles } from '../../support/stopping-files.ts';

const roll = { size: '3KB', age: '60ms', idle: '40ms' };

function pipelines(world: PipelineWorld) {
  const refuse = step((event) => {
    const number = Number(event.message.split(' ')[1]);
    if (number % 7 === 0) throw new StepError('a multiple of seven');
    return number % 5 === 0 ? 'drop' : 'keep';
  });
  return [
    pipeline('app', { ...world.fileSink('rolled/{partition}-{offset}.gz', { roll }), name: 'rolled' }, { name: 'a' }),
    pipeline('app', { ...world.fileSink('appended/all.log', { roll }), name: 'appended' }, { name: 'b' }),
    pipeline('app', 'chosen', { name: 'c', steps: [refuse] }),
    pipeline('chosen', { ...world.fileSink('chosen/{partition}-{offset}', { roll }), name: 'files' }, { name: 'd' }),
  ];
}

/** One life: runs until `work` is done, then ends without a word. */
async function live(world: PipelineWorld, changesLimit: number, work: () => Promise<void>): Promise<void> {
  const { client, cut } = world.cuttableClient();
  const files = new StoppingFiles(nodeFiles, changesLimit);
  const runner = world.runner(pipelines(world), { client, files });
  await runner.start();
  await work();
  cut();
  files.stop();
  runner.kill();
  await runner.stop(0);
  await world.restartBroker();
}

async function somethingPublished(world: PipelineWorld): Promise<void> {
  const count = async () => [...(await world.published()).values()].reduce((sum, text) => sum + text.length, 0);
  const before = await count();
  await vi.waitUntil(async () => (await count()) !== before, { timeout: 700, interval: 5 }).catch(() => undefined);
}

async function checkAll(world: PipelineWorld, runner: PipelineRunner, total: number): Promise<void> {
  const all = numbered(total).sort();
  const chosen = numbered(total).filter((_, index) => index % 7 !== 0 && index % 5 !== 0);
  expect((await world.lines('out/rolled')).sort()).toEqual(all);
  expect((await world.lines('out/appended')).sort()).toEqual(all);
  expect((await world.lines('out/chosen')).sort()).toEqual([...chosen].sort());
  expect((await world.values('c.dlq')).map(({ value }) => value).sort()).toEqual(
    numbered(total)
      .filter((_, index) => index % 7 === 0)
      .sort(),
  );
  expect((await auditOf(world, pipelines(world))).problems).toEqual([]);
  const accounts = new Map(runner.accounts().map(({ edge, account }) => [edge, account]));
  expect(accounts.get('a.rolled')).toMatchObject({ in: total, out: total });
  expect(accounts.get('b.appended')).toMatchObject({ in: total, out: total });
  const dead = Math.ceil(total / 7);
  expect(accounts.get('c.chosen')).toMatchObject({
    in: total,
    out: chosen.length,
    dead,
    dropped: total - chosen.length - dead,
  });
  expect(accounts.get('d.files')).toMatchObject({ in: chosen.length, out: chosen.length });
  expect(await world.leftOvers()).toEqual([]);
}

describe('kills', () => {
  it.each([1, 2, 3])('lose and double nothing (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const upTo = (limit: number) => Math.floor(random.next() * limit);
    const world = await PipelineWorld.open();
    try {
      await world.createTopic('app', 2);
      await world.createTopic('chosen');
      let written = 0;
      const write = async () => {
        const count = 1 + upTo(60);
        await world.write('app', numbered(count, written), { partition: upTo(2) });
        written += count;
        if (upTo(4) === 0) await world.write('app', numbered(upTo(20) + 1, 0, 'aborted'), { abort: true });
      };
      for (let life = 0; life < 6; life++) {
        const writes = 1 + upTo(25);
        const changes = upTo(2) === 0 ? Infinity : upTo(150);
        const publishes = upTo(3);
        await live(world, changes, async () => {
          for (let count = 0; count < writes; count++) await write();
          if (changes < Infinity) return;
          for (let count = 0; count < publishes; count++) await somethingPublished(world);
        });
      }
      const runner = world.runner(pipelines(world));
      await runner.start();
      await runner.drain();
      await checkAll(world, runner, written);
      await runner.stop(1000);
    } finally {
      await world.close();
    }
  });
});
