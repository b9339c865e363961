// Lets the system tell when something changes in a folder, so that the next sweep comes at once. Nothing depends on it: where watching is not
// to be had, or for folders beyond the limit, changes are found by looking.
import type { FSWatcher } from 'chokidar';

/** Folders watched at most; each costs a descriptor of the kernel's and a listing in memory. */
const foldersLimit = 64;

export class FolderWatch {
  private readonly wake: () => void;
  private readonly watched = new Set<string>();
  private watcher: FSWatcher | undefined;
  private closed = false;

  constructor(wake: () => void) {
    this.wake = wake;
  }

  /** Watches these folders, as far as there is room, and no others. */
  async follow(folders: ReadonlySet<string>): Promise<void> {
    for (const folder of [...this.watched]) {
      if (folders.has(folder)) continue;
      this.watched.delete(folder);
      this.watcher?.unwatch(folder);
    }
    const added = [...folders].filter((folder) => !this.watched.has(folder));
    const room = added.slice(0, foldersLimit - this.watched.size);
    if (room.length === 0 || this.closed) return;
    for (const folder of room) this.watched.add(folder);
    this.watcher ??= await this.create();
    this.watcher.add(room);
  }

  private async create(): Promise<FSWatcher> {
    const { watch } = await import('chokidar');
    const watcher = watch([], { depth: 0, ignoreInitial: true, ignorePermissionErrors: true, persistent: false });
    watcher.on('all', () => this.wake());
    // The sweeps go on by the clock.
    watcher.on('error', () => undefined);
    return watcher;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.watcher?.close();
  }
}
