// The transaction machine under random events of several producers that all believe in their right to the id: whatever comes, no epoch or producer id is
// given out twice, an older producer changes nothing, and each transaction has one outcome.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isPrepared,
  needsProducerId,
  newTransaction,
  type ProducerIdentity,
  stepTransaction,
  type TransactionEvent,
  type TransactionState,
} from '../../../broker/coordinator/transaction.ts';
import {
  decodeExtents,
  encodeExtents,
  readTransactionRecord,
  transactionRecord,
} from '../../../broker/coordinator/transaction-record.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { RecordCursor } from '../../../broker/wire/record-batch.ts';

const act = fc.oneof(
  fc.record({ kind: fc.constant('init' as const), expects: fc.option(fc.nat(3)) }),
  fc.record({ kind: fc.constant('add' as const), who: fc.nat(3), partition: fc.nat(2) }),
  fc.record({ kind: fc.constant('end' as const), who: fc.nat(3), commit: fc.boolean(), modern: fc.boolean() }),
  fc.record({ kind: fc.constant('doom' as const), who: fc.nat(3) }),
  fc.record({ kind: fc.constant('timeout' as const) }),
  fc.record({ kind: fc.constant('complete' as const) }),
);
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

class Runner {
  state: TransactionState;
  /** Identities that producers were told, the newest last. */
  readonly told: ProducerIdentity[] = [];
  private nextProducerId = 1;
  private outcome: string | undefined;
  private doomed = false;

  constructor(epoch: number) {
    // Near the end of the epochs, so that producer ids are used up too.
    this.state = { ...newTransaction('id'), producerId: 0, producerEpoch: epoch, timeoutMs: 1000 };
  }

  private get fresh(): number | undefined {
    return needsProducerId(this.state) ? this.nextProducerId++ : undefined;
  }

  private who(index: number): ProducerIdentity {
    return this.told.at(-1 - index) ?? { producerId: 99, producerEpoch: 0 };
  }

  private event(one: Act): TransactionEvent {
    const nowMs = 1;
    switch (one.kind) {
      case 'init':
        return {
          ...{ kind: 'init', nowMs, timeoutMs: 1000, freshProducerId: this.fresh },
          expected: one.expects === null ? undefined : this.who(one.expects),
        };
      case 'add':
        return {
          ...{ kind: 'add', nowMs, producer: this.who(one.who), clientVersion: 2 },
          partitions: [{ topic: 'topic', partition: one.partition }],
        };
      case 'end':
        return {
          ...{ kind: 'end', nowMs, producer: this.who(one.who), outcome: one.commit ? 'commit' : 'abort' },
          ...{ bumpsEpoch: one.modern, freshProducerId: this.fresh },
        };
      case 'doom':
        return { kind: 'doom', nowMs, producer: this.who(one.who) };
      default:
        return { kind: one.kind, nowMs };
    }
  }

  perform(one: Act): void {
    const event = this.event(one);
    const before = this.state;
    const { state, errorCode, write } = stepTransaction(before, event);
    const aborts = event.kind === 'init' && errorCode === ErrorCode.CONCURRENT_TRANSACTIONS;
    if (errorCode !== ErrorCode.NONE && !aborts) {
      expect(state).toBe(before);
      expect(write).toBe(undefined);
    }
    this.checkFencing(before, event, errorCode);
    this.checkOutcome(before, state, event);
    if (errorCode === ErrorCode.NONE && event.kind === 'init') this.tell(before, state);
    if (errorCode === ErrorCode.NONE && event.kind === 'end' && event.bumpsEpoch && isPrepared(state)) {
      const rotated = { producerId: state.nextProducerId, producerEpoch: 0 };
      this.told.push(state.nextProducerId < 0 ? state : rotated);
    }
    this.state = state;
  }

  /** Only the current producer starts, extends or ends a transaction. */
  private checkFencing(before: TransactionState, event: TransactionEvent, errorCode: number): void {
    if (event.kind !== 'add' && event.kind !== 'end') return;
    const { producer } = event;
    const isCurrent = producer.producerId === before.producerId && producer.producerEpoch === before.producerEpoch;
    if (isCurrent || errorCode !== ErrorCode.NONE) return;
    // A repeated EndTxn is answered, but does nothing.
    expect(event.kind).toBe('end');
    expect(['CompleteCommit', 'CompleteAbort']).toContain(before.phase);
  }

  private checkOutcome(before: TransactionState, state: TransactionState, event: TransactionEvent): void {
    if (before.phase === 'Ongoing') {
      expect(['Ongoing', 'PrepareCommit', 'PrepareAbort']).toContain(state.phase);
      if (state.doomed) this.doomed = true;
    }
    if (isPrepared(state) && !isPrepared(before)) {
      this.outcome = state.phase;
      if (state.phase === 'PrepareCommit') {
        expect(event).toMatchObject({ kind: 'end', outcome: 'commit' });
        expect(this.doomed).toBe(false);
        expect(before.phase).toBe('Ongoing');
        expect(state.partitions).toEqual(before.partitions);
      }
    }
    if (isPrepared(before)) {
      expect(state.phase).toBe(event.kind === 'complete' ? this.outcome!.replace('Prepare', 'Complete') : this.outcome);
      this.doomed = false;
    }
    if (event.kind === 'init' && state.phase === 'Empty') this.doomed = false;
    const grows =
      state.producerId > before.producerId ||
      (state.producerId === before.producerId && state.producerEpoch >= before.producerEpoch);
    expect(grows).toBe(true);
    expect(state.producerEpoch).toBeLessThanOrEqual(32767);
  }

  /** A repeated init is told the same again; otherwise nobody was ever told this. */
  private tell(before: TransactionState, state: TransactionState): void {
    if (state !== before) {
      for (const { producerId, producerEpoch } of this.told) {
        expect({ producerId, producerEpoch }).not.toEqual({
          producerId: state.producerId,
          producerEpoch: state.producerEpoch,
        });
      }
    }
    this.told.push({ producerId: state.producerId, producerEpoch: state.producerEpoch });
  }
}

describe('the transaction machine', () => {
  it('keeps its promises whatever producers do', () => {
    const run = fc.property(
      fc.constantFrom(-1, 5, 32_755, 32_764),
      fc.array(act, { maxLength: 60, size: 'max' }),
      (epoch, acts) => {
        const runner = new Runner(epoch);
        runner.perform({ kind: 'init', expects: null });
        for (const one of acts) runner.perform(one);
      },
    );
    fc.assert(run, { numRuns: Number(process.env['RUNS'] ?? 500) });
  });

  it('survives its record: what is read is what was written', () => {
    const partition = fc.record({ topic: fc.constantFrom('a', 'b', 'c'), partition: fc.nat(9) });
    const run = fc.property(
      fc.array(partition),
      fc.constantFrom('Ongoing' as const, 'PrepareCommit' as const, 'PrepareAbort' as const, 'CompleteCommit' as const),
      fc.nat(32767),
      (partitions, phase, producerEpoch) => {
        const byKey = new Map(partitions.map((one) => [`${one.topic}/${one.partition}`, one]));
        const state = { ...newTransaction('id'), phase, producerId: 7, producerEpoch, partitions: byKey, timeoutMs: 9 };
        const extents = partitions.map((one, index) => ({
          topicId: Buffer.alloc(16, index),
          partition: one.partition,
          endOffset: index * 1000,
          lastCrc: index === 0 ? undefined : 4_000_000_000 + index,
        }));
        const { key, value, headers } = transactionRecord(state, extents);
        const builder = new BatchBuilder();
        builder.append(1, key, value, 0, value!.length, headers);
        const cursor = new RecordCursor(builder.build());
        cursor.next();
        expect(readTransactionRecord(cursor)).toEqual({ transactionalId: 'id', state, extents });
      },
    );
    fc.assert(run, { numRuns: 200 });
  });

  it('refuses extents that are cut short or of another version', () => {
    const encoded = encodeExtents([{ topicId: Buffer.alloc(16, 1), partition: 0, endOffset: 5, lastCrc: 6 }]);
    for (let length = 2; length < encoded.length; length++) {
      expect(() => decodeExtents(encoded.subarray(0, length))).toThrow();
    }
    encoded[0] = 2;
    expect(() => decodeExtents(encoded)).toThrow('version 2');
  });
});
