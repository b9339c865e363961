// Files around a followed one: where rotators put what they rename, copy or compress, whether the patterns match it or not. One look at each folder
// serves all who ask, so an object is good for one sweep; and since thousands of logs may be rotated at once, who asks never goes through whole folders.
import { basename, dirname, join } from 'node:path';
import type { Files, FileStat } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { FoundFile } from './discovery.ts';
import { familyName, isPackedName, isRotatedName, withoutIndex } from './families.ts';
import { bornMs } from './identity.ts';

/** How many names of a folder are looked at, and how many folders around that of a file. */
const namesLimit = 100_000;
const foldersLimit = 64;
const statsAtOnce = 32;
/** Files of the same beginning whose bytes are worth a comparison. */
const alikeLimit = 64;
/** A change this young may be followed by another one that the folder's change time does not tell. */
const youngMs = 100;
/** A log that is this young may not have been seen yet by an agent that has just read the one before. */
const unseenMs = 30_000;

interface Folder {
  /** Nothing was made, renamed or deleted in it while it was listed: no file can have gone from a name that was not looked at to one that was. */
  isSteady: boolean;
  /** By name; text before packed files. */
  files: readonly FoundFile[];
  byIdentity: ReadonlyMap<string, FoundFile>;
  /** Text before packed files, of each the newest first. */
  byFamily: ReadonlyMap<string, readonly FoundFile[]>;
  /** Those with an index before their ending (app-1.log, app.2.log.gz), by what their name is without it. */
  byUnindexed: ReadonlyMap<string, readonly FoundFile[]>;
  /** Those with names of archives first, of each the ones that were changed last. */
  folders: readonly string[];
}

function isArchive(folder: string): boolean {
  return /old|arch|back|rotat|hist|log|prev/i.test(basename(folder));
}

/** What folders are called that hold nothing but what was put aside, beside the name of a log or its folder: old, app-archive, 2026-11. */
const archiveWords =
  /^(?:old|arch|archives?|archived|backups?|bak|rotated?|rotation|hist|history|logs?|prev|previous|[\d._-])+$/i;

/** Whether `folder`, which stands beside `home`, is by its name where the log `path` is put aside. */
function isArchiveOf(folder: string, path: string): boolean {
  const name = basename(folder);
  const owners = [basename(dirname(path)), stemOf(path)].filter((owner) => name.startsWith(owner));
  return [name, ...owners.map((owner) => name.slice(owner.length))].some((rest) => archiveWords.test(rest));
}

/** What a log's name begins with. */
function stemOf(path: string): string {
  return /^.[^.\-_]*/.exec(basename(path))?.[0] ?? '';
}

/** The same folders, those with names of archives first. */
function archivesFirst(folders: readonly string[]): string[] {
  return [...folders.filter(isArchive), ...folders.filter((folder) => !isArchive(folder))];
}

/** The same files, text before packed ones. */
function textFirst(files: readonly FoundFile[]): FoundFile[] {
  return [...files.filter(({ path }) => !isPackedName(path)), ...files.filter(({ path }) => isPackedName(path))];
}

function newestFirst(left: FoundFile, right: FoundFile): number {
  return right.stat.modifiedMs - left.stat.modifiedMs;
}

/** What a rotator may have made of `path`, by its name, in this folder. */
function familyIn({ byFamily, byUnindexed }: Folder, path: string): readonly FoundFile[] {
  const family = familyName(basename(path));
  const archives = byUnindexed.get(family)?.filter((each) => isPackedName(each.path)) ?? [];
  return [...(byFamily.get(family) ?? []), ...archives];
}

/**
 * What is a generation of the log `path` by an index before its ending (logback's fixed window, log4j, logrotate's `extension`).
 * Such an index may be that of a worker, too, whose log is another one. So it must have been made since then, stand alone, as nothing that is rotated
 * itself does, and be closed: what is not packed was changed last before the log was made that is there now. Nothing where that cannot be told.
 */
function indexedIn(
  { byFamily, byUnindexed }: Folder,
  path: string,
  sinceMs: number,
  log: FileStat | undefined,
): FoundFile[] {
  const laterMs = (log && bornMs(log)) ?? -Infinity;
  return (byUnindexed.get(basename(path)) ?? []).filter(({ path: other, stat }) => {
    const isAlone = byFamily.get(familyName(basename(other)))?.length === 1;
    const isClosed = isPackedName(other) || stat.modifiedMs <= laterMs + youngMs;
    return isAlone && isClosed && (bornMs(stat) ?? -Infinity) >= sinceMs - unseenMs;
  });
}

export class Siblings {
  private readonly files: Files;
  private readonly now: () => number;
  private readonly folders = new Map<string, Promise<Folder>>();
  private readonly subfolders = new Map<string, Promise<string[]>>();

  constructor(files: Files, now: () => number) {
    this.files = files;
    this.now = now;
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

  /** Files that may be what a rotator made of `path`, by their names: likely ones first, text before packed files, the newest first. */
  async alike(path: string): Promise<FoundFile[]> {
    const home = dirname(path);
    const found = new Set<FoundFile>();
    const add = (some: Iterable<FoundFile>) => {
      for (const each of some) {
        if (found.size >= alikeLimit) return;
        if (each.path !== path) found.add(each);
      }
    };
    const here = await this.folder(home);
    add(familyIn(here, path));
    // Elsewhere only the family counts.
    add(textFirst(await this.archived(path)));
    add(beginningWith(here.files, join(home, stemOf(path))));
    return [...found];
  }

  /**
   * Everything that a rotator has put aside of `path`, by its name, and that was changed since `sinceMs`; where the name says little, made since `knownMs`. What belongs
   * to another log of that name is not meant.
   */
  async generations(path: string, sinceMs: number, knownMs: number): Promise<FoundFile[]> {
    const home = dirname(path);
    const name = basename(path);
    const folders = (await this.archives(home)).filter((each) => dirname(each) === home || isArchiveOf(each, path));
    const found = await Promise.all([home, ...folders].map((each) => this.folder(each)));
    const own = found.filter(({ files }, index) => index === 0 || !files.some((each) => basename(each.path) === name));
    const family = (folder: Folder) => folder.byFamily.get(familyName(name)) ?? [];
    const named = (folder: Folder) =>
      family(folder).filter((each) => isRotatedName(name, basename(each.path)) && each.stat.modifiedMs >= sinceMs);
    const log = family(found[0]!).find((each) => each.path === path)?.stat;
    return own.flatMap((folder) => [...named(folder), ...indexedIn(folder, path, knownMs, log)]);
  }

  /** The family of `path` in the folders around. */
  private async archived(path: string): Promise<FoundFile[]> {
    const folders = await Promise.all((await this.archives(dirname(path))).map((folder) => this.folder(folder)));
    return folders.flatMap((folder) => familyIn(folder, path));
  }

  /** Whether what `alike` and `generations` tell is all there was: nothing went from one name to another meanwhile. */
  async isSteady(path: string): Promise<boolean> {
    const home = dirname(path);
    const folders = await Promise.all([home, ...(await this.archives(home))].map((folder) => this.folder(folder)));
    return folders.every(({ isSteady }) => isSteady);
  }

  /** Where a rotator may put what it takes from `home`. */
  private async archives(home: string): Promise<string[]> {
    return (await this.around(home)).filter((folder) => isArchive(folder) || dirname(folder) === home);
  }

  /** Folders below and beside `home`, those with names of archives first. */
  private async around(home: string): Promise<string[]> {
    const above = dirname(home);
    const below = (await this.folder(home)).folders.slice(0, foldersLimit);
    const beside = above === home ? [] : await this.foldersIn(above);
    const found = [...below, ...beside.filter((folder) => folder !== home)];
    return archivesFirst(found).slice(0, foldersLimit);
  }

  /** Folders in `path`, those with names of archives first: one more than is looked into. It may hold thousands, so no more is looked at than it takes. */
  private foldersIn(path: string): Promise<string[]> {
    let found = this.subfolders.get(path);
    if (found === undefined) {
      found = this.listFolders(path);
      this.subfolders.set(path, found);
    }
    return found;
  }

  private async names(folder: string): Promise<string[]> {
    return (await this.files.list(folder).catch(() => [])).slice(0, namesLimit);
  }

  private async listFolders(folder: string): Promise<string[]> {
    const paths = archivesFirst(await this.names(folder)).map((name) => join(folder, name));
    const found: string[] = [];
    for (let from = 0; from < paths.length && found.length <= foldersLimit; from += statsAtOnce) {
      const some = paths.slice(from, from + statsAtOnce);
      const stats = await Promise.all(some.map((path) => this.files.stat(path).catch(() => undefined)));
      found.push(...some.filter((_path, index) => stats[index]?.kind === 'directory'));
    }
    return found.slice(0, foldersLimit + 1);
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
    const changedMs = async () => (await this.files.stat(folder).catch(() => undefined))?.modifiedMs ?? 0;
    const startMs = this.now();
    const beforeMs = await changedMs();
    const names = await this.names(folder);
    const stats = new Map<string, FileStat>();
    await inParallel(names, statsAtOnce, async (name) => {
      const stat = await this.files.stat(join(folder, name)).catch(() => undefined);
      if (stat !== undefined) stats.set(name, stat);
    });
    const found: FoundFile[] = [];
    const folders: FoundFile[] = [];
    for (const name of names) {
      const stat = stats.get(name);
      if (stat?.kind === 'file') found.push({ path: join(folder, name), stat });
      else if (stat?.kind === 'directory') folders.push({ path: join(folder, name), stat });
    }
    const newest = found.toSorted(newestFirst);
    return {
      isSteady: beforeMs === (await changedMs()) && startMs - beforeMs > youngMs,
      files: textFirst(found),
      byIdentity: new Map(found.map((each) => [each.stat.identity, each])),
      byFamily: Map.groupBy(textFirst(newest), ({ path }) => familyName(basename(path))),
      byUnindexed: Map.groupBy(textFirst(newest), ({ path }) => withoutIndex(basename(path)) ?? ''),
      folders: archivesFirst(folders.toSorted(newestFirst).map(({ path }) => path)),
    };
  }
}

/** Those of `files` whose paths begin with `start`; the text files among them, then the packed ones, stand together and in order. */
function* beginningWith(files: readonly FoundFile[], start: string): Generator<FoundFile> {
  const packedAt = lowerBound(files, 0, files.length, ({ path }) => isPackedName(path));
  for (const [from, to] of [
    [0, packedAt],
    [packedAt, files.length],
  ] as const) {
    for (let index = lowerBound(files, from, to, ({ path }) => path >= start); index < to; index++) {
      const file = files[index]!;
      if (!file.path.startsWith(start)) break;
      yield file;
    }
  }
}

/** The first index in [from, to) that `isReached`, which stays true from there on; `to` when there is none. */
function lowerBound<T>(items: readonly T[], from: number, to: number, isReached: (item: T) => boolean): number {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isReached(items[middle]!)) to = middle;
    else from = middle + 1;
  }
  return from;
}
