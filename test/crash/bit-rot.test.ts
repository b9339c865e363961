// Bytes that change on the disk after they were written: what is damaged below the recovery point is said, and stands still; everything else works on. With
// the right bytes back, it goes on from where it was.
import {
  readdirSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  writeFileSync,
  writeSync,
  appendFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Ledger } from '../../pipelines/ledger.ts';
import type { AuditResult } from '../../pipelines/audit/findings.ts';
import { endAll, freePort, type RunningCommand, run, start, until } from '../support/command.ts';
import { countLines } from '../support/numbered-lines.ts';

const lineCount = 20_000;
const topics = ['damaged', 'sound'] as const;
let folder: string;
let monitor: string;
let broker: string;

function lines(from: number, to: number): string {
  return Array.from(
    { length: to - from },
    (_, line) => `line ${String(from + line).padStart(9, '0')} ${'x'.repeat(90)}\n`,
  ).join('');
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-rot-'));
  monitor = `127.0.0.1:${await freePort()}`;
  broker = `127.0.0.1:${await freePort()}`;
  for (const topic of topics) writeFileSync(join(folder, `${topic}.log`), lines(0, lineCount));
  const each = (text: (topic: string) => string) => topics.map(text).join(', ');
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
monitor: ${monitor}
broker: { listen: "${broker}" }
agents: { ${each((topic) => `${topic}: "tail://${folder}/${topic}.log"`)} }
topics: { ${each((topic) => `${topic}: { settings: { segment.bytes: 1000000 } }`)} }
pipelines: { ${each((topic) => `${topic}: { from: ${topic}, to: ${topic} }`)} }
sinks: { ${each((topic) => `${topic}: { type: file, path: "${folder}/out/${topic}/{partition}-{offset}.log", roll: { age: 200ms } }`)} }
`,
  );
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true });
});

function up(): RunningCommand {
  return start(['up', '--data', 'data'], { cwd: folder });
}

async function count(topic: string, total: number) {
  return countLines(join(folder, 'out', topic), total).catch(() => ({ lost: total, doubled: 0 }));
}
const whole = { lost: 0, doubled: 0 };

async function page(name: string): Promise<string> {
  return (await fetch(`http://${monitor}/${name}`)).text();
}

/** Changes a few bytes in the middle of a segment and removes its index, which would have been passed over otherwise; a copy of the log is kept. */
function damage(segment: string): void {
  const path = join(folder, 'data', 'damaged-0', segment);
  mkdirSync(join(folder, 'backup'));
  copyFileSync(path, join(folder, 'backup', segment));
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(16, 0xff), 0, 16, 5000);
  closeSync(file);
  rmSync(path.replace('.log', '.index'));
}

it('takes the partition offline, says so, and goes on when the bytes are back', async () => {
  const first = await run(['up', '--data', 'data', '--once'], { cwd: folder });
  expect(first.code, first.stderr).toBe(0);
  const second = up();
  await until('it is up', () => second.stdout.includes('stop'));
  second.signal('SIGKILL');
  await second.end();
  const segment = readdirSync(join(folder, 'data', 'damaged-0')).findLast((name) => name.endsWith('.log'))!;
  damage(segment);
  for (const topic of topics) appendFileSync(join(folder, `${topic}.log`), lines(lineCount, lineCount + 10));

  const broken = up();
  await until('the other topic works', async () => (await count('sound', lineCount + 10)).lost === 0);
  expect(broken.stderr).toMatch(/damaged, partition 0.*checksum.*offline, nothing was cut/);
  const metrics = await page('metrics');
  expect(metrics).toContain('tailrace_log_partitions_offline 1\n');
  expect(metrics).toContain('tailrace_edge_lag_records{edge="sound.sound",topic="sound"} 0');
  expect(JSON.parse(await page('ready'))).toMatchObject({ missing: ['partition damaged-0: offline'] });
  expect(broken.process.exitCode).toBeNull();
  const lag = await run(['groups', 'describe', 'damaged.damaged', '--json', '--broker', broker], { cwd: folder });
  expect(JSON.parse(lag.stdout), lag.stderr).toMatchObject({
    partition: 0,
    end: null,
    lagRecords: null,
    lagSeconds: null,
  });
  const paused = () => broken.stderr.match(/the (agent|edge) pauses.*/g) ?? [];
  await until('agent and edge say so', () => paused().length >= 2, 60_000);
  expect(paused().filter((line) => !/topic damaged, partition 0/.test(line))).toEqual([]);
  expect(paused()).toHaveLength(2);
  expect(broken.stderr).not.toContain('A transaction is aborted');
  const audited = await run(['audit', '--json', '--broker', broker], { cwd: folder });
  expect(audited.code, audited.stderr).toBe(1);
  const audit = JSON.parse(audited.stdout) as AuditResult;
  expect(audit.problems).toMatchObject([{ who: 'damaged', kind: 'offline' }]);
  expect(audit.problems[0]!.what).toContain('partition 0 is offline');
  expect(audit.edges.map(({ edge, balanced }) => [edge, balanced])).toEqual([
    ['damaged.damaged', false],
    ['sound.sound', true],
  ]);
  broken.signal('SIGTERM');
  await broken.end();

  const once = await run(['up', '--data', 'data', '--once', '--json'], { cwd: folder });
  expect(once.code, once.stderr).toBe(1);
  const ledger = JSON.parse(once.stdout) as Ledger;
  expect(ledger.balanced).toBe(false);
  expect(ledger.agents.find(({ agent }) => agent === 'damaged')!.problem).toContain(
    'topic damaged, partition 0: offline',
  );
  expect(ledger.edges.map(({ edge, balanced, problem }) => [edge, balanced, problem])).toEqual([
    ['damaged.damaged', false, 'offline, so not read: topic damaged, partition 0'],
    ['sound.sound', true, undefined],
  ]);

  copyFileSync(join(folder, 'backup', segment), join(folder, 'data', 'damaged-0', segment));
  const mended = await run(['up', '--data', 'data', '--once', '--json'], { cwd: folder });
  expect(mended.code, mended.stderr).toBe(0);
  for (const topic of topics) expect(await count(topic, lineCount + 10), topic).toEqual(whole);
});
