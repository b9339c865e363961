// `tailrace why` and `tailrace top` on the real command: a line of a file, by its number, beside a running process and after it; what moves.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Traffic } from '../../pipelines/traffic.ts';
import type { RecordPath } from '../../pipelines/why/why.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-why-'));
  port = await freePort();
  mkdirSync(join(folder, 'logs'));
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
topics: { keyed: { partitions: 4 } }
agents:
  app: { type: tail, paths: [ "./logs/*.log" ] }
  keyed: { type: tail, paths: [ "./keyed/*.log" ], key: n, to: keyed }
pipelines: { web: { from: app, steps: [ { parse: json }, { drop: level == "debug" } ], to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.ndjson", roll: { idle: 100ms } } }
`,
  );
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const why = (...args: string[]) => run(['why', ...args], { cwd: folder });
async function pathOf(record: string, ...args: string[]): Promise<RecordPath> {
  const { stdout, stderr } = await why(record, '--json', ...args);
  expect(stdout, stderr).toMatch(/^{/);
  return JSON.parse(stdout) as RecordPath;
}

it('follows a line from its file into the file that it went to, whether Tailrace runs or not', async () => {
  const log = join(folder, 'logs', 'a.log');
  writeFileSync(log, '{"n":1}\n{"n":2,"level":"debug"}\nno json\n{"n":4}\n');
  const up = start(['up', '--log-level', 'error'], { cwd: folder });
  await until('it is delivered', async () => (await why(`${log}:4`)).stdout.includes('delivered'), 60_000);
  const last = await pathOf('logs/a.log:4');
  expect(last).toMatchObject({ file: { path: log, agent: 'app', byte: 40 }, value: '{"n":4}' });
  expect(last.edges).toMatchObject([
    { edge: 'web.files', state: 'delivered', pieces: [{ value: '{"n":4}', line: 2 }] },
  ]);
  const { topic, partition, offset } = last;
  expect(await pathOf(`${topic}/${partition}/${offset}`)).toEqual(last);
  expect(await pathOf('logs/a.log@44')).toEqual(last);

  appendFileSync(log, '{"n":5}\n');
  await until('the next line', async () => (await why(`${log}:5`)).code === 0, 60_000);
  expect((await why(`${log}:9`)).stderr).toContain('has no line 9');
  expect((await why('logs/b.log:1')).stderr).toContain('cannot be read');
  expect((await why('logs/b.log@1')).stderr).toContain('no agent has read a file');
  expect((await why('somewhere')).code).toBe(2);
  const bare = await run(['why', `app/${partition}/${offset}`, '--broker', `127.0.0.1:${port}`], { cwd: tmpdir() });
  expect(bare.stdout, bare.stderr).toMatch(/other +web\.files +decided/);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);

  const dropped = await why('logs/a.log:2');
  expect(dropped.stdout, dropped.stderr).toMatch(/web\.files +dropped by drop at tailrace\.yaml:7:\d+/);
  expect(dropped.code).toBe(0);
  expect((await why('logs/a.log:3')).stdout).toMatch(/✗ web\.dlq\/0\/\d+ .* step parse at .*: the line is not JSON/);
  rmSync(join(folder, 'out'), { recursive: true });
  const gone = await why('logs/a.log:4');
  expect(gone.code).toBe(1);
  expect(gone.stdout).toMatch(/is missing/);
});

it('finds lines of a file that a key has put into several partitions', async () => {
  mkdirSync(join(folder, 'keyed'));
  const lines = Array.from({ length: 20 }, (_, n) => `{"n":"key ${n}"}`);
  writeFileSync(join(folder, 'keyed', 'k.log'), lines.map((line) => `${line}\n`).join(''));
  const done = await run(['up', '--once'], { cwd: folder });
  expect(done.code, done.stderr).toBe(0);
  const paths = [];
  for (const number of [1, 2, 3, 4, 5, 20]) paths.push(await pathOf(`keyed/k.log:${number}`));
  expect(paths.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 19].map((n) => lines[n]));
  expect(new Set(paths.map(({ partition }) => partition)).size).toBeGreaterThan(1);
});

it('shows what moves', async () => {
  writeFileSync(join(folder, 'logs', 'a.log'), '{"n":1}\n{"n":2}\n');
  const top = (...args: string[]) => run(['top', '--broker', `127.0.0.1:${port}`, ...args], { cwd: folder });
  const up = start(['up', '--log-level', 'error'], { cwd: folder });
  const shown = async () => {
    const { code, stdout } = await top('--json', '--interval', '100ms', '--count', '1');
    const look = code === 0 ? (JSON.parse(stdout) as Traffic) : undefined;
    return look?.groups[0]?.account?.out === 2 ? look : undefined;
  };
  const look = await until('both lines', shown, 60_000);
  expect(look.brokers).toBe(1);
  expect(look.agents).toContainEqual(expect.objectContaining({ agent: 'app', files: 1, lines: 2 }));
  expect(look.groups).toMatchObject([{ group: 'web.files', members: 1 }]);
  const printed = await top('--interval', '100ms', '--count', '2');
  expect(printed.stdout.match(/web\.files +Stable/g), printed.stderr).toHaveLength(2);
  expect((await top('--interval', 'often')).code).toBe(2);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
});
