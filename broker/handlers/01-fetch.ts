// Fetch (key 1): reads whole record batches, waiting for them where asked.
//
// Versions: 4-18.
// Behaviour
// - The batch that contains the offset comes whole, even when it is larger than every limit (KIP-74); later partitions of the request get
//   what room is left, and nothing rather than a part of a batch.
// - Waits until min_bytes can be read, at most max_wait; answers at once when a partition has an error. A read_committed reader is woken by
//   the end of a transaction: only stable bytes count.
// - Records leave as the slices that the log gave; no records are an empty field, never null.
// - Incremental sessions (KIP-227) are not kept: every answer says session 0, after which clients send full requests.
// Version notes: 5 log start offset · 7 sessions (KIP-227) · 9 leader epoch fencing (KIP-320) · 11 rack (KIP-392; one replica) ·
//   12 flexible, diverging epoch (KIP-595) · 13 topic ids (KIP-516) · 15 replica state (KIP-903) · 16 leader hints (KIP-951) · 17, 18 for followers
import type { Isolation, PartitionLog } from '../log/contract.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { fetchResponse } from '../wire/messages/01-fetch.ts';
import type { FailedReads } from './failed-reads.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findPartition, findTopic } from './topics.ts';

type FetchRequest = RequestOf<'Fetch'>;
type AskedPartition = FetchRequest['topics'][number]['partitions'][number];

/** One partition of a request: its log, or the error that it gets instead. */
interface Want {
  asked: AskedPartition;
  log: PartitionLog | undefined;
  errorCode: number;
  diverging: { epoch: number; endOffset: number } | undefined;
}

export const fetch = handler({
  api: 'Fetch',
  versions: [4, 18],
  async handle(request, context) {
    if (request.sessionEpoch > 0) return fetchResponse.create({ errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND });
    const isolation: Isolation = request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted';
    const wants = request.topics.map((topic) => {
      const found = findTopic(context, topic);
      return {
        topic: found.name ?? '',
        topicId: topic.topicId,
        partitions: topic.partitions.map((asked) => want(asked, found, context)),
      };
    });
    const all = wants.flatMap((topic) => topic.partitions);
    await waitForBytes(request, all, isolation, context);
    let room = Math.min(request.maxBytes, context.broker.settings.number('fetch.max.bytes'));
    let empty = true;
    const responses = [];
    for (const { topic, topicId, partitions } of wants) {
      const answers = [];
      for (const partition of partitions) {
        const answer = await readPartition(partition, isolation, { room, empty }, context.broker.failedReads);
        room -= answer.sizeBytes;
        if (answer.sizeBytes > 0) empty = false;
        answers.push(answer);
      }
      responses.push({ topic, topicId, partitions: answers });
    }
    return fetchResponse.create({ responses });
  },
});

function want(asked: AskedPartition, found: ReturnType<typeof findTopic>, context: HandlerContext): Want {
  const refuse = (errorCode: number): Want => ({ asked, log: undefined, errorCode, diverging: undefined });
  if (found.name === undefined || found.errorCode !== ErrorCode.NONE) return refuse(found.errorCode);
  const log = findPartition(context, found.name, asked.partition, asked.currentLeaderEpoch);
  if (typeof log === 'number') return refuse(log);
  return { asked, log, errorCode: ErrorCode.NONE, diverging: divergence(asked, log) };
}

/** Where the log of the asker left ours, when it names the epoch it has read up to (KIP-595). */
function divergence(asked: AskedPartition, log: PartitionLog): Want['diverging'] {
  if (asked.lastFetchedEpoch < 0) return undefined;
  const end = log.endOffsetForEpoch(asked.lastFetchedEpoch);
  if (end.leaderEpoch >= asked.lastFetchedEpoch && end.endOffset >= asked.fetchOffset) return undefined;
  return { epoch: end.leaderEpoch, endOffset: end.endOffset };
}

async function waitForBytes(
  request: FetchRequest,
  wants: readonly Want[],
  isolation: Isolation,
  context: HandlerContext,
): Promise<void> {
  const logs = wants.flatMap((partition) => partition.log ?? []);
  const ready = () => {
    let bytes = 0;
    for (const { asked, log, diverging } of wants) {
      if (log === undefined || diverging !== undefined) return true;
      try {
        if (isOutOfRange(log, asked.fetchOffset)) return true;
        bytes += Math.min(log.readableBytes(asked.fetchOffset, isolation), asked.partitionMaxBytes);
      } catch {
        return true;
      }
      if (bytes >= request.minBytes) return true;
    }
    return request.minBytes <= bytes;
  };
  await context.broker.waiting.until(context.asker, logs, request.maxWaitMs, ready);
}

function isOutOfRange(log: PartitionLog, offset: number): boolean {
  return offset < log.logStartOffset || offset > log.logEndOffset;
}

async function readPartition(
  { asked, log, errorCode, diverging }: Want,
  isolation: Isolation,
  { room, empty }: { room: number; empty: boolean },
  failedReads: FailedReads,
) {
  const refuse = (code: number) => ({
    ...{ partitionIndex: asked.partition, errorCode: code, sizeBytes: 0, highWatermark: -1 },
    ...{ lastStableOffset: -1, logStartOffset: -1, abortedTransactions: null, records: [] as readonly Buffer[] },
  });
  if (log === undefined) {
    // As in Kafka: an empty list for what is not there, null for what refuses.
    const isUnknown = errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || errorCode === ErrorCode.UNKNOWN_TOPIC_ID;
    return { ...refuse(errorCode), abortedTransactions: isUnknown ? [] : null };
  }
  const { highWatermark, lastStableOffset, logStartOffset } = log;
  const nothing = { ...refuse(ErrorCode.NONE), highWatermark, lastStableOffset, logStartOffset };
  if (diverging !== undefined) return { ...nothing, divergingEpoch: diverging };
  try {
    if (isOutOfRange(log, asked.fetchOffset)) throw new KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE);
    const committed = isolation === 'read_committed' ? [] : null;
    const limit = Math.min(asked.partitionMaxBytes, room);
    if (!empty && limit <= 0) return { ...nothing, abortedTransactions: committed };
    const result = await log.read(asked.fetchOffset, Math.max(limit, 0), isolation);
    const answer = {
      ...nothing,
      highWatermark: result.highWatermark,
      lastStableOffset: result.lastStableOffset,
      logStartOffset: result.logStartOffset,
    };
    if (!empty && result.sizeBytes > limit) return { ...answer, abortedTransactions: committed };
    return {
      ...answer,
      sizeBytes: result.sizeBytes,
      abortedTransactions: result.abortedTransactions ?? committed,
      records: result.records,
    };
  } catch (error) {
    const code = errorCodeOf(error);
    if (code !== ErrorCode.UNKNOWN_SERVER_ERROR) return refuse(code);
    failedReads.tell(log, asked.fetchOffset, error);
    return refuse(ErrorCode.KAFKA_STORAGE_ERROR);
  }
}
