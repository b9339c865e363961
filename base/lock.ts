// The lock of a data directory: one process at a time, and nothing to clean up after kill -9.
//
// On Linux the lock is an abstract Unix socket named after the directory's device and inode: the kernel gives it back when the process dies.
// Beside it stands the file `.lock` ("pid start boot-id host", one line), which names the owner in messages, and is the lock itself where
// there are no abstract sockets or where the other process lives in another network namespace: an owner counts as alive only when a process of
// that pid runs with the same start time on the same boot.
import * as fs from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
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

function readOrEmpty(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; empty where there is no /proc. The name in field 2 may hold spaces. */
function processStartTime(pid: number): string {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function bootId(): string {
  return readOrEmpty('/proc/sys/kernel/random/boot_id').trim();
}

function readOwner(path: string): Owner | undefined {
  const [pid, startTime, boot, host] = readOrEmpty(path).trimEnd().split(' ');
  if (pid === undefined || !/^\d+$/.test(pid) || startTime === undefined) return undefined;
  return { pid: Number(pid), startTime, bootId: boot ?? '', host: host ?? '' };
}

function isAlive(owner: Owner): boolean {
  if (owner.bootId !== bootId()) return false;
  const startTime = processStartTime(owner.pid);
  if (startTime !== '' || owner.startTime !== '') return startTime === owner.startTime;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The pid of the living process of this machine that holds the lock of `directory`; undefined when there is none. */
export function lockHolder(directory: string): number | undefined {
  const owner = readOwner(join(directory, '.lock'));
  return owner !== undefined && isAlive(owner) ? owner.pid : undefined;
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

/**
 * Takes the lock of `directory`, which must exist. Throws TailraceError TLR_LOCKED, naming the other process, when it is held; this process
 * itself counts as another one when it holds the lock already.
 */
export async function acquireLock(directory: string): Promise<Lock> {
  const path = join(directory, '.lock');
  const identity = fs.statSync(directory, { bigint: true });
  let server: Server | undefined;
  try {
    server = await listenAbstract(`tailrace:${identity.dev.toString()}:${identity.ino.toString()}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw lockedError(directory, readOwner(path));
    throw error;
  }
  const closeServer = () =>
    new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  const owner = readOwner(path);
  // With the socket ours, a file that names this very process is a leftover of an earlier lock in it.
  if (owner !== undefined && isAlive(owner) && !(owner.pid === process.pid && server !== undefined)) {
    await closeServer();
    throw lockedError(directory, owner);
  }
  const temporary = `${path}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, `${process.pid} ${processStartTime(process.pid)} ${bootId()} ${hostname()}\n`, {
    mode: 0o600,
  });
  fs.renameSync(temporary, path);
  return {
    async release() {
      fs.rmSync(path, { force: true });
      await closeServer();
    },
  };
}
