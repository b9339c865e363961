// A batch without some of its records, as compaction leaves it (KIP-354 and the log cleaner): offsets, sequences and times stay those of the records that are
// kept. A batch may end up without records; it then still says which offsets and sequences it covered.
import { compress, decompress } from '../wire/compression.ts';
import { writeInt64 } from '../wire/int64.ts';
import {
  attributeBits,
  batchHeaderBytes,
  batchOverheadBytes,
  type BatchHeader,
  maxDecompressedBytes,
  RecordCursor,
  sealBatch,
} from '../wire/record-batch.ts';

const lengthPosition = 8;
const attributesPosition = 21;
const maxTimestampPosition = 35;
/** Producer id, epoch and sequence; all -1 when there is no producer. */
const producerPosition = 43;
const recordCountPosition = 57;

/** The batch with the records for which `keep` is true: a view of `buffer` when that is all of them, undefined when it is none. */
export function filterBatch(
  buffer: Buffer,
  header: BatchHeader,
  keep: (record: RecordCursor) => boolean,
): Buffer | undefined {
  const whole = buffer.subarray(header.position, header.position + header.sizeBytes);
  const payload = whole.subarray(batchHeaderBytes);
  const records =
    header.compression === 'none' ? payload : decompress(header.compression, payload, maxDecompressedBytes);
  const cursor = new RecordCursor(buffer, header.position, header);
  const kept: Buffer[] = [];
  // The cursor's positions count in its own buffer, where the records end at its end or at the end of the batch.
  const origin = header.compression === 'none' ? header.position + batchHeaderBytes : 0;
  let start = 0;
  let count = 0;
  let maxTimestampMs = -1;
  while (cursor.next()) {
    const end = cursor.headersEnd - origin;
    if (keep(cursor)) {
      kept.push(records.subarray(start, end));
      count++;
      maxTimestampMs = Math.max(maxTimestampMs, cursor.timestampMs);
    }
    start = end;
  }
  if (count === header.recordCount) return whole;
  if (count === 0) return undefined;
  return assemble(whole, compress(header.compression, Buffer.concat(kept)), count, maxTimestampMs);
}

/** A batch without records, of no producer, that keeps the place of another one's offsets: readers get past them. */
export function emptyBatch(buffer: Buffer, header: BatchHeader): Buffer {
  const result = assemble(buffer.subarray(header.position, header.position + header.sizeBytes), Buffer.alloc(0), 0, -1);
  result.writeInt16BE(result.readInt16BE(attributesPosition) & attributeBits.logAppendTime, attributesPosition);
  result.fill(0xff, producerPosition, recordCountPosition);
  sealBatch(result, 0, result.length);
  return result;
}

function assemble(whole: Buffer, records: Buffer, count: number, maxTimestampMs: number): Buffer {
  const result = Buffer.concat([whole.subarray(0, batchHeaderBytes), records]);
  result.writeInt32BE(result.length - batchOverheadBytes, lengthPosition);
  result.writeInt32BE(count, recordCountPosition);
  writeInt64(result, maxTimestampMs, maxTimestampPosition);
  sealBatch(result, 0, result.length);
  return result;
}
