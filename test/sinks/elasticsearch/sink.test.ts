import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/logger.ts';
import { elasticsearchSink } from '../../../sinks/elasticsearch/sink.ts';
import type { SendingSink } from '../../../sinks/sink.ts';
import { BulkStore } from '../../support/bulk-store.ts';
import { deliveryBatch } from '../../support/deliveries.ts';
import { isInstalled } from '../../support/programs.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { sendingContract } from '../contract.ts';
import { counted, never, numbered, openSink } from './world.ts';

const stores: BulkStore[] = [];
const sinks: SendingSink[] = [];

afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close();
  for (const store of stores.splice(0)) await store.stop();
});

async function start(options: Parameters<typeof BulkStore.start>[0] = {}): Promise<BulkStore> {
  const store = await BulkStore.start(options);
  stores.push(store);
  return store;
}

async function open(store: BulkStore, settings: Record<string, unknown> = {}, pipeline = 'web'): Promise<SendingSink> {
  const sink = await openSink({ urls: [store.url], ...settings }, { pipeline });
  sinks.push(sink);
  return sink;
}

sendingContract('elasticsearch', async () => {
  const store = await BulkStore.start();
  return {
    open: () => openSink({ urls: [store.url] }),
    visible: () => Promise.resolve([...store.documents.values()].map(({ message }) => String(message))),
    hang: () => void (store.react = () => 'hang'),
    end: () => store.stop(),
  };
});

describe('the two kinds of stores', () => {
  it.each([
    ['Elasticsearch', '9.5.3', 'application/vnd.elasticsearch+x-ndjson; compatible-with=9'],
    ['Elasticsearch', '8.19.2', 'application/vnd.elasticsearch+x-ndjson; compatible-with=8'],
    ['Elasticsearch', '7.17.9', 'application/x-ndjson'],
    ['OpenSearch', '3.8.0', 'application/x-ndjson'],
  ] as const)('%s %s is spoken to as %s', async (product, version, type) => {
    const store = await start({ product, version });
    const sink = await open(store, { setup: true });
    expect(await sink.deliver(deliveryBatch(numbered(10)), never)).toBeUndefined();
    expect(store.documents.size).toBe(10);
    expect(store.bulks[0]!.headers['content-type']).toBe(type);
    expect(store.templates.size).toBe(1);
  });

  it('may keep its version to itself', async () => {
    const store = await start({ version: '9.0.0' });
    store.answers.set('GET /', { status: 403, body: { error: { type: 'security_exception', reason: 'no monitor' } } });
    const sink = await open(store);
    await sink.deliver(deliveryBatch(numbered(1)), never);
    expect(store.bulks[0]!.headers['content-type']).toContain('compatible-with=8');
  });
});

describe('credentials', () => {
  it.each([
    [{ api_key: 'aWQ6a2V5' }, 'ApiKey aWQ6a2V5'],
    [{ api_key: 'id:key' }, 'ApiKey aWQ6a2V5'],
    [{ basic: { user: 'me', password: 'pä:ss' } }, `Basic ${Buffer.from('me:pä:ss').toString('base64')}`],
  ])('%j are sent with each request', async (auth, header) => {
    for (const product of ['Elasticsearch', 'OpenSearch'] as const) {
      const store = await start({ product });
      const sink = await open(store, { auth, setup: true });
      await sink.deliver(deliveryBatch(numbered(1)), never);
      expect(new Set(store.seen.map(({ headers }) => headers.authorization))).toEqual(new Set([header]));
    }
  });

  it('that are not taken make the edge pause, and are not repeated in the message', async () => {
    const store = await start();
    store.answers.set('GET /', { status: 401, body: {} });
    const opening = open(store, { auth: { api_key: 'geheim' } });
    await expect(opening).rejects.toMatchObject({ code: 'TLR_SINK', retriable: false });
    await expect(opening).rejects.toThrow(`${store.url} does not take the credentials (status 401)`);
  });
});

describe.skipIf(!isInstalled('openssl', ['version']))('TLS (openssl)', () => {
  it('trusts the given certificates and no others', async () => {
    const pem = selfSigned();
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-ca-'));
    const file = join(folder, 'ca.pem');
    await writeFile(file, pem.cert);
    for (const product of ['Elasticsearch', 'OpenSearch'] as const) {
      const store = await start({ product, tls: pem });
      for (const ca of [file, pem.cert]) {
        const sink = await open(store, { tls: { ca } });
        await sink.deliver(deliveryBatch(numbered(2)), never);
      }
      expect(store.documents.size).toBe(2);
      await expect(open(store)).rejects.toThrow('cannot be reached: self-signed certificate');
    }
    await rm(folder, { recursive: true });
  });
});

describe('documents', () => {
  it('are kept or replaced when they are there already', async () => {
    const store = await start();
    const records = numbered(3);
    await (await open(store)).deliver(deliveryBatch(records), never);
    const corrected = records.map((record) => ({ ...record, text: record.text.replace('n', 'corrected') }));
    const kept = await open(store);
    expect(counted(await kept.deliver(deliveryBatch(corrected), never))).toEqual({ 'already-there': 3 });
    const replacing = await open(store, { on_conflict: 'replace' });
    expect(await replacing.deliver(deliveryBatch(corrected), never)).toBeUndefined();
    expect([...store.documents.values()].map(({ corrected: n }) => n)).toEqual([0, 1, 2]);
  });

  it('of two pipelines do not hide each other', async () => {
    const store = await start();
    for (const pipeline of ['web', 'audit'])
      await (await open(store, {}, pipeline)).deliver(deliveryBatch(numbered(3)), never);
    expect(store.documents.size).toBe(6);
  });

  it('are sent in windows, however many there are', async () => {
    const store = await start();
    const text = 'x'.repeat(100_000);
    const records = numbered(400).map((record) => ({ ...record, text }));
    const sink = await open(store, { batch: { bytes: '1MB' } });
    expect(await sink.deliver(deliveryBatch(records), never)).toBeUndefined();
    expect(store.documents.size).toBe(400);
    expect(Math.max(...store.bulks.map(({ body }) => body.length))).toBeLessThanOrEqual(1e6);
  });
});

describe('targets', () => {
  const index = { indices: [{ name: 'app-2023' }], aliases: [], data_streams: [] };

  it.each([
    [{ ...index, indices: [], data_streams: [{ name: 'app-2023' }] }, 'app-2023 is a data stream'],
    [
      { ...index, indices: [], aliases: [{ name: 'app-2023', indices: ['a', 'b'] }] },
      'app-2023 is an alias of 2 indices',
    ],
    [
      { ...index, indices: [], aliases: [{ name: 'app-2023', indices: ['a-000001'] }] },
      'app-2023 is an alias that rolls over (a-000001)',
    ],
  ])('in which ids are not unique are refused where documents are to be replaced', async (body, message) => {
    const store = await start();
    store.answers.set('GET /_resolve/index/app-2023', { status: 200, body });
    for (const settings of [{ on_conflict: 'replace' }, { id: 'key' }]) {
      const delivery = (await open(store, settings)).deliver(deliveryBatch(numbered(1)), never);
      await expect(delivery).rejects.toMatchObject({ code: 'TLR_SINK', retriable: false });
      await expect(delivery).rejects.toThrow(message);
    }
    expect(store.bulks).toEqual([]);
  });

  it('that a template made a data stream are found out at the first records', async () => {
    const store = await start();
    store.react = () => {
      const body = { ...index, indices: [], data_streams: [{ name: 'app-2023' }] };
      store.answers.set('GET /_resolve/index/app-2023', { status: 200, body });
      return undefined;
    };
    const delivery = (await open(store, { id: 'key' })).deliver(deliveryBatch(numbered(1)), never);
    await expect(delivery).rejects.toThrow('app-2023 is a data stream');
  });

  it.each([200, 403])('are looked at once when they are there (status %i)', async (status) => {
    const store = await start();
    store.answers.set('GET /_resolve/index/app-2023', { status, body: index });
    const sink = await open(store);
    for (let round = 0; round < 3; round++) await sink.deliver(deliveryBatch(numbered(1, round)), never);
    expect(store.seen.filter(({ path }) => path.startsWith('/_resolve'))).toHaveLength(1);
  });
});

it('warns of an index that does not sync what it acknowledges', async () => {
  const store = await start();
  store.answers.set('GET /_resolve/index/app-2023', {
    status: 200,
    body: { indices: [{ name: 'app-2023' }], aliases: [], data_streams: [] },
  });
  store.answers.set('GET /app-2023/_settings/index.translog.durability,index.mode', {
    status: 200,
    body: { 'app-2023': { settings: { 'index.translog.durability': 'async' } } },
  });
  const warnings: unknown[] = [];
  const logger = {
    ...silentLogger,
    warn: (message: string, fields?: object) => void warnings.push({ message, ...fields }),
  };
  const sink = await openSink({ urls: [store.url] }, { logger });
  sinks.push(sink);
  for (let round = 0; round < 2; round++) await sink.deliver(deliveryBatch(numbered(1, round)), never);
  expect(warnings).toEqual([expect.objectContaining({ message: 'the store does not sync', index: 'app-2023' })]);
});

describe('setup', () => {
  it('installs a template for the names of the indices, and leaves one that is there', async () => {
    const store = await start();
    await open(store, { setup: true, index: 'app-{service}-%Y.%m.%d' });
    const [name, template] = [...store.templates][0]!;
    expect(name).toMatch(/^tailrace-app-[-0-9a-f]+$/);
    expect(template).toMatchObject({
      index_patterns: ['app-*-*'],
      priority: 205,
      template: { mappings: { properties: { '@timestamp': { type: 'date' }, message: { type: 'text' } } } },
    });
    store.templates.set(name, 'changed by hand');
    await open(store, { setup: true, index: 'app-{service}-%Y.%m.%d' });
    expect([...store.templates.values()]).toEqual(['changed by hand']);
  });

  it('says when the store does not take it', async () => {
    const store = await start();
    const sinkOpening = async () => {
      store.answers.set('GET /', { status: 200, body: { version: { number: '9.0.0' } } });
      const path = [...store.seen].reverse().find(({ path }) => path.startsWith('/_index_template/'))?.path;
      if (path !== undefined)
        store.answers.set(`PUT ${path}`, { status: 400, body: { error: { reason: 'same priority' } } });
      store.templates.clear();
      return open(store, { setup: true });
    };
    await sinkOpening();
    await expect(sinkOpening()).rejects.toThrow(
      'does not take the index template: {"error":{"reason":"same priority"}}',
    );
  });
});

describe('settings', () => {
  const parse = (input: unknown) => elasticsearchSink.settings.parse(input);

  it('are said in words, without secrets', () => {
    const parsed = parse(elasticsearchSink.fromUrl('elasticsearch://me:geheim@es1/app-%Y'));
    expect(elasticsearchSink.describe(parsed)).toBe('http://es1:9200/app-%Y');
    expect(elasticsearchSink.describeGuarantee(parsed)).toContain('exactly once');
  });

  it.each([
    [{ urls: ['es1'], index: 'a' }, 'is not an address'],
    [{ urls: [], index: 'a' }, 'urls'],
    [{ urls: ['http://es1'], index: 'A' }, 'lower case'],
    [{ urls: ['http://es1'], index: 'a', auth: {} }, 'one of api_key and basic'],
    [{ urls: ['http://es1'], index: 'a', batch: { bytes: '1' } }, 'is not a size'],
  ])('%j are refused', (input, message) => {
    expect(() => parse(input)).toThrow(message);
  });
});

it('shares its places for bulks among deliveries that overlap, unless records of one key must keep their order', async () => {
  const store = await start();
  store.latencyMs = 20;
  const sink = await open(store, { parallel: 2, batch: { count: 10 } });
  expect(sink.overlaps).toBe(true);
  const batches = [0, 50, 100].map((from) => deliveryBatch(numbered(50, from)));
  const outcomes = await Promise.all(batches.map((batch) => sink.deliver(batch, never)));
  expect(outcomes).toEqual([undefined, undefined, undefined]);
  expect(store.documents.size).toBe(150);
  expect(store.mostUnderWay).toBe(2);
  expect((await open(store, { id: 'key' })).overlaps).toBe(false);
});
