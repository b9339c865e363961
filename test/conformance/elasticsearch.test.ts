// Pipelines into real search servers: each record one document, through kills of Tailrace and of the server, outages, overload, blocks and conflicts. Elasticsearch 9
// always; Elasticsearch 8, OpenSearch 2 and 3 with CONFORMANCE=all. Skipped by name where a JDK or Maven is missing.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import type { PipelinePlan, SinkPlan } from '../../pipelines/plan.ts';
import { replay } from '../../pipelines/replay.ts';
import type { PipelineRunner } from '../../pipelines/runner.ts';
import { elasticsearchSink } from '../../sinks/elasticsearch/sink.ts';
import { auditOf } from '../support/auditing.ts';
import { pipeline, PipelineWorld } from '../support/pipeline-world.ts';
import { compile } from '../support/planning.ts';
import { isInstalled } from '../support/programs.ts';
import { canRunSearch, RealSearch, type SearchKind, searchKinds } from '../support/real-search.ts';
import { type Fault, SearchProxy } from '../support/search-proxy.ts';
import { selfSigned } from '../support/self-signed.ts';

const kinds = Object.keys(searchKinds).filter(
  (kind) => process.env['CONFORMANCE'] === 'all' || kind === 'elasticsearch-9',
) as SearchKind[];

const firstDayMs = Date.UTC(2026, 0, 31);
const dayMs = 86_400_000;

describe.each(kinds)('%s', (kind) => {
  describe.skipIf(!canRunSearch(kind))(`a real one`, () => {
    let search: RealSearch;
    let proxy: SearchProxy;
    let world: PipelineWorld;
    let runners: PipelineRunner[] = [];

    beforeAll(async () => {
      search = await RealSearch.start(kind, { 'indexing_pressure.memory.limit': '2mb' });
      proxy = await SearchProxy.start(search);
    }, 300_000);
    afterAll(async () => {
      await proxy.close();
      await search.stop();
    });
    beforeEach(async () => {
      world = await PipelineWorld.open();
      await world.createTopic('app', 2);
    });
    afterEach(async () => {
      proxy.fault = () => undefined;
      await stopAll();
      await world.close();
    });

    async function stopAll(): Promise<void> {
      for (const runner of runners) runner.kill();
      await Promise.all(runners.map((runner) => runner.stop(1000)));
      runners = [];
    }

    function sinkPlan(index: string, given: Record<string, unknown> = {}): SinkPlan {
      const settings = elasticsearchSink.settings.parse({ urls: [proxy.url], index, setup: true, ...given });
      return { name: 'search', definition: elasticsearchSink, settings };
    }

    async function run(sink: SinkPlan, given: Partial<PipelinePlan> = {}): Promise<PipelineRunner> {
      const runner = world.runner([pipeline('app', sink, given)]);
      runners.push(runner);
      await runner.start();
      return runner;
    }

    /** Numbered lines over two days and two partitions; every third one is plain text. */
    async function write(count: number, from = 0): Promise<void> {
      const lines = Array.from({ length: count }, (_, index) => {
        const n = from + index;
        return n % 3 === 0 ? `plain "${n}" \u00e4\t` : JSON.stringify({ n, level: 'info', text: `request ${n} done` });
      });
      const half = Math.ceil(count / 2);
      for (const part of [0, 1]) {
        const timestampMs = firstDayMs + part * dayMs;
        await world.write('app', lines.slice(part * half, (part + 1) * half), { partition: part, timestampMs });
      }
    }

    /** How often each number is there. */
    async function numbersIn(pattern: string): Promise<Map<number, number>> {
      await search.request('POST', `/${pattern}/_refresh`);
      const found = new Map<number, number>();
      let after: unknown[] | undefined;
      for (;;) {
        const body = {
          ...{
            size: 10_000,
            sort: [{ '@timestamp': 'asc' }, { n: { order: 'asc', missing: -1, unmapped_type: 'long' } }],
          },
          ...(after === undefined
            ? { query: { exists: { field: 'n' } } }
            : { query: { exists: { field: 'n' } }, search_after: after }),
        };
        const { hits } = (await search.request('POST', `/${pattern}/_search`, body)) as {
          hits: { hits: { _source: { n: number }; sort: unknown[] }[] };
        };
        for (const { _source } of hits.hits) found.set(_source.n, (found.get(_source.n) ?? 0) + 1);
        after = hits.hits.at(-1)?.sort;
        if (after === undefined) return found;
      }
    }

    async function expectEachOnce(pattern: string, count: number): Promise<void> {
      expect(await search.count(pattern)).toBe(count);
      const numbers = await numbersIn(pattern);
      expect(numbers.size).toBe(Array.from({ length: count }, (_, n) => n).filter((n) => n % 3 !== 0).length);
      expect([...numbers.values()].every((times) => times === 1)).toBe(true);
    }

    async function paused(runner: PipelineRunner, problem: string): Promise<void> {
      await vi.waitUntil(() => runner.status()[0]!.problem?.includes(problem), { timeout: 30_000 });
      expect(runner.status()[0]!.state).toBe('paused');
    }

    async function running(runner: PipelineRunner): Promise<void> {
      await vi.waitUntil(() => runner.status()[0]!.state === 'running', { timeout: 60_000 });
      await runner.drain();
    }

    it('takes each line once into indices by day, through a kill -9 of Tailrace', async () => {
      await write(20_000);
      await run(sinkPlan('days-%Y.%m.%d'));
      await vi.waitUntil(() => proxy.bulks > 2, { timeout: 30_000, interval: 2 });
      for (const runner of runners) runner.kill();
      runners = [];
      await world.restartBroker();
      const again = await run(sinkPlan('days-%Y.%m.%d'));
      await write(2000, 20_000);
      await again.drain();
      const { account, problem } = again.accounts()[0]!;
      expect(problem).toBeUndefined();
      expect(account).toMatchObject({ in: 22_000, dead: 0, dropped: 0 });
      await expectEachOnce('days-*', 22_000);
      expect(await search.count('days-2026.01.31')).toBe(11_000);
      expect(await search.count('days-2026.02.01')).toBe(11_000);
      const plain = { term: { '@timestamp': '2026-01-31T00:00:00.000Z' } };
      expect(await search.count('days-2026.01.31', plain)).toBe(11_000);
      expect(await search.count('days-*', { match: { message: 'plain' } })).toBe(7334);
    });

    it('is audited: a document that was deleted is named by offset, index and id, and comes back with the range', async () => {
      await write(3000);
      const sink = sinkPlan('audited-%Y.%m.%d');
      const runner = await run(sink);
      await runner.drain();
      await runner.stop(5000);
      const plan = pipeline('app', sink);
      const whole = await auditOf(world, [plan]);
      expect(whole).toMatchObject({
        balanced: true,
        edges: [{ read: 3000, checked: { what: 'documents', count: 3000 } }],
      });
      const hits = (await search.request('POST', '/audited-*/_search', { query: { term: { n: 1234 } } })) as {
        hits: { hits: { _id: string; _index: string }[] };
      };
      const [{ _id, _index } = { _id: '', _index: '' }] = hits.hits.hits;
      await search.request('DELETE', `/${_index}/_doc/${_id}`);
      const { problems } = await auditOf(world, [plan]);
      expect(problems).toMatchObject([
        {
          who: 'web.search',
          kind: 'missing',
          where: `${_index}/_doc/${_id}`,
          ranges: [{ topic: 'app', partition: 0, from: 1234, to: 1235 }],
        },
      ]);
      const [{ from, to, partition } = { from: 0, to: 0, partition: 0 }] = problems[0]!.ranges;
      const range = { from: { offset: from }, until: { offset: to }, partition, again: false, dryRun: false };
      await replay(
        { topic: 'app', sink, pipeline: plan, ...range },
        {
          client: world.client,
          instance: 'here',
          files: nodeFiles,
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
        },
      );
      expect(await auditOf(world, [plan])).toMatchObject({ balanced: true });
      await expectEachOnce('audited-*', 3000);
    });

    it('is replayed into another index, and over the same one with corrected steps', async () => {
      await write(3000);
      await (await run(sinkPlan('first'), { steps: await compile('[ { set: { version: "1" } } ]') })).drain();
      expect(await search.count('first', { term: { version: 1 } })).toBe(3000);
      const dependencies = {
        ...{ client: world.client, instance: 'here', files: nodeFiles, clock: systemClock, random: systemRandom },
        logger: silentLogger,
      };
      const request = { topic: 'app', from: 'earliest', until: 'now', again: false, dryRun: false } as const;
      const steps = await compile('[ { set: { version: "2" } } ]');
      const corrected = { name: 'web', steps, stepsFingerprint: 'two', deadLetterTopic: 'web.dlq' };
      const second = await replay({ ...request, sink: sinkPlan('second'), pipeline: corrected }, dependencies);
      expect(second.account.account).toMatchObject({ in: 3000, out: 3000 });
      expect(await search.count('second')).toBe(3000);
      const kept = await replay({ ...request, sink: sinkPlan('first'), pipeline: corrected }, dependencies);
      expect(kept.account.account).toMatchObject({ in: 3000, alreadyThere: 3000 });
      expect(await search.count('first', { term: { version: 1 } })).toBe(3000);
      const over = sinkPlan('first', { on_conflict: 'replace' });
      expect((await replay({ ...request, sink: over, pipeline: corrected }, dependencies)).outcome).toBe('done');
      expect(await search.count('first', { term: { version: 2 } })).toBe(3000);
      expect(await search.count('first')).toBe(3000);
    });

    it('dead-letters what the mapping refuses, with the reason, while the rest goes through', async () => {
      await search.request('PUT', '/strict', { mappings: { properties: { n: { type: 'long' } } } });
      const lines = Array.from({ length: 1000 }, (_, n) => JSON.stringify({ n: n === 500 ? 'five hundred' : n }));
      await world.write('app', lines);
      const runner = await run(sinkPlan('strict'));
      await runner.drain();
      expect(runner.accounts()[0]!.account).toMatchObject({ in: 1000, out: 999, dead: 1 });
      expect(await search.count('strict')).toBe(999);
    });

    it('pauses at an index that may not be written, and goes on by itself', async () => {
      await search.request('PUT', '/blocked', { settings: { 'index.blocks.write': true } });
      await write(100);
      const runner = await run(sinkPlan('blocked'));
      await paused(runner, 'refuses to write to index blocked: cluster_block_exception');
      expect(runner.status()[0]!.outage.needsSomebody).toBe(true);
      await search.request('PUT', '/blocked/_settings', { 'index.blocks.write': false });
      await running(runner);
      await expectEachOnce('blocked', 100);
    });

    it.skipIf(!isInstalled('openssl', ['version']))('is spoken to over TLS, with credentials (openssl)', async () => {
      const pem = selfSigned();
      const authorization = 'ApiKey aWQ6a2V5';
      const secure = await SearchProxy.start(search, { tls: pem, authorization });
      await write(100);
      const given = { urls: [secure.url], tls: { ca: pem.cert } };
      const wrong = await run(sinkPlan('secure', { ...given, auth: { basic: { user: 'me', password: 'wrong' } } }));
      await paused(wrong, 'does not take the credentials');
      await stopAll();
      const right = await run(sinkPlan('secure', { ...given, auth: { api_key: 'id:key' } }));
      await right.drain();
      await expectEachOnce('secure', 100);
      await secure.close();
    });

    describe('where ids are not unique', () => {
      beforeAll(async () => {
        await search.request('PUT', '/_index_template/streams', {
          ...{ index_patterns: ['stream-*'], data_stream: {}, priority: 900 },
          template: { mappings: { properties: { '@timestamp': { type: 'date' }, n: { type: 'long' } } } },
        });
      });

      /** Makes the target: a data stream, or an alias that rolls over. */
      async function create(form: 'data stream' | 'alias', name: string): Promise<void> {
        if (form === 'data stream') await search.request('PUT', `/_data_stream/${name}`);
        else await search.request('PUT', `/${name}-000001`, { aliases: { [name]: { is_write_index: true } } });
      }

      const rollOver = (name: string) => search.request('POST', `/${name}/_rollover`);

      it.each<['data stream' | 'alias', Fault]>([
        ['data stream', 'swallow'],
        ['data stream', 'half'],
        ['alias', 'swallow'],
        ['alias', 'half'],
      ])('holds each line once in a %s that rolls over while answers are lost (%s)', async (form, fault) => {
        const name = `stream-${form.replace(' ', '-')}-${String(fault)}`;
        await create(form, name);
        let lost = 0;
        const rolls: Promise<unknown>[] = [];
        proxy.fault = () => {
          if (proxy.bulks % 3 !== 0 || lost >= 5) return undefined;
          if (++lost % 2 === 0) rolls.push(rollOver(name));
          return fault;
        };
        await write(10_000);
        const runner = await run(
          sinkPlan(name, { setup: false, timeout: '700ms', batch: { count: 500 }, parallel: 2 }),
        );
        await runner.drain();
        await Promise.all(rolls);
        expect(lost).toBe(5);
        expect(runner.accounts()[0]!.account).toMatchObject({ in: 10_000, dead: 0 });
        expect(runner.accounts()[0]!.account.alreadyThere).toBeGreaterThan(0);
        await expectEachOnce(name, 10_000);
      });

      it.each(['data stream', 'alias'] as const)('holds each line once in a %s through kills -9', async (form) => {
        const name = `stream-killed-${form.replace(' ', '-')}`;
        await create(form, name);
        const sink = sinkPlan(name, { setup: false, batch: { count: 500 }, parallel: 4 });
        await write(20_000);
        for (let kill = 0; kill < 4; kill++) {
          const before = proxy.bulks;
          await run(sink);
          await vi.waitUntil(() => proxy.bulks > before + 4 + kill, { timeout: 30_000, interval: 1 });
          for (const runner of runners) runner.kill();
          runners = [];
          await world.restartBroker();
          await rollOver(name);
        }
        await write(2000, 20_000);
        const last = await run(sink);
        await last.drain();
        expect(last.accounts()[0]!.account).toMatchObject({ in: 22_000, dead: 0 });
        await expectEachOnce(name, 22_000);
      });

      it('refuses to replace what is there', async () => {
        await create('data stream', 'stream-replace');
        await write(10);
        const runner = await run(sinkPlan('stream-replace', { setup: false, on_conflict: 'replace' }));
        await paused(runner, 'stream-replace is a data stream');
      });
    });

    it.each<[string, Fault]>([
      ['cuts connections', 'cut'],
      ['hangs', 'hang'],
      ['takes bulks and does not answer', 'swallow'],
      ['breaks off its answers', 'half'],
      ['drips', 'drip'],
      ['answers 429', 429],
      ['answers 503', 503],
      ['answers 413 to large ones', 413],
      ['answers 401', 401],
    ])('loses and doubles nothing while it %s', async (name, fault) => {
      const index = `outage-${name.replace(/[^a-z0-9]+/g, '-')}`;
      let left = 6;
      proxy.fault = ({ headers }) => {
        if (fault === 413) return Number(headers['content-length']) > 20_000 ? 413 : undefined;
        return left-- > 0 ? fault : undefined;
      };
      await write(3000);
      const runner = await run(sinkPlan(index, { timeout: '500ms', batch: { count: 500 } }));
      await running(runner);
      expect(left).toBeLessThan(fault === 413 ? 7 : 1);
      await expectEachOnce(index, 3000);
    });

    it('loses and doubles nothing while nobody answers, and catches up', async () => {
      await write(3000);
      await proxy.close();
      const runner = await run(sinkPlan('refused'));
      await paused(runner, 'cannot be reached: connect ECONNREFUSED');
      await write(3000, 3000);
      await proxy.open();
      await runner.drain();
      await expectEachOnce('refused', 6000);
    });

    it('loses and doubles nothing when the server is killed in mid-write', async () => {
      await write(20_000);
      const before = proxy.bulks;
      const runner = await run(sinkPlan('killed', { batch: { count: 500 }, parallel: 2 }));
      await vi.waitUntil(() => proxy.bulks > before + 5, { timeout: 30_000, interval: 2 });
      await search.kill();
      await search.startServer();
      await runner.drain();
      await expectEachOnce('killed', 20_000);
    });

    it('asks for less when the store is overloaded', async () => {
      await world.write(
        'app',
        Array.from({ length: 400 }, (_, n) => `${n} ${'x'.repeat(20_000)}`),
      );
      const runner = await run(sinkPlan('overload'));
      await runner.drain();
      expect(await search.count('overload')).toBe(400);
    });
  });
});
