// Records made of one, over whole edges: each has coordinates of its own, also behind further topics, and the accounts balance.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isBalanced } from '../../../pipelines/account.ts';
import { decodeOrigin, pieceOrdinal } from '../../../pipelines/origin.ts';
import type { PipelineRunner } from '../../../pipelines/runner.ts';
import type { Outcome } from '../../../sinks/sink.ts';
import { pipeline, PipelineWorld, sinkPlan } from '../../support/pipeline-world.ts';
import { compile } from '../../support/planning.ts';

let world: PipelineWorld;
let runner: PipelineRunner | undefined;
beforeEach(async () => {
  world = await PipelineWorld.open();
  for (const topic of ['app', 'parts', 'smallest']) await world.createTopic(topic);
});
afterEach(async () => {
  await runner?.stop(1000);
  await world.close();
});

it('gives every piece coordinates of its own on its way through topics', async () => {
  await world.write('app', ['{"n":[["a","b"],["c"]]}', '{"n":["plain"]}', '{"n":[]}']);
  const steps = await compile('- parse: json\n- split: n');
  const onlyLists = await compile('- parse: json\n- split: n\n  on_error: keep\n  when: fields.n != "plain"');
  runner = world.runner([
    pipeline('app', 'parts', { name: 'first', steps }),
    pipeline('parts', 'smallest', { name: 'second', steps: onlyLists }),
  ]);
  await runner.start();
  await runner.drain();
  const found = await world.values('smallest');
  const origins = found.map(({ value, headers }) => [value, decodeOrigin(headers.get('o')!)]);
  expect(origins).toMatchObject([
    ['{"n":"a"}', { offset: 0, ordinal: pieceOrdinal(1, 1) }],
    ['{"n":"b"}', { offset: 0, ordinal: pieceOrdinal(1, 2) }],
    ['{"n":"c"}', { offset: 0, ordinal: pieceOrdinal(2, 1) }],
    ['{"n":"plain"}', { offset: 1, ordinal: 1 }],
  ]);
  const accounts = runner.accounts().map(({ account }) => account);
  expect(accounts.map(({ in: read, out, dropped, split }) => [read, out, dropped, split])).toEqual([
    [3, 3, 1, 1],
    [3, 4, 0, 1],
  ]);
  expect(accounts.every(isBalanced)).toBe(true);
});

it('counts the pieces that a sink refuses, and keeps the whole record with each', async () => {
  const line = '{"n":["good","bad","bad"]}';
  await world.write('app', [line]);
  const seen: number[] = [];
  const sink = sinkPlan('send', () =>
    Promise.resolve({
      guarantee: 'idempotent',
      fieldPaths: [],
      deliver: (batch) => {
        const outcomes: Outcome[] = [];
        batch.forEach(({ buffer, start, end, ordinal }) => {
          seen.push(ordinal);
          const isBad = buffer.toString('utf8', start, end).includes('bad');
          outcomes.push(isBad ? { kind: 'refused', reason: 'bad' } : { kind: 'stored' });
        });
        return Promise.resolve(outcomes);
      },
      close: () => Promise.resolve(),
    }),
  );
  runner = world.runner([pipeline('app', sink, { steps: await compile('- parse: json\n- split: n') })]);
  await runner.start();
  await runner.drain();
  expect(seen).toEqual([1, 2, 3]);
  const { account } = runner.accounts()[0]!;
  expect(account).toMatchObject({ in: 1, out: 1, dead: 2, split: 2 });
  expect(isBalanced(account)).toBe(true);
  expect((await world.values('web.dlq')).map(({ value }) => value)).toEqual([line, line]);
});
