// One transactional id as a pure machine: (state, event) → { state, write, errorCode }. It owns which producer (id and epoch) may write under the id,
// which partitions its transaction touches, and how it ends; it never waits and never writes. Behaviour is Kafka's (KIP-98, 360, 890):
//
//            add                     end                      markers appended
//   Empty ───────▶ Ongoing ──────────────────▶ PrepareCommit ───────▶ CompleteCommit ─┐ add: Ongoing
//     ▲               │   init, timeout, end                                          │ init: Empty
//     │ init          └──────────────────────▶ PrepareAbort  ───────▶ CompleteAbort ──┤
//     └───────────────────────────────────────────────────────────────────────────────┘ expire: Dead
//
// Promises: once a newer producer is known, an older one changes nothing; a transaction is either committed or aborted, never both; a decision
// (Prepare…) is never taken back.
import { ErrorCode } from '../wire/errors.ts';

export type TransactionPhase =
  'Empty' | 'Ongoing' | 'PrepareCommit' | 'PrepareAbort' | 'CompleteCommit' | 'CompleteAbort' | 'Dead';
export type Outcome = 'commit' | 'abort';

export interface TransactionPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TransactionState {
  readonly transactionalId: string;
  readonly phase: TransactionPhase;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The epoch before the last bump that its producer asked for, so that a repeated request is known; -1 when there was none. */
  readonly lastProducerEpoch: number;
  /** The producer id before the current one; -1 when there was none. */
  readonly previousProducerId: number;
  /** While Prepare…: the producer id that takes over when epochs are used up; -1 otherwise. */
  readonly nextProducerId: number;
  readonly timeoutMs: number;
  /** By "topic/partition". */
  readonly partitions: ReadonlyMap<string, TransactionPartition>;
  /** Wall clock; -1 when none is open. */
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  /** 2 where the producer's epoch grows with each transaction (KIP-890), 0 for older clients. */
  readonly clientVersion: number;
  /** It must not be committed any more (see `doom`). */
  readonly doomed: boolean;
}

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export type TransactionEvent = { readonly nowMs: number } & (
  | {
      /** InitProducerId. `expected` is what the producer believes to be (KIP-360). */
      readonly kind: 'init';
      readonly timeoutMs: number;
      readonly expected: ProducerIdentity | undefined;
      /** An unused producer id; needed when needsProducerId says so. */
      readonly freshProducerId: number | undefined;
    }
  | {
      /** The producer wrote, or is about to write, to these partitions. */
      readonly kind: 'add';
      readonly producer: ProducerIdentity;
      readonly partitions: readonly TransactionPartition[];
      readonly clientVersion: number;
    }
  | {
      readonly kind: 'end';
      readonly producer: ProducerIdentity;
      readonly outcome: Outcome;
      /** EndTxn v5 and later: the answer names the producer's next epoch. */
      readonly bumpsEpoch: boolean;
      readonly freshProducerId: number | undefined;
    }
  /** Part of the transaction was refused while its EndTxn may be under way already: it can only be aborted. */
  | { readonly kind: 'doom'; readonly producer: ProducerIdentity }
  | { readonly kind: 'timeout' }
  /** Every partition has its marker. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'expire' }
);

export interface TransactionStep {
  readonly state: TransactionState;
  /** 'state': the record of the state; 'decision': that too, and once it is durable the markers, then `complete`; 'tombstone': its removal. */
  readonly write: 'state' | 'decision' | 'tombstone' | undefined;
  /** 0, or what to answer; the state is as before then, except after CONCURRENT_TRANSACTIONS of init, which aborts first. */
  readonly errorCode: number;
}

type EventOf<K extends TransactionEvent['kind']> = Extract<TransactionEvent, { kind: K }>;

const greatestEpoch = 32767;

/** A transactional id that nobody has used: it needs a producer id. */
export function newTransaction(transactionalId: string): TransactionState {
  return {
    transactionalId,
    phase: 'Empty',
    producerId: -1,
    producerEpoch: -1,
    lastProducerEpoch: -1,
    previousProducerId: -1,
    nextProducerId: -1,
    timeoutMs: 0,
    partitions: new Map(),
    startedAtMs: -1,
    updatedAtMs: -1,
    clientVersion: 0,
    doomed: false,
  };
}

/** Whether init, or an end that bumps the epoch, has to bring a fresh producer id. */
export function needsProducerId(state: TransactionState): boolean {
  return state.producerId < 0 || state.producerEpoch >= greatestEpoch - 1;
}

export function partitionKey({ topic, partition }: TransactionPartition): string {
  return `${topic}/${partition}`;
}

export function isPrepared(state: TransactionState): boolean {
  return state.phase === 'PrepareCommit' || state.phase === 'PrepareAbort';
}

/** What the id is after `event`, what has to be written, and the error to answer. */
export function stepTransaction(state: TransactionState, event: TransactionEvent): TransactionStep {
  switch (event.kind) {
    case 'init':
      return init(state, event);
    case 'add':
      return add(state, event);
    case 'end':
      return end(state, event);
    case 'doom': {
      // Also before the transaction has begun: what was refused may have been its first batch.
      const isMeant = !isPrepared(state) && fence(state, event.producer) === ErrorCode.NONE;
      return unchanged(isMeant ? { ...state, doomed: true } : state);
    }
    case 'timeout':
      return state.phase === 'Ongoing' ? abortAndFence(state, -1, event.nowMs) : unchanged(state);
    case 'complete':
      return complete(state, event);
    case 'expire':
      if (state.phase === 'Ongoing' || isPrepared(state) || state.phase === 'Dead') return unchanged(state);
      return { state: { ...state, phase: 'Dead' }, write: 'tombstone', errorCode: ErrorCode.NONE };
  }
}

function unchanged(state: TransactionState): TransactionStep {
  return { state, write: undefined, errorCode: ErrorCode.NONE };
}

function refuse(state: TransactionState, errorCode: number): TransactionStep {
  return { state, write: undefined, errorCode };
}

/** PRODUCER_FENCED stands for "not this epoch"; requests of old versions are told INVALID_PRODUCER_EPOCH instead. */
function fence(state: TransactionState, producer: ProducerIdentity): number {
  if (state.phase === 'Dead' || producer.producerId !== state.producerId) return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
  return producer.producerEpoch === state.producerEpoch ? ErrorCode.NONE : ErrorCode.PRODUCER_FENCED;
}

function init(state: TransactionState, event: EventOf<'init'>): TransactionStep {
  if (isPrepared(state) || state.phase === 'Dead') return refuse(state, ErrorCode.CONCURRENT_TRANSACTIONS);
  const { expected, nowMs } = event;
  const { producerId, producerEpoch } = state;
  if (expected !== undefined && producerId >= 0) {
    const rotated = expected.producerId === state.previousProducerId && expected.producerEpoch >= greatestEpoch - 1;
    const repeated = expected.producerEpoch === state.lastProducerEpoch;
    const isCurrent = expected.producerEpoch === producerEpoch;
    if (expected.producerId !== producerId && !rotated) return refuse(state, ErrorCode.PRODUCER_FENCED);
    if (expected.producerId === producerId && !isCurrent && !repeated) return refuse(state, ErrorCode.PRODUCER_FENCED);
    if (state.phase !== 'Ongoing' && !isCurrent && producerEpoch < greatestEpoch - 1) return unchanged(state);
  }
  // What is open is aborted first, under an epoch that nobody is ever told (KIP-98); then the request comes again.
  if (state.phase === 'Ongoing') {
    const step = abortAndFence(state, expected?.producerEpoch ?? -1, nowMs);
    return { ...step, errorCode: ErrorCode.CONCURRENT_TRANSACTIONS };
  }
  const begun = {
    ...state,
    phase: 'Empty' as const,
    timeoutMs: event.timeoutMs,
    partitions: new Map<string, TransactionPartition>(),
    startedAtMs: -1,
    updatedAtMs: nowMs,
    lastProducerEpoch: expected === undefined ? -1 : producerEpoch,
    nextProducerId: -1,
    doomed: false,
  };
  if (needsProducerId(state)) {
    const fresh = { producerId: event.freshProducerId!, producerEpoch: 0, previousProducerId: producerId };
    return { state: { ...begun, ...fresh }, write: 'state', errorCode: ErrorCode.NONE };
  }
  return { state: { ...begun, producerEpoch: producerEpoch + 1 }, write: 'state', errorCode: ErrorCode.NONE };
}

function add(state: TransactionState, event: EventOf<'add'>): TransactionStep {
  const fenced = fence(state, event.producer);
  if (fenced !== ErrorCode.NONE) return refuse(state, fenced);
  if (isPrepared(state)) return refuse(state, ErrorCode.CONCURRENT_TRANSACTIONS);
  const isOpen = state.phase === 'Ongoing';
  const missing = event.partitions.filter((partition) => !isOpen || !state.partitions.has(partitionKey(partition)));
  if (missing.length === 0) return unchanged(state);
  const partitions = new Map(isOpen ? state.partitions : []);
  for (const partition of missing) partitions.set(partitionKey(partition), partition);
  const open = { partitions, updatedAtMs: event.nowMs, clientVersion: event.clientVersion };
  const started = { ...open, phase: 'Ongoing' as const, startedAtMs: event.nowMs };
  return { state: { ...state, ...(isOpen ? open : started) }, write: 'state', errorCode: ErrorCode.NONE };
}

function end(state: TransactionState, event: EventOf<'end'>): TransactionStep {
  const isCommit = event.outcome === 'commit';
  const fenced = fence(state, event.producer);
  const repeats = event.bumpsEpoch && isRepeatedEnd(state, event.producer);
  if (fenced !== ErrorCode.NONE && !repeats) return refuse(state, fenced);
  if (isPrepared(state)) {
    const agrees = isCommit === (state.phase === 'PrepareCommit');
    return refuse(state, agrees ? ErrorCode.CONCURRENT_TRANSACTIONS : ErrorCode.INVALID_TXN_STATE);
  }
  if (state.phase === 'Ongoing') {
    if (repeats) return refuse(state, ErrorCode.PRODUCER_FENCED);
    if (isCommit && state.doomed) return refuse(state, ErrorCode.TRANSACTION_ABORTABLE);
    return decide(state, event);
  }
  const agrees = (isCommit && state.phase === 'CompleteCommit') || (!isCommit && state.phase === 'CompleteAbort');
  if (repeats || !event.bumpsEpoch) return agrees ? unchanged(state) : refuse(state, ErrorCode.INVALID_TXN_STATE);
  // An abort of nothing is how a producer that is not sure gets itself a new epoch (KIP-890).
  return isCommit ? refuse(state, ErrorCode.INVALID_TXN_STATE) : decide(state, event);
}

/** Whether the request is one that bumped the epoch already and whose answer was lost. */
function isRepeatedEnd(state: TransactionState, producer: ProducerIdentity): boolean {
  if (producer.producerId === state.producerId) return producer.producerEpoch === state.producerEpoch - 1;
  const rotated = producer.producerId === state.previousProducerId && state.producerEpoch === 0;
  return rotated && producer.producerEpoch >= greatestEpoch - 1;
}

function decide(state: TransactionState, event: EventOf<'end'>): TransactionStep {
  const decided = {
    ...state,
    phase: event.outcome === 'commit' ? ('PrepareCommit' as const) : ('PrepareAbort' as const),
    partitions: state.phase === 'Ongoing' ? state.partitions : new Map<string, TransactionPartition>(),
    updatedAtMs: event.nowMs,
  };
  if (!event.bumpsEpoch) return { state: decided, write: 'decision', errorCode: ErrorCode.NONE };
  return {
    state: {
      ...decided,
      clientVersion: 2,
      // Markers carry the new epoch, so that what is late of the old one is refused by the partitions themselves.
      producerEpoch: state.producerEpoch + 1,
      lastProducerEpoch: state.producerEpoch,
      nextProducerId: needsProducerId(state) ? event.freshProducerId! : -1,
    },
    write: 'decision',
    errorCode: ErrorCode.NONE,
  };
}

function abortAndFence(state: TransactionState, lastProducerEpoch: number, nowMs: number): TransactionStep {
  const producerEpoch = Math.min(state.producerEpoch + 1, greatestEpoch);
  return {
    state: { ...state, phase: 'PrepareAbort', producerEpoch, lastProducerEpoch, updatedAtMs: nowMs },
    write: 'decision',
    errorCode: ErrorCode.NONE,
  };
}

function complete(state: TransactionState, { nowMs }: EventOf<'complete'>): TransactionStep {
  if (!isPrepared(state)) return unchanged(state);
  const rotates = state.nextProducerId >= 0;
  return {
    state: {
      ...state,
      phase: state.phase === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
      producerId: rotates ? state.nextProducerId : state.producerId,
      producerEpoch: rotates ? 0 : state.producerEpoch,
      previousProducerId: rotates ? state.producerId : state.previousProducerId,
      nextProducerId: -1,
      partitions: new Map(),
      updatedAtMs: nowMs,
      doomed: false,
    },
    write: 'state',
    errorCode: ErrorCode.NONE,
  };
}
