// Dead letters as a user meets them: bad lines → `dlq list` says why → the file is mended → `dlq retry`, killed in the middle and started again → each is there once.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BulkStore } from '../support/bulk-store.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;
let store: BulkStore | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-dlq-'));
  port = await freePort();
});
afterEach(async () => {
  await endAll();
  await store?.stop();
  store = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const dlq = (...args: string[]) => run(['dlq', ...args, '--broker', `127.0.0.1:${port}`], { cwd: folder });

function configure(steps: string): void {
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: "tail://${folder}/logs/*.log" }
pipelines: { web: { from: app, steps: [ ${steps} ], to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.ndjson", roll: { size: 20KB, idle: 100ms } } }
`,
  );
}

function published(): string[] {
  let names: string[];
  try {
    names = readdirSync(join(folder, 'out'));
  } catch {
    return [];
  }
  const visible = names.filter((name) => !name.startsWith('.'));
  return visible.flatMap((name) =>
    readFileSync(join(folder, 'out', name), 'utf8')
      .split('\n')
      .slice(0, -1),
  );
}

interface ListedGroup {
  group: string;
  count: number;
  reason: string;
}

async function listed(): Promise<ListedGroup[]> {
  const { stdout, stderr, code } = await dlq('list', '--json');
  expect(code, stderr).toBe(0);
  const lines = stdout.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as ListedGroup);
}

it('lists, mends, retries through kill -9, and drops', async () => {
  const bad = Array.from({ length: 4000 }, (_, index) => `level=info n=${index} ${'x'.repeat(100)}`);
  const good = Array.from({ length: 1000 }, (_, index) => `{"level":"info","n":"${4000 + index}"}`);
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'logs', 'a.log'), [...bad, ...good, 'neither'].join('\n') + '\n');
  configure('{ parse: json }');
  const up = start(['up'], { cwd: folder });
  await until('the good lines', () => published().length === 1000);
  await until('the dead letters', async () => (await listed()).reduce((sum, { count }) => sum + count, 0) === 4001);
  const shown = await dlq('list');
  expect(shown.stdout).toMatch(/web\.files/);
  expect(shown.stdout).toMatch(/step parse at .*tailrace\.yaml:4:\d+/);
  expect((await dlq('show', 'web', '--max', '1')).stdout).toContain('level=info n=0');

  expect((await dlq('retry', 'web')).stdout).toMatch(/4,001 tried again = 0 delivered .* 4,001 dead letters again/);
  configure(`{ parse: kv, when: 'message.contains("level=")' }, { parse: json, when: '!message.contains("level=")' }`);
  const check = await run(['check', 'tailrace.yaml'], { cwd: folder });
  expect(check.code, check.stderr).toBe(0);
  const killed = start(['dlq', 'retry', 'web', '--broker', `127.0.0.1:${port}`], { cwd: folder });
  await until('the first of them', () => published().length > 1000 || killed.process.exitCode !== null);
  killed.signal('SIGKILL');
  await killed.end();
  const retried = await dlq('retry', 'web');
  expect(retried.stdout, retried.stderr).toMatch(/delivered/);
  const left = await listed();
  expect(left).toMatchObject([{ count: 1 }]);
  const numbers = published().map((line) => Number((JSON.parse(line) as { n: string }).n));
  expect(numbers.sort((one, other) => one - other)).toEqual(Array.from({ length: 5000 }, (_, index) => index));

  const asked = await dlq('drop', 'web', '--group', left[0]!.group);
  expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('--yes')]);
  expect((await dlq('drop', 'web', '--group', left[0]!.group, '--yes')).stdout).toContain('web.files: 1 dropped');
  expect(await listed()).toEqual([]);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
  const names = readdirSync(join(folder, 'out'));
  expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
});

it('mends a mapping conflict in a store: the document gets the id it would have had', async () => {
  const started = (store = await BulkStore.start());
  const { documents } = started;
  const conflict = { type: 'document_parsing_exception', reason: "failed to parse field [n] of type [long]: 'many'" };
  started.reactToItem = ({ document }) => (document['n'] === 'many' ? { status: 400, error: conflict } : undefined);
  const configure = (steps: string) =>
    writeFileSync(
      join(folder, 'tailrace.yaml'),
      `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: "tail://${folder}/logs/*.log" }
pipelines: { web: { from: app, steps: [ { parse: json }${steps} ], to: store } }
sinks: { store: "elasticsearch://127.0.0.1:${started.port}/app" }
`,
    );
  mkdirSync(join(folder, 'logs'));
  const lines = Array.from({ length: 1000 }, (_, index) => JSON.stringify({ n: index === 500 ? 'many' : index }));
  writeFileSync(join(folder, 'logs', 'a.log'), lines.join('\n') + '\n');
  configure('');
  const up = start(['up'], { cwd: folder });
  await until('the good ones', () => documents.size === 999);
  await until('the bad one', async () => (await listed()).length === 1);
  expect(await listed()).toMatchObject([
    { edge: 'web.store', count: 1, refusedBy: 'sink store', sample: { origin: 'app/0/500', value: '{"n":"many"}' } },
  ]);
  configure(`, { set: { n: '500' }, when: 'n == "many"' }`);
  const retried = await dlq('retry', 'web');
  expect(retried.stdout, retried.stderr).toContain('1 tried again = 1 delivered');
  expect(await listed()).toEqual([]);
  expect(documents.size).toBe(1000);
  // A replay with the same steps makes the same ids: all are there already.
  const again = ['replay', 'app', '--to', 'store', '--steps', 'web', '-c', 'tailrace.yaml'];
  const replayed = await run([...again, '--broker', `127.0.0.1:${port}`], { cwd: folder });
  expect(replayed.stdout, replayed.stderr).toContain('0 delivered + 1,000 already there');
  const numbers = [...documents.values()].map(({ n }) => Number(n));
  expect(numbers.sort((one, other) => one - other)).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  up.signal('SIGTERM');
  await up.end();
});
