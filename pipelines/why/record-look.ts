// Finds one record of a topic, by its offset or by the byte of a file where its line began.
import { TailraceError } from '../../base/errors.ts';
import type { FetchedBatches, KafkaClient } from '../../broker/client/contract.ts';
import { decodeFileReference, fileReferenceHeader } from '../../broker/client/positions-record.ts';
import { RecordCursor } from '../../broker/wire/record-batch.ts';
import { readRanges } from '../range-reader.ts';
import { forEachRecord, headersAt, PassThroughBatch, type RecordHeader } from '../source-batch.ts';

export interface Place {
  topic: string;
  partition: number;
  offset: number;
}

/**
 * committed: it counts · open: its transaction has not ended · aborted: its transaction was aborted · none: the offset holds no record (the mark of a
 * transaction, or compaction took it) · deleted: the topic does not keep it any more · not-yet: nothing was written there
 */
export type RecordState = 'committed' | 'open' | 'aborted' | 'none' | 'deleted' | 'not-yet';

export interface FoundRecord {
  state: RecordState;
  /** What the partition holds: from `start`, below `end`. */
  start: number;
  end: number;
  /** With nothing but the record; undefined when there is none. */
  fetched: FetchedBatches | undefined;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer;
  headers: readonly RecordHeader[];
}

/** Throws TailraceError TLR_NOT_FOUND when there is no such partition. */
export async function findRecord(client: KafkaClient, place: Place, signal: AbortSignal): Promise<FoundRecord> {
  const { topic, partition, offset } = place;
  const admin = client.admin();
  const [metadata] = await admin.topics([topic]);
  if (metadata === undefined) {
    const names = (await admin.topics()).filter(({ isInternal }) => !isInternal).map(({ name }) => name);
    throw new TailraceError('TLR_NOT_FOUND', `there is no topic ${topic}; there are: ${names.join(', ') || 'none'}`);
  }
  const end = (await admin.offsets(topic, 'latest')).get(partition);
  if (end === undefined) {
    const count = metadata.partitions.length;
    throw new TailraceError('TLR_NOT_FOUND', `topic ${topic} has no partition ${partition}, but 0 to ${count - 1}`);
  }
  const start = (await admin.offsets(topic, 'earliest')).get(partition) ?? 0;
  const nothing = { start, end, fetched: undefined, timestampMs: -1, key: null, value: Buffer.alloc(0), headers: [] };
  if (offset >= end) return { ...nothing, state: 'not-yet' };
  if (offset < start) return { ...nothing, state: 'deleted' };
  const stableEnd = (await admin.offsets(topic, 'latest-stable')).get(partition) ?? end;
  const isolation = offset < stableEnd ? 'read_committed' : 'read_uncommitted';
  const record = await readOne(client, place, isolation, signal);
  if (record !== undefined) return { start, end, state: offset < stableEnd ? 'committed' : 'open', ...record };
  const hidden =
    isolation === 'read_uncommitted' ? undefined : await readOne(client, place, 'read_uncommitted', signal);
  return hidden === undefined ? { ...nothing, state: 'none' } : { start, end, state: 'aborted', ...hidden };
}

type Content = Omit<FoundRecord, 'state' | 'start' | 'end'>;

async function readOne(
  client: KafkaClient,
  place: Place,
  isolation: 'read_committed' | 'read_uncommitted',
  signal: AbortSignal,
): Promise<Content | undefined> {
  let found: Content | undefined;
  const { offset } = place;
  const take = (fetched: FetchedBatches) => {
    const only = { ...fetched, fromOffset: offset };
    new PassThroughBatch(only, offset + 1).forEach((delivery) => {
      const { timestampMs } = delivery;
      const value = Buffer.from(delivery.source());
      found = { fetched: only, timestampMs, key: delivery.key(), value, headers: delivery.headers() };
    });
    return fetched.nextOffset <= offset;
  };
  await readRanges(client, [{ ...place, from: offset, to: offset + 1 }], take, { isolation, signal });
  return found;
}

/** The record of a file's line that holds `byte`; undefined when there is none. */
export async function findLine(
  client: KafkaClient,
  { file, topic, partition: own }: { file: string; topic: string; partition: number },
  byte: number,
  signal: AbortSignal,
): Promise<Place | undefined> {
  const admin = client.admin();
  const [starts, ends] = [await admin.offsets(topic, 'earliest'), await admin.offsets(topic, 'latest')];
  const cursor = new RecordCursor();
  let found: Place | undefined;
  const take = (fetched: FetchedBatches) => {
    const { partition } = fetched;
    forEachRecord(fetched, ends.get(partition) ?? 0, cursor, () => {
      const headers = headersAt(cursor.buffer, cursor.headersStart, cursor.headerCount);
      const value = headers.find(isReference)?.value;
      const reference = value === undefined || value === null ? undefined : decodeFileReference(value);
      if (reference?.file !== file) return true;
      const bytes = Math.max(0, cursor.valueEnd - cursor.valueStart);
      // The newline is its line's.
      if (byte < reference.position || byte > reference.position + bytes) return true;
      found = { topic, partition, offset: cursor.offset };
      return false;
    });
    return found === undefined;
  };
  // Lines of a file are in one partition, unless a key chooses for each.
  const others = [...ends.keys()].filter((partition) => partition !== own);
  for (const partitions of [[own], others]) {
    if (found !== undefined) break;
    const range = (partition: number) => ({ from: starts.get(partition) ?? 0, to: ends.get(partition) ?? 0 });
    const ranges = partitions.map((partition) => ({ topic, partition, ...range(partition) }));
    await readRanges(client, ranges, take, { signal });
  }
  return found;
}

function isReference({ key }: RecordHeader): boolean {
  return key === fileReferenceHeader;
}
