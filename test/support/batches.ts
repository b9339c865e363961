// Record batches for tests of the log, and their contents as strings.
import type { Isolation, PartitionLog } from '../../broker/log/contract.ts';
import { BatchBuilder, type BatchIdentity } from '../../broker/wire/batch-builder.ts';
import { readControlRecord } from '../../broker/wire/control-batch.ts';
import { type BatchHeader, forEachBatch, RecordCursor } from '../../broker/wire/record-batch.ts';

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

/** The header of every batch, markers included, with what a marker says. */
async function readHeaders(partition: PartitionLog): Promise<{ header: BatchHeader; bytes: Buffer; kind?: string }[]> {
  const found: { header: BatchHeader; bytes: Buffer; kind?: string }[] = [];
  for (let next = partition.logStartOffset; ;) {
    const { records, sizeBytes } = await partition.read(next, 2000, 'read_uncommitted');
    if (sizeBytes === 0) return found;
    for (const bytes of records) {
      forEachBatch(bytes, (header) => {
        next = header.lastOffset + 1;
        if (!header.isControl) return void found.push({ header, bytes });
        const cursor = new RecordCursor(bytes, header.position, header);
        cursor.next();
        return void found.push({ header, bytes, kind: readControlRecord(cursor)!.kind });
      });
    }
  }
}

/** Offsets that read_committed is to show, worked out from the markers alone. */
export async function expectedCommitted(partition: PartitionLog): Promise<number[]> {
  const offsets: number[] = [];
  const open = new Map<number, number[]>();
  for (const { header, bytes, kind } of await readHeaders(partition)) {
    const own = recordsOf([bytes.subarray(header.position, header.position + header.sizeBytes)]).map(
      (one) => one.offset,
    );
    if (kind !== undefined) {
      if (kind === 'commit') offsets.push(...(open.get(header.producerId) ?? []));
      open.delete(header.producerId);
    } else if (header.isTransactional && own.length > 0) {
      open.set(header.producerId, [...(open.get(header.producerId) ?? []), ...own]);
    } else offsets.push(...own);
  }
  const firstOpen = Math.min(partition.highWatermark, ...[...open.values()].map((own) => own[0]!));
  return offsets.filter((offset) => offset >= partition.logStartOffset && offset < firstOpen).sort((a, b) => a - b);
}

/** Offsets that read_committed shows to a client that filters as Kafka's consumer does, in reads of `maxBytes`. */
export async function readCommitted(partition: PartitionLog, maxBytes: number): Promise<number[]> {
  const offsets: number[] = [];
  for (let next = partition.logStartOffset; ;) {
    const from = next;
    const { records, sizeBytes, abortedTransactions } = await partition.read(from, maxBytes, 'read_committed');
    if (sizeBytes === 0) return offsets;
    const upcoming = [...abortedTransactions!].sort((left, right) => left.firstOffset - right.firstOffset);
    const aborted = new Set<number>();
    for (const bytes of records) {
      forEachBatch(bytes, (header) => {
        next = header.lastOffset + 1;
        while (upcoming.length > 0 && upcoming[0]!.firstOffset <= header.lastOffset) {
          aborted.add(upcoming.shift()!.producerId);
        }
        if (header.isControl) return void aborted.delete(header.producerId);
        if (header.isTransactional && aborted.has(header.producerId)) return;
        const own = recordsOf([bytes.subarray(header.position, header.position + header.sizeBytes)], from);
        offsets.push(...own.map((one) => one.offset));
      });
    }
  }
}
