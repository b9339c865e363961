// Knows the files that are followed and decides, sweep by sweep, who is who: the same file, perhaps under a new name; a file that was
// truncated and begins anew; a copy that goes on for one that ended; a new file. What a sweep decides about files that belong together (a
// truncated one, its copy, its successor) changes at once, so one flight commits all of it.
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Files, FileStat, OpenFile } from '../../base/files.ts';
import type { Random } from '../../base/random.ts';
import { fileIdBytes, type PositionRecord } from '../../broker/client/positions-record.ts';
import { type Copy, CopyJudge, searchCopies } from './copies.ts';
import type { Discovery, FoundFile } from './discovery.ts';
import { type Imprint, imprintAt, verify } from './identity.ts';
import type { Reader } from './reader.ts';
import { siblingsOf } from './siblings.ts';
import { startOfUnfinishedLine } from './start-position.ts';
import { TailedFile } from './tailed-file.ts';

/** A file that nobody can reach any more is given up when it was quiet for this long; a renamed one's last line is taken then. */
const goneIdleMs = 2_000;
const renamedIdleMs = 5_000;
const openHandlesLimit = 512;

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
  /** Files of the first sweep begin at their end. */
  startAtEnd: boolean;
  maxLineBytes: number;
  /** `multiline`: an event is complete when its file did not change for so long. */
  settleMs: number | undefined;
  /** `--once`: where to stop, by identity; filled by the first sweep, and kept by the owner when the agent begins anew. */
  targets: Map<string, number> | undefined;
  warn: (key: string, message: string) => void;
}

interface Fresh {
  found: FoundFile;
  handle: OpenFile | undefined;
  start?: { position: number; imprint: Imprint };
}

export class Roster {
  /** Followed files by identity. */
  readonly live = new Map<string, TailedFile>();
  /** Whose record is to be written with the next flight. */
  readonly dirty = new Set<TailedFile>();
  private readonly options: RosterOptions;
  private readonly judge: CopyJudge;
  private readonly latestByPath = new Map<string, TailedFile>();
  /** Identities that hold no lines (compressed files). */
  private skipped = new Set<string>();
  /** What files were before that began anew, until they are followed again. */
  private readonly lineage = new Map<string, { generation: number; firstPath: string }>();
  private sweeps = 0;
  /** Files that no path leads to since this sweep. */
  private vanished = new Set<TailedFile>();

  constructor(options: RosterOptions) {
    this.options = options;
    this.judge = new CopyJudge((file) => options.reader.open(file));
  }

  /** Takes up what an earlier run has committed. */
  recover(records: Iterable<PositionRecord>): void {
    for (const record of records) {
      if (record.state !== 'live') continue;
      const file = TailedFile.recovered(record);
      this.live.set(file.identity, file);
      this.latestByPath.set(file.origin.firstPath, file);
    }
  }

  /** `--once`: everything that was there at the start has been read, as far as it can be. */
  get isDone(): boolean {
    if (this.sweeps === 0 || this.judge.isWaiting) return false;
    return [...this.live.values()].every((file) => file.isDone);
  }

  /** Some file holds other content now, and it is not decided yet what became of the old: it takes a sweep. */
  get isUndecided(): boolean {
    return [...this.live.values()].some((file) => file.replaced);
  }

  /** Folders in which something may change that matters. */
  get folders(): ReadonlySet<string> {
    return this.options.discovery.folders;
  }

  /** Looks at everything once. */
  async sweep(): Promise<void> {
    const nowMs = this.options.clock.now();
    const seen = await this.look(nowMs);
    if (seen === undefined) return;
    if (this.sweeps++ === 0) this.setTargets(seen.byIdentity);
    await this.admit(seen.newcomers, seen.byIdentity, nowMs);
    await this.settle(nowMs);
    this.skipped = new Set([...this.skipped].filter((identity) => seen.byIdentity.has(identity)));
    for (const identity of this.lineage.keys()) if (!seen.byIdentity.has(identity)) this.lineage.delete(identity);
  }

  /**
   * Walks until nothing more turns out to have been replaced or to have vanished, so that every copy that was made of such a file before is among
   * the newcomers. Undefined when there was no end to it: the next sweep tries again.
   */
  private async look(nowMs: number) {
    this.vanished = new Set();
    for (let attempt = 0; attempt < 8; attempt++) {
      const before = this.endedCount;
      const seen = this.match(await this.options.discovery.sweep(), nowMs);
      await this.verifyRecovered();
      await this.searchMissing(seen.files, nowMs);
      if (this.endedCount > 0) await this.verifyChanged();
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
    const byIdentity = new Map<string, FoundFile>();
    for (const entry of found.values()) {
      const { identity } = entry.stat;
      if (this.options.excluded.has(identity)) continue;
      // Of several names of one file the one that is known stays, else the first.
      if (!byIdentity.has(identity) || this.live.get(identity)?.path === entry.path) byIdentity.set(identity, entry);
    }
    const files = new Set<TailedFile>();
    const newcomers: FoundFile[] = [];
    for (const entry of byIdentity.values()) {
      const file = this.live.get(entry.stat.identity);
      if (file === undefined) {
        if (!this.skipped.has(entry.stat.identity)) newcomers.push(entry);
        continue;
      }
      if (file.position === 0 && file.handle === undefined && file.path !== entry.path) {
        // Nothing was read of it, and nothing proves that this is it: its inode may have been given to another.
        this.end(file, 'gone');
        newcomers.push(entry);
        continue;
      }
      files.add(file);
      this.observe(file, entry.path, entry.stat, nowMs);
      if (file.unverified === undefined && !file.replaced && file.sizeBytes < file.position) {
        file.replaced = true;
      }
    }
    return { byIdentity, files, newcomers };
  }

  private observe(file: TailedFile, path: string, stat: FileStat, nowMs: number): void {
    if (file.path !== path) {
      file.path = path;
      this.dirty.add(file);
    }
    file.missingSinceMs = undefined;
    file.observe(stat, nowMs);
  }

  /** Files that were not found under a name that matches: moved aside, or gone. */
  private async searchMissing(seen: ReadonlySet<TailedFile>, nowMs: number): Promise<void> {
    for (const file of this.live.values()) {
      if (seen.has(file)) {
        this.vanished.delete(file);
        continue;
      }
      const stat = await this.options.files.stat(file.path).catch(() => undefined);
      if (stat?.identity === file.identity) {
        this.observe(file, file.path, stat, nowMs);
        continue;
      }
      if (file.missingSinceMs !== undefined) continue;
      file.missingSinceMs = nowMs;
      for await (const sibling of siblingsOf(this.options.files, file.path)) {
        if (sibling.stat.identity !== file.identity) continue;
        this.observe(file, sibling.path, sibling.stat, nowMs);
        break;
      }
      if (file.isMissing) this.vanished.add(file);
    }
  }

  private setTargets(byIdentity: ReadonlyMap<string, FoundFile>): void {
    const { targets } = this.options;
    if (targets === undefined) return;
    if (targets.size === 0) for (const [identity, { stat }] of byIdentity) targets.set(identity, stat.sizeBytes);
    for (const file of this.live.values()) {
      if (!targets.has(file.identity))
        targets.set(file.identity, file.missingSinceMs === undefined ? file.sizeBytes : 0);
      file.endPosition = targets.get(file.identity);
    }
  }

  /** Compares recovered files with what was known of them. */
  private async verifyRecovered(): Promise<void> {
    for (const file of this.live.values()) {
      if (file.unverified === undefined || file.missingSinceMs !== undefined || file.replaced) continue;
      try {
        const imprint = await verify(await this.options.reader.open(file), file.position, file.unverified);
        if (imprint === undefined) file.replaced = true;
        else {
          file.imprint = imprint;
          file.unverified = undefined;
        }
      } catch (error) {
        file.trouble = error;
        this.cannotRead(file.path, error);
      }
    }
  }

  /**
   * Before copies are told from new files: which of the others hold something else now? A copy may have been written over an older file, or
   * into the inode of one that was deleted.
   */
  private async verifyChanged(): Promise<void> {
    for (const file of this.live.values()) {
      if (!file.hungry || file.position === 0 || file.unverified !== undefined || file.missingSinceMs !== undefined)
        continue;
      try {
        const imprint = await verify(await this.options.reader.open(file), file.position, file.fingerprint);
        if (imprint === undefined) file.replaced = true;
      } catch (error) {
        file.trouble = error;
      }
    }
  }

  /** Decides about the newcomers and about the files that were replaced. */
  private async admit(
    newcomers: readonly FoundFile[],
    byIdentity: ReadonlyMap<string, FoundFile>,
    nowMs: number,
  ): Promise<void> {
    const copies = new Map<TailedFile, Copy>();
    const fresh: Fresh[] = [];
    const waiting = new Set<string>();
    const replaced = [...this.live.values()].filter((file) => file.replaced);
    // What stands in the place of a replaced file is a newcomer like others: rotators write copies over older copies.
    const successors: FoundFile[] = [];
    for (const original of replaced) {
      const found = byIdentity.get(original.identity);
      if (found === undefined) continue;
      successors.push(found);
      const { generation, firstPath } = original.origin;
      if (found.path === original.path) this.lineage.set(original.identity, { generation: generation + 1, firstPath });
    }
    const needsJudge = this.sweeps > 1 || [...this.live.values()].some((file) => file.position > 0);
    for (const found of [...newcomers, ...successors]) {
      if (found.stat.sizeBytes === 0 || !this.isWanted(found, replaced.length > 0)) continue;
      if (!needsJudge) {
        fresh.push({ found, handle: undefined });
        continue;
      }
      const handle = await this.openNewcomer(found);
      if (handle === undefined) continue;
      const live = [...this.live.values()].filter((file) => !copies.has(file) && file.identity !== found.stat.identity);
      const originals = { live, replaced: new Set(replaced), vanished: this.vanished, recovering: this.sweeps === 1 };
      const verdict = await this.judge.judge(found, handle, originals, nowMs);
      if (verdict.kind === 'copy') copies.set(verdict.original, { ...verdict, found, handle });
      else if (verdict.kind === 'new') fresh.push({ found, handle });
      else await handle.close();
      if (verdict.kind === 'wait') waiting.add(found.stat.identity);
      if (verdict.kind === 'compressed') this.skip(found.path, found.stat.identity);
    }
    this.judge.keepOnly(waiting);
    const isFree = (identity: string) => !this.live.has(identity);
    await searchCopies(this.options.files, replaced, copies, isFree, (found) => this.openNewcomer(found));
    if (this.options.startAtEnd && this.sweeps === 1) await this.startAtEnd(fresh);
    this.apply(copies, replaced);
    for (const { found, handle, start } of fresh) this.follow(found, handle, start);
  }

  /** In `--once` only files of the first sweep are read, and copies of files that were truncated meanwhile. */
  private isWanted(found: FoundFile, anyReplaced: boolean): boolean {
    return anyReplaced || (this.options.targets?.has(found.stat.identity) ?? true);
  }

  private async openNewcomer(found: FoundFile): Promise<OpenFile | undefined> {
    try {
      const handle = await this.options.files.open(found.path, 'read');
      // The name may lead to another file by now; then the next sweep knows.
      if ((await handle.stat()).identity === found.stat.identity) return handle;
      await handle.close();
    } catch (error) {
      this.cannotRead(found.path, error);
    }
    return undefined;
  }

  /** Says once that a file cannot be read; one that has just gone or been replaced needs no word. */
  cannotRead(path: string, error: unknown): void {
    if (!(error instanceof Error && 'code' in error) || error.code === 'ENOENT') return;
    this.options.warn(`open:${path}`, `Cannot read ${path}: ${messageOf(error)}`);
  }

  private skip(path: string, identity: string): void {
    this.skipped.add(identity);
    this.options.warn('compressed', `${path} is compressed: it is taken for a rotated copy and not read`);
  }

  /** Carries out what was decided; without waiting for anything, so that a flight sees all of it or nothing. */
  private apply(copies: ReadonlyMap<TailedFile, Copy>, replaced: readonly TailedFile[]): void {
    for (const original of replaced) if (!copies.has(original)) this.end(original, 'replaced');
    for (const [original, { found, handle, position, imprint }] of copies) {
      this.release(original);
      if (position !== original.position) original.part = 0;
      original.moveTo(found.path, found.stat.identity, position, imprint);
      original.handle = handle;
      original.observe(found.stat, this.options.clock.now());
      original.endPosition = this.options.targets === undefined ? undefined : found.stat.sizeBytes;
      this.live.set(original.identity, original);
      this.dirty.add(original);
    }
  }

  /** Follows a new file, or a file that begins anew. */
  private follow(
    found: FoundFile,
    handle: OpenFile | undefined,
    start: { position: number; imprint: Imprint } | undefined,
  ): void {
    const { generation, firstPath } = this.lineage.get(found.stat.identity) ?? { generation: 0, firstPath: found.path };
    this.lineage.delete(found.stat.identity);
    const file = new TailedFile(
      {
        ...{ id: this.options.random.bytes(fileIdBytes), firstPath, generation },
        partition: this.options.partitionOf(firstPath),
      },
      found.path,
      found.stat.identity,
    );
    file.handle = handle;
    file.predecessor = this.latestByPath.get(firstPath);
    file.endPosition = this.options.targets?.get(file.identity);
    if (start !== undefined) {
      file.position = start.position;
      file.imprint = start.imprint;
      this.dirty.add(file);
    }
    file.observe(found.stat, this.options.clock.now());
    this.live.set(file.identity, file);
    this.latestByPath.set(firstPath, file);
  }

  /** The files of the very first sweep begin with the line that is being written. */
  private async startAtEnd(fresh: readonly Fresh[]): Promise<void> {
    for (const entry of fresh) {
      entry.handle ??= await this.openNewcomer(entry.found);
      if (entry.handle === undefined) continue;
      const position = await startOfUnfinishedLine(entry.handle, await entry.handle.size(), this.options.maxLineBytes);
      const imprint = await imprintAt(entry.handle, position);
      if (imprint !== undefined) entry.start = { position, imprint };
    }
  }

  /** Files that nobody can reach any more, renamed ones that fell silent, and handles beyond what is decent. */
  private async settle(nowMs: number): Promise<void> {
    const { settleMs } = this.options;
    for (const file of this.live.values()) {
      if (settleMs !== undefined) file.settleAfter(settleMs, nowMs);
      if (file.missingSinceMs !== undefined) {
        if (file.handle !== undefined) file.observe(await file.handle.stat(), nowMs);
        const quietSinceMs = Math.max(file.missingSinceMs, file.lastChangeMs);
        if (nowMs - quietSinceMs < goneIdleMs || (file.handle !== undefined && file.isReadable)) continue;
        if (file.handle !== undefined && file.position < file.sizeBytes && file.unverified === undefined)
          this.finishLine(file);
        else this.end(file, 'gone');
      } else if (file.isRenamed && !file.hungry && file.position < file.sizeBytes) {
        if (nowMs - file.lastChangeMs >= renamedIdleMs) this.finishLine(file);
      }
    }
    const idle = [...this.live.values()].filter(
      (file) => file.handle !== undefined && file.missingSinceMs === undefined,
    );
    idle.sort((left, right) => left.lastChangeMs - right.lastChangeMs);
    for (const file of idle.slice(0, Math.max(0, idle.length - openHandlesLimit))) this.closeHandle(file);
  }

  private finishLine(file: TailedFile): void {
    file.finishing = true;
    file.hungry = true;
  }

  /** The reader found that `file` holds no lines. */
  pass(file: TailedFile): void {
    this.release(file);
    this.dirty.delete(file);
    this.skip(file.path, file.identity);
  }

  /** Ends following `file`; its record says how. */
  private end(file: TailedFile, state: 'replaced' | 'gone'): void {
    const lost = file.previousSizeBytes - file.position;
    if (state === 'replaced' && lost > 0 && file.unverified === undefined) {
      const { path } = file;
      this.options.warn(`lost:${path}`, `${path} was truncated before its last ${lost} bytes could be read`);
    }
    file.state = state;
    this.release(file);
    this.dirty.add(file);
  }

  private release(file: TailedFile): void {
    this.closeHandle(file);
    if (this.live.get(file.identity) === file) this.live.delete(file.identity);
    if (this.latestByPath.get(file.origin.firstPath) === file && file.state !== 'live') {
      this.latestByPath.delete(file.origin.firstPath);
    }
  }

  private closeHandle(file: TailedFile): void {
    void file.handle?.close().catch(() => undefined);
    file.handle = undefined;
  }

  /** Closes every handle; the roster is of no use afterwards. */
  async close(): Promise<void> {
    const handles = [...this.live.values()].flatMap(({ handle }) => (handle === undefined ? [] : [handle]));
    this.live.clear();
    await Promise.allSettled(handles.map((handle) => handle.close()));
  }
}
