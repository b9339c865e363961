// Control batches: the markers that end a transaction on a partition. One record, never shown to applications:
//   key    int16 version 0 · int16 type (0 abort, 1 commit)
//   value  int16 version 0 · int32 epoch of the transaction coordinator
import { BatchBuilder } from './batch-builder.ts';
import type { RecordCursor } from './record-batch.ts';

export type MarkerKind = 'abort' | 'commit';

export interface ControlBatch {
  kind: MarkerKind;
  producerId: number;
  producerEpoch: number;
  coordinatorEpoch: number;
  timestampMs: number;
}

/** The batch of one marker; offset and leader epoch are set when it is appended. */
export function buildControlBatch(marker: ControlBatch): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt16BE(marker.kind === 'commit' ? 1 : 0, 2);
  const value = Buffer.alloc(6);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  const builder = new BatchBuilder(batchBytes);
  builder.append(marker.timestampMs, key, value);
  return builder.build({
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}

const batchBytes = 128;

/** What the cursor's record of a control batch says; undefined for kinds that do not end a transaction. */
export function readControlRecord(cursor: RecordCursor): { kind: MarkerKind; coordinatorEpoch: number } | undefined {
  const key = cursor.key();
  if (key === null || key.length < 4) return undefined;
  const type = key.readInt16BE(2);
  if (type !== 0 && type !== 1) return undefined;
  const value = cursor.value();
  return {
    kind: type === 1 ? 'commit' : 'abort',
    coordinatorEpoch: value === null || value.length < 6 ? -1 : value.readInt32BE(2),
  };
}
