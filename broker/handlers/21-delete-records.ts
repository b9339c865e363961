// DeleteRecords (key 21): moves the start of partitions forward (KIP-107).
//
// Versions: 0-2.
// Behaviour
// - -1 means the high watermark; beyond it is OFFSET_OUT_OF_RANGE. Compacted topics that delete nothing refuse: POLICY_VIOLATION.
// Version notes: 2 flexible
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, errorCodeOf, KafkaError } from '../wire/errors.ts';
import { deleteRecordsResponse } from '../wire/messages/21-delete-records.ts';
import { resolveSettings } from '../log/settings.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findPartition, isCoordinatorTopic } from './topics.ts';

type AskedPartition = RequestOf<'DeleteRecords'>['topics'][number]['partitions'][number];

export const deleteRecords = handler({
  api: 'DeleteRecords',
  versions: [0, 2],
  async handle(request, context) {
    const topics = [];
    for (const { name, partitions: asked } of request.topics) {
      const partitions = [];
      for (const partition of asked) {
        const { partitionIndex } = partition;
        try {
          const lowWatermark = await deleteBefore(name, partition, context);
          partitions.push({ partitionIndex, lowWatermark, errorCode: ErrorCode.NONE as number });
        } catch (error) {
          partitions.push({ partitionIndex, lowWatermark: -1, errorCode: errorCodeOf(error) });
        }
      }
      topics.push({ name, partitions });
    }
    return deleteRecordsResponse.create({ topics });
  },
});

async function deleteBefore(name: string, asked: AskedPartition, context: HandlerContext): Promise<number> {
  const { log, settings } = context.broker;
  const partition = findPartition(context, name, asked.partitionIndex);
  if (typeof partition === 'number') throw new KafkaError(partition);
  const topic = log.topic(name);
  if (isCoordinatorTopic(name)) throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION);
  if (!resolveSettings(topic?.configs ?? {}, settings.topicDefaults()).deletes)
    throw new KafkaError(ErrorCode.POLICY_VIOLATION);
  const offset = asked.offset === -1 ? partition.highWatermark : asked.offset;
  if (offset < 0 || offset > partition.highWatermark) throw new KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE);
  return partition.deleteRecordsBefore(offset);
}
