// `--once`: how far each file is read. The sizes that the first look has found, kept when the agent begins anew.
import type { FoundFile } from './discovery.ts';
import type { TailedFile } from './tailed-file.ts';

/** Fills `targets`, sizes by identity, unless that was done before, and tells the files that are followed already. */
export function setTargets(
  targets: Map<string, number> | undefined,
  byIdentity: ReadonlyMap<string, FoundFile>,
  followed: Iterable<TailedFile>,
): void {
  if (targets === undefined) return;
  if (targets.size === 0) for (const [identity, { stat }] of byIdentity) targets.set(identity, stat.sizeBytes);
  for (const file of followed) {
    // Of one that has gone the inode may be another file's by now.
    const isThere = file.missingSinceMs === undefined;
    if (isThere && !targets.has(file.identity)) targets.set(file.identity, file.sizeBytes);
    if (file.packing === undefined) file.endPosition = isThere ? targets.get(file.identity) : 0;
  }
}
