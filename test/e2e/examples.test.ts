// Every file under examples/ is run as it stands, but for where logs, stores and ports are: what its first lines promise happens.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BulkStore } from '../support/bulk-store.ts';
import { endAll, freePort, root, run, start, until } from '../support/command.ts';
import { FakeHdfs } from '../support/fake-hdfs.ts';
import { selfSigned } from '../support/self-signed.ts';

let folder: string;
let env: Record<string, string>;
const stores: { stop(): Promise<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-examples-'));
  env = { TAILRACE_DATA: join(folder, 'tailrace-data') };
});
afterEach(async () => {
  await endAll();
  for (const store of stores.splice(0)) await store.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes the example into the folder, with the machine's log folders moved there, and on ports of its own. */
async function take(name: string, ports: Record<string, number> = {}): Promise<void> {
  let text = readFileSync(join(root, 'examples', name), 'utf8').replaceAll(
    /(?<=[\s'/[])\/(srv|var\/log)\//g,
    `${folder}/$1/`,
  );
  const moved = { ...ports, ...(text.includes('127.0.0.1:9092') ? { 9092: await freePort() } : {}) };
  for (const [port, other] of Object.entries(moved)) text = text.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${other}`);
  const broker = /^broker:/m.test(text) ? '' : `broker: { listen: "127.0.0.1:${await freePort()}" }\n`;
  writeFileSync(join(folder, 'tailrace.yaml'), broker + text);
}

function write(path: string, ...lines: string[]): void {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, lines.map((line) => `${line}\n`).join(''));
}

function unpacked(path: string, bytes: Buffer): string {
  if (path.endsWith('.gz')) return gunzipSync(bytes).toString();
  return (path.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

/** The lines of all visible files below, in any order. */
function linesBelow(path: string): string[] {
  const entries = readdirSync(join(folder, path), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
  const texts = files.map(({ parentPath, name }) => unpacked(name, readFileSync(join(parentPath, name))));
  return texts.flatMap((text) => text.split('\n').slice(0, -1)).sort();
}

async function once(): Promise<void> {
  const { code, stdout, stderr } = await run(['up', '--once'], { cwd: folder, env });
  expect(code, stdout + stderr).toBe(0);
}

const access = (path: string, status = 200) =>
  `10.0.0.1 - ann [22/Nov/2026:10:00:00 +0000] "GET ${path} HTTP/1.1" ${status} 12 "-" "curl/8"`;

it('nginx.yaml: access logs without health checks, by hour and by status, and odd lines apart', async () => {
  await take('nginx.yaml');
  write('var/log/nginx/access.log', access('/a'), access('/healthz'), access('/b', 404), 'odd');
  await once();
  expect(linesBelow('out/web/2026-11-22')).toHaveLength(2);
  expect(readdirSync(join(folder, 'out/web-by-status')).sort()).toEqual([
    expect.stringMatching(/^2xx-/),
    expect.stringMatching(/^4xx-/),
  ]);
  expect(linesBelow('out/odd')).toEqual(['odd', 'odd']);
});

it('services.yaml: several services, each in its way', async () => {
  await take('services.yaml');
  write('srv/shop/logs/deep/app.log', '{"level":"debug"}', '{"level":"info","msg":"to a@b.cc"}', 'level=warn msg=slow');
  const worked = (took: number) => `2026-11-22 10:00:00,123 INFO [main] org.example.Job: took ${took}ms done`;
  write('var/log/legacy/worker.log', worked(15), worked(1500));
  await once();
  const file = `"file":"${folder}/srv/shop/logs/deep/app.log"`;
  expect(linesBelow('out/services')).toEqual([
    `{"level":"info","text":"to [email]",${file}}`,
    `{"level":"warn","text":"slow",${file}}`,
  ]);
  expect(linesBelow('out/worker')).toHaveLength(1);
});

it('search.yaml: JSON and access logs into a store', async () => {
  const store = await BulkStore.start();
  stores.push(store);
  env['ES_URL'] = store.url;
  await take('search.yaml');
  write('srv/shop/logs/app.ndjson', '{"@timestamp":"2026-11-22T10:00:00Z","n":1}', '{"n":2}');
  write('var/log/nginx/access.log', access('/health'), access('/a'), access('/health/x', 500));
  await once();
  const indices = [...store.documents.keys()].map((name) => name.split('/')[0]);
  expect(indices.filter((name) => name === 'nginx-2026.11.22')).toHaveLength(2);
  expect(indices.filter((name) => name?.startsWith('app-'))).toHaveLength(2);
  expect(store.templates.size).toBe(2);
});

it('lake.yaml: into HDFS by day, and on a local disk', async () => {
  const hdfs = await FakeHdfs.start({ nameNodes: 2 });
  stores.push(hdfs);
  env['HDFS_URL'] = `webhdfs://${hdfs.hosts}`;
  await take('lake.yaml');
  write('srv/shop/logs/app.ndjson', '{"n":1}', '{"n":2}');
  await once();
  const [[path, bytes] = ['', Buffer.of()]] = hdfs.files();
  expect(path).toMatch(/^\/logs\/dt=\d{4}-\d\d-\d\d\/0-\d{20}\.ndjson\.gz$/);
  expect(unpacked(path, bytes)).toBe('{"n":1}\n{"n":2}\n');
  expect(linesBelow('out')).toEqual(['{"n":1}', '{"n":2}']);
});

it('push.yaml: errors and an audit trail over HTTP', async () => {
  const port = await freePort();
  await take('push.yaml', { 8080: port });
  const up = start(['up'], { cwd: folder, env });
  await until('it listens', () => up.stderr.includes('listening') || up.stdout.includes('reading'));
  const post = (topic: string, body: string) =>
    fetch(`http://127.0.0.1:${port}/ingest/${topic}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    });
  expect((await post('app', '{"level":"error","text":"it broke"}\n{"level":"info"}')).status).toBe(200);
  expect((await post('audit', '{"who":"ann"}')).status).toBe(200);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
  await once();
  expect(linesBelow('out/errors')).toEqual(['{"level":"error","text":"it broke"}']);
  expect(linesBelow('out/audit')).toEqual(['{"who":"ann"}']);
});

/** Starts what stays up beside the example under test, from another folder, until `isUp` says so. */
async function beside(
  name: string,
  file: string,
  more: Record<string, string>,
): Promise<{ cwd: string; end: () => Promise<void> }> {
  const cwd = join(folder, name);
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'tailrace.yaml'), file);
  const up = start(['up'], { cwd, env: { ...env, TAILRACE_DATA: join(cwd, 'data'), ...more } });
  await until('it is up', () => up.stdout.includes('tailrace '), 60_000);
  const end = async () => {
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
  };
  return { cwd, end };
}

it('central.yaml and sender.yaml: lines of another machine, over TLS and with a password', async () => {
  const { cert, key } = selfSigned();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const [port, open] = [await freePort(), await freePort()];
  Object.assign(env, { SHIPPER_PASSWORD: 'open-sesame', TAILRACE_TLS: folder });
  Object.assign(env, { TAILRACE_LISTEN: `127.0.0.1:${port}`, TAILRACE_CENTRAL: `kafka://127.0.0.1:${port}` });
  const example = readFileSync(join(root, 'examples', 'central.yaml'), 'utf8').replaceAll(
    '127.0.0.1:9092',
    `127.0.0.1:${open}`,
  );
  const central = await beside('central', example, {});
  await take('sender.yaml');
  write('srv/shop/logs/app.log', '{"n":1}', 'words');
  await once();
  env['SHIPPER_PASSWORD'] = 'guess';
  const refused = await run(['up', '--once'], { cwd: folder, env });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('user shipper: wrong user or password');
  await central.end();
  env['SHIPPER_PASSWORD'] = 'open-sesame';
  const delivered = await run(['up', '--once'], {
    cwd: central.cwd,
    env: { ...env, TAILRACE_DATA: join(central.cwd, 'data') },
  });
  expect(delivered.code, delivered.stderr).toBe(0);
  const file = `"host":"${hostname()}","file":"${folder}/srv/shop/logs/app.log"`;
  expect(linesBelow('central/out')).toEqual([`{"message":"words",${file}}`, `{"n":1,${file}}`]);
});

it('cluster.yaml: two machines on one cluster, with a Tailrace for the cluster', async () => {
  const port = await freePort();
  const cluster = await beside('cluster', `data: ./data\nbroker: { listen: "127.0.0.1:${port}" }\n`, {});
  Object.assign(env, { KAFKA: `kafka://127.0.0.1:${port}`, SHARED: join(folder, 'shared') });
  await take('cluster.yaml');
  write('srv/shop/logs/app.log', '{"n":1}', '{"n":2}');
  const other = join(folder, 'other');
  mkdirSync(other);
  const machines = [
    { cwd: folder, env },
    { cwd: other, env: { ...env, TAILRACE_DATA: join(other, 'data') } },
  ];
  const example = ['up', '--once', join(folder, 'tailrace.yaml')];
  for (const done of await Promise.all(machines.map((machine) => run(example, machine))))
    expect(done.code, done.stdout + done.stderr).toBe(0);
  const host = `"host":"${hostname()}"`;
  expect(linesBelow('shared')).toEqual([1, 1, 2, 2].map((n) => `{"n":${n},${host}}`));
  expect((await run(['check', '--reach'], { cwd: folder, env })).code).toBe(0);
  await cluster.end();
});
