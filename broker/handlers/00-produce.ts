// Produce (key 0): appends one record batch a partition.
//
// Versions: 3-13 served, 0-13 advertised: librdkafka takes a broker without version 0 for one that cannot compress (KAFKA-18659).
// Behaviour
// - Batches are appended in the order of the requests, before the first await, and nothing of the request is looked at after it: its memory is free then.
//   All of a request share one group commit.
// - acks=all answers when every batch is on disk and synced; acks=1 when appended; acks=0 never, and an error ends the connection.
//   Whatever acks says, readers see a batch when it is synced.
// - Each partition succeeds or fails by itself. Clients may not write to the coordinators' own topics.
// - Transactional batches need their partition to be part of the transaction: from version 12 it is added here (KIP-890), below it must be there.
// Version notes: 5 log start offset · 7 zstd (KIP-110) · 8 which records are to blame (KIP-467) · 9 flexible · 10 leader hints (KIP-951; unused on one node) ·
//   12 implicit AddPartitionsToTxn (KIP-890) · 13 topic ids (KIP-516)
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Appended, PartitionLog } from '../log/contract.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorName, KafkaError, type RecordError } from '../wire/errors.ts';
import { produceResponse } from '../wire/messages/00-produce.ts';
import { type BatchHeader, readBatchHeader } from '../wire/record-batch.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findTopic, isCoordinatorTopic } from './topics.ts';

type ProduceRequest = RequestOf<'Produce'>;

const firstVersionWithZstd = 7;

/** Errors that come before the log has looked at the batch: they tell nothing of the log. */
const unseenErrors: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  ErrorCode.INVALID_REQUIRED_ACKS,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  ErrorCode.KAFKA_STORAGE_ERROR,
]);

interface Outcome {
  index: number;
  errorCode: number;
  errorMessage: string | null;
  recordErrors?: readonly RecordError[];
  baseOffset: number;
  logAppendTimeMs: number;
  logStartOffset: number;
  durable?: Promise<void>;
}

export const produce = handler({
  api: 'Produce',
  versions: [3, 13],
  advertised: [0, 13],
  handle(request, context) {
    const responses = request.topicData.map((topic) => {
      const found = findTopic(context, topic);
      return {
        name: found.name ?? topic.name,
        topicId: Buffer.from(topic.topicId),
        partitionResponses: topic.partitionData.map(({ index, records }) => {
          const outcome =
            found.errorCode === ErrorCode.NONE
              ? append(request, found.name!, index, records, context)
              : refused(index, found.errorCode);
          if (outcome.errorCode !== ErrorCode.NONE) doom(request, records, context);
          return outcome;
        }),
      };
    });
    const outcomes = responses.flatMap((topic) => topic.partitionResponses);
    if (request.acks === 0) {
      const failed = outcomes.find((outcome) => outcome.errorCode !== ErrorCode.NONE);
      for (const outcome of outcomes) outcome.durable?.catch(() => undefined);
      if (failed === undefined) return undefined;
      throw new TailraceError(
        'TLR_KAFKA',
        `Produce with acks=0 to partition ${failed.index} failed with ${errorName(failed.errorCode)}; the connection is closed so that the client notices`,
      );
    }
    if (request.acks === 1) {
      for (const outcome of outcomes) outcome.durable?.catch(() => undefined);
      return produceResponse.create({ responses });
    }
    return allDurable(outcomes).then(() => produceResponse.create({ responses }));
  },
});

function append(
  request: ProduceRequest,
  topic: string,
  index: number,
  records: Buffer | null,
  context: HandlerContext,
): Outcome {
  try {
    if (request.acks < -1 || request.acks > 1) throw new KafkaError(ErrorCode.INVALID_REQUIRED_ACKS);
    if (isCoordinatorTopic(topic)) throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION);
    const partition = context.broker.log.partition(topic, index);
    if (partition === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const header = records === null || records.length === 0 ? undefined : readBatchHeader(records, 0);
    if (records === null || header === undefined || header.sizeBytes < records.length) {
      const words = 'A partition of a Produce request needs exactly one record batch';
      return refused(index, ErrorCode.INVALID_RECORD, words);
    }
    return accepted(index, appendBatch(request, partition, { records, header }, context));
  } catch (error) {
    if (!(error instanceof KafkaError)) {
      context.broker.logger.error('A batch could not be appended', {
        topic,
        partition: index,
        error: messageOf(error),
      });
      return refused(index, ErrorCode.KAFKA_STORAGE_ERROR, messageOf(error));
    }
    const logStartOffset = unseenErrors.has(error.errorCode) ? -1 : startOf(topic, index, context);
    return { ...refused(index, error.errorCode, error.message), recordErrors: error.recordErrors, logStartOffset };
  }
}

function appendBatch(
  request: ProduceRequest,
  partition: PartitionLog,
  { records, header }: { records: Buffer; header: BatchHeader },
  context: HandlerContext,
): Appended {
  if (header.compression === 'zstd' && context.version < firstVersionWithZstd) {
    throw new KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, `zstd in Produce version ${context.version}`);
  }
  if (header.isTransactional) {
    if (request.transactionalId === null) throw new KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    const problem = context.broker.transactions.verifyOrAddPartition(
      request.transactionalId,
      header.producerId,
      header.producerEpoch,
      partition.topic,
      partition.partition,
      context.version,
    );
    if (problem !== undefined) throw problem;
  }
  const appended = partition.append(records, { origin: context.inProcess ? 'in-process' : 'client' });
  if (header.isTransactional && context.inProcess) {
    const { producerId, producerEpoch } = header;
    context.broker.transactions.noteAppend(
      { transactionalId: request.transactionalId!, producerId, producerEpoch },
      partition,
      appended,
    );
  }
  return appended;
}

/** A producer of this process may have its EndTxn on the way already: without the batch that was refused it must not commit. */
function doom({ transactionalId }: ProduceRequest, records: Buffer | null, context: HandlerContext): void {
  if (!context.inProcess || transactionalId === null || records === null) return;
  try {
    const { producerId, producerEpoch } = readBatchHeader(records, 0);
    context.broker.transactions.doom(transactionalId, producerId, producerEpoch);
  } catch {
    // Bytes that are no batch name no producer.
    return;
  }
}

/** Waits for the disk; a batch that did not get there becomes an error. */
async function allDurable(outcomes: readonly Outcome[]): Promise<void> {
  await Promise.all(
    outcomes.map(async (outcome) => {
      try {
        await outcome.durable;
      } catch (error) {
        Object.assign(outcome, refused(outcome.index, codeOf(error), messageOf(error)));
      }
    }),
  );
}

function codeOf(error: unknown): number {
  return error instanceof KafkaError ? error.errorCode : ErrorCode.KAFKA_STORAGE_ERROR;
}

function accepted(index: number, appended: Appended): Outcome {
  const { baseOffset, logAppendTimeMs, logStartOffset, durable } = appended;
  return { index, errorCode: ErrorCode.NONE, errorMessage: null, baseOffset, logAppendTimeMs, logStartOffset, durable };
}

/** Where the log of a partition begins that refused a batch. */
function startOf(topic: string, index: number, { broker }: HandlerContext): number {
  return broker.log.partition(topic, index)?.logStartOffset ?? -1;
}

function refused(index: number, errorCode: number, errorMessage: string | null = null): Outcome {
  return { index, errorCode, errorMessage, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 };
}
