// The real file system behind base/files.ts: file descriptors of node:fs. Promises: write() writes everything or rejects, close() waits for
// the calls under way (a descriptor number is never reused under a reader), and an error keeps Node's `code`.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Files, FileStat, OpenFile, OpenMode } from './files.ts';

const openFlags: Record<OpenMode, string | number> = {
  read: 'r',
  write: 'r+',
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
  'create-new': 'wx+',
};
/** Writes of one call are gathered up to this many buffers (IOV_MAX on Linux). */
const buffersPerWrite = 1024;

function settle<T>(start: (callback: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null) resolve(value as T);
      else reject(error);
    });
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/**
 * Devices that tell when a file was made. Where that is not to be had libuv says 0 or the time of the last change: a device is believed when one of its files was
 * changed after it was made.
 */
const tellingBirth = new Set<bigint>();

function fileStat(stats: fs.BigIntStats): FileStat {
  const { birthtimeNs, ctimeNs, dev } = stats;
  if (birthtimeNs > 0n && birthtimeNs < ctimeNs) tellingBirth.add(dev);
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    sizeBytes: Number(stats.size),
    identity: `${dev.toString()}:${stats.ino.toString()}`,
    modifiedMs: Number(stats.mtimeMs),
    ...(birthtimeNs > 0n && tellingBirth.has(dev) ? { born: birthtimeNs.toString() } : {}),
  };
}

class NodeFile implements OpenFile {
  readonly path: string;
  private readonly descriptor: number;
  private pending = 0;
  private closed = false;
  private onIdle: (() => void) | undefined;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.descriptor = descriptor;
  }

  async size(): Promise<number> {
    return (await this.stat()).sizeBytes;
  }

  async stat(): Promise<FileStat> {
    return fileStat(await this.run<fs.BigIntStats>((done) => fs.fstat(this.descriptor, { bigint: true }, done)));
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const count = await this.run<number>((done) => {
        fs.read(this.descriptor, target, filled, target.length - filled, position + filled, done);
      });
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  readSync(target: Uint8Array, position: number): number {
    this.checkOpen();
    let filled = 0;
    while (filled < target.length) {
      const count = fs.readSync(this.descriptor, target, filled, target.length - filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (let first = 0; first < buffers.length; first += buffersPerWrite) {
      let rest = buffers.slice(first, first + buffersPerWrite).filter((buffer) => buffer.length > 0);
      while (rest.length > 0) {
        const batch = rest;
        const written = await this.run<number>((done) => {
          if (batch.length === 1) fs.write(this.descriptor, batch[0]!, 0, batch[0]!.length, at, done);
          else fs.writev(this.descriptor, batch, at, done);
        });
        at += written;
        rest = withoutFirstBytes(batch, written);
      }
    }
  }

  async sync(): Promise<void> {
    await this.run<undefined>((done) => fs.fdatasync(this.descriptor, done));
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.run<undefined>((done) => fs.ftruncate(this.descriptor, sizeBytes, done));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.pending > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    await settle<undefined>((done) => fs.close(this.descriptor, done));
  }

  private checkOpen(): void {
    if (this.closed) throw Object.assign(new Error(`EBADF: ${this.path} is closed`), { code: 'EBADF' });
  }

  private async run<T>(start: (callback: (error: Error | null, value?: T) => void) => void): Promise<T> {
    this.checkOpen();
    this.pending++;
    try {
      return await settle(start);
    } finally {
      if (--this.pending === 0) this.onIdle?.();
    }
  }
}

function withoutFirstBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  let first = 0;
  while (first < buffers.length && skip >= buffers[first]!.length) skip -= buffers[first++]!.length;
  const rest = buffers.slice(first);
  if (skip > 0) rest[0] = rest[0]!.subarray(skip);
  return rest;
}

/** The machine's file system. */
export const nodeFiles: Files = {
  async open(path, mode, permissions = 0o600) {
    return new NodeFile(path, await settle<number>((done) => fs.open(path, openFlags[mode], permissions, done)));
  },
  readFile: (path) => settle<Buffer>((done) => fs.readFile(path, done)),
  async stat(path) {
    try {
      return fileStat(await settle<fs.BigIntStats>((done) => fs.stat(path, { bigint: true }, done)));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  realPath: (path) => settle<string>((done) => fs.realpath.native(path, done)),
  list: async (directory) => (await settle<string[]>((done) => fs.readdir(directory, done))).sort(),
  async makeDirectory(path, permissions = 0o700) {
    await settle<string | undefined>((done) => fs.mkdir(path, { recursive: true, mode: permissions }, done));
  },
  rename: (from, to) => settle<undefined>((done) => fs.rename(from, to, done)),
  link: (from, to) => settle<undefined>((done) => fs.link(from, to, done)),
  async remove(path) {
    try {
      await settle<undefined>((done) => fs.unlink(path, done));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  },
  removeDirectory: (path) => settle<undefined>((done) => fs.rm(path, { recursive: true, force: true }, done)),
  async syncDirectory(path) {
    const descriptor = await settle<number>((done) => fs.open(path, 'r', done));
    try {
      await settle<undefined>((done) => fs.fsync(descriptor, done));
    } finally {
      await settle<undefined>((done) => fs.close(descriptor, done));
    }
  },
  async space(path) {
    const existing = await nearestExisting(path);
    const stats = await settle<fs.BigIntStatsFs>((done) => fs.statfs(existing, { bigint: true }, done));
    return { freeBytes: Number(stats.bavail * stats.bsize), totalBytes: Number(stats.blocks * stats.bsize) };
  },
};

async function nearestExisting(path: string): Promise<string> {
  let candidate = join(path);
  while ((await nodeFiles.stat(candidate)) === undefined && dirname(candidate) !== candidate) {
    candidate = dirname(candidate);
  }
  return candidate;
}
