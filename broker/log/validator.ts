// What a batch must satisfy before it may join the log (KIP-98, KIP-32): format, checksum, size, times, and that its records are what the header says.
// Offsets are given later; the only bytes changed here are those that message.timestamp.type and compression.type ask for.
import { compress, type Compression, compressionNames, decompressBriefly } from '../wire/compression.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import {
  attributeBits,
  batchHeaderBytes,
  batchOverheadBytes,
  type BatchHeader,
  maxDecompressedBytes,
  readBatchHeader,
  RecordCursor,
  sealBatch,
  setLogAppendTime,
  validateBatch,
} from '../wire/record-batch.ts';
import type { TopicSettings } from './settings.ts';

const codecs: Record<string, Compression> = {
  uncompressed: 'none',
  gzip: 'gzip',
  snappy: 'snappy',
  lz4: 'lz4',
  zstd: 'zstd',
};

const lengthPosition = 8;
const attributesPosition = 21;

/** A batch that may be appended: maybe not the buffer that came in. */
export interface AcceptedBatch {
  batch: Buffer;
  header: BatchHeader;
}

const cursor = new RecordCursor();

function invalid(where: string, what: string): KafkaError {
  return new KafkaError(ErrorCode.INVALID_RECORD, `${where}: ${what}`);
}

/**
 * Checks one batch of a client. Throws KafkaError CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP or MESSAGE_TOO_LARGE; `where` begins the message.
 */
export function acceptClientBatch(batch: Buffer, settings: TopicSettings, nowMs: number, where: string): AcceptedBatch {
  checkSize(batch, settings, where);
  const header = validateBatch(batch);
  if (header.baseOffset !== 0)
    throw invalid(where, `a batch with the offset ${header.baseOffset}; the broker gives offsets`);
  checkHeader(batch, header, where);
  checkRecords(batch, header, settings, nowMs, where);
  return storedForm(batch, header, settings, nowMs);
}

/**
 * Checks one batch that a producer of this process has built: its bytes never left the process, so neither the checksum nor (except for the keys that a
 * compacted topic needs) the records are looked at again. Throws as acceptClientBatch.
 */
export function acceptOwnBatch(batch: Buffer, settings: TopicSettings, nowMs: number, where: string): AcceptedBatch {
  checkSize(batch, settings, where);
  const header = readBatchHeader(batch);
  checkHeader(batch, header, where);
  if (settings.compacts) checkRecords(batch, header, settings, nowMs, where);
  return storedForm(batch, header, settings, nowMs);
}

function checkSize(batch: Buffer, settings: TopicSettings, where: string): void {
  if (batch.length > settings.maxMessageBytes) {
    throw new KafkaError(
      ErrorCode.MESSAGE_TOO_LARGE,
      `${where}: a batch of ${batch.length} bytes; max.message.bytes is ${settings.maxMessageBytes}`,
    );
  }
}

/** Checks a batch of this broker's own coordinators: format and checksum only. */
export function acceptInternalBatch(
  batch: Buffer,
  settings: TopicSettings,
  nowMs: number,
  where: string,
): AcceptedBatch {
  const header = validateBatch(batch);
  checkHeader(batch, header, where);
  return storedForm(batch, header, settings, nowMs);
}

function checkHeader(batch: Buffer, header: BatchHeader, where: string): void {
  if (header.sizeBytes !== batch.length) throw invalid(where, 'more than one batch in a request for one partition');
  if (header.isControl) throw invalid(where, 'a client may not write control batches');
  if (header.recordCount <= 0 || header.lastOffsetDelta !== header.recordCount - 1) {
    throw invalid(where, `${header.recordCount} records with a last offset delta of ${header.lastOffsetDelta}`);
  }
  if (header.isTransactional && header.producerId < 0)
    throw invalid(where, 'a transactional batch without producer id');
  if (header.producerId >= 0 && (header.producerEpoch < 0 || (header.baseSequence < 0 && !header.isTransactional))) {
    throw invalid(where, `producer ${header.producerId} without epoch or sequence`);
  }
}

function checkRecords(batch: Buffer, header: BatchHeader, settings: TopicSettings, nowMs: number, where: string): void {
  cursor.open(batch, 0, header, decompressBriefly);
  let expectedOffset = header.baseOffset;
  let maxTimestampMs = -1;
  let unkeyed: number[] | undefined;
  let misdated: number[] | undefined;
  while (cursor.next()) {
    const { timestampMs } = cursor;
    if (cursor.offset !== expectedOffset) throw invalid(where, 'offsets within the batch are not consecutive');
    if (settings.compacts && cursor.keyStart < 0) (unkeyed ??= []).push(expectedOffset - header.baseOffset);
    if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
    if (!settings.logAppendTime && timestampMs >= 0 && !isInTime(timestampMs, settings, nowMs)) {
      (misdated ??= []).push(expectedOffset - header.baseOffset);
    }
    expectedOffset++;
  }
  cursor.buffer = empty;
  if (unkeyed !== undefined) {
    throw refusedRecords(ErrorCode.INVALID_RECORD, where, unkeyed, 'A record without a key in a compacted topic');
  }
  if (misdated !== undefined) {
    const words = `A record dated too far before or after its arrival at ${new Date(nowMs).toISOString()}`;
    throw refusedRecords(ErrorCode.INVALID_TIMESTAMP, where, misdated, words);
  }
  if (maxTimestampMs !== header.maxTimestampMs && !settings.logAppendTime) {
    throw invalid(
      where,
      `the batch says its latest time is ${header.maxTimestampMs}, its records say ${maxTimestampMs}`,
    );
  }
}

const empty = Buffer.alloc(0);

function isInTime(timestampMs: number, settings: TopicSettings, nowMs: number): boolean {
  return timestampMs - nowMs <= settings.timestampAfterMaxMs && nowMs - timestampMs <= settings.timestampBeforeMaxMs;
}

/** A batch that is refused for some of its records, which the client is told of one by one (KIP-467). */
function refusedRecords(errorCode: number, where: string, indexes: readonly number[], what: string): KafkaError {
  const recordErrors = indexes.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: what }));
  return new KafkaError(errorCode, `${where}: ${indexes.length} records are to blame. ${what}`, { recordErrors });
}

function storedForm(batch: Buffer, header: BatchHeader, settings: TopicSettings, nowMs: number): AcceptedBatch {
  let stored = batch;
  const target = codecs[settings.compressionType];
  if (target !== undefined && target !== header.compression) stored = recompress(batch, header, target);
  if (settings.logAppendTime) setLogAppendTime(stored, nowMs);
  return { batch: stored, header: stored === batch && !settings.logAppendTime ? header : readBatchHeader(stored) };
}

/** The same records with another codec: their bytes are the same, so nothing is parsed. */
function recompress(batch: Buffer, header: BatchHeader, compression: Compression): Buffer {
  const payload = batch.subarray(batchHeaderBytes, header.sizeBytes);
  const records = compress(compression, decompressBriefly(header.compression, payload, maxDecompressedBytes));
  const stored = Buffer.concat([batch.subarray(0, batchHeaderBytes), records]);
  const attributes = batch.readInt16BE(attributesPosition) & ~attributeBits.compression;
  stored.writeInt16BE(attributes | compressionNames.indexOf(compression), attributesPosition);
  stored.writeInt32BE(stored.length - batchOverheadBytes, lengthPosition);
  sealBatch(stored, 0, stored.length);
  return stored;
}
