// Bad input gets a clear error and nothing is lost: what is printed, and the exit code.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, root, run, start, until } from '../support/command.ts';
import { selfSigned } from '../support/self-signed.ts';

let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-bad-'));
  port = await freePort();
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const tailrace = (...args: string[]) => run(args, { cwd: folder });
const write = (yaml: string) => writeFileSync(join(folder, 'tailrace.yaml'), yaml);

it.each([
  ['broken YAML', 'agents: { a: "tail:///x"\n', /tailrace\.yaml:\d+:\d+/],
  ['an unknown key', 'agnets: {}\n', /tailrace\.yaml:1:1.*\n.*\n.*\^|did you mean "?agents/],
  [
    'an unknown sink',
    'pipelines: { p: { from: t, to: filse } }\nsinks: { files: "file:out/{offset}" }\ntopics: { t: {} }\n',
    /tailrace\.yaml:1:\d+[\s\S]*files/,
  ],
  ['a duplicate name', 'topics: { a: {}, a: {} }\n', /tailrace\.yaml:1:\d+/],
  ['a variable that is not set', 'agents: { a: "tail://${env:NOT_SET_ANYWHERE}/x" }\n', /NOT_SET_ANYWHERE/],
  [
    'a cycle between topics',
    'topics: { a: {}, b: {} }\npipelines: { x: { from: a, to: "topic:b" }, y: { from: b, to: "topic:a" } }\n',
    /round without end/,
  ],
  [
    'a broken expression',
    'topics: { a: {} }\npipelines: { x: { from: a, steps: [ { drop: "level = =" } ], to: s } }\nsinks: { s: "stdout:" }\n',
    /tailrace\.yaml:2:\d+/,
  ],
])('says where %s stands and exits with 2', async (_what, yaml, message) => {
  write(yaml);
  const checked = await tailrace('check');
  expect(checked.code).toBe(2);
  expect(checked.stderr).toMatch(message);
  const up = await tailrace('up', '--once');
  expect(up.code).toBe(2);
  expect(readdirSync(folder)).toEqual(['tailrace.yaml']);
});

it('is told of certificates by check --reach, with the place of those that cannot be read, and of an agent’s that has expired by up', async () => {
  const identities = { good: selfSigned(), old: selfSigned({ isExpired: true }) };
  for (const [name, { cert, key }] of Object.entries(identities)) {
    writeFileSync(join(folder, `${name}.cert`), cert);
    writeFileSync(join(folder, `${name}.key`), key);
  }
  const listen = await freePort();
  const configure = (cert: string, key: string) =>
    write(
      `broker:\n  listen: [ { address: "127.0.0.1:${port}", tls: { cert: ${cert}, key: ${key} } } ]\n` +
        `agents:\n  push: { type: http, listen: "127.0.0.1:${listen}", tls: { cert: ${cert}, key: ${key} } }\n`,
    );
  configure('good.cert', 'good.key');
  const good = await tailrace('check', '--reach');
  expect([good.code, good.stdout]).toEqual([0, expect.not.stringMatching(/error|warning/)]);
  configure('none.cert', 'good.key');
  const none = await tailrace('check', '--reach');
  expect([none.code, none.stdout]).toEqual([
    1,
    expect.stringMatching(/yaml:2:13: broker\.listen\.tls\.cert: .*none\.cert/),
  ]);
  expect(none.stdout).toMatch(/yaml:4:\d+: tls\.cert: .*none\.cert/);
  configure('good.cert', 'old.key');
  const other = await tailrace('check', '--reach');
  expect([other.code, other.stdout.match(/tls\.key is not the key of the certificate/g)]).toEqual([
    1,
    expect.objectContaining({ length: 2 }),
  ]);
  configure('old.cert', 'old.key');
  const old = await tailrace('check', '--reach');
  expect([old.code, old.stdout.match(/^warning the certificate of the listener .* has expired/gm)]).toEqual([
    0,
    expect.objectContaining({ length: 2 }),
  ]);
  const up = start(['up'], { cwd: folder });
  const isTold = () => up.stderr.includes(`The certificate of the listener 127.0.0.1:${listen} has expired`);
  await until('the agent tells', isTold);
  up.signal('SIGTERM');
  await up.end();
});

it('refuses a count that is none', async () => {
  const result = await tailrace('consume', 'app', '--max', 'abc');
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/--max abc: expected a number from 1/);
});

it('names a missing file', async () => {
  const result = await tailrace('up', 'nowhere.yaml');
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/nowhere\.yaml/);
});

it('leaves a data directory from a newer version alone', async () => {
  write(`broker: { listen: "127.0.0.1:${port}" }\n`);
  const made = start(['up'], { cwd: folder });
  await expect.poll(() => made.stdout, { timeout: 60_000 }).toContain('broker 127.0.0.1');
  made.signal('SIGTERM');
  expect(await made.end()).toMatchObject({ code: 0, signal: null });
  const path = join(folder, 'tailrace-data', 'tailrace-metadata.log');
  const newer = readFileSync(path);
  newer[7] = '9'.charCodeAt(0);
  writeFileSync(path, newer);
  const refused = await tailrace('up', '--once');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/TLR_DATA_VERSION/);
  expect(readFileSync(path)).toEqual(newer);
});

it('goes on when a directory, an unreadable or a missing file is given as a file', async () => {
  mkdirSync(join(folder, 'logs', 'directory.log'), { recursive: true });
  writeFileSync(join(folder, 'logs', 'real.log'), 'one\ntwo\n');
  write(`
broker: { listen: "127.0.0.1:${port}" }
agents: { a: { type: tail, paths: [ "${folder}/logs/*.log", "${folder}/missing.log", "${folder}/logs/directory.log" ] } }
pipelines: { p: { from: a, to: s } }
sinks: { s: "file:out/{partition}-{offset}.log" }
`);
  const result = await tailrace('up', '--once');
  expect(result.code, result.stderr).toBe(0);
  expect(result.stderr + result.stdout).toMatch(/directory\.log/);
  expect(readFileSync(join(folder, 'out', readdirSync(join(folder, 'out'))[0]!), 'utf8')).toBe('one\ntwo\n');
});

it('does not tail what it writes itself', async () => {
  write(`
broker: { listen: "127.0.0.1:${port}" }
agents: { a: "tail://${folder}/*.log" }
pipelines: { p: { from: a, to: s } }
sinks: { s: "file:out/{partition}-{offset}.log" }
`);
  writeFileSync(join(folder, 'real.log'), 'one\n');
  const own = openSync(join(folder, 'own.log'), 'w');
  const child = spawn(join(root, 'tailrace'), ['up', '--once', '--log-level', 'debug'], {
    cwd: folder,
    stdio: ['ignore', own, own],
  });
  closeSync(own);
  const [code] = (await once(child, 'close')) as [number];
  const said = readFileSync(join(folder, 'own.log'), 'utf8');
  expect(code, said).toBe(0);
  expect(said).toMatch(/^a +1 /m);
  expect(readFileSync(join(folder, 'out', readdirSync(join(folder, 'out'))[0]!), 'utf8')).toBe('one\n');
});

it('says that no broker answers', async () => {
  const result = await tailrace('topics', 'list', '--broker', `127.0.0.1:${port}`);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/TLR_UNREACHABLE/);
});

it('suggests what was probably meant', async () => {
  const verb = await tailrace('topcis', 'list');
  expect(verb.code).toBe(2);
  expect(verb.stderr).toMatch(/topics/);
  const option = await tailrace('up', '--onec');
  expect(option.code).toBe(2);
  expect(option.stderr).toMatch(/--once/);
});
