// `%020d.snapshot` beside the segments: the state of all producers after every batch below the offset in the name. With it, recovery reads the log
// from there only. Kafka's format (ProducerSnapshot v1):
//
//   int16 version = 1 | uint32 CRC32C of all that follows | int32 count | count × entry
//   entry: int64 producer id | int16 epoch | int32 last sequence | int64 last offset | int32 offset delta of the last batch | int64 timestamp
//          | int32 coordinator epoch | int64 first offset of the open transaction, or -1
//
// Kafka's format keeps one batch of each producer, not five: right after a restart only a repeat of the very last batch is recognised.
import { join } from 'node:path';
import type { Files } from '../../base/files.ts';
import { crc32c } from '../wire/crc32c.ts';
import { type ProducerEntry, ProducerState, sequenceAfter } from './producer-state.ts';
import { offsetName, offsetOfName } from './segment.ts';

const headerBytes = 10;
const entryBytes = 46;

/** The bytes of a snapshot of `state` as it is now. */
export function encodeSnapshot(state: ProducerState): Buffer {
  const bytes = Buffer.alloc(headerBytes + state.size * entryBytes);
  bytes.writeInt16BE(1, 0);
  bytes.writeInt32BE(state.size, 6);
  let at = headerBytes;
  for (const entry of state.all()) {
    const last = entry.batches.at(-1);
    bytes.writeBigInt64BE(BigInt(entry.producerId), at);
    bytes.writeInt16BE(entry.producerEpoch, at + 8);
    bytes.writeInt32BE(last?.lastSequence ?? -1, at + 10);
    bytes.writeBigInt64BE(BigInt(last?.lastOffset ?? -1), at + 14);
    bytes.writeInt32BE(last === undefined ? 0 : last.lastOffset - last.firstOffset, at + 22);
    bytes.writeBigInt64BE(BigInt(entry.lastTimestampMs), at + 26);
    bytes.writeInt32BE(entry.coordinatorEpoch, at + 34);
    bytes.writeBigInt64BE(BigInt(entry.transactionStartOffset), at + 38);
    at += entryBytes;
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(6)), 2);
  return bytes;
}

/** The state in a snapshot; undefined when the bytes are not a whole, sound snapshot (an older one, or the log, serves then). */
export function decodeSnapshot(bytes: Buffer): ProducerState | undefined {
  if (bytes.length < headerBytes || bytes.readInt16BE(0) !== 1) return undefined;
  const count = bytes.readInt32BE(6);
  if (count < 0 || bytes.length !== headerBytes + count * entryBytes) return undefined;
  if (crc32c(bytes.subarray(6)) !== bytes.readUInt32BE(2)) return undefined;
  const state = new ProducerState();
  for (let at = headerBytes; at < bytes.length; at += entryBytes) state.restore(decodeEntry(bytes, at));
  state.restoreTransactions();
  return state;
}

function decodeEntry(bytes: Buffer, at: number): ProducerEntry {
  const lastSequence = bytes.readInt32BE(at + 10);
  const lastOffset = Number(bytes.readBigInt64BE(at + 14));
  const offsetDelta = bytes.readInt32BE(at + 22);
  const timestampMs = Number(bytes.readBigInt64BE(at + 26));
  const firstSequence = lastSequence - offsetDelta;
  return {
    producerId: Number(bytes.readBigInt64BE(at)),
    producerEpoch: bytes.readInt16BE(at + 8),
    coordinatorEpoch: bytes.readInt32BE(at + 34),
    batches:
      lastSequence < 0
        ? []
        : [
            {
              // A batch may run over the end of the sequence numbers.
              firstSequence: firstSequence >= 0 ? firstSequence : sequenceAfter(firstSequence + 0x7fffffff, 1),
              lastSequence,
              firstOffset: lastOffset - offsetDelta,
              lastOffset,
              timestampMs,
            },
          ],
    lastTimestampMs: timestampMs,
    transactionStartOffset: Number(bytes.readBigInt64BE(at + 38)),
  };
}

const ending = '.snapshot';

/** Writes a snapshot file and syncs it; its directory entry is durable after the caller's syncDirectory. */
export async function writeSnapshot(files: Files, directory: string, offset: number, bytes: Buffer): Promise<void> {
  const file = await files.open(join(directory, offsetName(offset) + ending), 'create');
  try {
    await file.truncate(0);
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The newest sound snapshot at or below `offset`; an empty state at 0 when there is none. */
export async function loadSnapshot(
  files: Files,
  directory: string,
  offset: number,
): Promise<{ offset: number; state: ProducerState }> {
  for (const at of (await snapshotOffsets(files, directory)).reverse()) {
    if (at > offset) continue;
    const state = decodeSnapshot(await files.readFile(join(directory, offsetName(at) + ending)));
    if (state !== undefined) return { offset: at, state };
  }
  return { offset: 0, state: new ProducerState() };
}

/** Removes snapshots for which `keep` is false. */
export async function pruneSnapshots(
  files: Files,
  directory: string,
  keep: (offset: number) => boolean,
): Promise<void> {
  for (const offset of await snapshotOffsets(files, directory)) {
    if (!keep(offset)) await files.remove(join(directory, offsetName(offset) + ending));
  }
}

/** Offsets of the snapshots in a partition's folder, ascending. */
export async function snapshotOffsets(files: Files, directory: string): Promise<number[]> {
  const names = await files.list(directory);
  return names.map((name) => offsetOfName(name, ending)).filter((offset) => offset !== undefined);
}
