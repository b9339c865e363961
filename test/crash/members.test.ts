// Two processes share the edges of one configuration: partitions move to and fro, by joining, leaving and dying, while lines are written and a store rolls
// over. Every line is once in files, a topic, a store and the dead letters, and the audit adds up.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { nodeFiles } from '../../base/node-files.ts';
import type { PipelineRunner } from '../../pipelines/runner.ts';
import { StepError } from '../../pipelines/steps/step.ts';
import { elasticsearchSink } from '../../sinks/elasticsearch/sink.ts';
import { auditOf } from '../support/auditing.ts';
import { BulkStore } from '../support/bulk-store.ts';
import { numbered, pipeline, PipelineWorld, step } from '../support/pipeline-world.ts';
import { StoppingFiles } from '../support/stopping-files.ts';

let world: PipelineWorld;
let store: BulkStore;
let members: Member[] = [];

interface Member {
  runner: PipelineRunner;
  kill: () => Promise<void>;
}

beforeEach(async () => {
  world = await PipelineWorld.open();
  store = await BulkStore.start();
  store.rollOver('app');
  await world.createTopic('app', 4);
});
afterEach(async () => {
  for (const { kill } of members) await kill();
  members = [];
  await world.close();
  await store.stop();
});

const refuse = step((event) => {
  if (event.message.endsWith('77')) throw new StepError('seventy-seven');
  return 'keep';
});

function pipelines() {
  const settings = elasticsearchSink.settings.parse({ urls: [store.url], index: 'app', timeout: '1s' });
  const search = { name: 'search', definition: elasticsearchSink, settings };
  const files = world.fileSink('{partition}-{offset}', { roll: { size: '4KB', idle: '50ms' } });
  return [
    pipeline('app', files, { name: 'a' }),
    pipeline('app', 'copy', { name: 'b' }),
    pipeline('app', search, { name: 'c', steps: [refuse] }),
  ];
}

async function join(instance: string): Promise<Member> {
  const { client, cut } = world.cuttableClient();
  const files = new StoppingFiles(nodeFiles, Infinity);
  const runner = world.runner(pipelines(), { client, files, instance });
  const kill = async () => {
    cut();
    files.stop();
    runner.kill();
    await runner.stop(0);
    members = members.filter((member) => member.runner !== runner);
  };
  const member = { runner, kill };
  members.push(member);
  await runner.start();
  return member;
}

let written = 0;
async function write(count: number): Promise<void> {
  for (let partition = 0; partition < 4; partition++)
    await world.write('app', numbered(count, written + partition * count), { partition });
  written += 4 * count;
}

/** All edges of a member have partitions and work. */
async function works({ runner }: Member): Promise<void> {
  await vi.waitUntil(
    async () => {
      await write(5);
      return runner.status().every(({ account }) => account.in > 0);
    },
    { timeout: 40_000, interval: 50 },
  );
}

it('loses and doubles nothing while partitions move', { timeout: 120_000 }, async () => {
  written = 0;
  await write(200);
  const first = await join('one');
  await works(first);
  const second = await join('two');
  await works(second);
  store.rollOver('app');
  await first.runner.stop(5000);
  await write(200);
  store.react = ({ items }) => (items.length % 2 === 0 ? 'reset' : undefined);
  const third = await join('three');
  await works(third);
  store.react = () => undefined;
  await write(200);
  await second.kill();
  store.rollOver('app');
  await write(200);
  // Each group notices on its own that a member died.
  const alive = written - numbered(written).filter((line) => line.endsWith('77')).length;
  const isThere = async () =>
    (await world.lines()).length >= written &&
    store.documents.size >= alive &&
    (await world.values('copy')).length >= written;
  await vi.waitUntil(isThere, { timeout: 80_000, interval: 250 });
  await third.runner.drain();
  await third.runner.stop(5000);

  const all = numbered(written).sort();
  const dead = all.filter((line) => line.endsWith('77'));
  expect((await world.lines()).sort()).toEqual(all);
  expect((await world.values('copy')).map(({ value }) => value).sort()).toEqual(all);
  const documents = [...store.documents.values()].map(({ message }) => String(message));
  expect(documents.sort()).toEqual(all.filter((line) => !line.endsWith('77')));
  expect((await world.values('c.dlq')).map(({ value }) => value).sort()).toEqual(dead);
  expect(await world.leftOvers()).toEqual([]);
  expect((await auditOf(world, pipelines())).problems).toEqual([]);
});
