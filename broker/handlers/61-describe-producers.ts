// DescribeProducers (key 61): the idempotent producers that a partition remembers, and their open transactions (KIP-664).
//
// Versions: 0.
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { describeProducersResponse } from '../wire/messages/61-describe-producers.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findPartition } from './topics.ts';

export const describeProducers = handler({
  api: 'DescribeProducers',
  versions: [0, 0],
  handle: (request, context) =>
    describeProducersResponse.create({
      topics: request.topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => describe(context, name, partitionIndex)),
      })),
    }),
});

function describe(context: HandlerContext, topic: string, partitionIndex: number) {
  const partition = findPartition(context, topic, partitionIndex);
  if (typeof partition === 'number') {
    const { message } = new KafkaError(partition, `Topic ${topic}, partition ${partitionIndex}`);
    return { partitionIndex, errorCode: partition, errorMessage: message };
  }
  const activeProducers = partition.producers().map((producer) => ({
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    lastSequence: producer.lastSequence,
    lastTimestamp: producer.lastTimestampMs,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.currentTransactionStartOffset,
  }));
  return { partitionIndex, errorCode: ErrorCode.NONE as number, activeProducers };
}
