// ListOffsets (key 2): first and last offsets of partitions, and offsets by time.
//
// Versions: 1-11.
// Behaviour
// - Timestamps below zero are names: -1 latest (the last stable offset for read_committed), -2 earliest, -3 the record with the greatest
//   timestamp, -4 earliest local (= earliest here), -5 and -6 about tiered storage (nothing is: offset -1).
// - A time later than every record gives offset -1 and timestamp -1.
// - A name that the request's version does not have yet gets UNSUPPORTED_VERSION, a partition that is asked for twice INVALID_REQUEST.
// Version notes: 2 isolation level · 4 leader epoch (KIP-320) · 6 flexible · 7 -3 (KIP-734) · 8 -4 (KIP-405) · 9 -5 (KIP-1005) ·
//   10 timeout for remote reads (KIP-1075; unused) · 11 -6 (KIP-1023)
import type { Isolation, PartitionLog } from '../log/contract.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { listOffsetsResponse } from '../wire/messages/02-list-offsets.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findPartition } from './topics.ts';

const latest = -1;
const earliest = -2;
const greatestTimestamp = -3;
const earliestLocal = -4;
const latestTiered = -5;
const earliestPendingUpload = -6;

/** First version that knows each name. */
const namedSince = new Map([
  [latest, 0],
  [earliest, 0],
  [greatestTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11],
]);

interface Found {
  offset: number;
  timestampMs: number;
}

export const listOffsets = handler({
  api: 'ListOffsets',
  versions: [1, 11],
  async handle(request, context) {
    const isolation: Isolation = request.isolationLevel === 1 ? 'read_committed' : 'read_uncommitted';
    const topics = [];
    for (const { name, partitions } of request.topics) {
      const seen = new Set<number>();
      const answers = [];
      for (const { partitionIndex, currentLeaderEpoch, timestamp } of partitions) {
        const refuse = (errorCode: number) => ({ partitionIndex, errorCode });
        const log = findPartition(context, name, partitionIndex, currentLeaderEpoch);
        if (seen.has(partitionIndex)) answers.push(refuse(ErrorCode.INVALID_REQUEST));
        else if (!isSupported(timestamp, context)) answers.push(refuse(ErrorCode.UNSUPPORTED_VERSION));
        else if (typeof log === 'number') answers.push(refuse(log));
        else answers.push(await answer(log, partitionIndex, timestamp, isolation, context));
        seen.add(partitionIndex);
      }
      topics.push({ name, partitions: answers });
    }
    return listOffsetsResponse.create({ topics });
  },
});

function isSupported(timestamp: number, context: HandlerContext): boolean {
  return timestamp >= 0 || context.version >= (namedSince.get(timestamp) ?? Infinity);
}

async function answer(
  log: PartitionLog,
  partitionIndex: number,
  timestamp: number,
  isolation: Isolation,
  context: HandlerContext,
) {
  try {
    const found = await find(log, timestamp, isolation);
    const leaderEpoch = context.version >= 4 && found.offset >= 0 ? log.leaderEpoch : -1;
    return { partitionIndex, errorCode: 0, timestamp: found.timestampMs, offset: found.offset, leaderEpoch };
  } catch (error) {
    return {
      partitionIndex,
      errorCode: error instanceof KafkaError ? errorCodeOf(error) : ErrorCode.KAFKA_STORAGE_ERROR,
    };
  }
}

async function find(log: PartitionLog, timestamp: number, isolation: Isolation): Promise<Found> {
  const none = { offset: -1, timestampMs: -1 };
  switch (timestamp) {
    case latest:
      return { ...none, offset: isolation === 'read_committed' ? log.lastStableOffset : log.highWatermark };
    case earliest:
    case earliestLocal:
      return { ...none, offset: log.logStartOffset };
    case greatestTimestamp:
      return (await log.maxTimestamp()) ?? none;
    case latestTiered:
    case earliestPendingUpload:
      return none;
    default:
      return (await log.offsetForTime(timestamp, isolation)) ?? none;
  }
}
