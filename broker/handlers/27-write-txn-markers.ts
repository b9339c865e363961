// WriteTxnMarkers (key 27): ends open transactions on partitions. Nobody but tools sends it to a single node: `kafka-transactions abort` for a transaction
// that hangs because no coordinator knows it.
//
// Versions: 1-2.
// Behaviour
// - A marker is answered when it is durable. One of an older producer or coordinator is INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED.
// - On __consumer_offsets the offsets of the transaction take effect, or are dropped, with its marker.
// Version notes: 2 the producer's transaction.version (KIP-1228), which is not needed here
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf } from '../wire/errors.ts';
import { writeTxnMarkersResponse } from '../wire/messages/27-write-txn-markers.ts';
import { handler, type HandlerContext } from './handler.ts';
import { OFFSETS_TOPIC } from '../coordinator/coordinator-topic.ts';
import { findPartition } from './topics.ts';

type Marker = RequestOf<'WriteTxnMarkers'>['markers'][number];

export const writeTxnMarkers = handler({
  api: 'WriteTxnMarkers',
  versions: [1, 2],
  async handle({ markers }, context) {
    const written = markers.map(async (marker) => ({
      producerId: marker.producerId,
      topics: await Promise.all(
        marker.topics.map(async ({ name, partitionIndexes }) => ({
          name,
          partitions: await Promise.all(
            partitionIndexes.map(async (partitionIndex) => ({
              partitionIndex,
              errorCode: await write(marker, name, partitionIndex, context),
            })),
          ),
        })),
      ),
    }));
    return writeTxnMarkersResponse.create({ markers: await Promise.all(written) });
  },
});

async function write(marker: Marker, topic: string, partitionIndex: number, context: HandlerContext): Promise<number> {
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult } = marker;
  const partition = findPartition(context, topic, partitionIndex);
  if (typeof partition === 'number') return partition;
  const kind = transactionResult ? 'commit' : 'abort';
  try {
    const { durable } = partition.appendMarker({ producerId, producerEpoch, coordinatorEpoch, kind });
    if (topic === OFFSETS_TOPIC) context.broker.groups.completeTransaction(partitionIndex, producerId, kind);
    await durable;
    return ErrorCode.NONE;
  } catch (error) {
    return errorCodeOf(error);
  }
}
