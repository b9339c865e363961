// Tells copies from new files. Rotators that copy and truncate (or copy and delete, or compress) leave the lines that were already read under a new
// name, and perhaps lines that were not read yet. So a file that turns up is compared with those that are followed, or were:
//
//   its bytes agree with a file that was truncated or has vanished in this very sweep   → it goes on where that one was
//   its bytes so far are those of a file that is still whole                             → wait: a copy may be under way
//   packed, and unpacked the same as a file that is still there                         → held: nothing to do while that one is there
//   no more than the beginning of a log, made after it under a name that rotators give   → held, too, when it has waited: copying may stand still
//   it is one that ended before and has come back, packed or under the same inode        → it goes on where that one was
//   all it holds, and more, was read of one that is no more (cut-copies.ts)              → nothing of it is left to be read
//   anything else                                                                        → a new file
//
// Waiting ends when nothing came for a while and the original is still there: but for the above it is a file of its own then.
import { basename } from 'node:path';
import { TailraceError } from '../../base/errors.ts';
import type { OpenFile } from '../../base/files.ts';
import { cutEnd, sharesHead } from './cut-copies.ts';
import type { FoundFile } from './discovery.ts';
import type { ComeBack } from './ended-files.ts';
import { hasRotatedName, isAkin, isLogName, isUnpackedName } from './families.ts';
import { beginAlike, headLimitBytes, type Imprint, imprintAt, isSameInode, readRange, verify } from './identity.ts';
import type { Originals } from './originals.ts';
import { type Packing, UnpackedFile } from './packing.ts';
import { type KnownFile, TailedFile } from './tailed-file.ts';

/** How long a complete copy waits for its original to be truncated. */
export const copyWaitMs = 3_000;
/** A packed file that was changed within this time is likely being written. */
const packingMs = 2_000;
/** With less in common two files may be alike by chance: programs say "done" every day, and many of them do. */
const chanceBytes = 256;

/** A file that may be a copy. */
interface Candidate {
  firstSeenMs: number;
  sizeBytes: number;
  lastGrowthMs: number;
  /** Sizes the originals had when it was first seen and, `before`, at the sweep before that. */
  originals: Map<TailedFile, { sizeBytes: number; beforeBytes: number }>;
  /** It was there before the agent looked: a generation that says the same, perhaps. */
  wasThere: boolean;
}

export type Verdict =
  | { kind: 'new' }
  | { kind: 'wait' }
  /** `original`: what it is a copy of; undefined when it cannot be unpacked. */
  | { kind: 'held'; original: TailedFile | undefined }
  | { kind: 'copy'; original: TailedFile; position: number; imprint: Imprint };

/** A copy that was found. */
export type Copy = Extract<Verdict, { kind: 'copy' }> & {
  found: FoundFile;
  handle?: OpenFile;
  packing: Packing | undefined;
};

export interface JudgeOptions {
  isTaken: (original: TailedFile) => boolean;
  isStray: boolean;
  nowMs: number;
}

export class CopyJudge {
  private candidates = new Map<string, Candidate>();
  private readonly open: (file: TailedFile) => Promise<OpenFile>;
  private readonly cannotRead: (path: string, error: unknown) => void;

  /** `open` gives the handle of a followed file; `cannotRead` tells people. */
  constructor(open: (file: TailedFile) => Promise<OpenFile>, cannotRead: (path: string, error: unknown) => void) {
    this.open = open;
    this.cannotRead = cannotRead;
  }

  get isWaiting(): boolean {
    return this.candidates.size > 0;
  }

  /** Forgets candidates that were not among the last sweep's newcomers, and those that were decided upon. */
  keepOnly(identities: ReadonlySet<string>): void {
    for (const identity of this.candidates.keys()) if (!identities.has(identity)) this.candidates.delete(identity);
  }

  /**
   * `head`: the first bytes as they stand on the disk. `isTaken` tells which originals have been given their continuation already. `isStray`: no pattern matches the file; it is not wanted when its
   * bytes are had elsewhere, however long it has been there.
   */
  async judge(
    found: FoundFile,
    handle: OpenFile,
    head: Buffer,
    originals: Originals,
    { isTaken, isStray, nowMs }: JudgeOptions,
  ): Promise<Verdict> {
    const candidate = this.candidate(found, nowMs, originals.scene.recovering);
    if (handle instanceof UnpackedFile) {
      if (Math.abs(nowMs - found.stat.modifiedMs) < packingMs) return { kind: 'wait' };
      return this.judgePacked(found, handle, originals, isTaken).catch((error: unknown) => this.giveUp(found, error));
    }
    let waits = false;
    let held: TailedFile | undefined;
    const alike = originals.candidates(found.path, head);
    for (const original of alike) {
      if (isTaken(original) || isAnother(found, original)) continue;
      if (original.identity === found.stat.identity || originals.hasEnded(original)) {
        const copy = await this.claim(found, handle, original, originals);
        if (copy !== undefined) return copy;
      } else if (original.packing !== undefined) {
        if (mayBeUnpacked(found, original) && (await this.isUnpackedFrom(handle, original, isStray)))
          return { kind: 'held', original };
      } else if (isStray && (await this.isBeginningOf(handle, original))) {
        if (!isLaterAlike(found, original)) return { kind: 'held', original };
        waits ||= nowMs - found.stat.modifiedMs < copyWaitMs;
      } else if (waits || original.isMissing) {
        // What is missing for longer was not copied before it went.
      } else {
        waits = await this.mayBeUnderWay(handle, head, original, candidate, nowMs);
        if (!waits && (await this.isCopyOfLog(found, handle, original, candidate))) held = original;
      }
    }
    if (waits) return { kind: 'wait' };
    if (held !== undefined) return { kind: 'held', original: held };
    const isWanted = (known: KnownFile) => isStray || isSameInode(known, found.stat);
    const known = await this.comeBack(found, handle, originals, isWanted);
    return known ?? this.cutOrNew(found, handle, originals, alike);
  }

  /** What cannot be unpacked. */
  private giveUp({ path }: FoundFile, error: unknown): Verdict {
    if (!(error instanceof TailraceError)) throw error;
    this.cannotRead(path, error);
    return { kind: 'held', original: undefined };
  }

  private async judgePacked(
    found: FoundFile,
    handle: UnpackedFile,
    originals: Originals,
    isTaken: (original: TailedFile) => boolean,
  ): Promise<Verdict> {
    const head = await readRange(handle, 0, headLimitBytes);
    const alike = [...originals.candidates(found.path, head)].filter((original) => !isTaken(original));
    // In the order of their positions, for unpacking goes forward.
    alike.sort((left, right) => left.position - right.position);
    let held: TailedFile | undefined;
    for (const original of alike) {
      if (originals.hasEnded(original) && (original.replaced || original.handle === undefined)) {
        const copy = await this.claim(found, handle, original, originals);
        if (copy !== undefined) return copy;
      } else if (
        (head.length >= chanceBytes || areAkin(found.path, original)) &&
        (await this.isPackedCopy(handle, head, original))
      )
        held = original;
    }
    if (held !== undefined) return { kind: 'held', original: held };
    const known = await this.comeBack(found, handle, originals, () => true);
    return known ?? this.cutOrNew(found, handle, originals, alike);
  }

  /** The file is new unless all of it, and more, was read of one that has ended. */
  private async cutOrNew(
    found: FoundFile,
    handle: OpenFile,
    originals: Originals,
    alike: Iterable<TailedFile>,
  ): Promise<Verdict> {
    for (const original of alike) {
      const isOver = originals.hasEnded(original) || (original.isMissing && original.handle === undefined);
      if (!isOver || original.packing !== undefined) continue;
      const { remains } = original;
      const known = { ...remains.known, earlier: original.milestones };
      const end = await cutEnd(handle, found, { ...remains, known }, () => sharesHead(known, alike));
      if (end !== undefined) return { kind: 'copy', original, ...end };
    }
    const ended = handle instanceof UnpackedFile && (await originals.scene.ended.findCut(handle, found, alike));
    return ended ? comeBackAs(ended) : { kind: 'new' };
  }

  private async comeBack(
    found: FoundFile,
    handle: OpenFile,
    { scene }: Originals,
    isWanted: Parameters<typeof scene.ended.find>[2],
  ): Promise<Verdict | undefined> {
    const ended = await scene.ended.find(handle, found, isWanted);
    return ended && comeBackAs(ended);
  }

  private candidate(found: FoundFile, nowMs: number, wasThere: boolean): Candidate {
    const { identity, sizeBytes } = found.stat;
    let candidate = this.candidates.get(identity);
    if (candidate === undefined) {
      candidate = { firstSeenMs: nowMs, sizeBytes, lastGrowthMs: nowMs, originals: new Map(), wasThere };
      this.candidates.set(identity, candidate);
    } else if (sizeBytes !== candidate.sizeBytes) {
      candidate.sizeBytes = sizeBytes;
      candidate.lastGrowthMs = nowMs;
    }
    return candidate;
  }

  private async mayBeUnderWay(
    handle: OpenFile,
    head: Buffer,
    original: TailedFile,
    candidate: Candidate,
    nowMs: number,
  ): Promise<boolean> {
    // It could not be looked at yet, for some passing reason.
    if (original.unverified !== undefined)
      return (await verify(handle, original.position, original.unverified)) !== undefined;
    const beginsAlike = original.position === 0 ? original.sizeBytes > 0 : startsLike(original, head);
    return beginsAlike && this.isUnderWay(handle, original, candidate, nowMs);
  }

  /** Whether the file holds nothing but the first bytes of `original`, and was not yet complete long enough to be called its own. */
  private async isUnderWay(
    handle: OpenFile,
    original: TailedFile,
    candidate: Candidate,
    nowMs: number,
  ): Promise<boolean> {
    let sizes = candidate.originals.get(original);
    if (sizes === undefined) {
      sizes = { sizeBytes: original.sizeBytes, beforeBytes: original.previousSizeBytes };
      candidate.originals.set(original, sizes);
    }
    const grows = candidate.sizeBytes < sizes.sizeBytes;
    const sinceMs = nowMs - candidate.lastGrowthMs;
    if (sinceMs > copyWaitMs || (!grows && nowMs - candidate.firstSeenMs > copyWaitMs * 2)) return false;
    try {
      const whole = await this.open(original);
      const [size, originalSize] = await Promise.all([handle.size(), whole.size()]);
      if (size <= originalSize && (await beginAlike(handle, whole, size))) return true;
      // They differ: because it was truncated this moment? Then the next sweep decides, and sees every copy that was made before.
      original.replaced = (await verify(whole, original.position, original.fingerprint)) === undefined;
      return original.replaced;
    } catch {
      // The original went away this moment: the next sweep knows better.
      return true;
    }
  }

  /**
   * Whether it holds nothing but the beginning of a log that stands under its own name, and was made after it. A generation that was put aside and happens to say the
   * same is older than the log.
   */
  private async isCopyOfLog(
    found: FoundFile,
    handle: OpenFile,
    original: TailedFile,
    candidate: Candidate,
  ): Promise<boolean> {
    if (candidate.wasThere) return false;
    const { born, sizeBytes } = found.stat;
    const isLater = born !== undefined && original.born !== undefined && BigInt(born) > BigInt(original.born);
    const isNamedAfter =
      hasRotatedName(found.path) && isLogName(basename(original.path)) && areAkin(found.path, original);
    if (sizeBytes < chanceBytes || !isLater || !isNamedAfter) return false;
    return this.isBeginningOf(handle, original);
  }

  /** Whether the unpacked bytes are those of a file that is still there. Throws when they cannot be unpacked. */
  private async isPackedCopy(handle: UnpackedFile, head: Buffer, original: TailedFile): Promise<boolean> {
    if (original.packing !== undefined || original.replaced) return false;
    if (original.position > 0 && original.unverified === undefined && !startsLike(original, head)) return false;
    return this.isBeginningOf(handle, original);
  }

  /** Whether the file is what a packed one holds: somebody unpacked it. A stray is also known when it is a part of that. */
  private async isUnpackedFrom(handle: OpenFile, original: TailedFile, isStray: boolean): Promise<boolean> {
    if (original.position === 0) return false;
    if (!isStray && (await verify(handle, original.position, original.fingerprint)) === undefined) return false;
    return this.isBeginningOf(handle, original);
  }

  /**
   * Whether all bytes of the file stand at the beginning of `original` too. That those agree which were read so far is not enough, for generations
   * may begin with the same lines; it decides where `original` cannot be opened at this moment.
   */
  private async isBeginningOf(handle: OpenFile, original: TailedFile): Promise<boolean> {
    const whole = await this.open(original).catch(() => undefined);
    if (whole === undefined)
      return original.position > 0 && (await verify(handle, original.position, original.fingerprint)) !== undefined;
    const [head, there] = await Promise.all([handle, whole].map((file) => readRange(file, 0, headLimitBytes)));
    if (!head!.equals(there!.subarray(0, head!.length))) return false;
    return beginAlike(handle, whole, handle instanceof UnpackedFile ? await handle.unpackAll() : await handle.size());
  }

  /** The verdict that the file goes on where `original`, which is no more, had got to; undefined when its bytes are others. */
  async claim(
    found: FoundFile,
    handle: OpenFile,
    original: TailedFile,
    { scene }: Originals,
  ): Promise<Extract<Verdict, { kind: 'copy' }> | undefined> {
    if (!mayGoOn(found, original)) return undefined;
    const size = handle instanceof UnpackedFile ? Infinity : await handle.size();
    if (size >= original.position) {
      if (scene.vanished.has(original) && found.path === original.path) {
        // Deleted and written again: taken for the same only when it cannot well be chance.
        const cannotBeChance = scene.recovering && original.position >= chanceBytes;
        if (!cannotBeChance && !isSameInode(original, found.stat)) return undefined;
      }
      const imprint = await verify(handle, original.position, original.fingerprint);
      return imprint && { kind: 'copy', original, position: original.position, imprint };
    }
    // Shorter than what was read: bytes were added to the original between copy and truncation, and read in time.
    if (!original.replaced || original.packing !== undefined) return undefined;
    const candidate = this.candidates.get(found.stat.identity);
    const leastBytes = candidate?.originals.get(original)?.beforeBytes ?? original.previousSizeBytes;
    if (size === 0 || size < leastBytes) return undefined;
    // After a start nothing is left of the original but what was written down.
    const isRecovered = original.unverified !== undefined;
    if (!isRecovered && !startsLike(original, await readRange(handle, 0, headLimitBytes))) return undefined;
    const milestone = original.milestones.findLast(({ position }) => position > 0 && position <= size);
    const agrees =
      milestone === undefined
        ? !isRecovered
        : (await verify(handle, milestone.position, milestone.fingerprint)) !== undefined;
    if (!agrees) return undefined;
    const imprint = await imprintAt(handle, size);
    return imprint && { kind: 'copy', original, position: size, imprint };
  }
}

function comeBackAs({ known, position, imprint }: ComeBack): Verdict {
  return { kind: 'copy', original: TailedFile.recovered(known, 0), position, imprint };
}

/** Whether the file has the inode of `original` without being that one itself, which was out of sight for a while and has turned up again. */
function isAnother({ stat }: FoundFile, original: TailedFile): boolean {
  return original.identity === stat.identity && !(original.isMissing && original.isSurely(stat));
}

/** Whether a rotator may have made one of the other, by their names. */
function areAkin(path: string, { path: other, realPath, origin }: TailedFile): boolean {
  return isAkin(path, [other, realPath ?? other, origin.firstPath]);
}

/** Whether a file may go on for `original` if its bytes agree: so few agree by chance elsewhere. */
function mayGoOn({ path }: FoundFile, original: TailedFile): boolean {
  return original.position >= chanceBytes || (original.position > 0 && areAkin(path, original));
}

/** Whether a file may be what somebody unpacked from `original`: it has its name, or its time. */
function mayBeUnpacked({ path, stat }: FoundFile, original: TailedFile): boolean {
  const { packed } = original;
  return packed === undefined || stat.modifiedMs <= packed.modifiedMs || isUnpackedName(path, original.path);
}

/** Whether what agrees with `original`, which was put aside, is so little and was written so much later that it is another generation. */
function isLaterAlike({ stat }: FoundFile, original: TailedFile): boolean {
  return original.isRenamed && stat.sizeBytes < chanceBytes && stat.modifiedMs > original.modifiedMs;
}

function startsLike(original: TailedFile, head: Buffer): boolean {
  const known = original.imprint.head;
  const count = Math.min(known.length, head.length);
  return count > 0 && known.compare(head, 0, count, 0, count) === 0;
}
