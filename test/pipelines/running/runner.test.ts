// Edges on a real broker: topics into files, steps, dead letters, topics into topics, jobs.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeOrigin } from '../../../pipelines/origin.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import { StepError } from '../../../pipelines/steps/step.ts';
import { numbered, pipeline, PipelineWorld, step } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
let runners: PipelineRunner[] = [];
beforeEach(async () => {
  world = await PipelineWorld.open();
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

describe('a topic into files', () => {
  it('writes every committed line once and nothing of aborted transactions', async () => {
    await world.createTopic('app', 2);
    await world.write('app', numbered(1000));
    await world.write('app', numbered(10, 0, 'aborted'), { abort: true });
    await world.write('app', numbered(500, 1000), { partition: 1 });
    const runner = await run(pipeline('app', world.fileSink('{partition}-{offset}.ndjson')));
    await runner.drain();
    const files = await world.published();
    expect([...files.keys()]).toEqual(['0-00000000000000000000.ndjson', '1-00000000000000000000.ndjson']);
    expect(await world.lines()).toEqual(numbered(1500));
    expect(runner.accounts()[0]).toMatchObject({
      edge: 'web.files',
      account: { in: 1500, out: 1500, dropped: 0, dead: 0 },
    });
  });

  it('goes on where it was after a stop, with its account', async () => {
    await world.createTopic('app');
    await world.write('app', numbered(100));
    const first = await run(pipeline('app', world.fileSink('{partition}-{offset}.gz')));
    await first.drain();
    await first.stop(1000);
    await world.write('app', numbered(50, 100));
    const second = await run(pipeline('app', world.fileSink('{partition}-{offset}.gz')));
    await second.drain();
    expect(await world.lines()).toEqual(numbered(150));
    expect(second.accounts()[0]!.account).toMatchObject({ in: 150, out: 150 });
    expect(await world.leftOvers()).toEqual([]);
  });

  it('appends to a file that partitions share', async () => {
    await world.createTopic('app', 3);
    for (const partition of [0, 1, 2]) await world.write('app', numbered(100, partition * 100), { partition });
    const runner = await run(pipeline('app', world.fileSink('all.log')));
    await runner.drain();
    await world.write('app', numbered(1, 300), { partition: 1 });
    await runner.drain();
    expect([...(await world.published()).keys()]).toEqual(['all.log']);
    expect((await world.lines()).sort()).toEqual(numbered(301).sort());
  });
});

describe('steps', () => {
  const refuseOdd = (onError: 'dlq' | 'drop' | 'keep' | 'stop') =>
    step(
      (event) => {
        const number = Number(event.message.split(' ')[1]);
        if (number % 2 === 1) throw new StepError(`${number} is odd`);
        event.fields = { number };
        return number % 10 === 0 ? 'drop' : 'keep';
      },
      { onError, name: 'refuse', place: 'web.yaml:7:3' },
    );

  it('changes, drops and sends to the dead letters, each counted', async () => {
    await world.createTopic('app');
    await world.write('app', numbered(100));
    const runner = await run(
      pipeline('app', world.fileSink('{partition}-{offset}.ndjson'), { steps: [refuseOdd('dlq')] }),
    );
    await runner.drain();
    const kept = Array.from({ length: 50 }, (_, index) => index * 2).filter((number) => number % 10 !== 0);
    expect(await world.lines()).toEqual(kept.map((number) => JSON.stringify({ number })));
    expect(runner.accounts()[0]!.account).toEqual({
      in: 100,
      out: 40,
      dropped: 10,
      dead: 50,
      alreadyThere: 0,
      split: 0,
    });
    const letters = await world.values('web.dlq');
    expect(letters.map(({ value }) => value)).toEqual(numbered(100).filter((_, index) => index % 2 === 1));
    const { headers } = letters[0]!;
    expect(headers.get('reason')?.toString()).toBe('1 is odd');
    expect(headers.get('step')?.toString()).toBe('refuse at web.yaml:7:3');
    expect(headers.get('origin')?.toString()).toBe('app/0/1');
    expect(headers.get('time')?.toString()).toBe('2023-11-14T22:13:20.000Z');
    expect(decodeOrigin(headers.get('o')!)).toMatchObject({ partition: 0, offset: 1, ordinal: 0 });
  });

  it.each([
    ['drop', { in: 100, out: 40, dropped: 60, dead: 0 }],
    ['keep', { in: 100, out: 90, dropped: 10, dead: 0 }],
  ] as const)('on_error: %s', async (onError, expected) => {
    await world.createTopic('app');
    await world.write('app', numbered(100));
    const runner = await run(
      pipeline('app', world.fileSink('{partition}-{offset}.ndjson'), { steps: [refuseOdd(onError)] }),
    );
    await runner.drain();
    expect(runner.accounts()[0]!.account).toMatchObject(expected);
  });

  it('on_error: stop delivers what came before, and says where it stands', async () => {
    await world.createTopic('app');
    await world.write('app', ['line 2', 'line 4', 'line 5', 'line 6']);
    const runner = await run(
      pipeline('app', world.fileSink('{partition}-{offset}.ndjson'), { steps: [refuseOdd('stop')] }),
    );
    await runner.drain();
    expect(await world.lines()).toEqual(['{"number":2}', '{"number":4}']);
    expect(runner.accounts()[0]!.problem).toBe('step refuse at web.yaml:7:3 stops at record app/0/2: 5 is odd');
  });
});

describe('topics into topics', () => {
  it('keeps order and origin, and drains in the order of the data', async () => {
    await world.createTopic('raw');
    await world.createTopic('clean');
    await world.write('raw', numbered(300));
    const clean = pipeline('raw', 'clean', {
      name: 'clean',
      steps: [step((event) => (event.message.endsWith('7') ? 'drop' : 'keep'))],
    });
    const runner = await run(pipeline('clean', world.fileSink('{partition}-{offset}.ndjson')), clean);
    await runner.drain();
    const kept = numbered(300).filter((line) => !line.endsWith('7'));
    expect(await world.lines()).toEqual(kept);
    const records = await world.values('clean');
    expect(records.map(({ value }) => value)).toEqual(kept);
    expect(decodeOrigin(records.at(-1)!.headers.get('o')!)).toMatchObject({ partition: 0, offset: 299 });
    expect(runner.accounts().map(({ account }) => account.in)).toEqual([270, 300]);
  });
});

describe('jobs', () => {
  it('ends at the offsets of its first start, and is not done twice', async () => {
    await world.createTopic('app');
    await world.write('app', numbered(100));
    const job = pipeline('app', world.fileSink('{partition}-{offset}.ndjson'), { until: 'now' });
    const first = await run(job);
    await first.jobsFinished();
    await world.write('app', numbered(50, 100));
    const second = await run(job);
    await second.jobsFinished();
    expect(await world.lines()).toEqual(numbered(100));
    expect(second.status()[0]).toMatchObject({ state: 'finished', account: { in: 100, out: 100 } });
  });

  it('with `start: latest` keeps its place from the first moment on', async () => {
    await world.createTopic('app');
    await world.write('app', numbered(10));
    const live = pipeline('app', world.fileSink('{partition}-{offset}.ndjson'), { start: 'latest' });
    const first = await run(live);
    await first.drain();
    first.kill();
    await world.write('app', numbered(5, 10));
    const second = await run(live);
    await second.drain();
    expect(await world.lines()).toEqual(numbered(5, 10));
  });
});
