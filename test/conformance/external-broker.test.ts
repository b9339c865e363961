// `broker: kafka://…` on one real Kafka broker: the whole configuration runs there with the same guarantees, through kill -9 of Tailrace and of the broker; and every
// verb of the command works against it. STORM_KILLS sets the number of kills.
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CommandResult, endAll, freePort, run, start, until } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';
import { canRunRealKafka, type RealCluster, startRealCluster } from '../support/real-kafka.ts';

const kills = Number(process.env['STORM_KILLS'] ?? 2);

describe.skipIf(!canRunRealKafka())('a real Kafka broker', () => {
  let cluster: RealCluster;
  let folder: string;

  beforeAll(async () => {
    cluster = await startRealCluster(1);
  });
  afterAll(() => cluster.stop());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-external-'));
    mkdirSync(join(folder, 'logs'));
  });
  afterEach(async () => {
    await endAll();
    rmSync(folder, { recursive: true, force: true });
  });

  const broker = () => ['--broker', cluster.bootstrap];
  const command = (...args: string[]) => run(args, { cwd: folder });
  const configure = (rest: string) =>
    writeFileSync(join(folder, 'tailrace.yaml'), `broker: kafka://${cluster.bootstrap}\n${rest}`);
  const linesOf = (directory: string): string[] => {
    const names = readdirSync(folder).includes(directory) ? readdirSync(join(folder, directory)) : [];
    const visible = names.filter((name) => !name.startsWith('.')).sort();
    return visible.flatMap((name) =>
      readFileSync(join(folder, directory, name), 'utf8')
        .split('\n')
        .slice(0, -1),
    );
  };
  const json = (result: CommandResult): Record<string, unknown>[] => {
    expect(result.code, result.stderr).toBe(0);
    return result.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  it(`delivers each line once through ${kills} kill -9 and the death of the broker`, async () => {
    configure(`
topics: { storm: { partitions: 3 } }
agents: { app: { type: tail, paths: [ "./logs/app.log*" ], to: storm } }
pipelines:
  pass: { from: storm, to: topic:clean }
  keep: { from: clean, to: files }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", roll: { size: 100KB, age: 300ms } } }
`);
    const writer = new RotatingWriter(join(folder, 'logs', 'app.log'), { pauseMs: 20 });
    const count = () => linesOf('out').length;
    for (let kill = 0; kill < kills; kill++) {
      const up = start(['up', '--log-level', 'error'], { cwd: folder });
      const before = count();
      await until('some lines more', () => count() > before, 60_000);
      up.signal('SIGKILL');
      await up.end();
    }
    const up = start(['up', '--log-level', 'error'], { cwd: folder });
    const before = count();
    await until('some lines more', () => count() > before, 60_000);
    await cluster.nodes[0]!.kill();
    const atKill = writer.written;
    await until('lines while the broker is away', () => writer.written > atKill + 5000, 60_000);
    await cluster.nodes[0]!.start();
    await writer.stop();
    await until('all of them', () => count() >= writer.written, 120_000);
    up.signal('SIGTERM');
    expect((await up.end()).code).toBe(0);
    expect(await countLines(join(folder, 'out'), writer.written)).toEqual({ lost: 0, doubled: 0 });
  }, 300_000);

  it('runs --once, and waits for a broker that is not there yet', async () => {
    writeFileSync(join(folder, 'logs', 'a.log'), 'one\ntwo\n');
    const rest = `
agents: { once: "tail:./logs/*.log" }
pipelines: { copy: { from: once, to: out } }
sinks: { out: { type: file, path: "out/{partition}-{offset}.log", roll: { idle: 100ms } } }
`;
    configure(rest);
    const [ledger] = json(await command('up', '--once', '--json')).slice(-1);
    expect(ledger).toMatchObject({ balanced: true });
    expect(linesOf('out')).toEqual(['one', 'two']);

    const port = await freePort();
    writeFileSync(join(folder, 'late.yaml'), `broker: kafka://127.0.0.1:${port}\n${rest.replaceAll('out', 'late')}`);
    const late = start(['up', 'late.yaml', '--data', 'late-data'], { cwd: folder });
    await until('it says so', () => late.stderr.includes('waiting for the brokers'));
    const other = start(['up', 'other.yaml', '--data', 'other-data'], {
      cwd: writeOther(port),
    });
    await until('its line', () => linesOf('late').length === 2, 60_000);
    for (const each of [late, other]) {
      each.signal('SIGTERM');
      expect((await each.end()).code).toBe(0);
    }
  });

  /** The broker that comes late is a Tailrace. */
  function writeOther(port: number): string {
    writeFileSync(join(folder, 'other.yaml'), `broker: { listen: "127.0.0.1:${port}" }\n`);
    return folder;
  }

  it('is checked', async () => {
    await command('topics', 'create', 'compacted', '--config', 'cleanup.policy=compact', ...broker());
    configure(`
agents: { compacted: "tail:./logs/*.log" }
pipelines: { copy: { from: compacted, to: out } }
sinks: { out: { type: file, path: "out/{partition}-{offset}.log" } }
`);
    const checked = await command('check', '--reach');
    expect(checked.code).toBe(1);
    expect(checked.stdout).toMatch(
      /error topic compacted has cleanup.policy=compact: Kafka takes no lines without keys/,
    );
    const refused = await command('up', '--once');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/TLR_CONFIG/);
    await command('topics', 'alter', 'compacted', '--config', 'cleanup.policy=', ...broker());
    expect((await command('check', '--reach')).code).toBe(0);
    configure(`topics: { wide: { replicas: 3 } }\n`);
    expect((await command('up', '--once')).stderr).toMatch(/INVALID_REPLICATION_FACTOR/);
  });

  it('is served by topics, produce, consume and groups', async () => {
    expect((await command('topics', 'create', 'verbs', '--partitions', '2', ...broker())).stdout).toContain('created');
    const text = Array.from({ length: 20 }, (_, index) => `{"n":${index},"level":"${index % 2 ? 'error' : 'info'}"}\n`);
    const produced = await run(['produce', 'verbs', '--key', 'k', ...broker()], { cwd: folder, input: text.join('') });
    expect(produced.code, produced.stderr).toBe(0);
    const consume = (...args: string[]) => command('consume', 'verbs', ...args, ...broker());
    expect((await consume()).stdout).toBe(text.join(''));
    expect((await consume('--where', 'level == "error"', '--max', '3')).stdout.split('\n')).toHaveLength(4);
    expect((await consume('--from', 'latest', '--until', 'now')).stdout).toBe('');
    expect((await consume('--group', 'readers', '--until', 'now')).stdout).toBe(text.join(''));
    expect((await consume('--group', 'readers', '--until', 'now')).stdout).toBe('');
    expect((await consume('--from', '18')).stdout).toBe(text.slice(18).join(''));
    expect((await consume('--from', '-1h', '--max', '1')).stdout).toBe(text[0]);
    expect((await consume('--from', '2999-01-01T00:00:00Z')).stdout).toBe('');
    const asJson = json(await consume('--json', '--max', '2'));
    expect(asJson).toMatchObject([0, 1].map((offset) => ({ offset, key: 'k', value: text[offset]!.trimEnd() })));
    const following = start(['consume', 'verbs', '--from', 'latest', '--follow', '--max', '1', ...broker()], {
      cwd: folder,
    });
    await until('what is new', async () => {
      await run(['produce', 'later', ...broker()], { cwd: folder, input: 'x\n' });
      await run(['produce', 'verbs', '--key', 'k', ...broker()], { cwd: folder, input: 'new\n' });
      return following.stdout === 'new\n';
    });
    expect((await following.end()).code).toBe(0);

    const [listed] = json(await command('topics', 'list', '--json', ...broker())).filter(
      ({ topic }) => topic === 'verbs',
    );
    expect(listed).toEqual({ topic: 'verbs', partitions: 2, offsets: expect.any(Number) as number });
    await command('topics', 'alter', 'verbs', '--config', 'retention.ms=3600000', ...broker());
    const [described] = json(await command('topics', 'describe', 'verbs', '--json', ...broker()));
    const place = { leader: 1, replicas: [1], inSyncReplicas: [1] };
    expect(described).toMatchObject({
      partitions: [place, place],
      configs: { 'retention.ms': { value: '3600000', isDefault: false } },
    });
    expect((await command('topics', 'describe', 'verbs', ...broker())).stdout).toMatch(/LEADER +REPLICAS +IN SYNC/);

    expect((await command('groups', 'list', ...broker())).stdout).toMatch(/readers +Empty +consumer/);
    const lag = async () =>
      json(await command('groups', 'describe', 'readers', '--json', ...broker())).reduce(
        (sum, { lagRecords }) => sum + Number(lagRecords),
        0,
      );
    const reset = async (to: string, ...more: string[]) => {
      const done = await command('groups', 'reset', 'readers', '--topic', 'verbs', '--to', to, ...more, ...broker());
      expect(done.code, done.stderr).toBe(0);
    };
    const count = Number(listed?.['offsets']);
    await reset('earliest', '--dry-run');
    expect(await lag()).toBe(count - 20);
    await reset('earliest');
    expect(await lag()).toBe(count);
    await reset('-1h');
    expect(await lag()).toBe(count);
    await reset('latest');
    expect(await lag()).toBe(0);
    const [moved] = json(await command('top', '--json', '--interval', '100ms', '--count', '1', ...broker()));
    const topics = expect.arrayContaining([
      expect.objectContaining({ topic: 'verbs', offline: 0, underReplicated: 0 }),
    ]) as unknown;
    const groups = expect.arrayContaining([
      expect.objectContaining({ group: 'readers', members: 0, lag: 0 }),
    ]) as unknown;
    expect(moved).toMatchObject({ brokers: 1, topics, groups });
    expect((await command('groups', 'delete', 'readers', ...broker())).stdout).toContain('deleted');
    expect((await command('topics', 'delete', 'verbs', '--yes', ...broker())).stdout).toContain('deleted');
    await until('it is gone', async () => !(await command('topics', 'list', ...broker())).stdout.includes('verbs'));
  });

  it('is served by replay, dlq, audit and why', async () => {
    writeFileSync(join(folder, 'logs', 'a.log'), '{"n":1}\nno json\n{"n":2}\n');
    const withSteps = (steps: string) =>
      configure(`
agents: { mixed: "tail:./logs/*.log" }
pipelines: { web: { from: mixed, steps: [ ${steps} ], to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.ndjson" } }
`);
    withSteps('{ parse: json }');
    expect((await command('up', '--once')).code).toBe(0);
    expect(linesOf('out')).toEqual(['{"n":1}', '{"n":2}']);
    expect((await command('dlq', 'list', ...broker())).stdout).toMatch(/web\.files/);
    expect((await command('dlq', 'show', 'web', ...broker())).stdout).toContain('no json');
    expect((await command('audit')).stdout).toMatch(/balanced: what was read/);
    const refused = await command('why', 'logs/a.log:2');
    expect(refused.stdout, refused.stderr).toMatch(/web\.files +refused.*\n +✗ web\.dlq\/0\/0 .*the line is not JSON/);
    const delivered = await command('why', 'logs/a.log:3', ...broker());
    expect(delivered.stdout, delivered.stderr).toMatch(/leader 1, in sync 1 of 1\n[^]*→ .*out\/.*\.ndjson:2 +{"n":2}/);
    withSteps(`{ parse: json, on_error: keep }`);
    const retried = await command('dlq', 'retry', 'web', ...broker());
    expect(retried.stdout, retried.stderr).toMatch(/1 delivered/);
    expect(linesOf('out')).toContain('no json');
    appendFileSync(join(folder, 'logs', 'a.log'), '{"n":3}\n');
    expect((await command('up', '--once')).code).toBe(0);

    writeFileSync(join(folder, 'logs', 'b.log'), 'still no json\n');
    withSteps('{ parse: json }');
    expect((await command('up', '--once')).code).toBe(0);
    expect((await command('dlq', 'drop', 'web', ...broker())).code).not.toBe(0);
    const dropped = await command('dlq', 'drop', 'web', '--all', '--yes', ...broker());
    expect(dropped.stdout, dropped.stderr).toMatch(/web\.files: 1 dropped/);
    expect((await command('dlq', 'list', ...broker())).stdout).toContain('no dead letters');
    expect((await command('audit')).code).toBe(0);

    const replay = () => command('replay', 'mixed', '--to', 'file:again/{partition}-{offset}.log', ...broker());
    const done = await replay();
    expect(done.stdout, done.stderr).toMatch(/done: 5 read = 5 delivered/);
    expect(linesOf('again').toSorted()).toEqual(['no json', 'still no json', '{"n":1}', '{"n":2}', '{"n":3}']);
    expect((await replay()).stderr).toMatch(/done already/);
    const part = (directory: string, ...args: string[]) =>
      command('replay', 'mixed', '--to', `file:${directory}/{partition}-{offset}.log`, ...args, ...broker());
    expect((await part('part', '--until', '2', '--dry-run')).stdout).toMatch(/2/);
    expect((await part('part', '--until', '2', '--steps', 'web', '-c', 'tailrace.yaml', '--rate', '1MB/s')).code).toBe(
      0,
    );
    expect(linesOf('part')).toEqual(['{"n":1}']);
    const [ledger] = json(await part('recent', '--from', '-1h', '--again', '--json')).slice(-1);
    expect(ledger).toMatchObject({ balanced: true });
  });
});
