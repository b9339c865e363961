// Tells copies from new files. Rotators that copy and truncate (or copy and delete) leave the lines that were already read under a new name,
// and perhaps lines that were not read yet. So a file that turns up is compared with those that are followed:
//
//   its bytes agree with a file that was truncated or has vanished in this very sweep   → it goes on where that one was
//   its bytes so far are those of a file that is still whole                             → wait: a copy may be under way
//   anything else                                                                        → a new file
//
// Waiting ends when the copy has been complete for a while and the original is still there: then it is a file of its own.
import type { Files, OpenFile } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';
import { beginAlike, headLimitBytes, type Imprint, imprintAt, readRange, verify } from './identity.ts';
import { isCompressed } from './reader.ts';
import { siblingsOf } from './siblings.ts';
import type { TailedFile } from './tailed-file.ts';

/** How long a complete copy waits for its original to be truncated. */
const copyWaitMs = 3_000;
/** A file that comes back under its own name after a restart must agree in this many bytes to be taken for the same. */
const sameNameBytes = 256;

/** A file that may be a copy. */
interface Candidate {
  firstSeenMs: number;
  sizeBytes: number;
  lastGrowthMs: number;
  /** Sizes the originals had when it was first seen and, `before`, at the sweep before that. */
  originals: Map<TailedFile, { sizeBytes: number; beforeBytes: number }>;
}

export type Verdict =
  { kind: 'new' | 'wait' | 'compressed' } | { kind: 'copy'; original: TailedFile; position: number; imprint: Imprint };

/** A copy that was found, open. */
export type Copy = Extract<Verdict, { kind: 'copy' }> & { found: FoundFile; handle: OpenFile };

/** The files a newcomer is compared with. */
export interface Originals {
  /** Followed ones, among them those below. */
  live: readonly TailedFile[];
  /** Known to hold other content now, before the newcomers were listed. */
  replaced: ReadonlySet<TailedFile>;
  /** No path leads to them any more. */
  vanished: ReadonlySet<TailedFile>;
  /** True in the first sweep: what happened while nobody looked is not known. */
  recovering: boolean;
}

export class CopyJudge {
  private candidates = new Map<string, Candidate>();
  private readonly open: (file: TailedFile) => Promise<OpenFile>;

  /** `open` gives the handle of a followed file. */
  constructor(open: (file: TailedFile) => Promise<OpenFile>) {
    this.open = open;
  }

  get isWaiting(): boolean {
    return this.candidates.size > 0;
  }

  /** Forgets candidates that were not among the last sweep's newcomers, and those that were decided upon. */
  keepOnly(identities: ReadonlySet<string>): void {
    for (const identity of this.candidates.keys()) if (!identities.has(identity)) this.candidates.delete(identity);
  }

  async judge(found: FoundFile, handle: OpenFile, originals: Originals, nowMs: number): Promise<Verdict> {
    const head = await readRange(handle, 0, headLimitBytes);
    if (isCompressed(head)) return { kind: 'compressed' };
    const candidate = this.candidate(found, nowMs);
    let waits = false;
    for (const original of originals.live) {
      if (originals.replaced.has(original) || originals.vanished.has(original)) {
        const copy = await this.claim(found, handle, original, candidate, originals);
        if (copy !== undefined) return copy;
      } else if (waits || original.isMissing) {
        // What is missing for longer was not copied before it went.
      } else if (original.unverified !== undefined) {
        // It could not be looked at yet, for some passing reason.
        waits = (await verify(handle, original.position, original.unverified)) !== undefined;
      } else if (original.position === 0 ? original.sizeBytes > 0 : this.startsLike(original, head)) {
        waits = await this.isUnderWay(handle, original, candidate, nowMs);
      }
    }
    if (waits) return { kind: 'wait' };
    return { kind: 'new' };
  }

  private candidate(found: FoundFile, nowMs: number): Candidate {
    const { identity, sizeBytes } = found.stat;
    let candidate = this.candidates.get(identity);
    if (candidate === undefined) {
      candidate = { firstSeenMs: nowMs, sizeBytes, lastGrowthMs: nowMs, originals: new Map() };
      this.candidates.set(identity, candidate);
    } else if (sizeBytes !== candidate.sizeBytes) {
      candidate.sizeBytes = sizeBytes;
      candidate.lastGrowthMs = nowMs;
    }
    return candidate;
  }

  private startsLike(original: TailedFile, head: Buffer): boolean {
    const known = original.imprint.head;
    const count = Math.min(known.length, head.length);
    return count > 0 && known.compare(head, 0, count, 0, count) === 0;
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

  /** The verdict that the file goes on where `original`, which is no more, had got to; undefined when its bytes are others. */
  private async claim(
    found: FoundFile,
    handle: OpenFile,
    original: TailedFile,
    candidate: Candidate,
    { vanished, recovering }: Originals,
  ): Promise<Verdict | undefined> {
    if (original.position === 0) return undefined;
    const size = await handle.size();
    if (size >= original.position) {
      if (vanished.has(original) && found.path === original.path) {
        // Deleted and written again: taken for the same only when it cannot well be chance.
        if (!recovering || original.position < sameNameBytes) return undefined;
      }
      const imprint = await verify(handle, original.position, original.fingerprint);
      return imprint && { kind: 'copy', original, position: original.position, imprint };
    }
    // Shorter than what was read: bytes were added to the original between copy and truncation, and read in time.
    if (!original.replaced || original.unverified !== undefined) return undefined;
    const leastBytes = candidate.originals.get(original)?.beforeBytes ?? original.previousSizeBytes;
    if (size === 0 || size < leastBytes) return undefined;
    const head = await readRange(handle, 0, headLimitBytes);
    if (!this.startsLike(original, head)) return undefined;
    const milestone = original.milestones.findLast(({ position }) => position > 0 && position <= size);
    if (milestone !== undefined) {
      const agrees = await verify(handle, milestone.position, milestone.imprint.fingerprint());
      if (agrees === undefined) return undefined;
    }
    const imprint = await imprintAt(handle, size);
    return imprint && { kind: 'copy', original, position: size, imprint };
  }
}

/**
 * Adds to `copies` those that no pattern matches, beside truncated files, when they hold bytes which were never read. `isFree` tells whether nobody
 * follows an identity; `open` opens a file, or has said why not.
 */
export async function searchCopies(
  files: Files,
  replaced: readonly TailedFile[],
  copies: Map<TailedFile, Copy>,
  isFree: (identity: string) => boolean,
  open: (found: FoundFile) => Promise<OpenFile | undefined>,
): Promise<void> {
  const taken = new Set([...copies.values()].map(({ found }) => found.stat.identity));
  for (const original of replaced) {
    if (copies.has(original) || original.position === 0) continue;
    for await (const found of siblingsOf(files, original.path)) {
      const { identity, sizeBytes } = found.stat;
      if (!isFree(identity) || taken.has(identity) || sizeBytes <= original.position) continue;
      const handle = await open(found);
      if (handle === undefined) continue;
      const imprint = await verify(handle, original.position, original.fingerprint);
      if (imprint !== undefined) {
        copies.set(original, { kind: 'copy', original, position: original.position, imprint, found, handle });
        taken.add(identity);
        break;
      }
      await handle.close();
    }
  }
}
