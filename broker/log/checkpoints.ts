// Kafka's checkpoint files at the root of a data directory: `recovery-point-offset-checkpoint` (below it everything is known to be on disk),
// `log-start-offset-checkpoint`, and `cleaner-offset-checkpoint` (below it compaction has been). Text: version "0", the number of lines, then "topic partition offset" each. Replaced as a whole.
import { join } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';

export type CheckpointName =
  'recovery-point-offset-checkpoint' | 'log-start-offset-checkpoint' | 'cleaner-offset-checkpoint';

/** Offsets by "topic-partition". */
export type OffsetCheckpoint = ReadonlyMap<string, number>;

/** Rows of fields after a version line and a count line: the shape of all of Kafka's text checkpoints. Throws TLR_CORRUPT. */
export function parseRows(text: string, fieldCount: number, path: string): string[][] {
  const lines = text.split('\n');
  const corrupt = (what: string) => new TailraceError('TLR_CORRUPT', `${path}: ${what}`);
  if (lines[0]?.trim() !== '0') throw corrupt(`version "${lines[0] ?? ''}" where "0" was expected`);
  const count = Number(lines[1]);
  if (!Number.isSafeInteger(count) || count < 0) throw corrupt('no count in line 2');
  const rows = lines.slice(2, 2 + count).map((line) => line.trim().split(/\s+/));
  if (rows.length !== count || rows.some((row) => row.length !== fieldCount)) {
    throw corrupt(`${count} lines of ${fieldCount} fields were expected`);
  }
  return rows;
}

export function formatRows(rows: readonly (readonly (string | number)[])[]): string {
  return `0\n${rows.length}\n${rows.map((row) => `${row.join(' ')}\n`).join('')}`;
}

/** Empty when there is no such file. Throws TLR_CORRUPT when it cannot be read. */
export async function readCheckpoint(
  files: Files,
  directory: string,
  name: CheckpointName,
): Promise<Map<string, number>> {
  const path = join(directory, name);
  if ((await files.stat(path)) === undefined) return new Map();
  const rows = parseRows((await files.readFile(path)).toString('utf8'), 3, path);
  return new Map(rows.map(([topic, partition, offset]) => [`${topic!}-${partition!}`, Number(offset)]));
}

/** Replaces the checkpoint; durable when it resolves. */
export async function writeCheckpoint(
  files: Files,
  directory: string,
  name: CheckpointName,
  offsets: OffsetCheckpoint,
): Promise<void> {
  const rows = [...offsets].map(([key, offset]) => {
    const dash = key.lastIndexOf('-');
    return [key.slice(0, dash), key.slice(dash + 1), offset];
  });
  await replaceFile(files, join(directory, name), formatRows(rows));
}
