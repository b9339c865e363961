// What the sink makes of a store that misbehaves: nothing lost, nothing twice, only what failed sent again.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SendingSink } from '../../../sinks/sink.ts';
import { BulkStore } from '../../support/bulk-store.ts';
import { deliveryBatch } from '../../support/deliveries.ts';
import { freePort } from '../../support/test-broker.ts';
import { counted, never, numbered, openSink } from './world.ts';

let store: BulkStore;
const opened: SendingSink[] = [];

beforeEach(async () => {
  store = await BulkStore.start();
});
afterEach(async () => {
  for (const sink of opened.splice(0)) await sink.close();
  await store.stop();
});

async function open(settings: Record<string, unknown> = {}, options: { speed?: number } = {}): Promise<SendingSink> {
  const sink = await openSink({ urls: [store.url], ...settings }, options);
  opened.push(sink);
  return sink;
}

function numbers(): number[] {
  return [...store.documents.values()].map(({ n }) => n as number).sort((one, other) => one - other);
}

const all = (count: number) => Array.from({ length: count }, (_, index) => index);

it('sends again only the items that were refused for a while', async () => {
  const turnedAway = new Set<string>();
  store.reactToItem = ({ id, document }) => {
    if ((document['n'] as number) % 7 !== 0 || turnedAway.has(id)) return undefined;
    turnedAway.add(id);
    return { status: 429, error: { type: 'es_rejected_execution_exception', reason: 'queue is full' } };
  };
  const sink = await open({ batch: { count: 100 } });
  expect(await sink.deliver(deliveryBatch(numbered(300)), never)).toBeUndefined();
  expect(numbers()).toEqual(all(300));
  const sent = store.bulks.flatMap(({ items }) => items.map(({ id }) => id));
  expect(sent).toHaveLength(300 + turnedAway.size);
});

it.each([
  ['429', { status: 429, body: { error: { type: 'es_rejected_execution_exception', reason: 'full' } } }],
  ['503', { status: 503 }],
  ['500', { status: 500, body: { error: { type: 'x', reason: 'y' } } }],
  ['an answer that is not JSON', { status: 200, body: '<html>wait</html>' }],
  ['a closed connection', 'reset'],
  ['half an answer', 'half'],
  ['an answer that lacks an item', 'fewer'],
] as const)('delivers each record once after %s', async (_, reaction) => {
  let times = 3;
  store.react = () => (times-- > 0 ? reaction : undefined);
  const sink = await open({ batch: { count: 10 }, parallel: 2 });
  const outcomes = await sink.deliver(deliveryBatch(numbered(40)), never);
  expect(numbers()).toEqual(all(40));
  expect(store.documents.size).toBe(40);
  expect(Object.keys(counted(outcomes)).every((kind) => kind === 'stored' || kind === 'already-there')).toBe(true);
});

it('goes on after a request that nobody answered', async () => {
  let times = 1;
  store.react = () => (times-- > 0 ? 'hang' : undefined);
  const sink = await open({ timeout: '5s' });
  expect(counted(await sink.deliver(deliveryBatch(numbered(5)), never))).toEqual({ 'already-there': 5 });
});

it('refuses single records with the reason of the store, while the others go through', async () => {
  store.reactToItem = ({ document }) =>
    document['n'] === 500
      ? { status: 400, error: { type: 'document_parsing_exception', reason: 'failed to parse field [n]' } }
      : undefined;
  const sink = await open();
  const outcomes = await sink.deliver(deliveryBatch(numbered(1000)), never);
  expect(counted(outcomes)).toEqual({ stored: 999, refused: 1 });
  expect(outcomes![500]).toEqual({ kind: 'refused', reason: 'document_parsing_exception: failed to parse field [n]' });
  expect(store.documents.size).toBe(999);
});

it('splits what is too large, and refuses a record that is too large by itself', async () => {
  store.react = ({ body }) => (body.length > 1000 ? { status: 413 } : undefined);
  const records = numbered(50);
  records[20] = { ...records[20]!, text: JSON.stringify({ n: 20, text: 'x'.repeat(2000) }) };
  const sink = await open();
  const outcomes = await sink.deliver(deliveryBatch(records), never);
  expect(outcomes![20]).toEqual({ kind: 'refused', reason: 'the record is too large for the store: status 413' });
  expect(counted(outcomes)).toEqual({ stored: 49, refused: 1 });
  expect(numbers()).toEqual(all(50).filter((n) => n !== 20));
});

it.each([
  [403, 'cluster_block_exception', 'index [app-2023] blocked by: [FORBIDDEN/8/index write (api)];'],
  [403, 'security_exception', 'action is unauthorized'],
  [429, 'cluster_block_exception', 'blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];'],
  [404, 'index_not_found_exception', 'no such index [app-2023]'],
])('stops for somebody to help at %i %s, and goes on by itself', async (status, type, reason) => {
  store.reactToItem = ({ document }) =>
    (document['n'] as number) >= 5 ? { status, error: { type, reason } } : undefined;
  const sink = await open({ batch: { count: 4 }, parallel: 1 });
  await expect(sink.deliver(deliveryBatch(numbered(10)), never)).rejects.toMatchObject({
    ...{ code: 'TLR_SINK', retriable: false },
    message: `${store.url} refuses to write to index app-2023: ${type}: ${reason}`,
  });
  store.reactToItem = () => undefined;
  expect(counted(await sink.deliver(deliveryBatch(numbered(10)), never))).toEqual({ stored: 5, 'already-there': 5 });
});

it.each([401, 403, 400, 404])('stops when a whole request gets %i, and dead-letters nothing', async (status) => {
  store.react = () => ({ status, body: { error: { type: 'x', reason: 'y' } } });
  const sink = await open();
  const delivery = sink.deliver(deliveryBatch(numbered(3)), never);
  await expect(delivery).rejects.toMatchObject({ code: 'TLR_SINK', retriable: false });
});

it('gives up for now when nothing gets through for a while, and says why', async () => {
  store.react = () => ({ status: 503, body: { error: { type: 'unavailable', reason: 'no shards' } } });
  const sink = await open({}, { speed: 200 });
  await expect(sink.deliver(deliveryBatch(numbered(3)), never)).rejects.toMatchObject({
    ...{ code: 'TLR_SINK', retriable: true, message: `${store.url} takes nothing: unavailable: no shards` },
  });
});

it('is patient with a store that lets a little through at a time', async () => {
  let isFirst = true;
  store.react = () => {
    isFirst = true;
    return undefined;
  };
  const takesOne = () => isFirst && !(isFirst = false);
  store.reactToItem = () =>
    takesOne() ? undefined : { status: 429, error: { type: 'es_rejected_execution_exception', reason: 'full' } };
  const sink = await open({}, { speed: 50 });
  expect(await sink.deliver(deliveryBatch(numbered(60)), never)).toBeUndefined();
  expect(numbers()).toEqual(all(60));
});

it('says that nobody answers, and opens when somebody does', async () => {
  const port = await freePort();
  const urls = [`http://127.0.0.1:${port}`];
  await expect(open({ urls })).rejects.toMatchObject({
    ...{ code: 'TLR_SINK', retriable: true },
    message: `http://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
  });
  const late = await BulkStore.start({ port });
  const sink = await open({ urls });
  await sink.deliver(deliveryBatch(numbered(3)), never);
  expect(late.documents.size).toBe(3);
  await late.stop();
});

it('goes on with the same connection when the store was restarted', async () => {
  const sink = await open();
  await sink.deliver(deliveryBatch(numbered(3)), never);
  const { port } = store;
  await store.stop();
  const delivery = sink.deliver(deliveryBatch(numbered(3, 3)), never);
  store = await BulkStore.start({ port });
  await delivery;
  expect(numbers()).toEqual([3, 4, 5]);
});

it('passes over nodes that are away, and comes back to them', async () => {
  const port = await freePort();
  const urls = [`http://127.0.0.1:${port}`, store.url];
  const sink = await open({ urls }, { speed: 20 });
  for (let round = 0; round < 4; round++) await sink.deliver(deliveryBatch(numbered(5, round * 5)), never);
  expect(numbers()).toEqual(all(20));
  const other = await BulkStore.start({ port });
  for (let round = 0; other.documents.size === 0; round++)
    await sink.deliver(deliveryBatch(numbered(1, 100 + round)), never);
  await other.stop();
});

it('ends at once when it is told to, whatever it waits for', async () => {
  store.react = () => 'hang';
  const sink = await open({}, { speed: 1 });
  const stop = new AbortController();
  const delivery = sink.deliver(deliveryBatch(numbered(3)), stop.signal);
  await expect.poll(() => store.bulks.length).toBe(1);
  stop.abort(new Error('it is time'));
  await expect(delivery).rejects.toThrow('it is time');
  store.react = () => ({ status: 503 });
  const again = new AbortController();
  const waiting = sink.deliver(deliveryBatch(numbered(3)), again.signal);
  await expect.poll(() => store.bulks.length).toBeGreaterThan(2);
  again.abort(new Error('it is time'));
  await expect(waiting).rejects.toThrow('it is time');
});

it('asks less at a time of a store that is overloaded', async () => {
  const records = numbered(4000);
  store.latencyMs = 40;
  const sink = await open({ batch: { count: 100 }, parallel: 8 });
  await sink.deliver(deliveryBatch(records), never);
  expect(store.mostUnderWay).toBeGreaterThan(4);
  let times = 5;
  store.react = () => {
    if (times-- > 0) return { status: 429 };
    store.mostUnderWay = 0;
    return undefined;
  };
  await sink.deliver(deliveryBatch(numbered(50)), never);
  store.react = () => undefined;
  await sink.deliver(deliveryBatch(numbered(800)), never);
  expect(store.mostUnderWay).toBeLessThan(5);
  expect(numbers()).toEqual(all(4000));
});
