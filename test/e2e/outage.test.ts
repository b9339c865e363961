// A store that is away, then answers badly: the other edge does not notice, nothing is lost or doubled, memory is bounded, and the log stays short.
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BulkStore, type Reaction } from '../support/bulk-store.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let store: BulkStore | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-outage-'));
});
afterEach(async () => {
  await endAll();
  await store?.stop();
  store = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `{"n":${from + index},"text":"${'x'.repeat(200)}"}\n`).join('');

function published(): number {
  const names = readdirSync(folder).includes('out') ? readdirSync(join(folder, 'out')) : [];
  const visible = names.filter((name) => !name.startsWith('.'));
  return visible.reduce((sum, name) => sum + readFileSync(join(folder, 'out', name), 'utf8').split('\n').length - 1, 0);
}

it('costs nothing but time', async () => {
  const [port, storePort, monitorPort] = [await freePort(), await freePort(), await freePort()];
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs', 'a.log'), lines(0, 1000));
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
monitor: 127.0.0.1:${monitorPort}
broker: { listen: "127.0.0.1:${port}" }
agents: { app: "tail://${folder}/logs/*.log" }
pipelines: { web: { from: app, to: [ store, files ] } }
sinks:
  store: { type: elasticsearch, urls: [ "http://127.0.0.1:${storePort}" ], index: app, timeout: 1s }
  files: { type: file, path: "out/{partition}-{offset}.ndjson", roll: { idle: 100ms } }
`,
  );
  const up = start(['up', '--log', 'json'], { cwd: folder });
  const told = (start: string) => {
    const all = up.stderr.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    const parsed = all.map((line) => JSON.parse(line) as Record<string, unknown>);
    return parsed.filter(({ msg, edge }) => edge === 'web.store' && String(msg).startsWith(start));
  };
  const sample = async (name: string) => {
    const page = await (await fetch(`http://127.0.0.1:${monitorPort}/metrics`)).text();
    const line = page.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  };
  const retries = () => sample('tailrace_edge_retries_total{edge="web.store"}');
  const lag = () => sample('tailrace_edge_lag_records{edge="web.store",topic="app"}');

  await until('it pauses', () => told('the edge pauses').length === 1);
  appendFileSync(join(folder, 'logs', 'a.log'), lines(1000, 60_000));
  await until('the files have all', () => published() === 60_000, 60_000);
  await until('some retries', async () => ((await retries()) ?? 0) >= 4, 60_000);
  expect(await lag()).toBeGreaterThanOrEqual(60_000);
  expect(await sample('process_resident_memory_bytes')).toBeLessThan(400e6);
  expect(told('the edge')).toHaveLength(1);

  store = await BulkStore.start({ port: storePort });
  const troubles: (Reaction | undefined)[] = [
    { status: 503 },
    'hang',
    'half',
    'reset',
    { status: 429 },
    undefined,
    'fewer',
    'half',
  ];
  let bulks = 0;
  store.react = () => troubles[bulks++];
  const { documents } = store;
  await until('the store has all', () => documents.size === 60_000, 60_000);
  await until('it says so', () => told('the edge goes on').length >= 1);
  await until('no lag', async () => (await lag()) === 0);
  const numbers = [...documents.values()].map(({ n }) => Number(n)).sort((one, other) => one - other);
  expect(numbers).toEqual(Array.from({ length: 60_000 }, (_, index) => index));
  const [over] = told('the edge goes on');
  expect(Number(over!['retries'])).toBeGreaterThanOrEqual(4);
  expect(Number(over!['waiting'])).toBeGreaterThanOrEqual(60_000);
  expect(told('the edge').length).toBeLessThanOrEqual(4);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
});

/** A log of ten lines is delivered to `sink`. Returns the broker's port. */
async function configure(sink: string): Promise<number> {
  const port = await freePort();
  writeFileSync(join(folder, 'a.log'), lines(0, 10));
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: "tail://${folder}/a.log" }
pipelines: { web: { from: app, to: store } }
sinks: { store: ${sink} }
`,
  );
  return port;
}

it('is told by `up --once`: what is waited for', async () => {
  store = await BulkStore.start({});
  store.react = () => ({ status: 429, body: { error: { type: 'es_rejected_execution_exception', reason: 'busy' } } });
  await configure(`{ type: elasticsearch, urls: [ "${store.url}" ], index: app }`);
  const up = start(['up', '--once'], { cwd: folder });
  const told = /still at work waitingFor="edge web\.store, 0 of 10 records read are delivered/;
  await until('it says so', () => told.test(up.stderr));
  store.react = () => undefined;
  const { code, stderr } = await up.end();
  expect(code, stderr).toBe(0);
  expect(store.documents.size).toBe(10);
});

it('before anything was committed: `groups describe` tells of the edge, its sink and its lag', async () => {
  const port = await configure('"elasticsearch://127.0.0.1:1/app"');
  start(['up'], { cwd: folder });
  const describe = (group: string) =>
    run(['groups', 'describe', group, '--json', '--broker', `127.0.0.1:${port}`], { cwd: folder });
  const { stderr } = await until('all its lag', async () => {
    const told = await describe('web.store');
    return /"committed":null,"end":1[01],"lagRecords":1[01],/.test(told.stdout) && told;
  });
  expect(stderr).toMatch(
    /edge web\.store of tailrace\.yaml has committed nothing yet.*\n.*sink cannot be opened: .*ECONNREFUSED/,
  );
  expect((await describe('web.other')).stderr).toMatch(/there is no group web\.other/);
});
