// The log's view of the file system: after the first sync that fails, or the first change that a broken disk refuses, nothing is changed any more. The next
// fsync would answer that all is well although pages were dropped, so whoever tries again believes what is not true. It holds for everything that the log
// keeps: segments, indexes, snapshots, checkpoints, metadata. What only lacks room, or a file that is not there, is an error like any other.
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Files, OpenFile, OpenMode } from '../../base/files.ts';

/** Nothing was changed and nothing is broken: the caller knows what to do. */
const harmlessCodes: ReadonlySet<unknown> = new Set([
  ...['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EBUSY', 'EBADF'],
  ...['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EAGAIN'],
]);
/** Of a write; of a sync it is final: what the kernel has kept of the pages is not known. */
const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

export class FailStopFiles implements Files {
  private readonly inner: Files;
  private readonly onBroken: (error: TailraceError) => void;
  private broken: TailraceError | undefined;

  /** `onBroken` is called once, with the error (TLR_DISK_FAILED) that every change rejects with from then on. */
  constructor(inner: Files, onBroken: (error: TailraceError) => void) {
    this.inner = inner;
    this.onBroken = onBroken;
  }

  async open(path: string, mode: OpenMode, permissions?: number): Promise<OpenFile> {
    const makes = mode === 'create' || mode === 'create-new';
    const open = () => this.inner.open(path, mode, permissions);
    return this.guarded(makes ? await this.change(`making ${path}`, open) : await open());
  }

  makeDirectory(path: string, permissions?: number): Promise<void> {
    return this.change(`making ${path}`, () => this.inner.makeDirectory(path, permissions));
  }

  rename(from: string, to: string): Promise<void> {
    return this.change(`renaming ${from}`, () => this.inner.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.change(`linking ${from}`, () => this.inner.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.change(`removing ${path}`, () => this.inner.remove(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.change(`removing ${path}`, () => this.inner.removeDirectory(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.sync(path, () => this.inner.syncDirectory(path));
  }

  readFile(path: string) {
    return this.inner.readFile(path);
  }

  realPath(path: string) {
    return this.inner.realPath(path);
  }

  stat(path: string) {
    return this.inner.stat(path);
  }

  list(directory: string) {
    return this.inner.list(directory);
  }

  space(path: string) {
    return this.inner.space(path);
  }

  private guarded(file: OpenFile): OpenFile {
    const { path } = file;
    return {
      path,
      size: () => file.size(),
      stat: () => file.stat(),
      read: (target, position) => file.read(target, position),
      readSync: (target, position) => file.readSync(target, position),
      write: (buffers, position) => this.change(`writing ${path}`, () => file.write(buffers, position)),
      sync: () => this.sync(path, () => file.sync()),
      truncate: (sizeBytes) => this.change(`cutting ${path}`, () => file.truncate(sizeBytes)),
      close: () => file.close(),
    };
  }

  private change<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.attempt(what, work, (code) => harmlessCodes.has(code) || fullCodes.has(code));
  }

  private sync(path: string, work: () => Promise<void>): Promise<void> {
    return this.attempt(`the sync of ${path}`, work, (code) => harmlessCodes.has(code));
  }

  private async attempt<T>(what: string, work: () => Promise<T>, isHarmless: (code: unknown) => boolean): Promise<T> {
    if (this.broken !== undefined) throw this.broken;
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && 'code' in error && isHarmless(error.code)) throw error;
      throw this.breaks(what, error);
    }
  }

  private breaks(what: string, error: unknown): TailraceError {
    if (this.broken === undefined) {
      this.broken = new TailraceError('TLR_DISK_FAILED', `${what} failed: ${messageOf(error)}`, { cause: error });
      this.onBroken(this.broken);
    }
    return this.broken;
  }
}
