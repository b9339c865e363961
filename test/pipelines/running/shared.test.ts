// Two instances that run the same pipelines over sockets, as on a cluster: members of one group each.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { KafkaClient } from '../../../broker/client/contract.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import type { PipelinePlan } from '../../../pipelines/plan.ts';
import type { TwoPhaseWriter } from '../../../sinks/sink.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let running: { runner: PipelineRunner; client: KafkaClient }[];

beforeEach(async () => {
  world = await PipelineWorld.open({ socket: true });
  running = [];
  await world.createTopic('app', 4);
  for (const partition of [0, 1, 2, 3]) await world.write('app', numbered(100, partition * 100), { partition });
});
afterEach(async () => {
  await Promise.all(running.map(({ runner }) => runner.stop(1000)));
  await Promise.all(running.map(({ client }) => client.close()));
  await world.close();
});

async function start(instance: string, plan: PipelinePlan): Promise<PipelineRunner> {
  const client = world.socketClient();
  const runner = world.runner([plan], { client, instance });
  running.push({ runner, client });
  await runner.start();
  return runner;
}

const members = async (group: string) => {
  const { members: found } = await world.client.admin().describeGroup(group);
  return found.map(({ assignment }) => assignment.get('app')?.length ?? 0).sort((left, right) => left - right);
};
const sorted = async () =>
  (await world.lines()).map((line) => Number(line.slice(5))).sort((left, right) => left - right);

it('finish a job together', async () => {
  const plan = pipeline('app', world.fileSink('{partition}-{offset}'), { until: 'now' });
  const both = await Promise.all([start('one', plan), start('two', plan)]);
  await Promise.all(both.map((runner) => runner.jobsFinished()));
  expect(both.map((runner) => runner.status()[0]!.state)).toEqual(['finished', 'finished']);
  expect(await sorted()).toEqual(Array.from({ length: 400 }, (_, index) => index));
});

it('leave files that partitions share to one of them', async () => {
  const plan = pipeline('app', world.fileSink('all.log'));
  const both = [await start('one', plan), await start('two', plan)];
  await expect.poll(() => members('web.files'), { timeout: 20_000 }).toEqual([0, 4]);
  await world.write('app', numbered(100, 400), { partition: 3 });
  await Promise.all(both.map((runner) => runner.drain()));
  await expect.poll(sorted, { timeout: 20_000 }).toEqual(Array.from({ length: 500 }, (_, index) => index));
  expect(both.flatMap((runner) => runner.status().map(({ problem }) => problem))).toEqual([undefined, undefined]);
});

it('both tell the whole account once it is drained, whoever delivered', async () => {
  const plan = pipeline('app', world.fileSink('{partition}-{offset}'));
  const both = [await start('one', plan), await start('two', plan)];
  await expect.poll(() => members('web.files'), { timeout: 20_000 }).toEqual([2, 2]);
  await Promise.all(both.map((runner) => runner.drain()));
  await Promise.all(both.map((runner) => runner.stop(20_000)));
  for (const runner of both) expect(runner.accounts()).toMatchObject([{ account: { in: 400, out: 400 } }]);
});

it('are drained when the other has decided its share, too', async () => {
  const gate = Promise.withResolvers<undefined>();
  const slow = sinkPlan('files', () =>
    Promise.resolve({
      guarantee: 'idempotent' as const,
      fieldPaths: [],
      deliver: () => gate.promise,
      close: () => Promise.resolve(),
    }),
  );
  const one = await start('one', pipeline('app', world.fileSink('{partition}-{offset}')));
  await start('two', pipeline('app', slow));
  await expect.poll(() => members('web.files'), { timeout: 20_000 }).toEqual([2, 2]);
  for (const partition of [0, 1, 2, 3]) await world.write('app', numbered(100, partition * 100), { partition });
  let isDrained = false;
  const draining = one.drain().then(() => (isDrained = true));
  const committed = async () => [
    ...((await world.client.admin().groupOffsets('web.files')).get('app')?.values() ?? []),
  ];
  await expect
    .poll(async () => (await committed()).filter(({ offset }) => offset >= 200).length, { timeout: 20_000 })
    .toBe(2);
  expect(isDrained).toBe(false);
  gate.resolve(undefined);
  await draining;
  await one.stop(20_000);
  expect(one.accounts()).toMatchObject([{ account: { in: 800 } }]);
});

it('decide no offsets beside files that are being completed because a partition is taken away, when they are stopped meanwhile', async () => {
  const gate = Promise.withResolvers<undefined>();
  const seen = { written: 0, preparing: 0 };
  const writer = (): TwoPhaseWriter => {
    let taken = 0;
    return {
      write: (batch) => {
        taken += batch.count;
        seen.written += batch.count;
        return Promise.resolve();
      },
      isDue: () => false,
      prepare: async () => {
        if (taken === 0) return undefined;
        const records = taken;
        taken = 0;
        seen.preparing++;
        await gate.promise;
        return { records };
      },
      publish: () => Promise.resolve(),
      discard: () => Promise.resolve(),
    };
  };
  const slow = sinkPlan('files', () =>
    Promise.resolve({
      ...{ guarantee: 'two-phase' as const, scope: 'partition' as const, fieldPaths: [] },
      ...{ accept: () => Promise.resolve(), recover: () => Promise.resolve(), close: () => Promise.resolve() },
      openWriter: () => Promise.resolve(writer()),
    }),
  );
  const one = await start('one', pipeline('app', slow));
  await expect.poll(() => seen.written, { timeout: 20_000 }).toBe(400);
  await start('two', pipeline('app', world.fileSink('{partition}-{offset}')));
  await expect.poll(() => seen.preparing, { timeout: 20_000 }).toBe(4);
  // It is given up in the middle of that: nothing of it may have been decided.
  await one.stop(200);
  const committed = await world.client.admin().groupOffsets('web.files');
  gate.resolve(undefined);
  expect([...(committed.get('app')?.keys() ?? [])]).toEqual([]);
});
