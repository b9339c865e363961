// Copies that end before what was read of their log: its writer had gone on with it while it was packed, or copied elsewhere and deleted, and was read in
// time. They hold nothing that was not read.
import type { FileStat, OpenFile } from '../../base/files.ts';
import { hashOf, headLimitBytes, type Imprint, imprintAt, readRange, verify } from './identity.ts';
import { UnpackedFile } from './packing.ts';
import type { KnownFile, Remains } from './tailed-file.ts';

const nanosecondsPerMs = 1_000_000;

/** Where reading goes on in a copy: at its end, when all of it was read. */
export interface CopyEnd {
  position: number;
  imprint: Imprint;
}

/**
 * The end of `copy` when it holds the beginning of what was read of the log, which is no more, and nothing else. Throws when it cannot be unpacked.
 */
export async function cutEnd(
  copy: OpenFile,
  stat: FileStat,
  { known: log, soundMs, head: logHead }: Remains,
): Promise<CopyEnd | undefined> {
  // Generations may begin with the same lines, but a copy has the time of the last change before it was made: those before were changed before the log was
  // there, those after it later than it was.
  if (log.born === undefined) return undefined;
  if (stat.modifiedMs <= Number(log.born) / nanosecondsPerMs || stat.modifiedMs > soundMs) return undefined;
  const head = await readRange(copy, 0, headLimitBytes);
  const isComparable = head.length >= log.headBytes || logHead !== undefined;
  if (isComparable && !isSameHead(head, log, logHead)) return undefined;
  const size = copy instanceof UnpackedFile ? await copy.unpackAll() : await copy.size();
  if (size === 0 || size >= log.position) return undefined;
  const milestone = log.earlier?.findLast(({ position }) => position > 0 && position <= size);
  if (milestone === undefined) {
    if (!isComparable) return undefined;
  } else if ((await verify(copy, milestone.position, milestone.fingerprint)) === undefined) return undefined;
  const imprint = await imprintAt(copy, size);
  return imprint && { position: size, imprint };
}

function isSameHead(head: Buffer, { headBytes, headHash }: KnownFile, logHead: Buffer | undefined): boolean {
  if (head.length >= headBytes) return hashOf(head.subarray(0, headBytes)) === headHash;
  return logHead?.subarray(0, head.length).equals(head) === true;
}
