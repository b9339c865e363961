// `tailrace audit` on the real command: beside a running process and after it, through a kill -9 and rotation; what is taken away on purpose is named, and the
// command that it prints brings it back.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AuditResult } from '../../pipelines/audit/findings.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';

let folder: string;
let port: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-audit-'));
  port = await freePort();
  mkdirSync(join(folder, 'logs'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const tailrace = (...args: string[]) => run(args, { cwd: folder });
const numbered = (from: number, to: number) =>
  Array.from(
    { length: to - from },
    (_, index) => `{"n":${from + index},"level":"${index % 10 === 3 ? 'debug' : 'info'}"}\n`,
  ).join('');
const published = () =>
  readdirSync(folder).includes('out') ? readdirSync(join(folder, 'out')).filter((name) => !name.startsWith('.')) : [];
const publishedLines = () =>
  published().reduce((sum, name) => sum + readFileSync(join(folder, 'out', name), 'utf8').split('\n').length - 1, 0);

async function audit(...args: string[]): Promise<{ code: number | null; result: AuditResult }> {
  const { code, stdout, stderr } = await tailrace('audit', '--json', ...args);
  if (!stdout.startsWith('{')) throw new Error(stderr);
  return { code, result: JSON.parse(stdout) as AuditResult };
}

function configure(): void {
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: { type: tail, paths: [ "${folder}/logs/*.log*" ], to: app } }
pipelines:
  keep: { from: app, steps: [ { parse: json }, { drop: level == "debug" } ], to: files }
  copies: { from: app, to: [ "topic:copy", all ] }
sinks:
  files: { type: file, path: "out/{partition}-{offset}.ndjson", roll: { size: 4kB, idle: 100ms } }
  all: { type: file, path: "all.log" }
`,
  );
}

it('adds up through a kill -9 and rotation; a published file that is removed is named, and the command it prints brings it back', async () => {
  configure();
  const log = join(folder, 'logs', 'app.log');
  writeFileSync(log, numbered(0, 3000));
  const killed = start(['up'], { cwd: folder });
  await until('some is published', () => publishedLines() > 500);
  killed.signal('SIGKILL');
  await killed.end();
  renameSync(log, `${log}.1`);
  writeFileSync(log, numbered(3000, 4000));
  const up = start(['up'], { cwd: folder });
  await until('all is published', () => publishedLines() === 3600, 40_000);
  writeFileSync(`${log}.2.gz`, gzipSync(readFileSync(`${log}.1`)));
  rmSync(`${log}.1`);
  renameSync(log, `${log}.1`);
  writeFileSync(log, numbered(4000, 4100));
  await until('the rest is published', () => publishedLines() === 3690, 40_000);
  await until(
    'the other edge is there',
    () =>
      readdirSync(folder).includes('all.log') &&
      readFileSync(join(folder, 'all.log'), 'utf8').split('\n').length === 4101,
  );

  const whole = await audit();
  expect(whole.result.problems).toEqual([]);
  expect(whole.code).toBe(0);
  expect(whole.result.agents).toMatchObject([{ agent: 'app', records: 4100, balanced: true }]);
  expect(whole.result.edges.map(({ edge, read, delivered, dropped }) => ({ edge, read, delivered, dropped }))).toEqual([
    { edge: 'keep.files', read: 4100, delivered: 3690, dropped: 410 },
    { edge: 'copies.copy', read: 4100, delivered: 4100, dropped: 0 },
    { edge: 'copies.all', read: 4100, delivered: 4100, dropped: 0 },
  ]);

  const victim = published().at(-1);
  const content = readFileSync(join(folder, 'out', victim!));
  rmSync(join(folder, 'out', victim!));
  const broken = await audit();
  expect(broken.code).toBe(1);
  expect(broken.result.problems).toHaveLength(1);
  const [problem] = broken.result.problems;
  expect(problem).toMatchObject({ who: 'keep.files', kind: 'published', where: join(folder, 'out', victim!) });
  const [{ from, to } = { from: 0, to: 0 }] = problem!.ranges;
  expect(from).toBe(Number(victim!.split(/[-.]/)[1]));
  const text = await tailrace('audit');
  expect(text.code).toBe(1);
  expect(text.stdout).toContain(`✗ keep.files  app/0 offsets ${from}–${to - 1}`);
  expect(text.stdout).toContain('NOT balanced');

  const [, ...words] = problem!.remedy!.split(' ');
  const mended = await tailrace(...words);
  expect(mended.code, mended.stderr).toBe(0);
  expect(readFileSync(join(folder, 'out', victim!))).toEqual(content);
  up.signal('SIGTERM');
  await up.end();
  const after = await audit();
  expect(after.result.problems).toEqual([]);
  expect(after.code).toBe(0);
});

it('names what was cut off an appended file, and what it cannot look at', async () => {
  configure();
  writeFileSync(join(folder, 'logs', 'app.log'), numbered(0, 1000));
  expect((await tailrace('up', '--once')).code).toBe(0);
  truncateSync(join(folder, 'all.log'), 5000);
  const { code, result } = await audit('--edge', 'copies.all');
  expect(code).toBe(1);
  expect(result.problems).toMatchObject([{ who: 'copies.all', ranges: [{ topic: 'app', partition: 0, from: 0 }] }]);
  expect(result.agents).toEqual([]);
  const all = await tailrace('audit');
  expect(all.stdout).toMatch(/app\s+\S+app\.log\s+0–\d+\s+1,000\s+app\/0/);
  const none = await tailrace('audit', '--data', join(folder, 'nowhere'));
  expect(none).toMatchObject({ code: 1 });
  expect(none.stderr).toContain('there is no data directory');
  expect((await tailrace('audit', '--edge', 'keep.nothing')).stderr).toContain('there is no edge keep.nothing');
  expect((await tailrace('audit', '--from', 'earliest')).code).toBe(2);
});
