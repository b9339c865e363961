// Record batches for tests of the broker, from and to plain text.
import { BatchBuilder, type BatchIdentity } from '../../broker/wire/batch-builder.ts';
import { forEachBatch, RecordCursor } from '../../broker/wire/record-batch.ts';

/** One batch with these values, without keys. */
export function batchOf(
  values: readonly string[],
  identity: BatchIdentity = {},
  timestampMs = 1_700_000_000_000,
): Buffer {
  const builder = new BatchBuilder(1024);
  for (const value of values) builder.append(timestampMs, null, Buffer.from(value));
  return builder.build(identity);
}

/** The values of all records but control records, in order. */
export function valuesOf(chunks: readonly Buffer[]): string[] {
  const values: string[] = [];
  const bytes = Buffer.concat(chunks);
  forEachBatch(bytes, (header) => {
    if (header.isControl) return;
    const cursor = new RecordCursor(bytes, header.position, header);
    while (cursor.next()) values.push(cursor.value()?.toString() ?? '');
  });
  return values;
}
