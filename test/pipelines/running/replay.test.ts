// Replays: bounded, resumable, once, invisible to live pipelines.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import {
  replay,
  type ReplayDependencies,
  replayGroup,
  type ReplayProgress,
  type ReplayRequest,
} from '../../../pipelines/replay.ts';
import { numbered, PipelineWorld, step } from '../../support/pipeline-world.ts';

let world: PipelineWorld;
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app');
});
afterEach(() => world.close());

function request(given: Partial<ReplayRequest> = {}): ReplayRequest {
  const sink = world.fileSink('{partition}-{offset}');
  return {
    topic: 'app',
    sink,
    pipeline: undefined,
    from: 'earliest',
    until: 'now',
    again: false,
    dryRun: false,
    ...given,
  };
}

function dependencies(given: Partial<ReplayDependencies> = {}): ReplayDependencies {
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger };
  return { ...common, client: world.client, instance: 'replayer', ...given };
}

it('writes the topic once, tells how far it is, and says so the next time', async () => {
  await world.write('app', numbered(500));
  const seen: ReplayProgress[] = [];
  const first = await replay(request(), dependencies({ onProgress: (progress) => seen.push(progress) }));
  expect(first).toMatchObject({
    outcome: 'done',
    attempt: 1,
    account: { account: { in: 500, out: 500 }, problem: undefined },
  });
  expect(seen.at(-1)).toMatchObject({ records: 500 });
  expect(seen.at(-1)!.bytes).toBeGreaterThan(4000);
  expect(seen.at(-1)!.totalRecords).toBeGreaterThanOrEqual(500);
  await world.write('app', numbered(10, 500));
  const second = await replay(request(), dependencies());
  expect(second).toMatchObject({ outcome: 'already-done', account: { account: { in: 500, out: 500 } } });
  expect(await world.lines()).toEqual(numbered(500));
});

it('counts lines at its end, not the markers of transactions between them', async () => {
  const producer = world.client.producer({ transactionalId: 'writer' });
  await producer.init();
  for (const value of numbered(3)) {
    const transaction = producer.begin();
    transaction.send([{ topic: 'app', value: Buffer.from(value) }]);
    await transaction.commit();
  }
  await producer.close();
  const seen: ReplayProgress[] = [];
  const { totalRecords } = await replay(request(), dependencies({ onProgress: (progress) => seen.push(progress) }));
  expect(totalRecords).toBeGreaterThan(3);
  expect(seen.at(-1)).toMatchObject({ records: 3, totalRecords: 3 });
});

it('does it again when told, in a group of its own', async () => {
  await world.write('app', numbered(5));
  await replay(request(), dependencies());
  const again = await replay(request({ again: true }), dependencies());
  expect(again).toMatchObject({ outcome: 'done', attempt: 2, account: { account: { in: 5 } } });
  expect(again.group).toBe(`${replayGroup(request(), 1)}.2`);
  expect(await replay(request(), dependencies())).toMatchObject({ outcome: 'already-done', attempt: 2 });
});

it('goes on where it was interrupted, to the end it had at first', async () => {
  for (let round = 0; round < 20; round++) await world.write('app', numbered(1000, round * 1000));
  const stop = new AbortController();
  const slow = request({ bytesPerSecond: 400_000 });
  const first = await replay(slow, dependencies({ signal: stop.signal, onProgress: () => stop.abort() }));
  expect(first.outcome).toBe('interrupted');
  await world.write('app', numbered(10, 20_000));
  const second = await replay(request(), dependencies());
  expect(second).toMatchObject({ outcome: 'done', attempt: 1, account: { account: { in: 20_000, out: 20_000 } } });
  expect(await world.lines()).toEqual(numbered(20_000));
});

it('goes on after a kill', async () => {
  for (let round = 0; round < 10; round++) await world.write('app', numbered(1000, round * 1000));
  const { client, cut } = world.cuttableClient();
  const killed = new AbortController();
  const sink = world.fileSink('{partition}-{offset}', { roll: { size: '20KB' } });
  const first = replay(
    request({ sink, bytesPerSecond: 2_000_000 }),
    dependencies({
      client,
      signal: killed.signal,
      onProgress: () => {
        cut();
        killed.abort();
      },
    }),
  );
  await first.catch(() => undefined);
  await world.restartBroker();
  expect(await replay(request({ sink }), dependencies())).toMatchObject({
    outcome: 'done',
    account: { account: { in: 10_000 } },
  });
  expect(await world.lines()).toEqual(numbered(10_000));
  expect(await world.leftOvers()).toEqual([]);
});

it('runs the steps of a pipeline, which is another replay than one without', async () => {
  await world.write('app', numbered(20));
  const odd = step((event) => (/[13579]$/.test(event.message) ? 'drop' : 'keep'));
  const web = { name: 'web', steps: [odd], stepsFingerprint: 'odd', deadLetterTopic: 'web.dlq' };
  expect(replayGroup(request({ pipeline: web }), 1)).not.toBe(replayGroup(request(), 1));
  const result = await replay(request({ pipeline: web }), dependencies());
  expect(result.account.account).toMatchObject({ in: 20, out: 10, dropped: 10 });
  expect(await world.lines()).toEqual(numbered(20).filter((_, index) => index % 2 === 0));
});

it('counts only, when asked to', async () => {
  await world.write('app', numbered(7));
  const result = await replay(request({ dryRun: true }), dependencies());
  expect(result.outcome).toBe('dry-run');
  expect(result.totalRecords).toBeGreaterThanOrEqual(7);
  expect(await world.lines()).toEqual([]);
  expect((await world.client.admin().listGroups()).map(({ groupId }) => groupId)).toEqual([]);
});

it('begins at a time', async () => {
  await world.write('app', numbered(5), { timestampMs: 1000 });
  await world.write('app', numbered(5, 5), { timestampMs: 2000 });
  await replay(request({ from: { timestampMs: 1500 } }), dependencies());
  expect(await world.lines()).toEqual(numbered(5, 5));
});

it('knows no such topic', async () => {
  await expect(replay(request({ topic: 'nope' }), dependencies())).rejects.toThrow('there is no topic nope');
});

it('takes a range of offsets of one partition', async () => {
  await world.createTopic('parts', 2);
  const first = numbered(50);
  await world.write('parts', first, { partition: 1 });
  await world.write('parts', numbered(50, 100), { partition: 0 });
  const range = request({ topic: 'parts', from: { offset: 10 }, until: { offset: 20 }, partition: 1 });
  expect(await replay({ ...range, dryRun: true }, dependencies())).toMatchObject({ totalRecords: 10 });
  expect(await replay(range, dependencies())).toMatchObject({ outcome: 'done', account: { account: { in: 10 } } });
  expect(await world.published()).toEqual(
    new Map([[`1-${'10'.padStart(20, '0')}`, first.slice(10, 20).join('\n') + '\n']]),
  );
});

it('begins and ends where there is something when the offsets are beyond it', async () => {
  await world.write('app', numbered(5));
  const beyond = request({ from: { offset: 3 }, until: { offset: 1000 } });
  expect(await replay(beyond, dependencies())).toMatchObject({ outcome: 'done', account: { account: { in: 2 } } });
  const behind = request({ from: { offset: 900 }, again: true });
  expect(await replay(behind, dependencies())).toMatchObject({ outcome: 'done', account: { account: { in: 0 } } });
});
