// The read_committed filter against a model that knows which transaction each batch belongs to.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterBatches } from '../../../broker/client/aborted-filter.ts';
import { giveBatchBuffer, takeBatchBuffer } from '../../../broker/wire/batch-buffers.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { buildControlBatch } from '../../../broker/wire/control-batch.ts';
import { readBatchHeader, setBaseOffset } from '../../../broker/wire/record-batch.ts';
import { batchOf } from '../../support/batches.ts';

interface LogEntry {
  batch: Buffer;
  firstOffset: number;
  lastOffset: number;
  /** The transaction a data batch belongs to; undefined for plain batches and markers. */
  transaction: Transaction | undefined;
  isData: boolean;
}

interface Transaction {
  producerId: number;
  firstOffset: number;
  /** Offset of the marker; the model writes every transaction to its end. */
  markerOffset: number;
  aborted: boolean;
}

type Step = { producerId: number; action: 'plain' | 'write' | 'commit' | 'abort'; records: number };

function dataBatch(producerId: number, records: number, isTransactional: boolean): Buffer {
  const builder = new BatchBuilder(64);
  for (let index = 0; index < records; index++) builder.append(0, null, Buffer.from('v'));
  return builder.build(isTransactional ? { producerId, producerEpoch: 0, baseSequence: 0, isTransactional } : {});
}

/** Plays the steps as a log would; transactions still open at the end are aborted, so that every one has its marker. */
function play(steps: readonly Step[]): LogEntry[] {
  const log: LogEntry[] = [];
  const open = new Map<number, Transaction>();
  let next = 0;
  const push = (batch: Buffer, records: number, transaction: Transaction | undefined, isData: boolean) => {
    setBaseOffset(batch, next);
    log.push({ batch, firstOffset: next, lastOffset: next + records - 1, transaction, isData });
    next += records;
  };
  const end = (producerId: number, kind: 'commit' | 'abort') => {
    const transaction = open.get(producerId);
    if (transaction !== undefined) {
      transaction.markerOffset = next;
      transaction.aborted = kind === 'abort';
      open.delete(producerId);
    }
    push(
      buildControlBatch({ kind, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestampMs: 0 }),
      1,
      undefined,
      false,
    );
  };
  for (const { producerId, action, records } of steps) {
    if (action === 'plain') push(dataBatch(producerId, records, false), records, undefined, true);
    else if (action === 'write') {
      const transaction = open.get(producerId) ?? { producerId, firstOffset: next, markerOffset: -1, aborted: false };
      open.set(producerId, transaction);
      push(dataBatch(producerId, records, true), records, transaction, true);
    } else end(producerId, action);
  }
  for (const producerId of [...open.keys()]) end(producerId, 'abort');
  return log;
}

const step = fc.record({
  producerId: fc.integer({ min: 1, max: 3 }),
  action: fc.constantFrom<Step['action']>('plain', 'write', 'write', 'write', 'commit', 'abort'),
  records: fc.integer({ min: 1, max: 4 }),
});

describe('filterBatches', () => {
  it('passes on exactly what was committed, whatever part of the log a response holds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), fc.nat(), fc.nat(), (steps, from, size, inside) => {
        const log = play(steps);
        if (log.length === 0) return;
        const start = from % log.length;
        const part = log.slice(start, start + 1 + (size % (log.length - start)));
        const first = part[0]!;
        const fromOffset = first.firstOffset + (inside % (first.lastOffset - first.firstOffset + 1));
        const last = part.at(-1)!.lastOffset;
        // What a broker answers: every aborted transaction that overlaps the range (it finds them by their marker).
        const transactions = new Set(log.flatMap(({ transaction }) => (transaction?.aborted ? [transaction] : [])));
        const aborted = [...transactions]
          .filter(({ firstOffset, markerOffset }) => markerOffset >= fromOffset && firstOffset <= last)
          .sort((left, right) => left.markerOffset - right.markerOffset);
        const { batches, nextOffset } = filterBatches(
          part.map(({ batch }) => batch),
          fromOffset,
          aborted,
        );
        const expected = part.filter(({ isData, transaction }) => isData && transaction?.aborted !== true);
        expect(batches.map((batch) => readBatchHeader(batch, 0).baseOffset)).toEqual(
          expected.map(({ firstOffset }) => firstOffset),
        );
        expect(nextOffset).toBe(last + 1);
      }),
      { numRuns: 500 },
    );
  });

  it('is blind to how the batches are cut into buffers, and leaves a torn last batch for the next fetch', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), fc.nat(), (steps, torn) => {
        const log = play(steps).map(({ batch }) => batch);
        const whole = Buffer.concat(log);
        expect(filterBatches([whole], 0, []).batches).toEqual(filterBatches(log, 0, []).batches);
        const last = log.at(-1)!;
        const cut = whole.subarray(0, whole.length - 1 - (torn % (last.length - 1)));
        expect(filterBatches([cut], 0, []).nextOffset).toBe(readBatchHeader(last, 0).baseOffset);
      }),
    );
  });

  it('leaves out only markers for read_uncommitted', () => {
    const log = play([
      { producerId: 1, action: 'write', records: 2 },
      { producerId: 1, action: 'abort', records: 1 },
    ]);
    expect(
      filterBatches(
        log.map(({ batch }) => batch),
        0,
        undefined,
      ).batches,
    ).toHaveLength(1);
  });

  it('keeps the position when nothing came', () => {
    expect(filterBatches([], 42, [])).toEqual({ batches: [], nextOffset: 42 });
  });

  it('gives the memory of a chunk to its batches: it is used again when all of them were given back', () => {
    const batches = [batchOf(['a']), batchOf(['b']), batchOf(['c'])];
    const chunk = takeBatchBuffer(400_000);
    const used = Buffer.concat(batches).copy(chunk);
    const passed = filterBatches([chunk.subarray(0, used)], 0, undefined).batches;
    expect(passed).toEqual(batches);
    for (const batch of passed) {
      expect(takeBatchBuffer(400_000).buffer).not.toBe(chunk.buffer);
      giveBatchBuffer(batch);
    }
    expect(takeBatchBuffer(400_000).buffer).toBe(chunk.buffer);
  });
});
