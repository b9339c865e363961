// What a producer does about an error, in one table: abort the transaction and go on, or be dead until init() (crash-only).
import { TailraceError } from '../../base/errors.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';

/** Errors that say for certain that nothing was written, and leave the producer's identity as it is. */
const refusals: ReadonlySet<number> = new Set([
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.GROUP_AUTHORIZATION_FAILED,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  ErrorCode.OFFSET_METADATA_TOO_LARGE,
  ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.TRANSACTION_ABORTABLE,
]);

/** Whether only the batch (or the offsets) was refused, so that the producer lives on behind an abort. */
export function isRefusal(error: unknown): boolean {
  return error instanceof KafkaError && refusals.has(error.errorCode);
}

/** The answer of an InitProducerId or EndTxn that says that someone else has our transactional id by now. */
export function isFenced(error: unknown): boolean {
  return (
    error instanceof KafkaError &&
    (error.errorCode === ErrorCode.PRODUCER_FENCED || error.errorCode === ErrorCode.INVALID_PRODUCER_EPOCH)
  );
}

export function fencedError(transactionalId: string | undefined, cause: unknown): TailraceError {
  return new TailraceError('TLR_FENCED', `another producer took over the transactional id ${transactionalId ?? ''}`, {
    cause,
  });
}

/** The member of a group whose generation is over, as callers of commit and sendOffsets see it. */
export function memberGone(error: unknown, groupId: string): unknown {
  if (!(error instanceof KafkaError)) return error;
  const gone: readonly number[] = [
    ErrorCode.ILLEGAL_GENERATION,
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.REBALANCE_IN_PROGRESS,
  ];
  if (!gone.includes(error.errorCode)) return error;
  return new TailraceError('TLR_FENCED', `group ${groupId}: this member's generation is over`, {
    cause: error,
    retriable: true,
  });
}
