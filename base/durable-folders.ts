// Making folders so that they outlast a power cut: a new folder's name is durable only when the folder above it has been synced, and so on up to one that
// was there before.
import { dirname } from 'node:path';
import type { Files } from './files.ts';

export class DurableFolders {
  private readonly files: Files;
  private readonly baseDirectory: string;
  private readonly permissions: number | undefined;
  /** Folders whose way from the base folder is known to be on disk. */
  private readonly durable = new Set<string>();

  /**
   * Below `baseDirectory` nothing counts as durable that was not synced here: an earlier process may have made it and been killed. `permissions`: of the
   * folders it makes, less the umask; 0700 unless given.
   */
  constructor(files: Files, baseDirectory: string, permissions?: number) {
    this.files = files;
    this.baseDirectory = baseDirectory;
    this.permissions = permissions;
  }

  /** Makes the folder unless it is there, and its whole way from the base folder durable. */
  async ensure(folder: string): Promise<void> {
    if (this.durable.has(folder)) return;
    const parent = dirname(folder);
    const missing = (await this.files.stat(folder)) === undefined;
    const below = folder !== this.baseDirectory && folder.startsWith(this.baseDirectory);
    if (parent !== folder && (missing || below)) await this.ensure(parent);
    if (missing) await this.files.makeDirectory(folder, this.permissions);
    if (parent !== folder) await this.sync(parent, missing || below);
    this.durable.add(folder);
  }

  /** A folder above ours may be one that we must not open; that matters only when we made something in it. */
  private async sync(folder: string, necessary: boolean): Promise<void> {
    try {
      await this.files.syncDirectory(folder);
    } catch (error) {
      if (necessary) throw error;
    }
  }
}
