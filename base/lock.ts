// The lock of a data directory: one process at a time, and nothing to clean up after kill -9.
//
// On Linux the lock is an abstract Unix socket named after the directory's device and inode: the kernel gives it back when the process dies.
// Beside it stands the file `.lock` ("pid start boot-id host", one line), which names the owner in messages, and is the lock itself where
// there are no abstract sockets or where the other process lives in another network namespace: an owner counts as alive only when a process of
// that pid runs with the same start time on the same boot. One that was killed is dead although nobody has asked for its exit code yet (a zombie keeps
// its entry in /proc); one that the kernel is still taking apart may still be writing, and is waited for.
import * as fs from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sleep, systemClock } from './clock.ts';
import { TailraceError } from './errors.ts';

/** A lock that is held. */
export interface Lock {
  release(): Promise<void>;
}

interface Owner {
  pid: number;
  startTime: string;
  bootId: string;
  host: string;
}

type Life = 'alive' | 'dying' | 'gone';

function readOrEmpty(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** From field 3 of /proc/PID/stat on; empty where there is no /proc, or no such process. The name in field 2 may hold spaces. */
function processStat(pid: number): string[] {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  return stat === '' ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Field 22, in clock ticks since boot. */
function processStartTime(pid: number): string {
  return processStat(pid)[19] ?? '';
}

/** Of a process that is there: a zombie is gone but for its exit code, unless threads of it are left. */
function lifeOf(pid: number): Life {
  const [state = '', , , , , , flags = ''] = processStat(pid);
  const isOver = state === 'Z' || state === 'X';
  if (isOver && countThreads(pid) <= 1) return 'gone';
  return isOver || (Number(flags) & exitingFlag) !== 0 || hasBeenKilled(pid) ? 'dying' : 'alive';
}

/** PF_EXITING of the kernel, in field 9. */
const exitingFlag = 0x4;

function countThreads(pid: number): number {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

/** Whether SIGKILL is on its way to the process. */
function hasBeenKilled(pid: number): boolean {
  const pending = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? '0';
  return (BigInt(`0x${pending}`) & (1n << 8n)) !== 0n;
}

function bootId(): string {
  return readOrEmpty('/proc/sys/kernel/random/boot_id').trim();
}

function readOwner(path: string): Owner | undefined {
  const [pid, startTime, boot, host] = readOrEmpty(path).trimEnd().split(' ');
  if (pid === undefined || !/^\d+$/.test(pid) || startTime === undefined) return undefined;
  return { pid: Number(pid), startTime, bootId: boot ?? '', host: host ?? '' };
}

function ownerLife(owner: Owner | undefined): Life {
  if (owner === undefined || owner.bootId !== bootId()) return 'gone';
  const startTime = processStartTime(owner.pid);
  if (startTime !== '' || owner.startTime !== '') return startTime === owner.startTime ? lifeOf(owner.pid) : 'gone';
  try {
    process.kill(owner.pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'alive' : 'gone';
  }
}

/** The pid of the living process of this machine that holds the lock of `directory`; undefined when there is none. */
export function lockHolder(directory: string): number | undefined {
  const owner = readOwner(join(directory, '.lock'));
  return ownerLife(owner) === 'alive' ? owner?.pid : undefined;
}

/** Undefined where the platform has no abstract sockets. Rejects with EADDRINUSE when another process listens. */
async function listenAbstract(name: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(`\0${name}`, resolve);
  });
  server.unref();
  return server;
}

function lockedError(directory: string, owner: Owner | undefined): TailraceError {
  const who =
    owner === undefined ? 'another process' : `process ${owner.pid}${owner.host === '' ? '' : ` on ${owner.host}`}`;
  return new TailraceError('TLR_LOCKED', `the data directory ${directory} is in use by ${who}`);
}

/** How long the kernel may take to end a process that was killed: it gives back its memory first. */
const dyingMs = 10_000;
const dyingLookMs = 10;

/** The socket, undefined where there are none; or who has the lock. */
async function tryToTake(directory: string): Promise<{ server: Server | undefined } | { life: Life; owner?: Owner }> {
  const path = join(directory, '.lock');
  const identity = fs.statSync(directory, { bigint: true });
  let server: Server | undefined;
  let isTaken = false;
  try {
    server = await listenAbstract(`tailrace:${identity.dev.toString()}:${identity.ino.toString()}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    isTaken = true;
  }
  const owner = readOwner(path);
  const life = ownerLife(owner);
  // With the socket ours, a file that names this very process is a leftover of an earlier lock in it.
  const isFree = !isTaken && (life === 'gone' || (owner?.pid === process.pid && server !== undefined));
  if (isFree) return { server };
  await closeServer(server);
  return { life, ...(owner === undefined ? {} : { owner }) };
}

function closeServer(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
}

/**
 * Takes the lock of `directory`, which must exist. Throws TailraceError TLR_LOCKED, naming the other process, when it is held; this process
 * itself counts as another one when it holds the lock already.
 */
export async function acquireLock(directory: string): Promise<Lock> {
  let taken = await tryToTake(directory);
  // Taken by somebody who is not alive: the kernel has not let go of it yet, or somebody has just taken it, and will say so.
  for (
    let waitedMs = 0;
    !('server' in taken) && taken.life !== 'alive' && waitedMs < dyingMs;
    waitedMs += dyingLookMs
  ) {
    await sleep(systemClock, dyingLookMs);
    taken = await tryToTake(directory);
  }
  if (!('server' in taken)) throw lockedError(directory, taken.owner);
  const { server } = taken;
  const path = join(directory, '.lock');
  const temporary = `${path}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, `${process.pid} ${processStartTime(process.pid)} ${bootId()} ${hostname()}\n`, {
    mode: 0o600,
  });
  fs.renameSync(temporary, path);
  return {
    async release() {
      fs.rmSync(path, { force: true });
      await closeServer(server);
    },
  };
}
