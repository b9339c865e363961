// Which segments have had their time: by age (retention.ms), by size (retention.bytes), and by the room of the whole data directory (`max_disk`).
// Deletion is by whole segments, oldest first, and never past the high watermark; the last segment is closed first when it is to go.
// Age and size are the topic's own rule and hold whatever is delivered (what was not is counted and told); `max_disk` never takes a record that some
// edge has still to deliver: when nothing else is left, intake stops instead.
import type { Partition } from './partition.ts';
import type { Segment } from './segment.ts';

/** The start that a partition is to have by its own settings at `nowMs`; its present start when nothing is due. May close the last segment. */
export async function retainedStart(partition: Partition, nowMs: number): Promise<number> {
  const { settings } = partition;
  let start = partition.logStartOffset;
  if (!settings.deletes) return start;
  let excessBytes = settings.retentionBytes < 0 ? 0 : partition.sizeBytes - settings.retentionBytes;
  for (const segment of [...partition.segments]) {
    const isTooOld = settings.retentionMs >= 0 && (await isOlder(partition, segment, nowMs - settings.retentionMs));
    const isTooMuch = excessBytes >= segment.sizeBytes && segment.sizeBytes > 0;
    if (!isTooOld && !isTooMuch) break;
    const end = endOf(partition, segment, isTooOld);
    if (end === undefined) break;
    excessBytes -= segment.sizeBytes;
    start = Math.max(start, end);
  }
  return start;
}

/** Where `segment` ends, if all of it is visible. A last segment is closed for it when `mayRoll`. */
function endOf(partition: Partition, segment: Segment, mayRoll: boolean): number | undefined {
  const { segments } = partition;
  const isLast = segments.at(-1) === segment;
  if (isLast && (!mayRoll || segment.sizeBytes === 0 || partition.highWatermark < partition.logEndOffset))
    return undefined;
  if (isLast) partition.roll();
  const next = partition.segments[segments.indexOf(segment) + 1];
  return next !== undefined && next.baseOffset <= partition.highWatermark ? next.baseOffset : undefined;
}

async function isOlder(partition: Partition, segment: Segment, beforeMs: number): Promise<boolean> {
  const latestMs = await partition.latestTime(segment);
  return latestMs !== undefined && latestMs < beforeMs;
}

/** A closed segment that may go for the sake of the whole directory. */
export interface Candidate {
  partition: Partition;
  newStart: number;
  bytes: number;
  latestMs: number;
}

/** How far a partition has been delivered by every edge that reads it; undefined when none does. */
export type DeletableUntil = (topic: string, partition: number) => number | undefined;

/**
 * The oldest segments of `partitions` that every edge has delivered, until `excessBytes` are found or there are no more. Last segments that are
 * delivered as a whole are closed, to be candidates too.
 */
export async function oldestDelivered(
  partitions: readonly Partition[],
  excessBytes: number,
  deletableUntil: DeletableUntil,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const partition of partitions) {
    if (!partition.settings.deletes) continue;
    const delivered = deletableUntil(partition.topic, partition.partition) ?? partition.highWatermark;
    for (const segment of [...partition.segments]) {
      const newStart = endOf(partition, segment, delivered >= partition.logEndOffset);
      if (newStart === undefined || newStart > delivered) break;
      const latestMs = (await partition.latestTime(segment)) ?? 0;
      candidates.push({ partition, newStart, bytes: segment.sizeBytes, latestMs });
    }
  }
  // Within a partition the order of the offsets stays: its segments were pushed in that order and a sort is stable, so only times that run
  // backwards could change it; those take the time of the segment before.
  for (const [index, candidate] of candidates.entries()) {
    const before = candidates[index - 1];
    if (before?.partition === candidate.partition) candidate.latestMs = Math.max(candidate.latestMs, before.latestMs);
  }
  candidates.sort((left, right) => left.latestMs - right.latestMs);
  let found = 0;
  const count = candidates.findIndex((candidate) => (found += candidate.bytes) >= excessBytes);
  return count < 0 ? candidates : candidates.slice(0, count + 1);
}
