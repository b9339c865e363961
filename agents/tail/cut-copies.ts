// Copies that end before what was read of their log: its writer had gone on with it while it was packed, or copied elsewhere and deleted, and was read in
// time. They hold nothing that was not read. Another generation of the log that nobody has seen looks much the same where all of them begin with the same
// lines, and is all new; so a copy must have been changed last while its log was there, stand where copies are put, and agree as far as can be compared.
import { dirname } from 'node:path';
import type { FileStat, OpenFile } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';
import { beginAlike, bornMs, hashOf, headLimitBytes, type Imprint, imprintAt, readRange, verify } from './identity.ts';
import { UnpackedFile } from './packing.ts';
import type { KnownFile, Remains, TailedFile } from './tailed-file.ts';

/** Where reading goes on in a copy: at its end, when all of it was read. */
export interface CopyEnd {
  position: number;
  imprint: Imprint;
}

/**
 * The end of `copy` when it holds the beginning of what was read of the log, which is no more, and nothing else. `isHeadShared`: other files begin as the
 * log does. Throws when it cannot be unpacked.
 */
export async function cutEnd(
  copy: OpenFile,
  found: FoundFile,
  log: Remains,
  isHeadShared: () => boolean,
): Promise<CopyEnd | undefined> {
  const { known } = log;
  if (!mayBeCopy(found, copy instanceof UnpackedFile, log)) return undefined;
  const head = await readRange(copy, 0, headLimitBytes);
  const isComparable = head.length >= known.headBytes || log.head !== undefined;
  if (isComparable && !isSameHead(head, log)) return undefined;
  const size = copy instanceof UnpackedFile ? await copy.unpackAll() : await copy.size();
  if (size === 0 || size >= known.position) return undefined;
  const milestone = known.earlier?.findLast(({ position }) => position > 0 && position <= size);
  if (milestone !== undefined) {
    if ((await verify(copy, milestone.position, milestone.fingerprint)) === undefined) return undefined;
  } else if (log.handle === undefined && (!isComparable || isHeadShared())) return undefined;
  if (log.handle !== undefined && !(await beginAlike(copy, log.handle, size))) return undefined;
  const imprint = await imprintAt(copy, size);
  return imprint && { position: size, imprint };
}

/**
 * By its times and its name. Generations before the log were changed before it was there, those after it mostly when it was not written to any more. What
 * is not packed and stands beside the log is its successor, unless it was given the time of something that is older than it.
 */
function mayBeCopy({ path, stat }: FoundFile, isPacked: boolean, { known, soundMs }: Remains): boolean {
  const sinceMs = bornMs(known);
  if (sinceMs === undefined || path === known.path || path === known.firstPath) return false;
  if (stat.modifiedMs <= sinceMs || stat.modifiedMs > soundMs) return false;
  return isPacked || dirname(path) !== dirname(known.firstPath) || isOlderThanItself(stat);
}

function isOlderThanItself(stat: FileStat): boolean {
  return stat.modifiedMs < (bornMs(stat) ?? -Infinity);
}

function isSameHead(head: Buffer, { known, head: logHead }: Remains): boolean {
  if (head.length >= known.headBytes) return hashOf(head.subarray(0, known.headBytes)) === known.headHash;
  return logHead?.subarray(0, head.length).equals(head) === true;
}

/** Whether any of `others` begins as the log does. */
export function sharesHead({ headHash, file }: KnownFile, others: Iterable<TailedFile>): boolean {
  for (const { key, position, fingerprint } of others)
    if (position > 0 && key !== file && fingerprint.headHash === headHash) return true;
  return false;
}
