// Making again what can be made from the log: a segment's indexes when their files are missing or wrong, and the producer state at an offset.
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { RecordCursor } from '../wire/record-batch.ts';
import { BatchScanner } from './batch-scanner.ts';
import { loadSnapshot } from './producer-snapshot.ts';
import type { ProducerState } from './producer-state.ts';
import { replayBatch } from './recovery.ts';
import type { Segment } from './segment.ts';
import type { TopicSettings } from './settings.ts';

/** The producer state after every batch below `endOffset`, from the nearest snapshot and the durable part of the log. */
export async function rebuildProducers(
  files: Files,
  directory: string,
  segments: readonly Segment[],
  endOffset: number,
): Promise<ProducerState> {
  const { offset, state } = await loadSnapshot(files, directory, endOffset);
  const cursor = new RecordCursor();
  for (const [index, segment] of segments.entries()) {
    if ((segments[index + 1]?.baseOffset ?? Infinity) <= offset) continue;
    await scan(segment, (scanner) => {
      const { header } = scanner;
      if (header.producerId >= 0 && header.baseOffset >= offset && header.baseOffset < endOffset) {
        replayBatch(state, cursor, scanner);
      }
    });
  }
  state.advance(endOffset);
  return state;
}

/** Fills the indexes of `target` from its log file. Aborted transactions need the producer state before it: scanned from the nearest snapshot. */
export async function rebuildIndexes(
  files: Files,
  directory: string,
  segments: readonly Segment[],
  target: Segment,
  settings: TopicSettings,
): Promise<void> {
  const { offset, state } = await loadSnapshot(files, directory, target.baseOffset);
  const sizeBytes = target.sizeBytes;
  const cursor = new RecordCursor();
  target.clear();
  for (const [index, segment] of segments.entries()) {
    if ((segments[index + 1]?.baseOffset ?? Infinity) <= offset || segment.baseOffset > target.baseOffset) continue;
    await scan(
      segment,
      (scanner) => {
        const { header } = scanner;
        const follows = header.producerId >= 0 && header.baseOffset >= offset;
        const aborted = follows ? replayBatch(state, cursor, scanner) : undefined;
        if (segment !== target) return;
        target.place(header, header.baseOffset, settings.indexIntervalBytes);
        if (aborted !== undefined) target.transactionIndex.append(aborted);
      },
      segment === target ? sizeBytes : segment.durableBytes,
    );
  }
  target.setSize(sizeBytes);
  await target.flushIndexes();
}

async function scan(
  segment: Segment,
  visit: (scanner: BatchScanner) => void,
  endBytes = segment.durableBytes,
): Promise<void> {
  const scanner = new BatchScanner(await segment.open(), 0, endBytes);
  for (let found = await scanner.next(); found !== 'end'; found = await scanner.next()) {
    if (found === 'damaged') {
      throw new TailraceError('TLR_CORRUPT', `${segment.path}: ${scanner.damage} at byte ${scanner.filePosition}`);
    }
    visit(scanner);
  }
}
