// The whole journey as a user makes it, with the real command, a real Elasticsearch 9 and a real HDFS: two services' lines are parsed, indexed by the date of the event
// and written into folders by that date, through kill -9; replayed into a second index; parsed better and replayed over the same index; and what the mapping refuses is
// mended and tried again. Skipped where a JDK or Maven is missing.
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandResult, endAll, freePort, run, start, until } from '../support/command.ts';
import { RealHdfs } from '../support/real-hdfs.ts';
import { canRunSearch, RealSearch } from '../support/real-search.ts';
import { SearchProxy } from '../support/search-proxy.ts';

const linesPerService = 50_000;
const days = ['2026-01-30', '2026-01-31', '2026-02-01'];
/** Every so many lines of the shop one is of no interest. */
const noiseEvery = 10;

/** The date comes from the event: neighbours in the file are of different days. */
const dayOf = (n: number) => days[n % days.length]!;
const timeOf = (n: number) => `${dayOf(n)}T23:59:59.${String(n % 1000).padStart(3, '0')}Z`;
const isNoise = (n: number) => n % noiseEvery === 0;
/** About as long as such lines are, and hard to compress, so that files roll often. */
const trace = (n: number) => createHash('sha256').update(String(n)).digest('hex').repeat(3);
const shopLine = (n: number) =>
  `{"time":"${timeOf(n)}","level":"${isNoise(n) ? 'debug' : 'info'}","n":${n},"order":"order ${n} of somebody","trace":"${trace(n)}"}\n`;
const billingLine = (n: number) => `${timeOf(n)} INFO n=${n} trace=${trace(n)} invoice ${n} was sent to a customer\n`;

const numbers = (count: number, wanted: (n: number) => boolean = () => true) =>
  Array.from({ length: count }, (_, n) => n).filter(wanted);
const shopNumbers = numbers(linesPerService, (n) => !isNoise(n));
const billingNumbers = numbers(linesPerService);
const ofDay = (all: readonly number[], day: string) => all.filter((n) => dayOf(n) === day);

interface Document {
  n: number;
  text?: string;
  '@timestamp': string;
}

describe.skipIf(!canRunSearch('elasticsearch-9'))('a real Elasticsearch and a real HDFS (JDK, Maven)', () => {
  let search: RealSearch;
  let proxy: SearchProxy;
  let hdfs: RealHdfs;
  let folder: string;
  let port: number;

  beforeAll(async () => {
    [search, hdfs] = await Promise.all([RealSearch.start('elasticsearch-9'), RealHdfs.start({ dataNodes: 2 })]);
    proxy = await SearchProxy.start(search);
  }, 300_000);
  afterAll(async () => {
    await Promise.all([proxy.close().then(() => search.stop()), hdfs.stop()]);
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-journey-'));
    mkdirSync(join(folder, 'logs'));
    port = await freePort();
  });
  afterEach(async () => {
    await endAll();
    rmSync(folder, { recursive: true, force: true });
  });

  function configure(text: string): void {
    writeFileSync(join(folder, 'tailrace.yaml'), `broker: { listen: "127.0.0.1:${port}" }\n${text}`);
  }

  async function tailrace(...args: string[]): Promise<CommandResult> {
    const result = await run(args, { cwd: folder, timeoutMs: 120_000 });
    expect(result.code, `${args.join(' ')}\n${result.stdout}${result.stderr}`).toBe(0);
    return result;
  }

  /** Both services into both stores. `grok` takes the billing's lines apart. */
  function services(grok: string): string {
    const sink = (index: string, more: string) =>
      `{ type: elasticsearch, urls: [ "${proxy.url}" ], index: "${index}-{topic}-%Y.%m.%d", setup: true${more} }`;
    return `
agents:
  shop: "tail://${folder}/logs/shop.log*"
  billing: "tail://${folder}/logs/billing.log*"
pipelines:
  shop:
    from: shop
    steps: [ { parse: json }, { timestamp: time }, { drop: level == "debug" } ]
    to: [ search, lake ]
  billing:
    from: billing
    steps: [ { parse: { grok: '${grok}' } }, { timestamp: { field: time, format: iso } } ]
    to: [ search, lake ]
sinks:
  search: ${sink('logs', '')}
  again: ${sink('again', '')}
  over: ${sink('logs', ', on_conflict: replace')}
  lake:
    type: hdfs
    url: "webhdfs://127.0.0.1:${hdfs.webPort}"
    path: "/logs/{topic}/dt=%Y-%m-%d/{partition}-{offset}.ndjson.gz"
    user: logs
    roll: { size: 50KB }
`;
  }

  /** Every document of the indices that match. */
  async function documentsIn(pattern: string): Promise<Document[]> {
    await search.request('POST', `/${pattern}/_refresh`);
    const found: Document[] = [];
    for (let after: unknown[] | undefined; ;) {
      const body = { size: 10_000, sort: [{ n: 'asc' }], ...(after === undefined ? {} : { search_after: after }) };
      const { hits } = (await search.request('POST', `/${pattern}/_search`, body)) as {
        hits: { hits: { _source: Document; sort: unknown[] }[] };
      };
      found.push(...hits.hits.map(({ _source }) => _source));
      after = hits.hits.at(-1)?.sort;
      if (after === undefined) return found;
    }
  }

  /** Each event once, in the index of its day. */
  async function expectIndexed(prefix: string): Promise<void> {
    for (const [service, all] of [['shop', shopNumbers] as const, ['billing', billingNumbers] as const]) {
      expect(await search.count(`${prefix}-${service}-*`), `${prefix} ${service}`).toBe(all.length);
      for (const day of days) {
        const documents = await documentsIn(`${prefix}-${service}-${day.replaceAll('-', '.')}`);
        expect(documents.map(({ n }) => n)).toEqual(ofDay(all, day));
        expect(documents.filter((document) => document['@timestamp'] !== timeOf(document.n))).toEqual([]);
      }
    }
  }

  /** Each event once, in the folder of its day, and nothing beside. */
  async function expectInFolders(): Promise<void> {
    for (const [service, all] of [['shop', shopNumbers] as const, ['billing', billingNumbers] as const]) {
      const folders = (await hdfs.list(`/logs/${service}`)).map(({ name }) => name).filter((name) => name[0] !== '.');
      expect(folders).toEqual(days.map((day) => `dt=${day}`));
      for (const day of days) {
        const found: number[] = [];
        for (const [path, bytes] of await hdfs.files(`/logs/${service}/dt=${day}`)) {
          expect(path).toMatch(/\/\d+-\d{20}\.ndjson\.gz$/);
          const lines = gunzipSync(bytes).toString().split('\n').slice(0, -1);
          found.push(...lines.map((line) => (JSON.parse(line) as Document).n));
        }
        expect(found.sort((one, other) => one - other)).toEqual(ofDay(all, day));
      }
    }
  }

  async function filesInFolders(): Promise<number> {
    const listings = await Promise.all(days.map((day) => hdfs.list(`/logs/shop/dt=${day}`)));
    return listings.flat().length;
  }

  /** Runs `tailrace up`, and kills it when `condition` holds. */
  async function upUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const up = start(['up'], { cwd: folder });
    await until(what, () => up.process.exitCode !== null || condition(), 60_000);
    up.signal('SIGKILL');
    expect((await up.end()).signal, `${up.stdout}${up.stderr}`).toBe('SIGKILL');
  }

  it('has each of 100,000 events once, by date, through kill -9; once more in a second index; and corrected', async () => {
    const half = linesPerService / 2;
    const write = (from: number, to: number) => {
      for (const [name, line] of [['shop', shopLine] as const, ['billing', billingLine] as const])
        appendFileSync(
          join(folder, 'logs', `${name}.log`),
          numbers(to, (n) => n >= from)
            .map(line)
            .join(''),
        );
    };
    // The mistake: a text is more than a word.
    configure(services('^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} n=%{INT:n:int} trace=%{WORD:trace} %{WORD:text}'));
    write(0, half);
    await upUntil('some documents', async () => (await search.count('logs-*')) > 0);
    expect(await search.count('logs-*')).toBeLessThan(linesPerService);
    write(half, linesPerService);
    await upUntil('some files', async () => (await filesInFolders()) > 2);
    const documents = await search.count('logs-*');
    expect(documents).toBeLessThan(shopNumbers.length + billingNumbers.length);
    const { stdout } = await tailrace('up', '--once', '--json');
    const ledger = JSON.parse(stdout.trim().split('\n').at(-1)!) as { balanced: boolean };
    expect(ledger).toMatchObject({ balanced: true });
    await expectIndexed('logs');
    await expectInFolders();
    expect((await documentsIn('logs-billing-*'))[7]).toMatchObject({ n: 7, text: 'invoice' });

    const up = start(['up'], { cwd: folder });
    await until('it runs', () => up.stdout.includes('look '));
    const replay = (topic: string, to: string) =>
      tailrace('replay', topic, '--to', to, '--steps', topic, '-c', 'tailrace.yaml', '--broker', `127.0.0.1:${port}`);
    for (const service of ['shop', 'billing']) await replay(service, 'again');
    await expectIndexed('again');

    configure(
      services('^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} n=%{INT:n:int} trace=%{WORD:trace} %{GREEDYDATA:text}'),
    );
    expect((await replay('billing', 'over')).stdout).toContain('50,000 read = 50,000 delivered');
    await expectIndexed('logs');
    const texts = (await documentsIn('logs-billing-*')).map(({ text }) => text);
    expect(texts).toEqual(billingNumbers.map((n) => `invoice ${n} was sent to a customer`));
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
  }, 240_000);

  it('has 999 of 1,000 when one does not fit the mapping, and all when that is mended and tried again', async () => {
    await search.request('PUT', '/strict', { mappings: { properties: { n: { type: 'long' } } } });
    const orders = (mend: string) => `
agents: { orders: "tail://${folder}/logs/orders.log" }
pipelines: { orders: { from: orders, steps: [ { parse: json }${mend} ], to: strict } }
sinks: { strict: { type: elasticsearch, urls: [ "${proxy.url}" ], index: strict } }
`;
    const lines = numbers(1000).map((n) => `{"n":${n === 500 ? '"five hundred"' : n}}\n`);
    writeFileSync(join(folder, 'logs', 'orders.log'), lines.join(''));
    configure(orders(''));
    const up = start(['up'], { cwd: folder });
    const dlq = (...args: string[]) => tailrace('dlq', ...args, '--broker', `127.0.0.1:${port}`);
    const letters = async () => {
      const { stdout } = await dlq('list', '--json');
      return stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    await until('the topic is there', () => up.stdout.includes('look '));
    const listed = await until('one dead letter', async () => ((await letters()).length === 1 ? letters() : undefined));
    expect(listed).toMatchObject([
      { edge: 'orders.strict', count: 1, refusedBy: 'sink strict', sample: { origin: 'orders/0/500' } },
    ]);
    expect(listed[0]!['reason']).toContain('failed to parse field [n] of type [long]');
    await until('the others', async () => (await search.count('strict')) === 999);

    configure(orders(`, { set: { n: '500' }, when: 'n == "five hundred"' }`));
    expect((await dlq('retry', 'orders', '-c', 'tailrace.yaml')).stdout).toContain('1 tried again = 1 delivered');
    expect(await letters()).toEqual([]);
    expect((await documentsIn('strict')).map(({ n }) => n)).toEqual(numbers(1000));
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
  });
});
