// Files around a followed one: where rotators put what they rename, copy or compress, whether the patterns match it or not. One look at each folder
// serves all who ask, so an object is good for one sweep.
import { basename, dirname, join } from 'node:path';
import type { Files, FileStat } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';
import { familyName } from './families.ts';

/** How many names of a folder are looked at, and how many folders around that of a file. */
const namesLimit = 20_000;
const foldersLimit = 64;
const statsAtOnce = 32;
/** Files of the same beginning whose bytes are worth a comparison. */
const alikeLimit = 64;

interface Folder {
  files: FoundFile[];
  byIdentity: ReadonlyMap<string, FoundFile>;
  folders: string[];
}

function isArchive(folder: string): boolean {
  return /old|arch|back|rotat|hist|log|prev/i.test(basename(folder));
}

export class Siblings {
  private readonly files: Files;
  private readonly folders = new Map<string, Promise<Folder>>();

  constructor(files: Files) {
    this.files = files;
  }

  /** Where the file with this identity is now: beside `path`, in a folder there, or in one beside that folder. */
  async find(path: string, identity: string): Promise<FoundFile | undefined> {
    const home = dirname(path);
    const found = (await this.folder(home)).byIdentity.get(identity);
    if (found !== undefined) return found;
    for (const folder of await this.around(home)) {
      const there = (await this.folder(folder)).byIdentity.get(identity);
      if (there !== undefined) return there;
    }
    return undefined;
  }

  /** Files that may be what a rotator made of `path`, by their names: likely ones first, text before packed files. */
  async alike(path: string): Promise<FoundFile[]> {
    const name = basename(path);
    const family = familyName(name);
    const stem = /^.[^.\-_]*/.exec(name)?.[0] ?? '';
    const home = dirname(path);
    const ranked: { found: FoundFile; rank: number }[] = [];
    const around = await this.around(home);
    for (const folder of [home, ...around.filter((each) => isArchive(each) || dirname(each) === home)]) {
      for (const found of (await this.folder(folder)).files) {
        const other = basename(found.path);
        const isFamily = familyName(other) === family;
        // Elsewhere only the family counts.
        if (found.path === path || !(isFamily || (folder === home && other.startsWith(stem)))) continue;
        const isPacked = /\.(gz|zst|zstd)$/.test(other);
        ranked.push({ found, rank: (isFamily ? 0 : 4) + (folder === home ? 0 : 2) + (isPacked ? 1 : 0) });
      }
    }
    ranked.sort((left, right) => left.rank - right.rank);
    return ranked.slice(0, alikeLimit).map(({ found }) => found);
  }

  /** Folders below and beside `home`, those with names of archives first. */
  private async around(home: string): Promise<string[]> {
    const above = dirname(home);
    const beside = above === home ? [] : (await this.folder(above)).folders.filter((folder) => folder !== home);
    const found = [...(await this.folder(home)).folders, ...beside];
    return [...found.filter(isArchive), ...found.filter((folder) => !isArchive(folder))].slice(0, foldersLimit);
  }

  private folder(path: string): Promise<Folder> {
    let folder = this.folders.get(path);
    if (folder === undefined) {
      folder = this.list(path);
      this.folders.set(path, folder);
    }
    return folder;
  }

  private async list(folder: string): Promise<Folder> {
    const names = (await this.files.list(folder).catch(() => [])).slice(0, namesLimit);
    const files: FoundFile[] = [];
    const folders: string[] = [];
    for (let from = 0; from < names.length; from += statsAtOnce) {
      const paths = names.slice(from, from + statsAtOnce).map((name) => join(folder, name));
      const stats = await Promise.all(paths.map((path) => this.stat(path)));
      for (const [index, stat] of stats.entries()) {
        const path = paths[index]!;
        if (stat?.kind === 'file') files.push({ path, stat });
        else if (stat?.kind === 'directory') folders.push(path);
      }
    }
    return { files, folders, byIdentity: new Map(files.map((found) => [found.stat.identity, found])) };
  }

  private stat(path: string): Promise<FileStat | undefined> {
    return this.files.stat(path).catch(() => undefined);
  }
}
