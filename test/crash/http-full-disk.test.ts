// HTTP in while the disk is full: 503 with Retry-After and nothing stored, and 200 again by itself when there is room. Needs the right to mount (root on
// Linux).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run, start, until } from '../support/command.ts';
import { canMount, mountSmallDisk, resizeSmallDisk, unmount } from '../support/small-disk.ts';

let folder: string;
let disk: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-http-full-'));
  disk = join(folder, 'disk');
  mkdirSync(disk);
});
afterEach(async () => {
  await endAll();
  if (canMount) unmount(disk);
  rmSync(folder, { recursive: true, force: true });
});

it.skipIf(!canMount)('answers 503 and goes on when there is room (skipped where mounting is not allowed)', async () => {
  mountSmallDisk(disk, '32m');
  const [port, brokerPort] = [await freePort(), await freePort()];
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
data: ${disk}/data
max_disk: 1GB
broker: { listen: "127.0.0.1:${brokerPort}" }
agents: { app: "http://127.0.0.1:${port}" }
`,
  );
  const up = start(['up'], { cwd: folder });
  await until('it listens', () => up.stderr.includes('listening'));
  let number = 0;
  const post = (body: string) =>
    fetch(`http://127.0.0.1:${port}/ingest`, { method: 'POST', body, headers: { 'content-type': 'text/plain' } });
  const stored: number[] = [];
  const refused: number[] = [];
  const send = async () => {
    const mine = number++;
    const answer = await post(`${mine} ${'x'.repeat(500_000)}`);
    (answer.status === 200 ? stored : refused).push(mine);
    return answer;
  };
  const full = await until('it refuses', async () => {
    const answer = await send();
    return answer.status === 200 ? undefined : answer;
  });
  expect(full.status).toBe(503);
  expect(full.headers.get('retry-after')).toBe('5');
  expect(stored.length).toBeGreaterThan(5);
  expect((await send()).status).toBe(503);
  expect(up.process.exitCode, up.stderr).toBeNull();

  resizeSmallDisk(disk, '200m');
  await until('it takes lines again', async () => (await send()).status === 200, 40_000);
  const args = ['consume', 'app', '--broker', `127.0.0.1:${brokerPort}`, '--from', 'earliest', '--until', 'now'];
  const { stdout } = await run(args, { cwd: folder });
  const found = stdout
    .trim()
    .split('\n')
    .map((line) => parseInt(line, 10));
  expect(found).toEqual(stored);
  expect(refused.length).toBeGreaterThan(1);
  up.signal('SIGTERM');
  expect((await up.end()).code).toBe(0);
});
