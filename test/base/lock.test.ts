// The lock of a data directory: held once, named, and free after kill -9.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { acquireLock, lockHolder } from '../../base/lock.ts';

let directory: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tailrace-lock-'));
});

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** For node's command line: takes the lock, with so much memory, and keeps it until it is killed. */
function holding(megabytes = 0): string[] {
  const lockPath = new URL('../../base/lock.ts', import.meta.url).href;
  const script = `const { acquireLock } = await import(${JSON.stringify(lockPath)});
    const ballast = Buffer.alloc(${megabytes} * 1024 * 1024, 1);
    await acquireLock(${JSON.stringify(directory)});
    process.stdout.write(String(process.pid));
    setInterval(() => ballast.length, 1_000_000);`;
  return ['--input-type=module', '-e', script];
}

/** Another process that takes the lock and keeps it until it is killed. */
async function holdElsewhere(megabytes?: number): Promise<ChildProcess> {
  child = spawn(process.execPath, holding(megabytes), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return child;
}

it('is refused while another process holds it, and the message names that process', async () => {
  const holder = await holdElsewhere();
  await expect(acquireLock(directory)).rejects.toMatchObject({
    code: 'TLR_LOCKED',
    message: expect.stringContaining(`process ${holder.pid}`) as string,
  });
});

it('is free as soon as the other process is gone, even by kill -9', async () => {
  const holder = await holdElsewhere();
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(existsSync(join(directory, '.lock'))).toBe(true);
  const lock = await acquireLock(directory);
  expect(readFileSync(join(directory, '.lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `));
  await lock.release();
  expect(existsSync(join(directory, '.lock'))).toBe(false);
});

it('is taken by who asks while the kernel still takes the killed process apart', async () => {
  for (let round = 0; round < 3; round++) {
    const holder = await holdElsewhere(200);
    holder.kill('SIGKILL');
    await (await acquireLock(directory)).release();
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit');
  }
});

it('is free although nobody has asked for the exit code of the killed process', async () => {
  // The shell becomes a program that knows nothing of its children.
  child = spawn('sh', ['-c', '"$0" "$@" & exec sleep 60', process.execPath, ...holding()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [data] = (await once(child.stdout!, 'data')) as [Buffer];
  const pid = Number(data.toString());
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), { timeout: 30_000 }).toContain(') Z ');
  expect(lockHolder(directory)).toBeUndefined();
  await (await acquireLock(directory)).release();
});

it('is not held twice by one process, and can be taken again after release', async () => {
  const lock = await acquireLock(directory);
  await expect(acquireLock(directory)).rejects.toMatchObject({ code: 'TLR_LOCKED' });
  await lock.release();
  await (await acquireLock(directory)).release();
});

it.each(['', 'nonsense', '1 0 another-boot host', `${process.pid} 12345 x host`])(
  'is not held by a file that names nobody alive: %j',
  async (content) => {
    writeFileSync(join(directory, '.lock'), content);
    await (await acquireLock(directory)).release();
  },
);

it('tells which living process holds it, and never one that is gone', async () => {
  expect(lockHolder(directory)).toBeUndefined();
  const holder = await holdElsewhere();
  expect(lockHolder(directory)).toBe(holder.pid);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(lockHolder(directory)).toBeUndefined();
  // A process that has the pid of the owner but was started at another time is somebody else: it must not be signalled.
  const lock = await acquireLock(directory);
  const [pid, , ...rest] = readFileSync(join(directory, '.lock'), 'utf8').split(' ');
  writeFileSync(join(directory, '.lock'), [pid, '1', ...rest].join(' '));
  expect(lockHolder(directory)).toBeUndefined();
  await lock.release();
});
