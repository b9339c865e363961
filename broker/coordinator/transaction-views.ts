// Transactional ids as the admin requests show them (KIP-664): DescribeTransactions and ListTransactions, in Kafka's words.
import { compilePattern } from '../../base/regex.ts';
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { describeTransactionsResponse } from '../wire/messages/65-describe-transactions.ts';
import { listTransactionsResponse } from '../wire/messages/66-list-transactions.ts';
import type { Draft } from '../wire/schema.ts';
import type { TransactionPhase, TransactionState } from './transaction.ts';

type Described = Draft<ResponseOf<'DescribeTransactions'>['transactionStates'][number]>;

/** Every state that Kafka has a name for; ids here are never in the last one. */
const stateNames: ReadonlySet<TransactionPhase | 'PrepareEpochFence'> = new Set([
  ...(['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort'] as const),
  ...(['CompleteCommit', 'CompleteAbort', 'Dead', 'PrepareEpochFence'] as const),
]);

export function describeTransactions(
  { transactionalIds }: RequestOf<'DescribeTransactions'>,
  find: (transactionalId: string) => TransactionState | undefined,
): ResponseOf<'DescribeTransactions'> {
  return describeTransactionsResponse.create({
    transactionStates: transactionalIds.map((id) => describe(id, find(id))),
  });
}

function describe(transactionalId: string, state: TransactionState | undefined): Described {
  if (transactionalId === '') return { transactionalId, errorCode: ErrorCode.INVALID_REQUEST };
  if (!isKnown(state)) return { transactionalId, errorCode: ErrorCode.TRANSACTIONAL_ID_NOT_FOUND };
  const topics = new Map<string, number[]>();
  const isOpen = state.phase === 'Ongoing' || state.phase === 'PrepareCommit' || state.phase === 'PrepareAbort';
  for (const { topic, partition } of isOpen ? state.partitions.values() : []) {
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  }
  return {
    transactionalId,
    transactionState: state.phase,
    transactionTimeoutMs: state.timeoutMs,
    // As Kafka tells it: that of the last one, until a producer begins anew.
    transactionStartTimeMs: state.startedAtMs,
    producerId: state.producerId,
    producerEpoch: state.producerEpoch,
    topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
  };
}

/** The ids that pass all filters; states that are none are named, and alone fit nothing. The pattern has to fit the whole id. */
export function listTransactions(
  request: RequestOf<'ListTransactions'>,
  all: Iterable<TransactionState>,
  nowMs: number,
): ResponseOf<'ListTransactions'> {
  const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request;
  const isState = (name: string) => (stateNames as ReadonlySet<string>).has(name);
  const unknownStateFilters = stateFilters.filter((name) => !isState(name));
  const fits = namePattern(transactionalIdPattern);
  if (fits === undefined) return listTransactionsResponse.create({ errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION });
  const transactionStates = [...all]
    .filter(isKnown)
    .filter(({ phase }) => stateFilters.length === 0 || stateFilters.includes(phase))
    .filter(({ producerId }) => producerIdFilters.length === 0 || producerIdFilters.includes(producerId))
    .filter(({ startedAtMs }) => durationFilter < 0 || nowMs - startedAtMs > durationFilter)
    .filter(({ transactionalId }) => fits(transactionalId))
    .map(({ transactionalId, producerId, phase }) => ({ transactionalId, producerId, transactionState: phase }));
  return listTransactionsResponse.create({ unknownStateFilters, transactionStates });
}

function namePattern(source: string | null): ((transactionalId: string) => boolean) | undefined {
  if (source === null || source === '') return () => true;
  try {
    const pattern = compilePattern(`^(?:${source})$`);
    return (transactionalId) => pattern.test(transactionalId);
  } catch {
    return undefined;
  }
}

/** An id without a producer was only named by a request that failed. */
function isKnown(state: TransactionState | undefined): state is TransactionState {
  return state !== undefined && state.phase !== 'Dead' && state.producerId >= 0;
}
