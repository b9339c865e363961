// Deliveries that overlap: accounted for in order, never more than two, nothing under way behind a decision or an end.
import { expect, it } from 'vitest';
import { Deliveries } from '../../pipelines/deliveries.ts';
import type { Outcome } from '../../sinks/sink.ts';

type Answer = PromiseWithResolvers<readonly Outcome[] | undefined>;

function world(overlap = true) {
  const deliveries = new Deliveries(overlap);
  const answers: Answer[] = [];
  const events: string[] = [];
  const begin = (name: string) =>
    deliveries.add(
      (stopped) => {
        events.push(`${name} begins`);
        const answer: Answer = Promise.withResolvers();
        stopped.addEventListener('abort', () => answer.reject(new Error('given up')));
        answers.push(answer);
        return answer.promise;
      },
      () => events.push(`${name} is done`),
    );
  return { deliveries, answers, events, begin };
}

/** Everything that can happen now has happened. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('begins the next while one is under way, no third, and accounts for them in their order', async () => {
  const { deliveries, answers, events, begin } = world();
  await begin('one');
  deliveries.afterwards(() => events.push('the memory of one goes back'));
  await begin('two');
  const third = begin('three');
  answers[1]!.resolve(undefined);
  await turn();
  expect(events).toEqual(['one begins', 'two begins']);
  answers[0]!.resolve(undefined);
  await third;
  answers[2]!.resolve(undefined);
  await deliveries.settle();
  expect(events.indexOf('three begins')).toBeGreaterThan(events.indexOf('one is done'));
  expect(events.filter((event) => !event.endsWith('begins'))).toEqual([
    ...['one is done', 'the memory of one goes back', 'two is done', 'three is done'],
  ]);
});

it('waits for each where that is asked for', async () => {
  const { answers, events, begin } = world(false);
  const first = begin('one').then(() => events.push('go on'));
  await turn();
  expect(events).toEqual(['one begins']);
  answers[0]!.resolve(undefined);
  await first;
  expect(events).toEqual(['one begins', 'one is done', 'go on']);
});

it('lets nothing be accounted for behind a failure, and tells it to who settles and to who begins', async () => {
  const { deliveries, answers, events, begin } = world();
  await begin('one');
  await begin('two');
  answers[0]!.reject(new Error('the store is away'));
  answers[1]!.resolve(undefined);
  await expect(deliveries.settle()).rejects.toThrow('the store is away');
  await expect(begin('three')).rejects.toThrow('the store is away');
  expect(events).toEqual(['one begins', 'two begins']);
});

it('gives up what is under way when it is stopped, and waits until that is so', async () => {
  const { deliveries, events, begin } = world();
  await begin('one');
  await deliveries.stop();
  await expect(deliveries.settle()).rejects.toThrow('given up');
  expect(events).toEqual(['one begins']);
});
