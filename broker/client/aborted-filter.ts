// Leaves out what a read_committed reader must not see. The broker sends everything below the last stable offset and names the aborted transactions
// that overlap it by producer and first offset; which batches that means is the reader's business (KIP-98). The rule is the Java client's:
// a producer enters the set of aborted ones when a batch reaches the first offset of one of its aborted transactions, and leaves it at
// its own abort marker. State is per response, because a response names every transaction that overlaps it.
import { giveBatchBuffer, holdBatchBuffer } from '../wire/batch-buffers.ts';
import { forEachBatch, type BatchHeader, RecordCursor } from '../wire/record-batch.ts';
import { readControlRecord } from '../wire/control-batch.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FilteredBatches {
  /** Whole batches with records for the application, as slices of what came, each of them held (batch-buffers.ts). */
  readonly batches: Buffer[];
  /** Behind the last whole batch, whether it was left out or not; `fromOffset` when there was none. */
  readonly nextOffset: number;
}

/**
 * Cuts `chunks` (whole batches each; the last may be cut off), which are the caller's no more, into the batches that may be seen from `fromOffset` on. `aborted` is undefined for
 * read_uncommitted: then only control batches are left out. `check` sees each batch that is passed on and may throw.
 */
export function filterBatches(
  chunks: readonly Buffer[],
  fromOffset: number,
  aborted: readonly AbortedTransaction[] | undefined,
  check?: (buffer: Buffer, header: BatchHeader) => void,
): FilteredBatches {
  const upcoming = [...(aborted ?? [])].sort((left, right) => left.firstOffset - right.firstOffset);
  const abortedProducers = new Set<number>();
  const batches: Buffer[] = [];
  let nextOffset = fromOffset;
  let reached = 0;
  const visit = (buffer: Buffer, header: BatchHeader): void => {
    while (reached < upcoming.length && upcoming[reached]!.firstOffset <= header.lastOffset) {
      abortedProducers.add(upcoming[reached++]!.producerId);
    }
    const isWanted = header.lastOffset >= fromOffset;
    if (header.isControl) {
      if (isAbortMarker(buffer, header)) abortedProducers.delete(header.producerId);
    } else if (isWanted && !(header.isTransactional && abortedProducers.has(header.producerId))) {
      check?.(buffer, header);
      if (header.recordCount > 0) {
        holdBatchBuffer(buffer);
        batches.push(slice(buffer, header));
      }
    }
    if (isWanted) nextOffset = header.lastOffset + 1;
  };
  for (const chunk of chunks) {
    forEachBatch(chunk, (header) => visit(chunk, header));
    giveBatchBuffer(chunk);
  }
  return { batches, nextOffset };
}

function isAbortMarker(buffer: Buffer, header: BatchHeader): boolean {
  const cursor = new RecordCursor(buffer, header.position, header);
  return cursor.next() && readControlRecord(cursor)?.kind === 'abort';
}

function slice(buffer: Buffer, header: BatchHeader): Buffer {
  if (header.position === 0 && header.sizeBytes === buffer.length) return buffer;
  return buffer.subarray(header.position, header.position + header.sizeBytes);
}
