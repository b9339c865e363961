// The monitor of a running appliance: metrics that are the ledger's, health, readiness; and no secret anywhere.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;
let monitorPort: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-monitor-'));
  port = await freePort();
  do monitorPort = await freePort();
  while (monitorPort === port);
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const get = async (path: string, method = 'GET') => {
  const response = await fetch(`http://127.0.0.1:${monitorPort}${path}`, { method });
  return { status: response.status, text: await response.text() };
};
const ready = async () => (await get('/ready').catch(() => undefined))?.status;

function configure(rest: string): void {
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `monitor: 127.0.0.1:${monitorPort}\nbroker: { listen: "127.0.0.1:${port}" }\n${rest}`,
  );
}

/** The value of a sample, as it is written on the page. */
function sample(page: string, name: string): number | undefined {
  const line = page.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

it('tells lines, lag, dead letters, disk and outages, and whether it is healthy and ready', async () => {
  mkdirSync(join(folder, 'logs'));
  mkdirSync(join(folder, 'out'));
  const taken = join(folder, 'out', '0-00000000000000000000.log');
  writeFileSync(taken, 'somebody else\n');
  const lines = Array.from({ length: 100 }, (_, index) => (index % 10 === 9 ? 'bad' : `{"n":${index}}`));
  writeFileSync(join(folder, 'logs', 'a.log'), lines.join('\n') + '\n');
  configure(`
agents: { app: "tail://${folder}/logs/*.log" }
pipelines: { web: { from: app, steps: [ { parse: json } ], to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", roll: { idle: 100ms } } }
`);
  const up = start(['up'], { cwd: folder });
  await until('the edge pauses', async () =>
    (await get('/metrics').catch(() => undefined))?.text.includes('tailrace_edge_needs_somebody{edge="web.files"} 1'),
  );
  const paused = await get('/ready');
  expect(paused.status).toBe(503);
  expect(JSON.parse(paused.text)).toEqual({ status: 'not ready', missing: ['edge web.files: paused'] });
  expect(await get('/health')).toEqual({ status: 200, text: '{"status":"ok"}\n' });
  const stuck = (await get('/metrics')).text;
  expect(sample(stuck, 'tailrace_edge_paused{edge="web.files"}')).toBe(1);
  expect(sample(stuck, 'tailrace_edge_outages_total{edge="web.files"}')).toBe(1);
  expect(sample(stuck, 'tailrace_edge_outage_seconds{edge="web.files"}')).toBeGreaterThan(0);

  rmSync(taken);
  await until('it is ready', async () => (await ready()) === 200);
  writeFileSync(join(folder, 'logs', 'b.log'), '{"n":100}\n');
  await until('nothing is left', async () => {
    const page = (await get('/metrics')).text;
    return (
      sample(page, 'tailrace_edge_read_total{edge="web.files"}') === 101 &&
      sample(page, 'tailrace_edge_lag_records{edge="web.files",topic="app"}') === 0
    );
  });
  const { text } = await get('/metrics');
  const expected: Record<string, number> = {
    'tailrace_info{version="0.1.0"}': 1,
    'tailrace_agent_lines_total{agent="app",topic="app"}': 101,
    'tailrace_agent_bytes_total{agent="app"}': lines.join('\n').length + 1 + 10,
    'tailrace_edge_delivered_total{edge="web.files"}': 91,
    'tailrace_edge_dead_letters_total{edge="web.files"}': 10,
    'tailrace_edge_lag_seconds{edge="web.files",topic="app"}': 0,
    'tailrace_edge_paused{edge="web.files"}': 0,
    'tailrace_edge_outage_seconds{edge="web.files"}': 0,
    tailrace_log_failed: 0,
  };
  for (const [name, value] of Object.entries(expected)) expect([name, sample(text, name)]).toEqual([name, value]);
  const positive = [
    'tailrace_log_sync_seconds_count',
    'tailrace_log_sync_seconds_sum',
    'tailrace_log_commit_rounds_total',
    'tailrace_log_written_bytes_total',
    'tailrace_topic_size_bytes{topic="app"}',
    'tailrace_topic_size_bytes{topic="web.dlq"}',
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
  ];
  for (const name of positive) expect([name, sample(text, name)! > 0]).toEqual([name, true]);
  expect(sample(text, 'tailrace_event_loop_delay_seconds{quantile="0.99"}')).toBeDefined();
  expect((await get('/nowhere')).status).toBe(404);
  expect((await get('/metrics', 'POST')).status).toBe(405);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
});

it('is refused where others could read it, or where it is taken', async () => {
  writeFileSync(join(folder, 'tailrace.yaml'), 'monitor: 0.0.0.0:9080\n');
  const refused = await run(['check', 'tailrace.yaml'], { cwd: folder });
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/tailrace\.yaml:1:10[\s\S]*insecure: true/),
  ]);
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    'monitor: { listen: "0.0.0.0:9080", insecure: true }\ntopics: { a: {} }\n',
  );
  const allowed = await run(['check', 'tailrace.yaml'], { cwd: folder });
  expect(allowed.code, allowed.stderr).toBe(0);
  monitorPort = port;
  configure('topics: { a: {} }\n');
  const taken = await run(['up'], { cwd: folder });
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('monitor: cannot listen')]);
});

it('shows no secret: in logs, errors, metrics or health', async () => {
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs', 'a.log'), 'one\n');
  writeFileSync(join(folder, 'password'), 'pass-word-4711\n');
  const away = await freePort();
  configure(`
agents: { app: "tail://${folder}/logs/*.log" }
pipelines: { web: { from: app, to: [ key, basic ] } }
sinks:
  key: { type: elasticsearch, urls: [ "http://127.0.0.1:${away}" ], index: app, auth: { api_key: "\${env:TEST_KEY}" } }
  basic: { type: elasticsearch, urls: [ "http://127.0.0.1:${away}" ], index: app, auth: { basic: { user: someone, password: "\${file:${folder}/password}" } } }
`);
  const env = { TEST_KEY: 'api-key-0815' };
  const up = start(['up', '--log', 'json', '--log-level', 'debug'], { cwd: folder, env });
  await until('both edges pause', () => (up.stderr.match(/the edge pauses/g) ?? []).length >= 2, 60_000);
  await until('the monitor listens', async () => (await ready()) !== undefined);
  const pages = await Promise.all(['/metrics', '/health', '/ready', '/other'].map((path) => get(path)));
  const checked = await run(['check', 'tailrace.yaml', '--expand'], { cwd: folder, env });
  up.signal('SIGTERM');
  const ended = await up.end();
  const said = [ended.stdout, ended.stderr, ...pages.map(({ text }) => text), checked.stderr].join('\n');
  const secrets = ['api-key-0815', 'pass-word-4711', Buffer.from('someone:pass-word-4711').toString('base64')];
  for (const secret of secrets) expect(said).not.toContain(secret);
  for (const line of ended.stderr.split('\n').filter((each) => each !== '')) {
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) as number, msg: expect.any(String) as string });
  }
});
