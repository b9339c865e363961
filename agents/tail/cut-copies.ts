// Copies that end before what was read of their log: its writer had gone on with it while it was packed, or copied elsewhere and deleted, and was read in
// time. They hold nothing that was not read.
import type { FileStat, OpenFile } from '../../base/files.ts';
import type { Fingerprint, Milestone } from '../../broker/client/positions-record.ts';
import { hashOf, headLimitBytes, type Imprint, imprintAt, readRange, verify } from './identity.ts';
import { UnpackedFile } from './packing.ts';

/** What was read of a log that is no more. */
export interface ReadLog {
  position: number;
  fingerprint: Fingerprint;
  /** Earlier positions, oldest first. */
  milestones: readonly Milestone[];
  /** When it was last known to hold that. */
  soundMs: number;
}

/** The end of a copy. */
export interface CopyEnd {
  position: number;
  imprint: Imprint;
}

/** The end of `copy` when it holds the beginning of what was read of `log`, and no more. Throws when it cannot be unpacked. */
export async function cutEnd(copy: OpenFile, stat: FileStat, log: ReadLog): Promise<CopyEnd | undefined> {
  // It has the time of the last change before it was made. What came after the log may begin with the same lines, and is younger.
  if (stat.modifiedMs > log.soundMs) return undefined;
  const { headBytes, headHash } = log.fingerprint;
  const head = await readRange(copy, 0, headLimitBytes);
  const isComparable = head.length >= headBytes;
  if (isComparable && hashOf(head.subarray(0, headBytes)) !== headHash) return undefined;
  const size = copy instanceof UnpackedFile ? await copy.unpackAll() : await copy.size();
  if (size === 0 || size >= log.position) return undefined;
  const milestone = log.milestones.findLast(({ position }) => position > 0 && position <= size);
  if (milestone === undefined) {
    // Where all was read at once only the head can tell, and that hardly anything is missing.
    if (!isComparable || headBytes < headLimitBytes || size * 2 < log.position) return undefined;
  } else if ((await verify(copy, milestone.position, milestone.fingerprint)) === undefined) return undefined;
  const imprint = await imprintAt(copy, size);
  return imprint && { position: size, imprint };
}
