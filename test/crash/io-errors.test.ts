// Calls to the system that fail: strace makes a sync, a write, a rename or a read of a real `tailrace up` answer EIO or ENOSPC. What the log can no longer
// trust ends the process with a clear message; what only lacks room, or concerns a sink, goes on by itself. Either way every line is out exactly
// once in the end. Needs strace and the right to trace.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder } from '../../base/lock.ts';
import { endAll, freePort, run, type RunningCommand, start, until } from '../support/command.ts';
import { countLines } from '../support/numbered-lines.ts';

const probe = spawnSync('strace', ['-qq', '-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO:when=1', 'true']);
const reason = probe.error !== undefined ? 'no strace' : probe.status === 0 ? undefined : 'tracing is not allowed';
const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

const lineCount = 60_000;
const segment = '00000000000000000000';
const written = Array.from(
  { length: lineCount },
  (_, line) => `line ${String(line).padStart(9, '0')} ${'x'.repeat(80)}\n`,
);
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-errors-'));
  writeFileSync(join(folder, 'app.log'), written.join(''));
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
broker: { listen: "127.0.0.1:${await freePort()}" }
agents: { app: "tail://${folder}/app.log" }
topics: { app: { settings: { segment.bytes: 2000000, max.message.bytes: 200000 } } }
pipelines: { keep: { from: app, to: [ rolled, appended ] } }
sinks:
  rolled: { type: file, path: "${folder}/rolled/{partition}-{offset}.log", roll: { size: 1MB, age: 300ms } }
  appended: { type: file, path: "${folder}/appended/app.log" }
`,
  );
});
afterEach(async () => {
  const pid = lockHolder(join(folder, 'data'));
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs with a fault (strace's `inject`) in the calls on one path. One thread makes them all, so that "the second" means something. */
function startWith(fault: string, path: string): RunningCommand {
  const calls = fault.slice(0, fault.indexOf(':'));
  const options = ['-f', '--seccomp-bpf', '-qq', '-o', join(folder, 'strace'), '-P', join(folder, path)];
  return start(['up', '--data', 'data'], {
    cwd: folder,
    env: { UV_THREADPOOL_SIZE: '1' },
    under: ['strace', ...options, '-e', `trace=${calls}`, '-e', `inject=${fault}`],
  });
}

/** Whether the fault has been met. */
function wasMet(): boolean {
  return readFileSync(join(folder, 'strace'), 'utf8').includes('INJECTED');
}

async function outcome() {
  const count = (name: string) => countLines(join(folder, name), lineCount).catch(() => undefined);
  return { rolled: await count('rolled'), appended: await count('appended') };
}
const whole = { rolled: { lost: 0, doubled: 0 }, appended: { lost: 0, doubled: 0 } };

/** Without faults: everything comes to its end. */
async function finish(): Promise<void> {
  const last = await run(['up', '--data', 'data', '--once', '--json'], { cwd: folder });
  expect(last.code, last.stderr).toBe(0);
  expect(await outcome()).toEqual(whole);
}

describe.skipIf(reason)(`an error of the disk${skipped}`, () => {
  it.each([
    ['the sync of a topic', 'fdatasync:error=EIO:when=2', `app-0/${segment}.log`],
    ['a write to a topic', 'pwrite64,pwritev:error=EIO:when=2', `app-0/${segment}.log`],
    ['the sync of the decisions', 'fdatasync:error=EIO:when=3', `__transaction_state-0/${segment}.log`],
    ['the sync of the positions', 'fdatasync:error=EIO:when=2', `__tailrace_positions-0/${segment}.log`],
    ['the sync of the metadata', 'fdatasync:error=EIO:when=4', 'tailrace-metadata.log'],
    ['the sync of an index', 'fdatasync:error=EIO:when=1', `app-0/${segment}.index`],
    ['the renaming of a checkpoint', 'rename:error=EIO:when=1', 'recovery-point-offset-checkpoint.tmp'],
    ['the sync of the data directory', 'fsync:error=EIO:when=6', ''],
    ['a full disk at a sync', 'fdatasync:error=ENOSPC:when=2', `app-0/${segment}.log`],
  ])('in %s ends the process, which says so; nothing is lost or doubled after it', async (_, fault, path) => {
    const command = startWith(fault, join('data', path));
    const { code, stderr } = await command.end(30_000);
    expect(wasMet(), 'the fault').toBe(true);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('TLR_DISK_FAILED');
    expect(stderr).toMatch(/EIO|ENOSPC/);
    await finish();
  });

  it.each([
    ['no room for a write to a topic', 'pwrite64,pwritev:error=ENOSPC:when=2', `data/app-0/${segment}.log`],
    ['no room for a position', 'pwrite64,pwritev:error=ENOSPC:when=2', `data/__tailrace_positions-0/${segment}.log`],
    ['no room for a checkpoint', 'pwrite64:error=ENOSPC:when=1', 'data/recovery-point-offset-checkpoint.tmp'],
    ['no room for the bytes of a sink', 'pwrite64,pwritev:error=ENOSPC:when=1', 'appended/app.log'],
    ['an error of a write of a sink', 'pwrite64,pwritev:error=EIO:when=1', 'appended/app.log'],
    ['an error of the sync of a sink', 'fdatasync:error=EIO:when=1', 'appended/app.log'],
    ['an error of the naming of a file', 'link:error=EIO:when=1', `rolled/0-${segment}.log`],
    ['an error of the sync of a folder', 'fsync:error=EIO:when=2', 'rolled'],
    ['an error of the reading of a file', 'pread64:error=EIO:when=2', 'app.log'],
  ])('as %s is overcome: it goes on by itself', async (_, fault, path) => {
    const command = startWith(fault, path);
    await until(
      'everything is out',
      async () => {
        expect(command.process.exitCode, command.stderr).toBeNull();
        return isDeepStrictEqual(await outcome(), whole);
      },
      30_000,
    );
    expect(wasMet(), 'the fault').toBe(true);
    // The command is strace: what it runs has the lock.
    process.kill(lockHolder(join(folder, 'data'))!, 'SIGKILL');
    await command.end();
    await finish();
  });
});
