// The main job as a user runs it: the real command on real files. tail → topic → pipeline → file, looked at and replayed.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endAll, freePort, root, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-e2e-'));
  port = await freePort();
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const tailrace = (...args: string[]) => run(args, { cwd: folder });
const broker = () => ['--broker', `127.0.0.1:${port}`];

function writeConfig(rest: string, name = 'tailrace.yaml'): void {
  writeFileSync(join(folder, name), `broker: { listen: "127.0.0.1:${port}" }\n${rest}`);
}

/** What is visible under a folder, in the order of the files' names. */
function published(directory: string): string {
  const names = readdirSync(join(folder, directory)).filter((name) => !name.startsWith('.'));
  return names
    .toSorted((left, right) => left.localeCompare(right, 'en', { numeric: true }))
    .map((name) => readFileSync(join(folder, directory, name), 'utf8'))
    .join('');
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');

const plain = `
agents: { app: "tail://LOGS/app.log*" }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", roll: { size: 1MB, idle: 200ms } } }
`;

describe('up --once', () => {
  it('delivers each line once, run after run, and says so in a balanced ledger', async () => {
    writeConfig(plain.replace('LOGS', folder));
    writeFileSync(join(folder, 'app.log'), numbered(0, 20_000));
    const first = await tailrace('up', '--once', '--json');
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout.trim().split('\n').at(-1)!)).toMatchObject({ balanced: true });
    expect(published('out')).toBe(numbered(0, 20_000));

    appendFileSync(join(folder, 'app.log'), numbered(20_000, 20_010) + 'no newline at the end');
    const second = await tailrace('up', '--once', '--json');
    expect(second.code, second.stderr).toBe(0);
    expect(published('out')).toBe(numbered(0, 20_010) + 'no newline at the end\n');

    renameSync(join(folder, 'app.log'), join(folder, 'app.log.1'));
    writeFileSync(join(folder, 'app.log'), numbered(20_010, 20_020));
    const third = await tailrace('up', '--once');
    expect(third.code, third.stderr).toBe(0);
    expect(third.stdout).toMatch(/balanced/);
    const all = numbered(0, 20_010) + 'no newline at the end\n' + numbered(20_010, 20_020);
    expect(published('out')).toBe(all);

    const fourth = await tailrace('up', '--once');
    expect(fourth.code, fourth.stderr).toBe(0);
    expect(published('out')).toBe(all);
  });

  it('counts what is dropped by rule and what goes to the dead letters', async () => {
    writeConfig(`
agents: { app: "tail://${folder}/app.log" }
pipelines: { services: { from: app, steps: [ { parse: json }, { drop: level == "debug" } ], to: files } }
sinks: { files: "file:out/{partition}-{offset}.ndjson" }
`);
    writeFileSync(
      join(folder, 'app.log'),
      '{"level":"info","n":1}\n{"level":"debug","n":2}\nnot json\n{"level":"error","n":3}\n',
    );
    const result = await tailrace('up', '--once', '--json');
    expect(result.code, result.stderr).toBe(0);
    const ledger = JSON.parse(result.stdout.trim().split('\n').at(-1)!) as {
      balanced: boolean;
      edges: Record<string, unknown>[];
    };
    expect(ledger.balanced).toBe(true);
    expect(ledger.edges[0]).toMatchObject({ in: 4, out: 2, dropped: 1, dead: 1 });
    expect(published('out')).toBe('{"level":"info","n":1}\n{"level":"error","n":3}\n');
  });
});

describe('up', () => {
  it('follows rotation, answers the verbs, and stops on SIGTERM', async () => {
    writeConfig(plain.replace('LOGS', folder));
    writeFileSync(join(folder, 'app.log'), numbered(0, 100));
    const up = start(['up'], { cwd: folder });
    await until('ready', () => up.stdout.includes('look '));
    await until(
      '100 lines are out',
      () => readdirSync(folder).includes('out') && published('out') === numbered(0, 100),
    );
    renameSync(join(folder, 'app.log'), join(folder, 'app.log.1'));
    appendFileSync(join(folder, 'app.log.1'), numbered(100, 110));
    appendFileSync(join(folder, 'app.log'), numbered(110, 200));
    await until('200 lines are out', () => published('out').split('\n').length === 201);
    expect(published('out').split('\n').toSorted()).toEqual(numbered(0, 200).split('\n').toSorted());

    const list = await tailrace('topics', 'list', ...broker());
    expect(list.stdout).toMatch(/app\s+1/);
    expect((await tailrace('topics', 'create', 'greetings', '--partitions', '2', ...broker())).code).toBe(0);
    const produced = await run(['produce', 'greetings', ...broker()], { cwd: folder, input: 'hello\nworld' });
    expect(produced.code, produced.stderr).toBe(0);
    const consumed = await tailrace('consume', 'greetings', ...broker());
    expect(consumed.stdout.split('\n').toSorted()).toEqual(['', 'hello', 'world']);
    const five = await tailrace('consume', 'app', '--max', '5', ...broker());
    expect(five.stdout).toBe(numbered(0, 5));
    const where = await tailrace('consume', 'app', '--where', 'message.endsWith(" 42")', ...broker());
    expect(where.stdout, where.stderr).toBe('line 42\n');
    const described = await tailrace('topics', 'describe', 'greetings', '--json', ...broker());
    expect(JSON.parse(described.stdout)).toMatchObject({
      topic: 'greetings',
      partitions: [{ partition: 0 }, { partition: 1 }],
    });
    const groups = await tailrace('groups', 'list', ...broker());
    expect(groups.stdout).toMatch(/keep\.files\s+Stable/);
    const lag = await tailrace('groups', 'describe', 'keep.files', '--json', ...broker());
    expect(JSON.parse(lag.stdout.split('\n')[0]!)).toMatchObject({ topic: 'app', lagRecords: 0 });
    const readers = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
    const reader = readers.consumer({ groupId: 'readers' });
    await reader.subscribe({ topic: 'greetings' });
    await reader.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
    await until('what nobody has committed is shown, too', async () => {
      const { stdout } = await tailrace('groups', 'describe', 'readers', ...broker());
      return /greetings +0 +none +\d+ +unknown .*kafkajs/.test(stdout) && /greetings +1 /.test(stdout);
    });
    await reader.disconnect();
    const asked = await tailrace('topics', 'delete', 'greetings', ...broker());
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('say --yes to do it')]);
    expect((await tailrace('topics', 'delete', 'greetings', '--yes', ...broker())).code).toBe(0);
    expect((await tailrace('topics', 'describe', 'greetings', ...broker())).code).toBe(1);

    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
  });

  it('runs a broker when the file has nothing else', async () => {
    writeConfig('');
    const up = start(['up'], { cwd: folder });
    await until('ready', () => up.stdout.includes('broker 127.0.0.1'));
    expect((await run(['produce', 'greetings', ...broker()], { cwd: folder, input: 'hello' })).code).toBe(0);
    expect((await tailrace('consume', 'greetings', ...broker())).stdout).toBe('hello\n');
    expect(up.process.exitCode, up.stderr).toBeNull();
    up.signal('SIGTERM');
    expect(await up.end()).toMatchObject({ code: 0, signal: null });
  });

  it('is refused on a data directory that another process uses', async () => {
    writeConfig(plain.replace('LOGS', folder));
    const up = start(['up'], { cwd: folder });
    await until('ready', () => up.stdout.includes('look '));
    const second = await tailrace('up', '--once');
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/TLR_LOCKED/);
    expect(second.stderr).toContain(String(up.process.pid));
    up.signal('SIGKILL');
    await up.end();
    expect((await tailrace('up', '--once')).code).toBe(0);
  });
});

describe('replay', () => {
  it('takes a topic from its beginning into a new sink, resumes, and is done once', async () => {
    writeConfig(plain.replace('LOGS', folder));
    writeFileSync(join(folder, 'app.log'), numbered(0, 5000));
    const up = start(['up'], { cwd: folder });
    await until('all is out', () => readdirSync(folder).includes('out') && published('out') === numbered(0, 5000));
    const again = ['replay', 'app', '--to', 'file:again/{partition}-{offset}.log', ...broker()];
    const first = await tailrace(...again, '--json');
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout.trim().split('\n').at(-1)!)).toMatchObject({ balanced: true });
    expect(published('again')).toBe(numbered(0, 5000));
    const second = await tailrace(...again);
    expect(second.stderr + second.stdout).toMatch(/--again/);
    expect(published('again')).toBe(numbered(0, 5000));
    const dry = await tailrace(
      'replay',
      'app',
      '--to',
      'file:never/{partition}-{offset}.log',
      '--dry-run',
      ...broker(),
    );
    expect(dry.stdout).toMatch(/5,\d\d\d records/);
    expect(readdirSync(folder)).not.toContain('never');
    up.signal('SIGINT');
    expect((await up.end()).code).toBe(0);
    expect(published('out')).toBe(numbered(0, 5000));
  });
});

describe('a job in YAML', () => {
  it('replays a topic to where it ends now, ends by itself, and is done once', async () => {
    writeFileSync(join(folder, 'app.log'), numbered(0, 1000));
    writeConfig(plain.replace('LOGS', folder));
    expect((await tailrace('up', '--once')).code).toBe(0);
    const job = `
topics: { app: {} }
pipelines: { again: { from: app, until: now, to: files } }
sinks: { files: "file:again/{partition}-{offset}.log" }
`;
    writeConfig(job, 'job.yaml');
    for (let time = 0; time < 2; time++) {
      const result = await tailrace('up', 'job.yaml');
      expect(result.code, result.stderr).toBe(0);
      expect(published('again')).toBe(numbered(0, 1000));
    }
  });
});

describe('pipe', () => {
  it('is a one-liner that resumes', async () => {
    writeFileSync(join(folder, 'a.log'), numbered(0, 10));
    const args = ['pipe', 'a.log', '--to', 'file:out/{partition}-{offset}.log', '--once'];
    const first = await tailrace(...args);
    expect(first.code, first.stderr).toBe(0);
    appendFileSync(join(folder, 'a.log'), numbered(10, 20));
    expect((await tailrace(...args)).code).toBe(0);
    expect(published('out')).toBe(numbered(0, 20));
    const config = await tailrace(...args, '--print-config');
    expect(config.stdout).toMatch(/pipelines:/);
  });

  it('takes lines from a file into standard output', async () => {
    writeFileSync(join(folder, 'a.log'), '{"a":1}\n{"a":2}\n');
    const result = await tailrace(
      'pipe',
      'a.log',
      '--parse',
      'json',
      '--drop',
      'a == 1',
      '--to',
      'stdout:',
      '--once',
      '--json',
    );
    expect(result.code, result.stderr).toBe(0);
    expect(result.stdout.split('\n')[0]).toBe('{"a":2}');
  });
});

describe('the newcomer', () => {
  it('gets npm’s logs of finished runs, each line once, from examples/start.yaml', async () => {
    const logs = join(folder, 'npm', '_logs');
    mkdirSync(logs, { recursive: true });
    const lines = ['0 verbose cli node npm', '1 info using npm@11', '2 silly ', 'a line that looks different'];
    writeFileSync(join(logs, '2026-01-01T00_00_00_000Z-debug-0.log'), lines.join('\n') + '\n');
    writeFileSync(join(logs, '2026-01-01T00_00_01_000Z-debug-0.log'), '0 info still being written\n');
    const yaml = readFileSync(join(root, 'examples', 'start.yaml'), 'utf8').replace(
      'data: ./tailrace-data',
      `broker: { listen: "127.0.0.1:${port}" }`,
    );
    writeFileSync(join(folder, 'start.yaml'), yaml);
    const env = {
      npm_config_cache: join(folder, 'npm'),
      HOME: folder,
      TAILRACE_NPM_LOG: '2026-01-01T00_00_01_000Z-debug-0.log',
    };
    const result = await run(['up', 'start.yaml', '--once'], { cwd: folder, env });
    expect(result.code, result.stderr).toBe(0);
    expect(published('out/npm')).toBe(
      '{"number":0,"level":"verbose","message":"cli node npm"}\n{"number":1,"level":"info","message":"using npm@11"}\n' +
        '{"number":2,"level":"silly","message":""}\na line that looks different\n',
    );
  });
});
