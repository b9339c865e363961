// Dead letters: listed by kind, tried again through mended steps exactly once, dropped; also when it stops in the middle.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { seededRandom, systemRandom } from '../../../base/random.ts';
import type { FoundLetter } from '../../../pipelines/dead-letter.ts';
import {
  forEachOpenLetter,
  letterGroup,
  listLetters,
  settleLetters,
  type SettleRequest,
} from '../../../pipelines/dead-letters.ts';
import { decodeOrigin } from '../../../pipelines/origin.ts';
import type { CompiledStep, PipelinePlan, SinkPlan } from '../../../pipelines/plan.ts';
import { normaliseReason } from '../../../base/reason.ts';
import type { Outcome } from '../../../sinks/sink.ts';
import { numbered, pipeline, PipelineWorld, sinkPlan, step } from '../../support/pipeline-world.ts';
import { StoppingFiles } from '../../support/stopping-files.ts';

let world: PipelineWorld;
beforeEach(async () => {
  world = await PipelineWorld.open();
  await world.createTopic('app', 2);
});
afterEach(() => world.close());

const numberOf = (text: string) => Number(text.split(' ')[1]);
const roll = { roll: { size: '1MB', idle: '20ms' } };

/** Refuses lines whose number is a multiple of `divisor`. */
function refusing(divisor: number): CompiledStep {
  return step((event) => {
    if (numberOf(event.message) % divisor === 0) throw new Error(`${event.message}: a multiple of "${divisor}"`);
    return 'keep';
  });
}

async function runOnce(...plans: PipelinePlan[]) {
  const runner = world.runner(plans);
  await runner.start();
  await runner.drain();
  await runner.stop(1000);
  return runner.accounts().map(({ account }) => account);
}

function dependencies(given: { client?: PipelineWorld['client']; files?: StoppingFiles } = {}) {
  const common = { files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger };
  return { ...common, client: world.client, ...given };
}

function retryInto(sink: SinkPlan, steps: readonly CompiledStep[], given: Partial<SettleRequest> = {}): SettleRequest {
  const action = { kind: 'retry' as const, steps, target: { kind: 'sink' as const, sink } };
  return { edge: `web.${sink.name}`, pipeline: 'web', action, chooses: () => true, ...given };
}

interface Sent {
  id: string;
  text: string;
  timestampMs: number;
}

/** A store with ids: what it refuses is up to `refuses`. */
function store(refuses: (text: string) => string | undefined) {
  const stored = new Map<string, Sent>();
  let calls = 0;
  const plan = sinkPlan('store', () =>
    Promise.resolve({
      guarantee: 'idempotent',
      fieldPaths: [],
      deliver: (batch) => {
        calls++;
        const outcomes: Outcome[] = [];
        const { topicId, partition } = batch.coordinates;
        batch.forEach(({ offset, ordinal, timestampMs, buffer, start, end }) => {
          const text = buffer.toString('utf8', start, end);
          const id = [topicId.toString('hex'), partition, offset, ordinal].join('/');
          const reason = refuses(text);
          if (reason !== undefined) outcomes.push({ kind: 'refused', reason });
          else if (stored.has(id)) outcomes.push({ kind: 'already-there' });
          else {
            stored.set(id, { id, text, timestampMs });
            outcomes.push({ kind: 'stored' });
          }
        });
        return Promise.resolve(outcomes);
      },
      close: () => Promise.resolve(),
    }),
  );
  return { plan, stored, calls: () => calls };
}

it('of a pipeline that nobody knows are refused, with those there are; of one without any there are none', async () => {
  await world.write('app', numbered(10));
  const [files, others] = [
    world.fileSink('{partition}-{offset}', roll),
    world.fileSink('other-{partition}-{offset}', roll),
  ];
  const given = { steps: [refusing(5)] };
  await runOnce(pipeline('app', files, given), pipeline('app', others, { name: 'fine' }));
  await expect(listLetters(world.client, 'wbe')).rejects.toMatchObject({
    code: 'TLR_NOT_FOUND',
    message: expect.stringMatching(/no pipeline wbe: .*pipelines with dead letters: web$/) as string,
  });
  await expect(forEachOpenLetter(world.client, 'wbe', () => true)).rejects.toThrow('no pipeline wbe');
  expect(await listLetters(world.client, 'fine')).toEqual([]);
  expect(await listLetters(world.client, 'web')).toMatchObject([{ count: 2 }]);
});

describe('listing', () => {
  it('groups by edge, who refused, and kind of reason', async () => {
    await world.write('app', numbered(40));
    const refused = store((text) => (numberOf(text) % 10 === 5 ? `field [n] of ${text}` : undefined));
    const files = world.fileSink('{partition}-{offset}', roll);
    const web = pipeline('app', files, { steps: [refusing(10)] });
    await runOnce({
      ...web,
      edges: [...web.edges, { group: 'web.store', target: { kind: 'sink', sink: refused.plan } }],
    });
    const groups = await listLetters(world.client, undefined);
    const shown = groups.map(({ edge, refusedBy, reason, count, topic }) => [edge, refusedBy, reason, count, topic]);
    expect(shown.sort()).toEqual([
      ['web.files', 'step test at test.yaml:1:1', 'line #: a multiple of "…"', 4, 'web.dlq'],
      ['web.store', 'sink store', 'field [n] of line #', 4, 'web.dlq'],
      ['web.store', 'step test at test.yaml:1:1', 'line #: a multiple of "…"', 4, 'web.dlq'],
    ]);
    expect(groups.find(({ edge }) => edge === 'web.files')!.sample).toEqual({ origin: 'app/0/0', value: 'line 0' });
  });

  it.each([
    [
      "failed to parse field [n] of type [long] in document with id 'abc'",
      "failed to parse field [n] of type [long] in document with id '…'",
    ],
    ['no "x y" at 10.0.0.1:9200 after 12 ms', 'no "…" at # after # ms'],
    ["it's not JSON, isn't it", "it's not JSON, isn't it"],
  ])('leaves out what differs: %s', (reason, expected) => {
    expect(normaliseReason(reason)).toBe(expected);
  });
});

describe('trying again', () => {
  it('delivers each letter once, under the coordinates and the time it had', async () => {
    await world.write('app', numbered(30), { timestampMs: 1_600_000_000_000 });
    await world.write('app', numbered(30, 30), { partition: 1, timestampMs: 1_600_000_000_001 });
    const there = store(() => undefined);
    await runOnce(pipeline('app', there.plan, { steps: [refusing(10)] }));
    expect(there.stored.size).toBe(54);
    const before = there.calls();
    const result = await settleLetters(retryInto(there.plan, [step(() => 'keep')]), dependencies());
    expect(result).toMatchObject({ outcome: 'done', account: { in: 6, out: 6, dead: 0, alreadyThere: 0 } });
    expect(there.calls() - before).toBe(2);
    const all = [...there.stored.values()];
    expect(all.map(({ text }) => text).sort()).toEqual(numbered(60).sort());
    for (const { id, text, timestampMs } of all) {
      const number = numberOf(text);
      expect(id.split('/').slice(1)).toEqual(
        number < 30 ? ['0', String(number), '0'] : ['1', String(number - 30), '0'],
      );
      expect(timestampMs).toBe(1_600_000_000_000 + (number < 30 ? 0 : 1));
    }
    expect(await listLetters(world.client, 'web')).toEqual([]);
    const again = await settleLetters(retryInto(there.plan, []), dependencies());
    expect(again).toMatchObject({ outcome: 'done', account: { in: 0, out: 0 } });
  });

  it('keeps what is not chosen, and what is refused again names the same origin', async () => {
    await world.write('app', numbered(40));
    const files = world.fileSink('{partition}-{offset}', roll);
    await runOnce(pipeline('app', files, { steps: [refusing(10), refusing(7)] }));
    const isTen = (letter: FoundLetter) => letter.reason.includes('"10"');
    const still = await settleLetters(retryInto(files, [refusing(20)], { chooses: isTen }), dependencies());
    expect(still).toMatchObject({ outcome: 'done', account: { in: 4, out: 2, dead: 2 } });
    const open = await listLetters(world.client, 'web');
    expect(open.map(({ count, edge }) => [edge, count])).toEqual([['web.files', 7]]);
    const letters = (await world.values('web.dlq')).slice(-7);
    expect(letters.map(({ headers }) => headers.get('origin')!.toString()).sort()).toEqual(
      [0, 7, 14, 20, 21, 28, 35].map((offset) => `app/0/${offset}`).sort(),
    );
    expect(
      letters.every(
        ({ headers }) => decodeOrigin(headers.get('o')!)!.offset === decodeOrigin(headers.get('at')!)!.offset,
      ),
    ).toBe(true);
    await settleLetters(retryInto(files, []), dependencies());
    expect((await world.lines()).sort()).toEqual(numbered(40).sort());
    expect(await listLetters(world.client, 'web')).toEqual([]);
    expect(await world.leftOvers()).toEqual([]);
  });

  it('leaves the letters of other edges alone', async () => {
    await world.write('app', numbered(20));
    const one = store(() => undefined);
    const files = world.fileSink('{partition}-{offset}', roll);
    const web = pipeline('app', files, { steps: [refusing(10)] });
    await runOnce({ ...web, edges: [...web.edges, { group: 'web.store', target: { kind: 'sink', sink: one.plan } }] });
    await settleLetters(retryInto(one.plan, []), dependencies());
    expect((await listLetters(world.client, 'web')).map(({ edge, count }) => [edge, count])).toEqual([
      ['web.files', 2],
    ]);
    expect(one.stored.size).toBe(20);
    expect(await world.lines()).toHaveLength(18);
  });

  it('takes the one piece that was refused of a record that was split', async () => {
    await world.write('app', ['a b c', 'd e f']);
    let refuses = (text: string): string | undefined => (text.includes('b') || text.includes('c') ? 'no' : undefined);
    const words = store((text) => refuses(text));
    const split = step((event) => event.message.split(' ').map((word) => ({ word })));
    const [account] = await runOnce(pipeline('app', words.plan, { steps: [split] }));
    expect(account).toMatchObject({ in: 2, split: 4, out: 4, dead: 2 });
    refuses = () => undefined;
    const result = await settleLetters(retryInto(words.plan, [split]), dependencies());
    expect(result.account).toEqual({ in: 2, out: 2, dropped: 0, dead: 0, alreadyThere: 0, split: 0 });
    expect([...words.stored.values()].map(({ text }) => text).sort()).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((word) => JSON.stringify({ word })),
    );
  });

  it('is refused where only the edge itself may write', async () => {
    await world.write('app', numbered(20));
    const appended = world.fileSink('all.log');
    await runOnce(pipeline('app', appended, { steps: [refusing(10)] }));
    const result = await settleLetters(retryInto(appended, []), dependencies());
    expect(result).toMatchObject({ outcome: 'incomplete', problem: expect.stringContaining('--to') as string });
    expect((await listLetters(world.client, 'web'))[0]).toMatchObject({ count: 2 });
    const other = { ...world.fileSink('retried-{partition}-{offset}', roll), name: 'files' };
    expect(await settleLetters(retryInto(other, []), dependencies())).toMatchObject({ outcome: 'done' });
    expect((await world.lines()).sort()).toEqual(numbered(20).sort());
  });

  it('may write to another place only when what was begun is finished', async () => {
    await world.write('app', numbered(20));
    const files = world.fileSink('{partition}-{offset}', roll);
    await runOnce(pipeline('app', files, { steps: [refusing(10)] }));
    const { client, cut } = world.cuttableClient();
    // The disk stops when the files are to get their names: decided, not published.
    const stopping = new StoppingFiles(nodeFiles, Infinity);
    const link = stopping.link.bind(stopping);
    stopping.link = (from, to) => {
      stopping.stop();
      cut();
      return link(from, to);
    };
    const signal = AbortSignal.timeout(2000);
    const killed = settleLetters(retryInto(files, []), { ...dependencies({ client, files: stopping }), signal });
    await killed.catch(() => undefined);
    await world.restartBroker();
    expect(await world.lines()).toHaveLength(18);
    const other = { ...world.fileSink('other/{partition}-{offset}', roll), name: 'files' };
    await expect(settleLetters(retryInto(other, []), dependencies())).rejects.toThrow(/not finished/);
    const drop: SettleRequest = { edge: 'web.files', pipeline: 'web', action: { kind: 'drop' }, chooses: () => true };
    await expect(settleLetters(drop, dependencies())).rejects.toThrow(/not finished/);
    expect(await settleLetters(retryInto(files, []), dependencies())).toMatchObject({ outcome: 'done' });
    expect((await world.lines()).sort()).toEqual(numbered(20).sort());
    expect(await settleLetters(retryInto(other, []), dependencies())).toMatchObject({ account: { in: 0 } });
    expect(await world.leftOvers()).toEqual([]);
  });

  it('leaves the choice open when nothing was decided', async () => {
    await world.write('app', numbered(20));
    const files = world.fileSink('{partition}-{offset}', roll);
    await runOnce(pipeline('app', files, { steps: [refusing(10)] }));
    const broken = new StoppingFiles(nodeFiles, 0);
    const signal = AbortSignal.timeout(500);
    const result = await settleLetters(retryInto(files, []), { ...dependencies({ files: broken }), signal });
    expect(result.outcome).not.toBe('done');
    const drop: SettleRequest = { edge: 'web.files', pipeline: 'web', action: { kind: 'drop' }, chooses: () => true };
    expect(await settleLetters(drop, dependencies())).toMatchObject({ outcome: 'done', account: { dropped: 2 } });
    expect(await listLetters(world.client, 'web')).toEqual([]);
  });

  it('remembers what is settled when the group’s offsets were forgotten', async () => {
    await world.write('app', numbered(20));
    const there = store(() => undefined);
    await runOnce(pipeline('app', there.plan, { steps: [refusing(10)] }));
    await settleLetters(retryInto(there.plan, []), dependencies());
    await world.client.admin().deleteGroup('retry.web.store');
    expect(await listLetters(world.client, 'web')).toEqual([]);
    expect((await settleLetters(retryInto(there.plan, []), dependencies())).account.in).toBe(0);
  });

  it.each([1, 2, 3])('is exactly once when it stops anywhere (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const upTo = (limit: number) => Math.floor(random.next() * limit);
    await world.write('app', numbered(300));
    const small = { roll: { size: '1KB', idle: '10ms' } };
    const files = world.fileSink('{partition}-{offset}', small);
    await runOnce(pipeline('app', files, { steps: [refusing(2)] }));
    const isOdd = (letter: FoundLetter) => letter.at!.offset % 4 === 0;
    for (let life = 0; life < 4; life++) {
      const { client, cut } = world.cuttableClient();
      const stopping = new StoppingFiles(nodeFiles, upTo(40));
      const signal = AbortSignal.timeout(150 + upTo(200));
      const request = retryInto(files, [refusing(8)], { chooses: isOdd });
      const running = settleLetters(request, { ...dependencies({ client, files: stopping }), signal });
      await new Promise<void>((resolve) => systemClock.schedule(upTo(120), resolve));
      cut();
      stopping.stop();
      await running.catch(() => undefined);
      await world.restartBroker();
    }
    await settleLetters(retryInto(files, [refusing(8)], { chooses: isOdd }), dependencies());
    const open = await listLetters(world.client, 'web');
    expect(open.reduce((sum, { count }) => sum + count, 0)).toBe(75 + 38);
    await settleLetters(retryInto(files, []), dependencies());
    expect(await listLetters(world.client, 'web')).toEqual([]);
    expect((await world.lines()).sort()).toEqual(numbered(300).sort());
    expect(await world.leftOvers()).toEqual([]);
  });
});

describe('dropping', () => {
  it('drops one group and keeps the others', async () => {
    await world.write('app', numbered(40));
    const there = store((text) => (numberOf(text) % 10 === 5 ? 'a five' : undefined));
    await runOnce(pipeline('app', there.plan, { steps: [refusing(10)] }));
    const five = (await listLetters(world.client, 'web')).find(({ reason }) => reason === 'a five')!;
    const chooses = (letter: FoundLetter) => letterGroup(letter) === five.group;
    const request: SettleRequest = { edge: 'web.store', pipeline: 'web', action: { kind: 'drop' }, chooses };
    expect(await settleLetters(request, dependencies())).toMatchObject({
      outcome: 'done',
      account: { in: 4, dropped: 4, out: 0 },
    });
    expect((await listLetters(world.client, 'web')).map(({ count, refusedBy }) => [count, refusedBy])).toEqual([
      [4, 'step test at test.yaml:1:1'],
    ]);
    expect(there.stored.size).toBe(32);
  });
});
