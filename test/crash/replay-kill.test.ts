// A replay that is killed with -9 again and again goes on where it was: the new sink has each record once, and the live pipeline does not notice.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';

const lineCount = 200_000;
let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-replay-'));
  port = await freePort();
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

function published(directory: string): string {
  const path = join(folder, directory);
  if (!existsSync(path)) return '';
  const names = readdirSync(path).filter((name) => !name.startsWith('.'));
  return names
    .toSorted()
    .map((name) => readFileSync(join(path, name), 'utf8'))
    .join('');
}

it('delivers each record once although it was killed three times', async () => {
  const text = Array.from({ length: lineCount }, (_, line) => `line ${line} ${'z'.repeat(line % 120)}\n`).join('');
  writeFileSync(join(folder, 'app.log'), text);
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${port}" }
agents: { app: "tail://${folder}/app.log" }
pipelines: { keep: { from: app, to: live } }
sinks:
  live: { type: file, path: "live/{partition}-{offset}.log", roll: { size: 4MB, idle: 300ms } }
  again: { type: file, path: "again/{partition}-{offset}.log", roll: { size: 1MB } }
`,
  );
  const up = start(['up'], { cwd: folder });
  await until('the live pipeline is done', () => published('live').length === text.length, 60_000);

  const replay = ['replay', 'app', '--to', 'again', '-c', 'tailrace.yaml', '--broker', `127.0.0.1:${port}`];
  let before = 0;
  for (let kill = 1; kill <= 3; kill++) {
    const killed = start([...replay, '--rate', '6MB/s'], { cwd: folder });
    await until('it has got on', () => published('again').length > before, 60_000);
    killed.signal('SIGKILL');
    await killed.end();
    before = published('again').length;
    expect(before).toBeLessThan(text.length);
  }
  const last = await run([...replay, '--json'], { cwd: folder });
  expect(last.code, last.stderr).toBe(0);
  expect(JSON.parse(last.stdout.trim().split('\n').at(-1)!)).toMatchObject({ outcome: 'done', balanced: true });
  expect(published('again')).toBe(text);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
  expect(published('live')).toBe(text);
});
