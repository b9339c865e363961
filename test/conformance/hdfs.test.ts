// A real HDFS with two DataNodes: what its answers are where the sink depends on them, and pipelines into it while a DataNode is killed in mid-write, the NameNode is
// killed and started again, and Tailrace itself is killed. Every line once. Skipped where a JDK or Maven is missing.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Files, OpenFile } from '../../base/files.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import type { SinkPlan } from '../../pipelines/plan.ts';
import type { PipelineRunner } from '../../pipelines/runner.ts';
import { hdfsSink } from '../../sinks/hdfs/sink.ts';
import type { TwoPhaseSink, WriterScope } from '../../sinks/sink.ts';
import { deliveryBatch, testPartition } from '../support/deliveries.ts';
import { auditOf } from '../support/auditing.ts';
import { canRunJava } from '../support/maven-jars.ts';
import { pipeline, PipelineWorld } from '../support/pipeline-world.ts';
import { RealHdfs } from '../support/real-hdfs.ts';

const dayMs = 86_400_000;
const pad = 'x'.repeat(400);
/** Hard to compress, so that uploads take a while. */
const lines = (count: number, from: number) =>
  Array.from({ length: count }, (_, index) => `${from + index} ${Math.random()} ${Math.random()} ${pad}`);

describe.skipIf(!canRunJava())('a real HDFS', () => {
  let hdfs: RealHdfs;
  let world: PipelineWorld;
  let runners: PipelineRunner[] = [];
  /** Where data was sent, attempt by attempt. */
  let uploads: URL[] = [];
  const watch = (message: unknown) => {
    const { request } = message as { request: ClientRequest };
    const url = new URL(request.path, `http://${String(request.getHeader('host'))}`);
    if (request.method === 'PUT' && url.searchParams.has('namenoderpcaddress')) uploads.push(url);
  };

  beforeAll(async () => {
    hdfs = await RealHdfs.start({ dataNodes: 2 });
  }, 300_000);
  afterAll(() => hdfs.stop());
  beforeEach(async () => {
    uploads = [];
    subscribe('http.client.request.created', watch);
    world = await PipelineWorld.open();
    await world.createTopic('app', 2);
  });
  afterEach(async () => {
    unsubscribe('http.client.request.created', watch);
    for (const runner of runners) runner.kill();
    await Promise.all(runners.map((runner) => runner.stop(1000)));
    runners = [];
    await world.close();
  });

  function sinkPlan(path: string, given: Record<string, unknown> = {}): SinkPlan {
    const settings = { url: `webhdfs://127.0.0.1:${hdfs.webPort}`, path, user: 'logs', ...given };
    return { name: 'lake', definition: hdfsSink, settings: hdfsSink.settings.parse(settings) };
  }

  async function run(sink: SinkPlan, files: Files = nodeFiles): Promise<PipelineRunner> {
    const runner = world.runner([pipeline('app', sink)], { files });
    runners.push(runner);
    await runner.start();
    return runner;
  }

  async function linesBelow(folder: string): Promise<string[]> {
    const found: string[] = [];
    for (const [path, bytes] of await hdfs.files(folder)) {
      expect(path).not.toContain('/.');
      const text = path.endsWith('.gz') ? gunzipSync(bytes) : path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes;
      found.push(...text.toString().split('\n').slice(0, -1));
    }
    return found.sort();
  }

  /** Two days, two partitions. */
  async function write(count: number, from = 0): Promise<string[]> {
    const all = lines(count, from);
    const quarter = Math.ceil(count / 4);
    for (let part = 0; part < 4; part++) {
      const timestampMs = 1_700_000_000_000 + (part >> 1) * dayMs;
      await world.write('app', all.slice(part * quarter, (part + 1) * quarter), { partition: part & 1, timestampMs });
    }
    return all;
  }

  it('takes every line once into folders by day', async () => {
    const all = await write(20_000);
    const runner = await run(sinkPlan('/days/dt=%Y-%m-%d/{partition}-{offset}.gz', { roll: { size: '300KB' } }));
    await runner.drain();
    expect(await linesBelow('/days')).toEqual(all.sort());
    const folders = await hdfs.list('/days');
    expect(folders.map(({ name }) => name)).toEqual(['.tailrace', 'dt=2023-11-14', 'dt=2023-11-15']);
    expect(await hdfs.list('/days/.tailrace')).toEqual([]);
    expect(await hdfs.list('/days/dt=2023-11-14')).not.toEqual([]);
  });

  it('is audited: a file that was removed or changed is named with its range', async () => {
    const all: string[] = [];
    const sink = sinkPlan('/audited/{partition}-{offset}');
    for (let round = 0; round < 2; round++) {
      all.push(...(await write(2000, round * 2000)));
      const runner = await run(sink);
      await runner.drain();
      await runner.stop(5000);
    }
    const plan = pipeline('app', sink);
    const whole = await auditOf(world, [plan]);
    expect(whole).toMatchObject({
      balanced: true,
      edges: [{ read: all.length, checked: { what: 'files', lines: all.length } }],
    });
    const names = (await hdfs.list('/audited')).map(({ name }) => name).filter((name) => !name.startsWith('.'));
    await hdfs.remove(`/audited/${names[1]!}`);
    // Another one takes its name.
    await hdfs.remove(`/audited/${names[2]!}`);
    await hdfs.rename(`/audited/${names[3]!}`, `/audited/${names[2]!}`);
    const { problems } = await auditOf(world, [plan]);
    expect(problems.map(({ where }) => where).sort()).toEqual(names.slice(1, 4).map((name) => `/audited/${name}`));
    expect(problems.map(({ what }) => what.replace(/\d+/g, 'N')).sort()).toEqual([
      expect.stringMatching(/^has (N bytes where N were|other content than was) written \(N lines\)$/) as string,
      ...['is missing (N lines)', 'is missing (N lines)'],
    ]);
    for (const { where, ranges } of problems) {
      const [, partition, offset] = /(\d+)-(\d+)$/.exec(where!)!;
      expect(ranges).toMatchObject([{ topic: 'app', partition: Number(partition) }]);
      expect(ranges[0]!.from).toBeLessThanOrEqual(Number(offset));
      expect(ranges[0]!.to).toBeGreaterThan(Number(offset));
    }
  });

  it('loses and doubles nothing when the DataNode that takes a file is killed in mid-write', async () => {
    const all = await write(20_000);
    let killed = '';
    const kill = async () => {
      if (killed !== '') return;
      killed = `datanode${hdfs.indexOf(uploads.at(-1)!.href)}`;
      await hdfs.kill(killed);
    };
    const runner = await run(sinkPlan('/killed/{partition}-{offset}.ndjson'), atRead(2, kill));
    await runner.drain();
    expect(killed).toMatch(/^datanode\d$/);
    expect(uploads.length).toBeGreaterThan((await hdfs.files('/killed')).size);
    expect(await linesBelow('/killed')).toEqual(all.sort());
    const more = await write(2000, 20_000);
    await runner.drain();
    expect(await linesBelow('/killed')).toEqual([...all, ...more].sort());
    expect(await hdfs.list('/killed/.tailrace')).toEqual([]);
    hdfs.startDataNode(Number(killed.slice(-1)));
    await hdfs.ready(2);
  }, 200_000);

  it('goes on by itself when the NameNode was killed and comes back in safe mode', async () => {
    const sink = sinkPlan('/restarted/{partition}-{offset}.gz', { retry: '1s' });
    const first = await write(4000);
    const runner = await run(sink);
    await runner.drain();
    await hdfs.kill('namenode');
    const second = await write(4000, 4000);
    const drained = runner.drain();
    await vi.waitUntil(() => runner.status()[0]!.state === 'paused', { timeout: 30_000 });
    expect(runner.status()[0]!.problem).toContain(`127.0.0.1:${hdfs.webPort}`);
    await hdfs.startNameNode();
    await hdfs.ready(2);
    await drained;
    expect(await linesBelow('/restarted')).toEqual([...first, ...second].sort());
    expect(await hdfs.list('/restarted/.tailrace')).toEqual([]);
  }, 200_000);

  it('loses and doubles nothing when Tailrace is killed in mid-write, again and again', async () => {
    const all = await write(12_000);
    const sink = sinkPlan('/storm/dt=%Y-%m-%d/{partition}-{offset}.ndjson', { roll: { size: '500KB' } });
    for (let round = 1; round <= 6; round++) {
      const stopped = Promise.withResolvers<boolean>();
      const stop = () => {
        stopped.resolve(false);
        return Promise.resolve();
      };
      const runner = await run(sink, atRead(round * 2, stop));
      const ended = await Promise.race([stopped.promise, runner.drain().then(() => true)]);
      runner.kill();
      await runner.stop(1000);
      await world.restartBroker();
      if (ended) break;
    }
    const last = await run(sink);
    await last.drain();
    // What one that was killed had asked for may come to HDFS after the next one has swept: the start after that removes it.
    const isSwept = async () => (await hdfs.list('/storm/.tailrace')).length === 0;
    await last.stop(1000);
    for (let start = 1; start <= 5 && !(await isSwept()); start++) {
      const next = await run(sink);
      await next.drain();
      await next.stop(1000);
    }
    expect(await linesBelow('/storm')).toEqual(all.sort());
    expect(await isSwept()).toBe(true);
  }, 200_000);

  it('takes every line once over HttpFS, packed with zstd', async () => {
    const port = await hdfs.startHttpFs();
    const all = await write(4000);
    const sink = sinkPlan('/httpfs/dt=%Y-%m-%d/{partition}-{offset}.zst', { url: `httpfs://127.0.0.1:${port}` });
    const runner = await run(sink);
    await runner.drain();
    await hdfs.kill('httpfs');
    expect(await linesBelow('/httpfs')).toEqual(all.sort());
    expect(await hdfs.list('/httpfs/.tailrace')).toEqual([]);
  });

  it('refuses as the sink expects it to', async () => {
    const context = {
      ...{ edge: 'web.lake', pipeline: 'web', instance: 'here', generation: 1, scratch: `${world.folder}/scratch` },
      ...{ files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger },
    };
    const { settings } = sinkPlan('/names/{partition}-{offset}', { retry: '1s' });
    const sink = (await hdfsSink.open(settings as Parameters<typeof hdfsSink.open>[0], context)) as TwoPhaseSink;
    const scope: WriterScope = { kind: 'partition', coordinates: testPartition };
    await sink.recover(scope, undefined);
    const writer = await sink.openWriter(scope);
    const publish = async (text: string) => {
      await writer.write(deliveryBatch([{ offset: 0, text }]));
      const manifest = (await writer.prepare())!;
      return writer.publish(manifest);
    };
    await publish('one');
    await publish('one'); // The same again: RENAME says false, lengths and checksums agree.
    expect(await linesBelow('/names')).toEqual(['one']);
    await expect(publish('two')).rejects.toThrow('/names/0-00000000000000000000 exists in HDFS with other content');
    await sink.recover(scope, undefined);
    expect((await hdfs.files('/names')).size).toBe(1);
    await sink.close();
  });
});

/** Files whose n-th read of 256 KiB or less of a file under way calls `action` first. */
function atRead(count: number, action: () => Promise<void>): Files {
  let reads = 0;
  const open = async (path: string, mode: Parameters<Files['open']>[1]): Promise<OpenFile> => {
    const file = await nodeFiles.open(path, mode);
    if (mode !== 'read') return file;
    return {
      path,
      size: () => file.size(),
      stat: () => file.stat(),
      async read(target, position) {
        if (++reads === count) await action();
        return file.read(target, position);
      },
      readSync: (target, position) => file.readSync(target, position),
      write: (buffers, position) => file.write(buffers, position),
      sync: () => file.sync(),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      close: () => file.close(),
    };
  };
  return new Proxy(nodeFiles, {
    get: (target, key: keyof Files) => (key === 'open' ? open : target[key].bind(target)),
  });
}
