// The state of one followed file: who it is, how far it was read, what is known of its path and size. No file is touched here; the roster
// tells it what was seen (observe), the reader what was taken (advance).
import type { FileStat, OpenFile } from '../../base/files.ts';
import type { FileState, Fingerprint, Milestone, PositionRecord } from '../../broker/client/positions-record.ts';
import { Imprint } from './identity.ts';
import type { Packing } from './packing.ts';
import type { ZeroRange } from './zeros.ts';

/** What does not change while a file is followed. */
export interface FileOrigin {
  /** 6 random bytes. */
  id: Buffer;
  firstPath: string;
  partition: number;
  generation: number;
  /** Since when the log of that name is followed; its earlier generations are none of our business. */
  sinceMs: number;
}

/** What a record says about the file itself. */
export type KnownFile = Omit<PositionRecord, 'kind' | 'instance' | 'agent' | 'host' | 'topic' | 'atMs' | 'accountedMs'>;

/** What is known of a file that is no more. */
export interface Remains {
  known: KnownFile;
  /** When it was last known to hold what was read of it. */
  soundMs: number;
  /** Its first bytes; undefined where an earlier run has read them and they were not compared since. */
  head: Buffer | undefined;
  /** Its handle while it is open and leads to what was read. */
  handle?: OpenFile | undefined;
}

/** What could not be unpacked is tried again after this long, and whenever it changes. */
const unpackAgainMs = 30_000;

/** Anchors of the last flights are kept for this many positions: a copy that is shorter than what was read is compared at one of them. */
const milestoneLimit = 16;
/** So many of them outlast the process: between copying and truncating there is hardly time for more. */
const keptMilestones = 2;

export class TailedFile {
  readonly origin: FileOrigin;
  /** `origin.id` in hexadecimal. */
  readonly key: string;
  state: FileState = 'live';
  path: string;
  identity: string;
  /** When the inode was made, where that is known. */
  born: string | undefined;
  /** Where it stands, when `path` leads there over symbolic links. */
  realPath: string | undefined;
  /** Compressed: position and fingerprint count unpacked bytes, sizes are not known. */
  packing: Packing | undefined;
  /** Of a packed file: size and change time when last looked at, and whether it was read to its end as that. */
  packed: { sizeBytes: number; modifiedMs: number } | undefined;
  isWhole = false;
  position = 0;
  /** As far as what was read has been committed. */
  committedPosition = 0;
  lines = 0;
  /** Parts taken of the overlong line that is under way. */
  part = 0;
  /** Zeros before lines that were passed over. */
  zeros: readonly ZeroRange[] = [];
  imprint = Imprint.empty;
  /** Of a recovered file: what its bytes must agree with, until they have been compared. */
  unverified: Fingerprint | undefined;
  handle: OpenFile | undefined;
  /** Its handle was closed because others needed the room. */
  isCrowdedOut = false;
  /** Size and change time when last looked at, and the size at the sweep before that. */
  sizeBytes = 0;
  modifiedMs = 0;
  previousSizeBytes = 0;
  /** Bytes that were seen of the content that was read, not of one that took its place. */
  soundBytes = 0;
  lastChangeMs = 0;
  /** Nothing of the last slice could be taken: a line, or an event, is longer. */
  outgrewSlice = false;
  /** True while there may be unread bytes. */
  hungry = true;
  /** Its content is another one now: the next sweep decides what becomes of it. */
  replaced = false;
  /** When it was last known to hold what was read of it. */
  soundMs = 0;
  /** Since when there may have been other lines in it, which were copied and truncated before anything was read. */
  doubtfulSinceMs: number | undefined;
  /** Since when no path leads to it. */
  missingSinceMs: number | undefined;
  /** The bytes behind the last newline are to be taken as a line: nobody will complete it. */
  finishing = false;
  /** `multiline`: the event at the end is to be taken as far as its lines are whole, for nothing has come for a while. */
  settling = false;
  /** The size at which it settled last. */
  settledBytes = -1;
  /** `--once`: not to be read beyond. */
  endPosition: number | undefined;
  /** The file that had this one's path before; it is read to its end first, so that the path's lines keep their order. */
  predecessor: TailedFile | undefined;
  /** Why it cannot be read at present; it is tried again with every sweep. */
  trouble: unknown;
  private troubleMs: number | undefined;
  /** Earlier positions with the anchor there, oldest first. */
  readonly milestones: Milestone[] = [];

  constructor(origin: FileOrigin, path: string, identity: string) {
    this.origin = origin;
    this.key = origin.id.toString('hex');
    this.path = path;
    this.identity = identity;
  }

  /** `soundMs`: when it is known to have held that. */
  static recovered(record: KnownFile, soundMs: number): TailedFile {
    const { file, firstPath, partition, generation } = record;
    const sinceMs = record.sinceMs ?? soundMs;
    const origin = { id: Buffer.from(file, 'hex'), firstPath, partition, generation, sinceMs };
    const tailed = new TailedFile(origin, record.path, record.identity);
    tailed.soundMs = soundMs;
    tailed.position = record.position;
    tailed.committedPosition = record.position;
    tailed.lines = record.lines;
    tailed.part = record.part;
    tailed.zeros = record.zeros ?? [];
    tailed.born = record.born;
    tailed.realPath = record.realPath;
    tailed.packing = record.packing;
    tailed.packed = record.packed;
    tailed.isWhole = record.packed !== undefined;
    tailed.hungry = !tailed.isWhole;
    const { headBytes, headHash, anchorBytes, anchorHash } = record;
    if (record.position > 0) {
      tailed.unverified = { headBytes, headHash, anchorBytes, anchorHash };
      tailed.milestones.push(...(record.earlier ?? []));
      tailed.addMilestone();
    }
    return tailed;
  }

  /** The same file, of which nothing that was read has been committed. */
  anew(): TailedFile {
    const file = new TailedFile(this.origin, this.path, this.identity);
    file.born = this.born;
    file.realPath = this.realPath;
    file.endPosition = this.endPosition;
    file.soundMs = this.soundMs;
    return file;
  }

  /** It stands under another name than at first: the rotator is done with it, its writer nearly. */
  get isRenamed(): boolean {
    return this.path !== this.origin.firstPath;
  }

  /** Something that was read of it is not committed yet: it may have to be read again, through the handle that is open. */
  get isPending(): boolean {
    return this.handle !== undefined && this.packing === undefined && this.committedPosition < this.position;
  }

  /** No path leads to it. */
  get isMissing(): boolean {
    return this.missingSinceMs !== undefined;
  }

  /** `--once`: there is nothing more to wait for. */
  get isDone(): boolean {
    const { endPosition, missingSinceMs, handle } = this;
    if (this.trouble !== undefined || (missingSinceMs !== undefined && handle === undefined)) return true;
    if (this.packing !== undefined) return !this.hungry;
    if (this.replaced || this.unverified !== undefined) return false;
    return endPosition === undefined || this.position >= endPosition || (!this.hungry && this.sizeBytes < endPosition);
  }

  /** Something may be read now. */
  get isReadable(): boolean {
    if (!this.hungry || this.unverified !== undefined || this.replaced || this.trouble !== undefined) return false;
    if (this.state !== 'live') return false;
    if (this.endPosition !== undefined && this.position >= this.endPosition) return false;
    if (this.predecessor?.holdsUpSuccessor === true) return false;
    this.predecessor = undefined;
    return true;
  }

  /** There are bytes in it that come before those of the file that has its path now. */
  private get holdsUpSuccessor(): boolean {
    const isAtEnd = this.endPosition !== undefined && this.position >= this.endPosition;
    return this.state === 'live' && this.hungry && !isAtEnd && this.trouble === undefined;
  }

  /** What a look at the file has shown. */
  observe(stat: FileStat, nowMs: number): void {
    if (stat.born !== undefined && this.born === undefined) this.born = stat.born;
    if (this.packing !== undefined) {
      this.observePacked(stat, nowMs);
      return;
    }
    this.doubt(stat);
    if (stat.sizeBytes !== this.sizeBytes || stat.modifiedMs !== this.modifiedMs) {
      this.hungry = true;
      this.lastChangeMs = nowMs;
    } else if (this.unverified === undefined && !this.replaced) this.soundMs = nowMs;
    // When it has shrunk, the size it had before that is kept: a copy made of it cannot be smaller.
    if (!this.replaced && this.sizeBytes >= this.position) this.previousSizeBytes = this.sizeBytes;
    // A file that only grew since may have been truncated and written anew.
    if (!this.replaced && stat.sizeBytes < this.sizeBytes) this.soundBytes = this.sizeBytes;
    this.sizeBytes = stat.sizeBytes;
    this.modifiedMs = stat.modifiedMs;
    this.trouble = undefined;
  }

  private observePacked({ sizeBytes, modifiedMs }: FileStat, nowMs: number): void {
    if (this.packed?.sizeBytes !== sizeBytes || this.packed.modifiedMs !== modifiedMs) {
      this.packed = { sizeBytes, modifiedMs };
      this.isWhole = false;
      this.hungry = true;
      this.lastChangeMs = nowMs;
      this.troubleMs = undefined;
      this.trouble = undefined;
    } else if (this.trouble !== undefined) {
      this.troubleMs ??= nowMs;
      if (nowMs - this.troubleMs < unpackAgainMs) return;
      this.troubleMs = undefined;
      this.trouble = undefined;
    }
  }

  /** Nothing of it was read yet: what comes before `position` is not wanted. */
  beginAt({ position, imprint }: { position: number; imprint: Imprint }): void {
    this.position = position;
    this.imprint = imprint;
  }

  /** Packed, and not to be read as it is now. */
  passOver(): void {
    this.isWhole = true;
    this.hungry = false;
  }

  /** What a look has shown while nothing of it was read: then nothing tells later whether it only grew since the look before. */
  doubt({ sizeBytes, modifiedMs }: FileStat): void {
    if (this.position > 0 || this.packing !== undefined || this.sizeBytes === 0) return;
    if (sizeBytes !== this.sizeBytes || modifiedMs !== this.modifiedMs) this.doubtfulSinceMs ??= this.soundMs;
  }

  /** Whether this look at its identity shows another file: one that was made at another time. */
  isOther(stat: FileStat): boolean {
    return stat.born !== undefined && this.born !== undefined && stat.born !== this.born;
  }

  /** Whether this look at its identity shows the file itself for certain: an inode is not given away while it is open. */
  isSurely(stat: FileStat): boolean {
    return this.handle !== undefined || (this.born !== undefined && stat.born === this.born);
  }

  /** `bytes[start, end)` were read and framed. */
  advance(bytes: Buffer, start: number, end: number, records: number, part: number): void {
    this.imprint = this.imprint.after(bytes, start, end);
    this.position += end - start;
    this.lines += records;
    this.part = part;
  }

  /** `multiline`: takes what waits for more as complete when nothing came for `timeoutMs`. */
  settleAfter(timeoutMs: number, nowMs: number): void {
    if (this.hungry || this.position >= this.sizeBytes || this.settledBytes === this.sizeBytes) return;
    if (nowMs - this.lastChangeMs < timeoutMs) return;
    this.settledBytes = this.sizeBytes;
    this.settling = true;
    this.hungry = true;
  }

  /** Called with each flight, so that copies can be compared at earlier positions too. */
  addMilestone(): void {
    if (this.position === 0) this.milestones.length = 0;
    else this.milestones.push({ position: this.position, fingerprint: this.fingerprint });
    if (this.milestones.length > milestoneLimit) this.milestones.shift();
  }

  /** From now on it is followed as another file with the same bytes up to `position`. */
  moveTo(path: string, stat: FileStat, packing: Packing | undefined, position: number, imprint: Imprint): void {
    this.path = path;
    this.identity = stat.identity;
    this.born = stat.born;
    this.realPath = undefined;
    this.packing = packing;
    this.packed = undefined;
    this.isWhole = false;
    if (position !== this.position) this.part = 0;
    this.position = position;
    this.committedPosition = Math.min(this.committedPosition, position);
    this.imprint = imprint;
    this.unverified = undefined;
    this.replaced = false;
    this.missingSinceMs = undefined;
    this.trouble = undefined;
    this.hungry = true;
    this.sizeBytes = 0;
    this.settledBytes = -1;
    this.milestones.length = 0;
  }

  /** Its inode is another file's, and no path leads to it: no file has the identity that it gets. */
  lose(nowMs: number): void {
    this.identity = `lost:${this.key}`;
    this.missingSinceMs ??= nowMs;
  }

  /** What a file must agree with, up to `position`, to have the same bytes. */
  get fingerprint(): Fingerprint {
    return this.unverified ?? this.imprint.fingerprint();
  }

  get known(): KnownFile {
    const { state, path, identity, position, lines, part, key, realPath, born, packing, packed } = this;
    const { firstPath, partition, generation, sinceMs } = this.origin;
    const zeros = this.zeros.filter(([from]) => from < position);
    const earlier = this.milestones.filter((each) => each.position < position).slice(-keptMilestones);
    return {
      ...{ file: key, state, path, firstPath, partition, identity, generation, sinceMs },
      ...{ position, lines, part, ...this.fingerprint },
      ...(realPath === undefined ? {} : { realPath }),
      ...(born === undefined ? {} : { born }),
      ...(packing === undefined ? {} : { packing }),
      ...(packed === undefined || !this.isWhole ? {} : { packed }),
      ...(earlier.length === 0 ? {} : { earlier }),
      ...(zeros.length === 0 ? {} : { zeros }),
    };
  }

  /** What is left of it to know its copies by. */
  get remains(): Remains {
    const head = this.unverified === undefined ? this.imprint.head : undefined;
    const handle = this.replaced ? undefined : this.handle;
    return { known: this.known, soundMs: this.soundMs, head, handle };
  }

  record(
    names: { instance: string; agent: string; host: string; topic: string },
    times: { atMs: number; accountedMs?: number | undefined },
  ): PositionRecord {
    const { atMs, accountedMs } = times;
    return { kind: 'file', ...names, ...this.known, atMs, ...(accountedMs === undefined ? {} : { accountedMs }) };
  }
}
