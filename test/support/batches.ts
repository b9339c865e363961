// Record batches for tests of the log, and their contents as strings.
import { type Isolation, type PartitionLog } from '../../broker/log/contract.ts';
import { BatchBuilder, type BatchIdentity } from '../../broker/wire/batch-builder.ts';
import { forEachBatch, RecordCursor } from '../../broker/wire/record-batch.ts';

export interface TestRecord {
  offset: number;
  key: string | null;
  value: string | null;
  timestampMs: number;
}

/** A batch of values, or of [key, value] pairs. */
export function batchOf(
  values: readonly (string | readonly [string | null, string | null])[],
  identity: BatchIdentity & { timestampMs?: number } = {},
): Buffer {
  const builder = new BatchBuilder(256);
  for (const entry of values) {
    const [key, value] = typeof entry === 'string' ? [null, entry] : entry;
    const bytes = value === null ? null : Buffer.from(value);
    builder.append(identity.timestampMs ?? 1_700_000_000_000, key === null ? null : Buffer.from(key), bytes);
  }
  return builder.build(identity);
}

/** Appends values as a client and waits until they are durable; the first offset. */
export async function appendValues(partition: PartitionLog, values: readonly string[]): Promise<number> {
  const appended = partition.append(batchOf(values), { origin: 'client' });
  await appended.durable;
  return appended.baseOffset;
}

/** The data records of batches from `offset` on. */
export function recordsOf(batches: readonly Buffer[], offset = 0): TestRecord[] {
  const records: TestRecord[] = [];
  for (const bytes of batches) {
    forEachBatch(bytes, (header) => {
      if (header.isControl) return;
      const cursor = new RecordCursor(bytes, header.position, header);
      while (cursor.next()) {
        if (cursor.offset < offset) continue;
        const { offset: at, timestampMs } = cursor;
        const [key, value] = [cursor.key()?.toString() ?? null, cursor.value()?.toString() ?? null];
        records.push({ offset: at, key, value, timestampMs });
      }
    });
  }
  return records;
}

/** Everything readable from `offset` on, in reads of `maxBytes`. */
export async function readRecords(
  partition: PartitionLog,
  offset: number,
  isolation: Isolation,
  maxBytes = 500,
): Promise<TestRecord[]> {
  const records: TestRecord[] = [];
  for (let next = offset; ;) {
    const { records: batches, sizeBytes } = await partition.read(next, maxBytes, isolation);
    if (sizeBytes === 0) return records;
    records.push(...recordsOf(batches, next));
    for (const bytes of batches) forEachBatch(bytes, (header) => void (next = header.lastOffset + 1));
  }
}

export async function readValues(
  partition: PartitionLog,
  offset = partition.logStartOffset,
  isolation: Isolation = 'read_uncommitted',
): Promise<(string | null)[]> {
  return (await readRecords(partition, offset, isolation)).map((record) => record.value);
}
