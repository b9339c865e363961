// A real Elasticsearch behind a network that fails in every way, and a running `tailrace up`: nothing is lost or doubled, the other edges do not notice, memory is
// bounded, what had come together is delivered afterwards, and the log stays short. Skipped where a JDK or Maven is missing.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endAll, freePort, type RunningCommand, start, until } from '../support/command.ts';
import { canRunSearch, RealSearch } from '../support/real-search.ts';
import { type Fault, SearchProxy } from '../support/search-proxy.ts';

const linesAtOnce = 4000;
const pad = 'x'.repeat(1000);
const lines = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `{"n":${from + index},"text":"${pad}"}\n`).join('');
/** In this order, after a closed port, with lines arriving in each. */
const faults: readonly Fault[] = ['hang', 'swallow', 'drip', 'cut', 'half', 429, 503];

describe.skipIf(!canRunSearch('elasticsearch-9'))('a real Elasticsearch that is hard to reach (JDK, Maven)', () => {
  let search: RealSearch;
  let proxy: SearchProxy;
  let folder: string;
  let up: RunningCommand;
  let monitorPort: number;

  beforeAll(async () => {
    search = await RealSearch.start('elasticsearch-9');
    proxy = await SearchProxy.start(search);
  }, 300_000);
  afterAll(async () => {
    await proxy.close();
    await search.stop();
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-outages-'));
    monitorPort = await freePort();
    writeFileSync(join(folder, 'app.log'), lines(0, linesAtOnce));
    writeFileSync(
      join(folder, 'tailrace.yaml'),
      `
monitor: 127.0.0.1:${monitorPort}
broker: { listen: "127.0.0.1:${await freePort()}" }
agents: { app: "tail://${folder}/app.log" }
pipelines: { web: { from: app, to: [ search, files ] } }
sinks:
  search: { type: elasticsearch, urls: [ "${proxy.url}" ], index: outages, timeout: 2s, batch: { count: 500 } }
  files: { type: file, path: "out/{partition}-{offset}.ndjson", roll: { idle: 50ms } }
`,
    );
  });
  afterEach(async () => {
    proxy.fault = () => undefined;
    await endAll();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the log says of the edge. */
  function told(): Record<string, unknown>[] {
    const all = up.stderr.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return all.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ edge }) => edge === 'web.search');
  }

  async function sample(name: string): Promise<number> {
    const page = await (await fetch(`http://127.0.0.1:${monitorPort}/metrics`)).text();
    const line = page.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? NaN : Number(line.slice(name.length + 1));
  }

  function linesInFiles(): number {
    const names = readdirSync(folder).includes('out') ? readdirSync(join(folder, 'out')) : [];
    const visible = names.filter((name) => !name.startsWith('.'));
    const texts = visible.map((name) => readFileSync(join(folder, 'out', name), 'utf8'));
    return texts.reduce((sum, text) => sum + text.split('\n').length - 1, 0);
  }

  /** Everything that was written is in the index, each once. */
  async function expectEachOnce(count: number): Promise<void> {
    expect(await search.count('outages')).toBe(count);
    const body = { size: 0, aggs: { numbers: { cardinality: { field: 'n', precision_threshold: 40_000 } } } };
    const range = { aggs: { least: { min: { field: 'n' } }, most: { max: { field: 'n' } } } };
    const found = (await search.request('POST', '/outages/_search', {
      ...body,
      aggs: { ...body.aggs, ...range.aggs },
    })) as {
      aggregations: Record<string, { value: number }>;
    };
    expect(found.aggregations).toMatchObject({ least: { value: 0 }, most: { value: count - 1 } });
  }

  it('costs nothing but time, and nobody else notices', async () => {
    up = start(['up', '--log', 'json'], { cwd: folder });
    await until('the first lines', async () => (await search.count('outages')) === linesAtOnce, 60_000);
    const retries = () => sample('tailrace_edge_retries_total{edge="web.search"}');
    let written = linesAtOnce;
    const write = async (what: string) => {
      appendFileSync(join(folder, 'app.log'), lines(written, linesAtOnce));
      written += linesAtOnce;
      await until(`the files have all: ${what}`, () => linesInFiles() === written, 60_000);
      expect(await sample('process_resident_memory_bytes')).toBeLessThan(400e6);
    };
    let met = 0;
    let fault: Fault | undefined = 'hang';
    proxy.fault = () => {
      met++;
      return fault;
    };
    await proxy.close();
    await write('refused');
    await until('it pauses', () => told().length > 0, 60_000);
    const first = await retries();
    await until('it tries again', async () => (await retries()) > first, 60_000);
    await proxy.open();
    for (fault of faults) {
      met = 0;
      await write(String(fault));
      await until(`it meets ${fault}`, () => met >= 2, 60_000);
    }
    const waiting = written - (await search.count('outages'));
    fault = undefined;
    await until('the index has all', async () => (await search.count('outages')) === written, 60_000);
    await until('it says so', () => told().at(-1)?.['msg'] === 'the edge goes on', 60_000);
    await expectEachOnce(written);
    const [begin, ...others] = told();
    const end = others.pop();
    expect(begin).toMatchObject({ level: 40, msg: 'the edge pauses' });
    expect(others.map(({ msg }) => msg)).toEqual(others.map(() => 'the edge still pauses'));
    expect(others.length).toBeLessThanOrEqual(7);
    expect(Number(end!['retries'])).toBeGreaterThan(1);
    // Of what the edge had seen: the files' lines that came while its deliveries were under way are not in it.
    expect(Number(end!['waiting'])).toBeGreaterThanOrEqual(waiting / 2);
    expect(Number(end!['afterSeconds'])).toBeGreaterThan(0);
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
  }, 240_000);
});
