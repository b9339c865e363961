// Idempotence, transactions and what read_committed shows, on a partition.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { decodeSnapshot, encodeSnapshot } from '../../../broker/log/producer-snapshot.ts';
import { ProducerState, sequenceAfter } from '../../../broker/log/producer-state.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { batchOf, expectedCommitted, readCommitted, readValues } from '../../support/batches.ts';
import { MemoryLog } from '../../support/memory-log.ts';

let memory: MemoryLog;
let log: LogDirectory;

beforeEach(async () => {
  memory = new MemoryLog();
  log = await memory.open();
  await log.createTopic({ name: 'app', partitions: 1, configs: { 'segment.bytes': '3000' } });
});

function app(): PartitionLog {
  return log.partition('app', 0)!;
}

function send(sequence: number, values = ['v'], producer = { producerId: 5, producerEpoch: 0 }) {
  return app().append(batchOf(values, { ...producer, baseSequence: sequence }), { origin: 'client' });
}

function codeOf(action: () => unknown): number {
  try {
    action();
  } catch (error) {
    return (error as { errorCode: number }).errorCode;
  }
  return ErrorCode.NONE;
}

describe('an idempotent producer', () => {
  it('is answered with the first offset when it repeats one of its last five batches', async () => {
    for (let sequence = 0; sequence < 6; sequence++) send(sequence);
    for (const sequence of [1, 2, 3, 4, 5]) {
      const repeated = send(sequence);
      expect(repeated).toMatchObject({ baseOffset: sequence, lastOffset: sequence, duplicate: true });
      await repeated.durable;
      expect(app().highWatermark).toBe(6);
    }
    expect(codeOf(() => send(0))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(app().logEndOffset).toBe(6);
  });

  it('may begin anywhere when it is not known, then not skip', () => {
    expect(send(41).baseOffset).toBe(0);
    expect(codeOf(() => send(43))).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(codeOf(() => send(42))).toBe(ErrorCode.NONE);
  });

  it('begins again at 0 with a new epoch; the old one is fenced', () => {
    send(0);
    expect(codeOf(() => send(1, ['v'], { producerId: 5, producerEpoch: 1 }))).toBe(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
    send(0, ['v'], { producerId: 5, producerEpoch: 1 });
    expect(codeOf(() => send(1))).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
  });

  it('goes on at 0 after sequence 2147483647, also within a batch', () => {
    send(2147483646, ['a', 'b', 'c']);
    expect(sequenceAfter(2147483646, 2)).toBe(0);
    expect(send(1)).toMatchObject({ baseOffset: 3, duplicate: false });
    expect(send(2147483646, ['a', 'b', 'c'])).toMatchObject({ baseOffset: 0, duplicate: true });
  });

  it('is recognised after a kill, whose recovery reads the batches again', async () => {
    for (let sequence = 0; sequence < 3; sequence++) await send(sequence).durable;
    memory.kill();
    log = await memory.open();
    expect(send(1)).toMatchObject({ baseOffset: 1, duplicate: true });
    expect(send(3)).toMatchObject({ baseOffset: 3, duplicate: false });
  });

  it('is recognised after a clean restart by its last batch', async () => {
    for (let sequence = 0; sequence < 3; sequence++) await send(sequence).durable;
    await log.close();
    log = await memory.open();
    expect(send(2)).toMatchObject({ baseOffset: 2, duplicate: true });
    expect(send(3)).toMatchObject({ baseOffset: 3, duplicate: false });
  });

  it('is forgotten when it has not written for a day', async () => {
    await send(0).durable;
    await log.maintain();
    memory.advance(86_400_000 - 2000);
    // The records' own time is old; what counts is when they came.
    await send(1).durable;
    await log.maintain();
    memory.advance(86_400_000 - 2000);
    await log.maintain();
    expect(app().producers()).toHaveLength(1);
    memory.advance(4000);
    await log.maintain();
    expect(app().producers()).toEqual([]);
    expect(send(17).duplicate).toBe(false);
  });
});

describe('a transaction', () => {
  const producer = { producerId: 9, producerEpoch: 3, isTransactional: true };
  const marker = { producerId: 9, producerEpoch: 3, coordinatorEpoch: 1 };

  it('holds the last stable offset until its marker is durable', async () => {
    await app().append(batchOf(['before']), { origin: 'client' }).durable;
    await app().append(batchOf(['inside'], { ...producer, baseSequence: 0 }), { origin: 'client' }).durable;
    await app().append(batchOf(['beside']), { origin: 'client' }).durable;
    expect(app().lastStableOffset).toBe(1);
    expect(app().producers()).toMatchObject([{ producerId: 9, currentTransactionStartOffset: 1 }]);
    const ended = app().appendMarker({ ...marker, kind: 'commit' });
    expect(app().lastStableOffset).toBe(1);
    expect(app().readableBytes(1, 'read_committed')).toBe(0);
    await ended.durable;
    expect(app().lastStableOffset).toBe(4);
    expect(await readValues(app(), 0, 'read_committed')).toEqual(['before', 'inside', 'beside']);
  });

  it('does not mix with writes outside of it, nor with markers of the past', () => {
    app().append(batchOf(['inside'], { ...producer, baseSequence: 0 }), { origin: 'client' });
    expect(codeOf(() => send(1, ['v'], { producerId: 9, producerEpoch: 3 }))).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(codeOf(() => app().appendMarker({ ...marker, producerEpoch: 2, kind: 'abort' }))).toBe(
      ErrorCode.INVALID_PRODUCER_EPOCH,
    );
    app().appendMarker({ ...marker, kind: 'abort' });
    expect(codeOf(() => app().appendMarker({ ...marker, coordinatorEpoch: 0, kind: 'abort' }))).toBe(
      ErrorCode.TRANSACTION_COORDINATOR_FENCED,
    );
  });

  it('shows to read_committed what the markers say, whatever the order, the size of reads and restarts', async () => {
    const step = fc.record({
      producerId: fc.integer({ min: 0, max: 3 }),
      action: fc.constantFrom('write', 'write', 'commit', 'abort', 'plain'),
      bytes: fc.integer({ min: 1, max: 400 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.constantFrom(1, 300, 5000), async (steps, maxBytes) => {
        memory = new MemoryLog();
        log = await memory.open({ tailBytes: 500 });
        await log.createTopic({ name: 'app', partitions: 1, configs: { 'segment.bytes': '2000' } });
        const sequences = new Map<number, number>();
        for (const { producerId, action, bytes } of steps) {
          const value = 'x'.repeat(bytes);
          if (action === 'plain') app().append(batchOf([value]), { origin: 'client' });
          else if (action === 'write') {
            const baseSequence = sequences.get(producerId) ?? 0;
            sequences.set(producerId, baseSequence + 1);
            const identity = { producerId, producerEpoch: 0, baseSequence, isTransactional: true };
            app().append(batchOf([value], identity), { origin: 'client' });
          } else app().appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, kind: action });
        }
        await app().append(batchOf(['end']), { origin: 'client' }).durable;
        expect(await readCommitted(app(), maxBytes)).toEqual(await expectedCommitted(app()));
        const states = app().producers();
        memory.kill();
        log = await memory.open({ tailBytes: 0 });
        expect(app().producers()).toEqual(states);
        expect(await readCommitted(app(), maxBytes)).toEqual(await expectedCommitted(app()));
      }),
      { numRuns: 40 },
    );
  });
});

describe('a snapshot', () => {
  it('gives the same producers, or nothing when a byte is wrong', () => {
    const batch = fc.record({
      producerId: fc.integer({ min: 0, max: 20 }),
      producerEpoch: fc.constant(0),
      baseSequence: fc.integer({ min: 0, max: 2147483647 }),
      lastOffsetDelta: fc.integer({ min: 0, max: 500 }),
      maxTimestampMs: fc.integer({ min: 0, max: 2 ** 45 }),
      isTransactional: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(batch), fc.nat(), (batches, damage) => {
        const state = new ProducerState();
        let offset = 0;
        for (const one of batches) {
          state.append(one, offset, offset + one.lastOffsetDelta);
          offset += one.lastOffsetDelta + 1;
        }
        const bytes = encodeSnapshot(state);
        const decoded = decodeSnapshot(bytes)!;
        expect(decoded.describe()).toEqual(state.describe());
        expect(decoded.firstOpenOffset).toBe(state.firstOpenOffset);
        for (const one of state.all()) {
          const last = one.batches.at(-1)!;
          expect([...decoded.all()].find(({ producerId }) => producerId === one.producerId)!.batches).toEqual([last]);
        }
        const at = damage % bytes.length;
        bytes[at] = bytes[at]! ^ 0x40;
        expect(decodeSnapshot(bytes)).toBeUndefined();
      }),
    );
  });
});
