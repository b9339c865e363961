// Knows the files that are followed and decides, sweep by sweep, who is who: the same file, perhaps under a new name; a file that was
// truncated and begins anew; a copy that goes on for one that ended; a new file. What a sweep decides about files that belong together (a
// truncated one, its copy, its successor) changes at once, so one flight commits all of it.
import type { Clock } from '../../base/clock.ts';
import type { Files, FileStat } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import type { Random } from '../../base/random.ts';
import { fileIdBytes, type PositionRecord } from '../../broker/client/positions-record.ts';
import type { Account } from './account.ts';
import type { Copy } from './copies.ts';
import { type Discovery, type FoundFile, onceEach } from './discovery.ts';
import { EndedFiles } from './ended-files.ts';
import { familyOf } from './families.ts';
import { type Departure, departureFrom, Holders } from './holders.ts';
import { type Fresh, Newcomers } from './newcomers.ts';
import type { Reader } from './reader.ts';
import { Siblings } from './siblings.ts';
import type { Starts } from './start-position.ts';
import { TailedFile } from './tailed-file.ts';
import { setTargets } from './targets.ts';
import { verifyChanged, verifyRecovered } from './verification.ts';
import { whereabouts } from './whereabouts.ts';
import { mayBeCopies } from './young-copies.ts';

/** A file that nobody can reach any more is given up when it was quiet for this long; the last line of one that a rotator put aside is taken then. */
const goneIdleMs = 2_000;
const renamedIdleMs = 5_000;
/** Looked at beside each other. */
const looksAtOnce = 32;

export interface RosterOptions {
  files: Files;
  clock: Clock;
  random: Random;
  discovery: Discovery;
  reader: Reader;
  /** Partition of the lines of a file by the name it was first seen under. */
  partitionOf: (firstPath: string) => number;
  /** "device:inode" of files never to be read: what this process writes itself. */
  excluded: ReadonlySet<string>;
  /** Files of the first sweep begin at their end; undefined when they begin at their beginning. */
  starts: Starts | undefined;
  /** `multiline`: an event is complete when its file did not change for so long. */
  settleMs: number | undefined;
  /** `--once`: where to stop, by identity; filled by the first sweep, and kept by the owner when the agent begins anew. */
  targets: Map<string, number> | undefined;
  account: Account;
  /** Called while a sweep takes long over one file: others may be read meanwhile. */
  breathe: () => Promise<void>;
}

export class Roster {
  /** Followed files by identity. */
  readonly live = new Map<string, TailedFile>();
  /** Whose record is to be written with the next flight. */
  readonly dirty = new Set<TailedFile>();
  private readonly options: RosterOptions;
  private readonly newcomers: Newcomers;
  private readonly ended = new EndedFiles();
  private readonly latestByPath = new Map<string, TailedFile>();
  /** What files were before that began anew, until they are followed again. */
  private readonly lineage = new Map<string, { generation: number; firstPath: string }>();
  private sweeps = 0;
  private sweepMs = 0;
  /** How long the last look at everything took, without what was decided then. */
  lookMs = 0;
  /** Files that no path leads to since this sweep. */
  private vanished = new Set<TailedFile>();
  private readonly holders = new Holders();
  private departures: Departure[] = [];
  /** Good for one walk. */
  private siblings: Siblings;
  /** A file turned out to be packed: it takes a sweep to decide about it. */
  private mustLook = false;

  constructor(options: RosterOptions) {
    this.options = options;
    this.siblings = new Siblings(options.files, () => options.clock.now());
    this.newcomers = new Newcomers({
      files: options.files,
      openFollowed: (file) => options.reader.open(file),
      cannotRead: (path, error) => options.account.cannotRead(path, error),
      passedOver: (path) => options.account.passedOver(path),
      isExcluded: ({ path, stat }) => options.excluded.has(stat.identity) || options.discovery.isExcluded(path),
      breathe: options.breathe,
    });
  }

  /** Takes up what an earlier run has committed. */
  recover(records: Iterable<PositionRecord>): void {
    for (const record of records) {
      const { atMs, accountedMs = atMs } = record;
      if (record.state === 'live') this.takeUp(TailedFile.recovered(record, atMs), accountedMs);
      else {
        this.ended.add({ known: record, endedMs: atMs, soundMs: atMs, head: undefined });
        this.holders.recoverEnded(record.firstPath, accountedMs);
      }
    }
  }

  /** Takes up a file that an earlier run, or session, has begun to follow. Until `accountedMs` records tell of all that was made of its log. */
  takeUp(file: TailedFile, accountedMs = file.origin.sinceMs): void {
    const { firstPath, sinceMs } = file.origin;
    this.live.set(file.identity, file);
    // What nothing was read of is read in the order in which it was found.
    if (file.position === 0) file.predecessor = this.latestByPath.get(firstPath);
    this.latestByPath.set(firstPath, file);
    this.holders.recover(firstPath, sinceMs, accountedMs);
  }

  /** Until when records, with those that are `dirty` now, tell of everything that was made of the file's log. */
  accountedMs({ origin }: TailedFile): number | undefined {
    return this.holders.accountedMs(origin.firstPath);
  }

  /** `--once`: everything that was there at the start has been read, as far as it can be, or waits for something else. */
  isDone(waits: (file: TailedFile) => boolean): boolean {
    if (this.sweeps === 0 || this.isWaiting) return false;
    return [...this.live.values()].every((file) => file.isDone || waits(file));
  }

  /** What became of some file is not decided, and will be soon. */
  get isWaiting(): boolean {
    return this.newcomers.isWaiting || this.mustLook;
  }

  /** Some file holds other content now, and it is not decided yet what became of the old: it takes a sweep. */
  get isUndecided(): boolean {
    return [...this.live.values()].some((file) => file.replaced && !file.isMissing);
  }

  /** Folders in which something may change that matters. */
  get folders(): ReadonlySet<string> {
    return this.options.discovery.folders;
  }

  /** Looks at everything once. */
  async sweep(): Promise<void> {
    const nowMs = this.options.clock.now();
    this.sweepMs = nowMs;
    this.mustLook = false;
    const seen = await this.look(nowMs);
    if (seen === undefined) return;
    if (this.sweeps++ === 0) setTargets(this.options.targets, seen.byIdentity, this.live.values());
    await this.admit(seen.newcomers, seen.byIdentity, nowMs);
    await this.settle(nowMs);
    for (const identity of this.lineage.keys()) if (!seen.byIdentity.has(identity)) this.lineage.delete(identity);
  }

  /**
   * Walks until nothing more turns out to have been replaced or to have vanished, so that every copy that was made of such a file before is among
   * the newcomers. Undefined when there was no end to it: the next sweep tries again.
   */
  private async look(nowMs: number) {
    for (let attempt = 0; attempt < 8; attempt++) {
      const startMs = this.options.clock.monotonicMs();
      const before = this.endedCount;
      this.siblings = new Siblings(this.options.files, () => this.options.clock.now());
      const found = await this.options.discovery.sweep();
      this.departures.push(...this.holders.look(found.values(), nowMs));
      const seen = this.match(found, nowMs);
      await this.searchMissing(seen.files, nowMs);
      this.lookMs = this.options.clock.monotonicMs() - startMs;
      // With `--once` nothing is read before the targets are known.
      const breathe = this.options.targets === undefined ? this.options.breathe : undefined;
      const cannotRead = (path: string, error: unknown) => this.options.account.cannotRead(path, error);
      await verifyRecovered(this.live.values(), this.options.reader, cannotRead, breathe);
      if (this.endedCount > 0) await verifyChanged(this.live.values(), this.options.reader);
      if (this.endedCount === before) return seen;
    }
    return undefined;
  }

  private get endedCount(): number {
    let count = this.vanished.size;
    for (const file of this.live.values()) if (file.replaced) count++;
    return count;
  }

  /** Finds the known ones among what was found, and tells who is new. */
  private match(found: ReadonlyMap<string, FoundFile>, nowMs: number) {
    const byIdentity = onceEach(found.values(), (identity) => this.live.get(identity)?.path);
    for (const identity of this.options.excluded) byIdentity.delete(identity);
    const files = new Set<TailedFile>();
    const newcomers: FoundFile[] = [];
    for (const entry of byIdentity.values()) {
      const file = this.live.get(entry.stat.identity);
      if (file === undefined) {
        newcomers.push(entry);
        continue;
      }
      const isOther = file.isOther(entry.stat);
      if (file.position === 0 && file.path !== entry.path && !file.isSurely(entry.stat)) {
        // Nothing was read of it, and nothing proves that this is it. Whatever it is, it is read from its beginning.
        this.drop(file, 'gone');
        newcomers.push(entry);
        continue;
      }
      files.add(file);
      if (isOther) file.replaced = true;
      this.observe(file, isOther ? file.path : entry.path, entry.stat, nowMs);
      if (file.doubtfulSinceMs !== undefined) this.departures.push(departureFrom(file.path, file.doubtfulSinceMs));
      file.doubtfulSinceMs = undefined;
      if (file.unverified === undefined && file.packing === undefined && file.sizeBytes < file.position)
        file.replaced = true;
    }
    return { byIdentity, files, newcomers };
  }

  private observe(file: TailedFile, path: string, stat: FileStat, nowMs: number): void {
    if (file.path !== path) {
      // Its inode may have been given to another: then its bytes must tell.
      if (file.position > 0 && !file.isSurely(stat)) file.unverified ??= file.fingerprint;
      file.path = path;
      file.realPath = undefined;
      // It was not to be had under the name before.
      file.trouble = undefined;
      this.dirty.add(file);
    }
    file.missingSinceMs = undefined;
    file.observe(stat, nowMs);
  }

  /** Files that were not found under a name that matches: moved aside, or gone. */
  private async searchMissing(seen: ReadonlySet<TailedFile>, nowMs: number): Promise<void> {
    for (const file of seen) this.vanished.delete(file);
    const unseen = [...this.live.values()].filter((file) => !seen.has(file));
    await inParallel(unseen, looksAtOnce, async (file) => {
      const found = await whereabouts(file, this.options.files, this.siblings);
      if (found !== undefined) this.observe(file, found.path, found.stat, nowMs);
      else if (!file.isMissing) this.vanished.add(file);
      if (found === undefined) file.missingSinceMs ??= nowMs;
    });
  }

  /** Decides about the newcomers and about the files that were replaced. */
  private async admit(
    newcomers: readonly FoundFile[],
    byIdentity: ReadonlyMap<string, FoundFile>,
    nowMs: number,
  ): Promise<void> {
    const replaced = new Set([...this.live.values()].filter((file) => file.replaced));
    const departures = [...this.departures];
    // What stands in the place of a replaced file is a newcomer like others: rotators write copies over older copies.
    const successors: FoundFile[] = [];
    for (const original of replaced) {
      departures.push(departureFrom(original.path, original.soundMs));
      const found = byIdentity.get(original.identity);
      if (found === undefined) continue;
      successors.push(found);
      const { generation, firstPath } = original.origin;
      if (found.path === original.path) this.lineage.set(original.identity, { generation: generation + 1, firstPath });
    }
    const wanted = [...newcomers, ...successors].filter((found) => this.isWanted(found, replaced.size > 0));
    const isFirst = this.sweeps === 1;
    if (isFirst && this.live.size === 0 && (this.isStartingAtEnd || !mayBeCopies(wanted, nowMs))) {
      await this.followAll(wanted.filter(({ stat }) => stat.sizeBytes > 0).map((found) => ({ found })));
      return;
    }
    const { live, vanished, siblings, ended } = this;
    const sight = { live, replaced, vanished, recovering: isFirst, ended, siblings, departures, byIdentity, nowMs };
    const { copies, fresh, departures: again } = await this.newcomers.decide(wanted, sight);
    this.apply(copies, replaced);
    await this.followAll(fresh);
    // Only now: what a look without end has found out is for the next one to decide about.
    this.vanished = new Set([...this.vanished].filter((file) => this.newcomers.isUnsure(file)));
    this.departures = [...again.values()];
    this.holders.account(nowMs, [...this.departures, ...this.newcomers.undecided]);
  }

  private async followAll(fresh: Fresh[]): Promise<void> {
    if (this.isStartingAtEnd) await this.options.starts?.begin(fresh, (found) => this.newcomers.open(found));
    // Generations of one log in their order: each waits until the one before was read.
    fresh.sort((left, right) => left.found.stat.modifiedMs - right.found.stat.modifiedMs);
    const realPaths = new Map<Fresh, string>();
    await inParallel(fresh, looksAtOnce, async (each) => {
      const path = await this.options.files.realPath(each.found.path).catch(() => undefined);
      if (path !== undefined) realPaths.set(each, path);
    });
    for (const each of fresh) this.follow(each, realPaths.get(each));
  }

  /** `from: end`, and this is the very first sweep. */
  private get isStartingAtEnd(): boolean {
    return this.options.starts !== undefined && this.sweeps === 1;
  }

  /** In `--once` only files of the first sweep are read, and copies of files that were truncated meanwhile. */
  private isWanted(found: FoundFile, anyReplaced: boolean): boolean {
    return anyReplaced || (this.options.targets?.has(found.stat.identity) ?? true);
  }

  /** Carries out what was decided; without waiting for anything, so that a flight sees all of it or nothing. */
  private apply(copies: ReadonlyMap<TailedFile, Copy>, replaced: ReadonlySet<TailedFile>): void {
    for (const original of replaced) {
      if (copies.has(original)) continue;
      if (this.newcomers.isUnsure(original)) this.lose(original);
      else this.end(original, 'replaced');
    }
    for (const [original, { found, handle, packing, position, imprint }] of copies) {
      if (original.replaced && packing === undefined)
        this.destroyed(original, Math.max(found.stat.sizeBytes, position));
      this.release(original);
      this.ended.delete(original.known);
      original.moveTo(found.path, found.stat, packing, position, imprint);
      if (handle !== undefined) this.options.reader.adopt(original, handle);
      original.observe(found.stat, this.options.clock.now());
      original.endPosition =
        this.options.targets === undefined || packing !== undefined ? undefined : found.stat.sizeBytes;
      this.supersede(original.identity, copies);
      this.live.set(original.identity, original);
      this.dirty.add(original);
    }
  }

  /** Another file has this identity now: the one before is no more, unless it goes on elsewhere. */
  private supersede(identity: string, copies: ReadonlyMap<TailedFile, Copy>): void {
    const before = this.live.get(identity);
    if (before === undefined || copies.has(before)) return;
    if (this.newcomers.isUnsure(before)) this.lose(before);
    else this.end(before, 'gone');
  }

  /** Another file has its inode, and where it goes on is not known yet: it is looked for as one that no path leads to. */
  private lose(file: TailedFile): void {
    this.release(file);
    file.lose(this.options.clock.now());
    this.live.set(file.identity, file);
    this.vanished.add(file);
    this.dirty.add(file);
  }

  /** Follows a new file, or a file that begins anew. */
  private follow({ found, handle, packing, start, ...fresh }: Fresh, realPath: string | undefined): void {
    const { identity, sizeBytes } = found.stat;
    const { generation, firstPath } = this.lineage.get(identity) ?? {
      generation: 0,
      firstPath: fresh.firstPath ?? found.path,
    };
    this.lineage.delete(identity);
    const { random, partitionOf, targets, clock, reader } = this.options;
    const sinceMs = this.holders.since(firstPath, clock.now());
    const origin = { id: random.bytes(fileIdBytes), firstPath, generation, partition: partitionOf(firstPath), sinceMs };
    const file = new TailedFile(origin, found.path, identity);
    if (handle !== undefined) reader.adopt(file, handle);
    if (realPath !== found.path) file.realPath = realPath;
    file.packing = packing;
    if (packing === undefined && targets !== undefined) file.endPosition = targets.get(identity) ?? sizeBytes;
    file.predecessor = this.latestByPath.get(firstPath);
    if (start !== undefined) {
      file.beginAt(start);
      this.dirty.add(file);
    }
    // When the sweep began: it was looked at since.
    file.soundMs = this.sweepMs;
    if (found.before !== undefined) file.observe({ ...found.stat, ...found.before }, this.sweepMs);
    file.observe(found.stat, this.sweepMs);
    if (packing !== undefined && this.isStartingAtEnd) {
      file.passOver();
      this.dirty.add(file);
    }
    // No pattern leads to it again: its log is accounted for with its record.
    if (fresh.firstPath !== undefined) this.dirty.add(file);
    this.supersede(identity, new Map());
    this.live.set(file.identity, file);
    this.latestByPath.set(firstPath, file);
  }

  /** Files that nobody can reach any more, and renamed ones that fell silent. */
  private async settle(nowMs: number): Promise<void> {
    const { settleMs, reader } = this.options;
    const unreachable = [...this.live.values()].filter((file) => file.isMissing && file.handle !== undefined);
    await inParallel(unreachable, looksAtOnce, async (file) => {
      if (file.handle !== undefined) file.observe(await file.handle.stat(), nowMs);
    });
    for (const file of this.live.values()) {
      if (settleMs !== undefined) file.settleAfter(settleMs, nowMs);
      if (this.newcomers.isUnsure(file) || file.isPending) continue;
      if (file.missingSinceMs !== undefined) {
        const quietSinceMs = Math.max(file.missingSinceMs, file.lastChangeMs);
        if (nowMs - quietSinceMs < goneIdleMs || (file.handle !== undefined && file.isReadable)) continue;
        if (file.handle !== undefined && file.position < file.sizeBytes && file.unverified === undefined)
          this.finishLine(file);
        else this.end(file, 'gone');
      } else if (!file.hungry && nowMs - file.lastChangeMs >= renamedIdleMs) {
        const hasRest = file.packing === undefined && file.position < file.sizeBytes;
        if (hasRest && (file.isRenamed || this.isPutAside(file))) this.finishLine(file);
        else if (file.isRenamed) reader.close(file);
      }
    }
  }

  /** Was found under a name that a rotator gave: the log of that name is followed too, and was written to since. */
  private isPutAside(file: TailedFile): boolean {
    const log = this.latestByPath.get(familyOf(file.path));
    if (log === undefined || log === file || log.isRenamed || log.isMissing) return false;
    return log.modifiedMs >= file.modifiedMs;
  }

  private finishLine(file: TailedFile): void {
    file.finishing = true;
    file.hungry = true;
  }

  /** The reader found that `file` is packed: the next sweep opens it as what it is. */
  pass(file: TailedFile): void {
    // Nobody is to wait until it was read.
    file.hungry = false;
    this.release(file);
    this.dirty.delete(file);
    this.mustLook = true;
  }

  /** Ends following `file`; its record says how. */
  private end(file: TailedFile, state: 'replaced' | 'gone'): void {
    if (file.unverified === undefined) this.destroyed(file, file.position);
    if (state === 'gone' && file.isCrowdedOut) this.options.account.goneUnopened(file.path);
    this.drop(file, state);
  }

  private drop(file: TailedFile, state: 'replaced' | 'gone'): void {
    file.state = state;
    this.release(file);
    this.ended.add({ ...file.remains, endedMs: this.options.clock.now() });
    this.dirty.add(file);
  }

  /** Tells of the bytes that were seen in `file` and can be read no more, from `position` on. */
  private destroyed(file: TailedFile, position: number): void {
    const seenBytes = file.replaced ? file.soundBytes : file.sizeBytes;
    const what = file.replaced ? 'truncated' : 'deleted';
    if (file.packing === undefined && seenBytes > position)
      this.options.account.destroyed(file.path, position, seenBytes, what);
  }

  private release(file: TailedFile): void {
    this.options.reader.close(file);
    if (this.live.get(file.identity) === file) this.live.delete(file.identity);
    const { firstPath } = file.origin;
    if (file.state !== 'live' && this.latestByPath.get(firstPath) === file) this.latestByPath.delete(firstPath);
  }

  /** Closes every handle; the roster is of no use afterwards. */
  async close(): Promise<void> {
    this.live.clear();
    await this.options.reader.closeAll();
  }
}
