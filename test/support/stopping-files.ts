// A file system that stops: after a number of changes every call rejects, as if the process had been killed there. The last write may be torn.
// What was written stays (a killed process leaves the page cache to the system, so syncs are
// counted but not made); power loss is test/support/crash-files.ts.
import type { Files, OpenFile } from '../../base/files.ts';

export class Stopped extends Error {
  constructor() {
    super('stopped here');
  }
}

export class StoppingFiles implements Files {
  /** Changes seen so far. */
  changes = 0;
  private readonly inner: Files;
  private limit: number;

  constructor(inner: Files, limit: number) {
    this.inner = inner;
    this.limit = limit;
  }

  get stopped(): boolean {
    return this.changes > this.limit;
  }

  /** Stops here. */
  stop(): void {
    this.limit = Math.min(this.limit, this.changes - 1);
  }

  async open(path: string, mode: 'read' | 'write' | 'create' | 'create-new', permissions?: number): Promise<OpenFile> {
    const file = await (mode === 'read' || mode === 'write'
      ? this.look(() => this.inner.open(path, mode, permissions))
      : this.change(() => this.inner.open(path, mode, permissions)));
    return {
      path: file.path,
      size: () => this.look(() => file.size()),
      stat: () => this.look(() => file.stat()),
      read: (target, position) => this.look(() => file.read(target, position)),
      readSync: (target, position) => file.readSync(target, position),
      write: (buffers, position) =>
        this.change(
          () => file.write(buffers, position),
          () => file.write([Buffer.concat(buffers).subarray(0, 7)], position),
        ),
      sync: () => this.change(() => Promise.resolve()),
      truncate: (sizeBytes) => this.change(() => file.truncate(sizeBytes)),
      close: () => file.close(),
    };
  }

  readFile(path: string): Promise<Buffer> {
    return this.look(() => this.inner.readFile(path));
  }
  stat(path: string) {
    return this.look(() => this.inner.stat(path));
  }
  realPath(path: string): Promise<string> {
    return this.look(() => this.inner.realPath(path));
  }
  list(directory: string): Promise<string[]> {
    return this.look(() => this.inner.list(directory));
  }
  makeDirectory(path: string, permissions?: number): Promise<void> {
    return this.change(() => this.inner.makeDirectory(path, permissions));
  }
  rename(from: string, to: string): Promise<void> {
    return this.change(() => this.inner.rename(from, to));
  }
  link(from: string, to: string): Promise<void> {
    return this.change(() => this.inner.link(from, to));
  }
  remove(path: string): Promise<void> {
    return this.change(() => this.inner.remove(path));
  }
  removeDirectory(path: string): Promise<void> {
    return this.change(() => this.inner.removeDirectory(path));
  }
  syncDirectory(path: string): Promise<void> {
    return this.change(async () => {
      await this.inner.stat(path);
    });
  }
  space(path: string) {
    return this.inner.space(path);
  }

  private look<T>(action: () => Promise<T>): Promise<T> {
    return this.stopped ? Promise.reject(new Stopped()) : action();
  }

  private async change<T>(action: () => Promise<T>, torn?: () => Promise<unknown>): Promise<T> {
    this.changes++;
    if (!this.stopped) return action();
    if (this.changes === this.limit + 1) await torn?.();
    throw new Stopped();
  }
}
