// Data streams and aliases that roll over, where `create` sees only the index that is written to: what is in doubt is looked up before it is sent again.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Doubt } from '../../../sinks/elasticsearch/in-doubt.ts';
import type { SendingSink } from '../../../sinks/sink.ts';
import { BulkStore, type Reaction } from '../../support/bulk-store.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { counted, never, numbered, openSink } from './world.ts';

let store: BulkStore;
const opened: SendingSink[] = [];

beforeEach(async () => {
  store = await BulkStore.start();
  store.rollOver('app');
});
afterEach(async () => {
  for (const sink of opened.splice(0)) await sink.close();
  await store.stop();
});

async function open(given: Record<string, unknown> = {}, job = false): Promise<SendingSink> {
  const sink = await openSink({ urls: [store.url], index: 'app', ...given }, { job });
  opened.push(sink);
  return sink;
}

const numbers = () => [...store.documents.values()].map(({ n }) => n as number).sort((one, other) => one - other);
const all = (count: number) => Array.from({ length: count }, (_, index) => index);
const searches = () => store.seen.filter(({ path }) => path === '/app/_search').length;

it.each<[string, Reaction]>([
  ['a closed connection', 'reset'],
  ['half an answer', 'half'],
  ['an answer that lacks an item', 'fewer'],
])('holds each record once when the stream rolls over after %s', async (_, reaction) => {
  let times = 3;
  store.react = () => {
    if (times-- <= 0) return undefined;
    setImmediate(() => store.rollOver('app'));
    return reaction;
  };
  const sink = await open({ batch: { count: 10 }, parallel: 2 });
  const outcomes = await sink.deliver(deliveryBatch(numbered(100)), never);
  expect(numbers()).toEqual(all(100));
  expect(store.streams.get('app')!.length).toBeGreaterThan(1);
  expect(counted(outcomes)['already-there']).toBeGreaterThanOrEqual(10);
});

it('holds each record once when a killed owner had sent some, and the stream rolled over since', async () => {
  const killed = new AbortController();
  let bulks = 0;
  store.react = () => {
    if (++bulks === 3) killed.abort(new Error('killed'));
    return bulks >= 3 ? 'hang' : undefined;
  };
  const first = await open({ batch: { count: 10 }, parallel: 1 });
  await expect(first.deliver(deliveryBatch(numbered(100)), killed.signal)).rejects.toThrow('killed');
  expect(store.documents.size).toBeGreaterThanOrEqual(20);
  store.rollOver('app');
  store.react = () => undefined;
  const second = await open({ batch: { count: 10 } });
  await second.deliver(deliveryBatch(numbered(100)), never);
  expect(numbers()).toEqual(all(100));
});

it('looks nothing up once it knows that nobody was there before, until partitions are given anew', () => {
  const doubt = new Doubt(false);
  const batchBytes = 16 * 1024 * 1024;
  for (let round = 0; round < 4; round++) {
    expect(doubt.isOn(testPartition)).toBe(true);
    doubt.lookedUp(testPartition, batchBytes, 0);
  }
  expect(doubt.isOn(testPartition)).toBe(false);
  expect(doubt.isOn({ ...testPartition, partition: 7 })).toBe(true);
  doubt.begin();
  expect(doubt.isOn(testPartition)).toBe(true);
  doubt.lookedUp(testPartition, batchBytes * 3, 0);
  doubt.lookedUp(testPartition, batchBytes, 1);
  expect(doubt.isOn(testPartition)).toBe(true);
  const job = new Doubt(true);
  job.lookedUp(testPartition, batchBytes * 10, 0);
  expect(job.isOn(testPartition)).toBe(true);
});

it('looks nothing up where an id is there once in any case', async () => {
  store.answers.set('GET /_resolve/index/plain', {
    status: 200,
    body: { indices: [{ name: 'plain' }], aliases: [], data_streams: [] },
  });
  const sink = await open({ index: 'plain' });
  let times = 2;
  store.react = () => (times-- > 0 ? 'reset' : undefined);
  await sink.deliver(deliveryBatch(numbered(20)), never);
  expect(store.seen.filter(({ path }) => path.endsWith('_search'))).toEqual([]);
  expect(numbers()).toEqual(all(20));
});

it('waits, and sends nothing, while it cannot look', async () => {
  store.answers.set('POST /app/_search', { status: 503, body: { error: 'no shards' } });
  const sink = await open();
  const delivery = sink.deliver(deliveryBatch(numbered(5)), never);
  while (searches() < 2) await new Promise((resolve) => setImmediate(resolve));
  expect(store.bulks).toEqual([]);
  store.answers.delete('POST /app/_search');
  await delivery;
  expect(numbers()).toEqual(all(5));
});

it('pauses with the rights that are missing', async () => {
  store.answers.set('POST /app/_refresh', { status: 403, body: {} });
  const sink = await openSink({ urls: [store.url], index: 'app' }, { speed: 200 });
  opened.push(sink);
  await expect(sink.deliver(deliveryBatch(numbered(5)), never)).rejects.toThrow(
    'the rights read and maintenance are needed',
  );
  expect(store.bulks).toEqual([]);
});

it('goes on where it may neither look nor tell what the name is, as with keys for writing alone', async () => {
  for (const request of ['GET /_resolve/index/mine', 'POST /mine/_refresh'])
    store.answers.set(request, { status: 403, body: {} });
  const sink = await open({ index: 'mine' });
  await sink.deliver(deliveryBatch(numbered(5)), never);
  expect(numbers()).toEqual(all(5));
});

it('refuses time series', async () => {
  store.answers.set('GET /app/_settings/index.translog.durability,index.mode', {
    status: 200,
    body: { '.ds-app-000001': { settings: { 'index.mode': 'time_series' } } },
  });
  const sink = await open();
  for (let round = 0; round < 2; round++)
    await expect(sink.deliver(deliveryBatch(numbered(1)), never)).rejects.toThrow('app is a time series data stream');
  expect(store.bulks).toEqual([]);
});
