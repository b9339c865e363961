// The EndTxn request: the decision on a transaction, in the form the broker's transaction.version asks for.
import { apis } from '../wire/apis.ts';
import { KafkaError } from '../wire/errors.ts';
import type { Cluster } from './metadata.ts';
import type { RetryOptions } from './retry.ts';

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** The last EndTxn version before transaction.version 2. */
const lastBefore2 = 4;

/**
 * Commits or aborts. Gives the identity to go on with: with transaction.version 2 a new epoch, else the same one. Throws KafkaError as the
 * coordinator says, TLR_UNREACHABLE or TLR_TIMEOUT when the outcome is unknown.
 */
export async function endTransaction(
  cluster: Cluster,
  transaction: { transactionalId: string; identity: ProducerIdentity; isVersion2: boolean; committed: boolean },
  repetition: RetryOptions,
): Promise<ProducerIdentity> {
  const { transactionalId, identity, isVersion2, committed } = transaction;
  const body = apis.EndTxn.request.create({ transactionalId, ...identity, committed });
  const maxVersion = isVersion2 ? Number.MAX_SAFE_INTEGER : lastBefore2;
  return cluster.withCoordinator(
    'transaction',
    transactionalId,
    async (connection) => {
      const answer = await connection.request('EndTxn', body, { maxVersion });
      if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, `end of transaction ${transactionalId}`);
      if (!isVersion2 || answer.producerId < 0) return identity;
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    },
    repetition,
  );
}
