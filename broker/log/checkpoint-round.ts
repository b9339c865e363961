// Moving a partition's recovery point: what the next start may trust without reading the log. In this order, each step durable before the next:
// the log up to an offset, the producer snapshot at it, the indexes below it, the leader epochs; then the caller writes the checkpoint file.
import type { Files } from '../../base/files.ts';
import type { Partition } from './partition.ts';
import { encodeSnapshot, pruneSnapshots, snapshotOffsets, writeSnapshot } from './producer-snapshot.ts';

/** Makes everything appended to `partition` so far, and what is derived from it, durable. Returns the offset that may become the recovery point. */
export async function checkpointPartition(files: Files, partition: Partition): Promise<number> {
  const offset = partition.logEndOffset;
  const segments = [...partition.segments];
  const snapshots = partition.pendingSnapshots.splice(0);
  if (snapshots.at(-1)?.offset !== offset) snapshots.push({ offset, bytes: encodeSnapshot(partition.producerStates) });
  await partition.flush();
  const { directory } = partition;
  for (const snapshot of snapshots) await writeSnapshot(files, directory, snapshot.offset, snapshot.bytes);
  for (const segment of segments) if (!segment.removed) await segment.flushIndexes();
  await partition.epochs.flush();
  await files.syncDirectory(directory);
  // Snapshots where segments begin stay: with them indexes can be made again. Of the others the newest two do.
  const bases = new Set(partition.segments.map((segment) => segment.baseOffset));
  const newest = new Set((await snapshotOffsets(files, directory)).slice(-2));
  await pruneSnapshots(files, directory, (at) => bases.has(at) || newest.has(at));
  return offset;
}
