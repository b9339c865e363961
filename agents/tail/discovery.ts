// Finds the files that the patterns mean, by looking: each sweep walks only folders that can matter, and lists a folder again only when its
// change time says so (or is too young to be trusted). Watching (watch.ts) merely makes the next sweep come sooner.
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Files, FileStat } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import { compileExclude, compileGlob, type Glob, matchesSegment, type Segment } from './glob.ts';

export interface FoundFile {
  path: string;
  /** As it was when last looked at. */
  stat: FileStat;
  /** What the first look has shown, when it was looked at more than once. */
  before?: Pick<FileStat, 'sizeBytes' | 'modifiedMs'>;
}

interface Folder {
  modifiedMs: number;
  listedMs: number;
  names: readonly string[];
  folders: ReadonlySet<string>;
}

/** By identity. Of several names of one file the one that `known` tells stays, else the first. */
export function onceEach(
  found: Iterable<FoundFile>,
  known: (identity: string) => string | undefined,
): Map<string, FoundFile> {
  const byIdentity = new Map<string, FoundFile>();
  for (const entry of found) {
    const { identity } = entry.stat;
    const other = byIdentity.get(identity);
    const path = known(identity);
    if (other === undefined || path === entry.path || (path !== other.path && entry.path < other.path))
      byIdentity.set(identity, entry);
  }
  return byIdentity;
}

/** A folder's change time may lag behind a change that follows at once; a listing is trusted when it was made this much later. */
const settleMs = 2_000;
const statsAtOnce = 32;
const foldersAtOnce = 8;

export class Discovery {
  private readonly files: Files;
  private readonly globs: readonly Glob[];
  readonly isExcluded: (path: string) => boolean;
  private readonly now: () => number;
  private readonly warn: (key: string, message: string) => void;
  private readonly cache = new Map<string, Folder>();
  /** Folders that the last sweep has looked into. */
  folders: ReadonlySet<string> = new Set();

  /** `patterns` are absolute. `warn` may be called again and again with the same key. */
  constructor(
    options: { files: Files; patterns: readonly string[]; exclude: readonly string[]; now: () => number },
    warn: (key: string, message: string) => void,
  ) {
    this.files = options.files;
    this.globs = options.patterns.flatMap(compileGlob);
    this.isExcluded = compileExclude(options.exclude);
    this.now = options.now;
    this.warn = warn;
  }

  /** All files that match at this moment, by path; the same file may be there under several. Never throws for what is on the disk. */
  async sweep(): Promise<Map<string, FoundFile>> {
    const walk = new Walk(this.files, this.isExcluded, this.now, this.warn, this.cache);
    for (const glob of this.globs) await walk.descend('/', glob.segments, 0, []);
    for (const path of this.cache.keys()) if (!walk.folders.has(path)) this.cache.delete(path);
    this.folders = new Set(walk.folders.keys());
    return walk.found;
  }
}

/** One sweep: a folder is listed once, a path looked at once, however many patterns ask. */
class Walk {
  readonly found = new Map<string, FoundFile>();
  readonly folders = new Map<string, Promise<Folder | undefined>>();
  private readonly stats = new Map<string, FileStat | undefined>();
  private readonly files: Files;
  private readonly isExcluded: (path: string) => boolean;
  private readonly now: () => number;
  private readonly warn: (key: string, message: string) => void;
  private readonly cache: Map<string, Folder>;

  constructor(
    files: Files,
    isExcluded: (path: string) => boolean,
    now: () => number,
    warn: (key: string, message: string) => void,
    cache: Map<string, Folder>,
  ) {
    this.files = files;
    this.isExcluded = isExcluded;
    this.now = now;
    this.warn = warn;
    this.cache = cache;
  }

  /** Follows `segments` from number `index` on, below `folder`. `above`: identities of the folders passed under `**`, against circles. */
  async descend(folder: string, segments: readonly Segment[], index: number, above: readonly string[]): Promise<void> {
    const segment = segments[index];
    if (segment === undefined) return;
    const isLast = index === segments.length - 1;
    if (segment.kind === 'name') {
      const path = join(folder, segment.name);
      if (isLast)
        await this.take(
          [path],
          segments.every((part) => part.kind === 'name'),
        );
      else await this.descend(path, segments, index + 1, above);
      return;
    }
    if (segment.kind === 'folders' && !isLast) await this.descend(folder, segments, index + 1, above);
    const listing = await this.listing(folder);
    if (listing === undefined) return;
    const names = listing.names.filter((name) => matchesSegment(segment, name));
    if (isLast)
      await this.take(
        names.filter((name) => !listing.folders.has(name)).map((name) => join(folder, name)),
        false,
      );
    const below = names.filter((name) => listing.folders.has(name)).map((name) => join(folder, name));
    await inParallel(below, foldersAtOnce, async (path) => {
      if (segment.kind === 'pattern') {
        if (!isLast) await this.descend(path, segments, index + 1, above);
        return;
      }
      const identity = (await this.stat(path))?.identity;
      if (identity === undefined || above.includes(identity)) return;
      await this.descend(path, segments, index, [...above, identity]);
    });
  }

  /** Adds those of `paths` that are files. */
  private async take(paths: readonly string[], named: boolean): Promise<void> {
    const wanted = paths.filter((path) => !this.found.has(path) && !this.isExcluded(path));
    await inParallel(wanted, statsAtOnce, async (path) => {
      const stat = await this.stat(path);
      if (stat === undefined) return;
      if (stat.kind === 'file') this.found.set(path, { path, stat });
      else if (stat.kind === 'other') this.warn(`kind:${path}`, `${path} is not a regular file and is passed over`);
      else if (named) this.warn(`kind:${path}`, `${path} is a folder: to read the files in it write ${path}/*`);
    });
  }

  private async stat(path: string): Promise<FileStat | undefined> {
    if (this.stats.has(path)) return this.stats.get(path);
    let stat: FileStat | undefined;
    try {
      stat = await this.files.stat(path);
    } catch (error) {
      this.warn(`stat:${path}`, `Cannot look at ${path}: ${messageOf(error)}`);
    }
    this.stats.set(path, stat);
    return stat;
  }

  private listing(folder: string): Promise<Folder | undefined> {
    let listing = this.folders.get(folder);
    if (listing === undefined) {
      listing = this.list(folder);
      this.folders.set(folder, listing);
    }
    return listing;
  }

  private async list(folder: string): Promise<Folder | undefined> {
    const listedMs = this.now();
    const stat = await this.stat(folder);
    if (stat?.kind !== 'directory') return undefined;
    const cached = this.cache.get(folder);
    const { modifiedMs } = stat;
    if (cached?.modifiedMs === modifiedMs && cached.listedMs - modifiedMs > settleMs) return cached;
    try {
      const names = await this.files.list(folder);
      const folders = new Set<string>();
      await inParallel(names, statsAtOnce, async (name) => {
        if ((await this.stat(join(folder, name)))?.kind === 'directory') folders.add(name);
      });
      const listing = { modifiedMs, listedMs, names, folders };
      this.cache.set(folder, listing);
      return listing;
    } catch (error) {
      this.warn(`list:${folder}`, `Cannot list ${folder}: ${messageOf(error)}`);
      return undefined;
    }
  }
}
