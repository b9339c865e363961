// DescribeLogDirs (key 35): the one data directory, the partitions in it and their sizes, and how much room there is.
//
// Versions: 1-5.
// Behaviour
// - Null asks for all partitions. Those that are not there are left out.
// - A partition that is offline counts as empty.
// Version notes: 2 flexible · 3 top-level error · 4 total and usable bytes (KIP-827) · 5 cordoned folders (KIP-1066): never
import { ErrorCode } from '../wire/errors.ts';
import { describeLogDirsResponse } from '../wire/messages/35-describe-log-dirs.ts';
import { handler, type HandlerContext } from './handler.ts';
import { findPartition } from './topics.ts';

export const describeLogDirs = handler({
  api: 'DescribeLogDirs',
  versions: [1, 5],
  async handle({ topics: asked }, context) {
    const { log } = context.broker;
    const { totalBytes, freeBytes: usableBytes } = await log.space();
    const topics = (asked ?? allPartitions(context)).map(({ topic, partitions }) => ({
      name: topic,
      partitions: partitions.flatMap((partitionIndex) => {
        const found = findPartition(context, topic, partitionIndex);
        if (found === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return [];
        return [{ partitionIndex, partitionSize: typeof found === 'number' ? 0 : found.sizeBytes }];
      }),
    }));
    const found = topics.filter(({ partitions }) => partitions.length > 0);
    return describeLogDirsResponse.create({
      results: [{ logDir: log.directory, topics: found, totalBytes, usableBytes }],
    });
  },
});

function allPartitions({ broker }: HandlerContext) {
  return broker.log.topics().map(({ name, partitions }) => ({
    topic: name,
    partitions: Array.from({ length: partitions }, (_, index) => index),
  }));
}
