// `from: /regex/` over whole edges: topics that are there, topics that appear, and none.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { compileTopicPattern } from '../../../pipelines/topic-pattern.ts';
import { numbered, pipeline, PipelineWorld } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
});
afterEach(async () => {
  await runner?.stop(1000);
  await world.close();
});

async function run(given: Parameters<typeof pipeline>[2] = {}): Promise<PipelineRunner> {
  const sink = world.fileSink('{topic}-{partition}-{offset}', { roll: { idle: '10ms' } });
  const patterns = [compileTopicPattern('app-.*')];
  runner = world.runner([{ ...pipeline('', sink, given), from: [], fromPatterns: patterns }]);
  await runner.start();
  return runner;
}

describe('topics by pattern', () => {
  it('are those there are when it starts, and those that appear while it runs', { timeout: 20_000 }, async () => {
    await world.createTopic('app-one', 2);
    for (const topic of ['other', 'web.dlq', 'my-app-one', 'app-x.dlq']) await world.createTopic(topic);
    await world.write('app-one', numbered(10));
    await world.write('other', ['other']);
    await world.write('app-x.dlq', ['refused']);
    await run();
    await vi.waitUntil(async () => (await world.lines()).length === 10, { timeout: 5000 });
    await world.createTopic('app-two');
    await world.write('app-two', numbered(10, 0, 'new'));
    await vi.waitUntil(async () => (await world.lines()).length === 20, { timeout: 10_000 });
    await world.write('app-one', ['last'], { partition: 1 });
    await runner!.drain();
    expect((await world.lines()).toSorted()).toEqual([...numbered(10), 'last', ...numbered(10, 0, 'new')].toSorted());
    expect(runner!.accounts()[0]).toMatchObject({ topics: ['app-one', 'app-two'], account: { in: 21, out: 21 } });
  });

  it('are looked up again when everything there is shall be delivered', async () => {
    await world.createTopic('app-one');
    await world.write('app-one', ['first']);
    await run();
    await runner!.drain();
    await world.createTopic('app-two');
    await world.write('app-two', ['second']);
    await runner!.drain();
    expect(await world.lines()).toEqual(['first', 'second']);
  });

  it('may be none at first', async () => {
    await run();
    await runner!.drain();
    expect(runner!.accounts()[0]).toMatchObject({ topics: [], problem: undefined });
  });

  it('with start: latest are read from their beginning when they appear later', async () => {
    await world.createTopic('app-one');
    await world.write('app-one', ['old']);
    await run({ start: 'latest' });
    await runner!.drain();
    await world.write('app-one', ['new']);
    await world.createTopic('app-two');
    await world.write('app-two', ['first of its topic']);
    await runner!.drain();
    expect(await world.lines()).toEqual(['new', 'first of its topic']);
  });

  it('are fixed when a job first starts', async () => {
    await world.createTopic('app-one');
    await world.write('app-one', ['a']);
    await run({ until: 'now' });
    await runner!.drain();
    expect(await world.lines()).toEqual(['a']);
    await runner!.stop(1000);
    await world.createTopic('app-two');
    await world.write('app-two', ['b']);
    await run({ until: 'now' });
    await runner!.drain();
    expect(await world.lines()).toEqual(['a']);
  });
});
