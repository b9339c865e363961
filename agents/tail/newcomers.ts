// Decides about files that a sweep has not seen before: which are new, which go on for one that ended, which wait. Beside those that the patterns match
// it looks at what stands around a log that was just rotated: the copy with bytes that were never read, and whole generations that came and went
// while nobody looked.
import { basename } from 'node:path';
import type { Files, FileStat, OpenFile } from '../../base/files.ts';
import { type Copy, CopyJudge } from './copies.ts';
import type { FoundFile } from './discovery.ts';
import { familyOf, isRotatedName } from './families.ts';
import type { Departure } from './holders.ts';
import type { Imprint } from './identity.ts';
import { Originals, type Scene } from './originals.ts';
import { packingOfFile, UnpackedFile } from './packing.ts';
import type { Siblings } from './siblings.ts';
import type { TailedFile } from './tailed-file.ts';

/** Change times come from a clock that runs a little behind. */
const clockSlackMs = 100;

/** A file to be followed from now on. */
export interface Fresh {
  found: FoundFile;
  handle: OpenFile | undefined;
  /** Of a generation that no pattern matches: the log that it belongs to. */
  firstPath?: string;
  start?: { position: number; imprint: Imprint };
}

export interface Decision {
  copies: Map<TailedFile, Copy>;
  fresh: Fresh[];
}

export interface Sight extends Scene {
  siblings: Siblings;
  departures: readonly Departure[];
  /** Everything that the patterns match. */
  byIdentity: ReadonlyMap<string, FoundFile>;
  nowMs: number;
}

export interface NewcomerOptions {
  files: Files;
  /** The handle of a followed file. */
  openFollowed: (file: TailedFile) => Promise<OpenFile>;
  cannotRead: (path: string, error: unknown) => void;
  /** The file holds no lines that could be read. */
  skip: (found: FoundFile) => void;
  isExcluded: (found: FoundFile) => boolean;
}

/** Whether this very file is followed: one that is no more may have left its inode to another. */
function isFollowed({ stat }: FoundFile, { live, replaced, vanished }: Sight): boolean {
  const file = live.get(stat.identity);
  return file !== undefined && !replaced.has(file) && !vanished.has(file) && !file.isMissing && !file.isOther(stat);
}

export class Newcomers {
  private readonly options: NewcomerOptions;
  private readonly judge: CopyJudge;
  /** Packed files whose original is still there: not unpacked again while neither changes. */
  private readonly held = new Map<string, { stat: FileStat; original: TailedFile | undefined }>();
  private isPostponed = false;
  /** Generations that no pattern matches and that are not decided yet, by path. */
  private strays = new Map<string, { identity: string; firstPath: string }>();

  constructor(options: NewcomerOptions) {
    this.options = options;
    this.judge = new CopyJudge(options.openFollowed, options.cannotRead);
  }

  /** Something is not decided and will be soon. */
  get isWaiting(): boolean {
    return this.judge.isWaiting || this.isPostponed;
  }

  async decide(newcomers: readonly FoundFile[], sight: Sight): Promise<Decision> {
    const decision: Decision = { copies: new Map(), fresh: [] };
    const waiting = new Set<string>();
    this.isPostponed = false;
    const originals = new Originals(sight);
    for (const identity of this.held.keys()) if (!sight.byIdentity.has(identity)) this.held.delete(identity);
    const vanishedPaths = new Set([...sight.vanished].map(({ path }) => path));
    const wanted = newcomers.filter((found) => found.stat.sizeBytes > 0);
    // A file under the very name of one that vanished is most likely its successor: others may go on for that one first.
    for (const found of wanted) {
      if (!vanishedPaths.has(found.path)) await this.decideOne(found, originals, sight, decision, waiting);
    }
    await this.searchAround(originals, sight, decision);
    const goingOn = new Set([...decision.copies.values()].map(({ found }) => found.stat.identity));
    for (const found of wanted) {
      if (vanishedPaths.has(found.path) && !goingOn.has(found.stat.identity))
        await this.decideOne(found, originals, sight, decision, waiting);
    }
    await this.addStrays(sight, decision);
    await this.decideStrays(originals, sight, decision, waiting);
    this.judge.keepOnly(waiting);
    return decision;
  }

  private async decideOne(
    found: FoundFile,
    originals: Originals,
    sight: Sight,
    { copies, fresh }: Decision,
    waiting: Set<string>,
    firstPath?: string,
  ): Promise<void> {
    if (this.isHeld(found, sight)) return;
    const handle = await this.open(found);
    if (handle === undefined) return;
    if (handle instanceof UnpackedFile && fresh.some((each) => !(each.handle instanceof UnpackedFile))) {
      // What is new itself cannot be compared with yet.
      this.isPostponed = true;
      waiting.add(found.stat.identity);
      await handle.close();
      return;
    }
    const isTaken = (original: TailedFile) => copies.has(original);
    const options = { isTaken, isStray: firstPath !== undefined, nowMs: sight.nowMs };
    const verdict = await this.judge.judge(found, handle, originals, options);
    if (verdict.kind === 'copy') {
      copies.set(verdict.original, { ...verdict, found, handle });
      return;
    }
    if (verdict.kind === 'new') {
      fresh.push({ found, handle, ...(firstPath === undefined ? {} : { firstPath }) });
      return;
    }
    if (verdict.kind === 'held') this.held.set(found.stat.identity, { stat: found.stat, original: verdict.original });
    else waiting.add(found.stat.identity);
    await handle.close();
  }

  private isHeld({ stat }: FoundFile, sight: Sight): boolean {
    const held = this.held.get(stat.identity);
    if (held === undefined) return false;
    const { original } = held;
    const isThere = original === undefined || sight.live.get(original.identity) === original;
    const isGone = original !== undefined && (sight.replaced.has(original) || sight.vanished.has(original));
    if (isThere && !isGone && held.stat.sizeBytes === stat.sizeBytes && held.stat.modifiedMs === stat.modifiedMs)
      return true;
    this.held.delete(stat.identity);
    return false;
  }

  /** The file, unpacked where it is packed; undefined when it is not to be had, or holds nothing to be read. */
  async open(found: FoundFile): Promise<OpenFile | undefined> {
    let handle: OpenFile | undefined;
    try {
      handle = await this.options.files.open(found.path, 'read');
      const packing = await packingOfFile(handle);
      // The name may lead to another file by now; then the next sweep knows.
      if ((await handle.stat()).identity === found.stat.identity && packing !== 'foreign')
        return packing === undefined ? handle : new UnpackedFile(handle, packing);
      if (packing === 'foreign') this.options.skip(found);
    } catch (error) {
      this.options.cannotRead(found.path, error);
    }
    await handle?.close();
    return undefined;
  }

  /** For files that were replaced or have vanished: what goes on for them stands beside them, under whatever name. */
  private async searchAround(originals: Originals, sight: Sight, { copies, fresh }: Decision): Promise<void> {
    const taken = new Set([...copies.values(), ...fresh].map(({ found }) => found.stat.identity));
    for (const original of [...sight.replaced, ...sight.vanished]) {
      if (copies.has(original) || original.position === 0) continue;
      // What nobody can see any more is still read through its handle.
      if (sight.vanished.has(original) && original.handle !== undefined) continue;
      for (const found of await this.around(original, sight)) {
        const { identity, sizeBytes } = found.stat;
        if (sizeBytes === 0 || isFollowed(found, sight) || taken.has(identity)) continue;
        if (sight.byIdentity.has(identity) && found.path === original.path) continue;
        const handle = await this.open(found);
        if (handle === undefined) continue;
        const copy = await this.judge.claim(found, handle, original, originals).catch(() => undefined);
        if (copy === undefined) await handle.close();
        else {
          copies.set(original, { ...copy, found, handle });
          taken.add(identity);
          break;
        }
      }
    }
  }

  private async around(original: TailedFile, { siblings }: Sight): Promise<FoundFile[]> {
    const { path, realPath, origin } = original;
    const found = await siblings.alike(realPath ?? path);
    // Its path may be that of the file which has its inode now.
    if (familyOf(origin.firstPath) === familyOf(path)) return found;
    return [...(await siblings.alike(origin.firstPath)), ...found];
  }

  /** A log that was rotated since it was last seen may have been rotated more than once: what was written to it meanwhile belongs to it too. */
  private async addStrays(sight: Sight, { copies, fresh }: Decision): Promise<void> {
    const taken = new Set([...copies.values(), ...fresh].map(({ found }) => found.stat.identity));
    for (const { path, sinceMs } of sight.departures) {
      for (const found of await sight.siblings.alike(path)) {
        const { identity, modifiedMs, sizeBytes } = found.stat;
        if (sizeBytes === 0 || modifiedMs < sinceMs - clockSlackMs) continue;
        if (isFollowed(found, sight) || taken.has(identity) || sight.byIdentity.has(identity)) continue;
        if (!isRotatedName(basename(path), basename(found.path)) || this.options.isExcluded(found)) continue;
        this.strays.set(found.path, { identity, firstPath: path });
      }
    }
  }

  private async decideStrays(
    originals: Originals,
    sight: Sight,
    decision: Decision,
    waiting: Set<string>,
  ): Promise<void> {
    const some: { found: FoundFile; firstPath: string }[] = [];
    for (const [path, { identity, firstPath }] of this.strays) {
      const stat = await this.options.files.stat(path).catch(() => undefined);
      const isTaken = [...decision.copies.values()].some(({ found }) => found.stat.identity === identity);
      if (stat?.identity !== identity || isTaken || sight.byIdentity.has(identity)) this.strays.delete(path);
      else if (isFollowed({ path, stat }, sight)) this.strays.delete(path);
      else some.push({ found: { path, stat }, firstPath });
    }
    some.sort((left, right) => left.found.stat.modifiedMs - right.found.stat.modifiedMs);
    for (const { found, firstPath } of some) {
      await this.decideOne(found, originals, sight, decision, waiting, firstPath);
      if (!waiting.has(found.stat.identity)) this.strays.delete(found.path);
    }
  }
}
