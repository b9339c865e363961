// OffsetForLeaderEpoch (key 23): where an epoch of the log ended, by which clients notice that a tail they had read was cut (KIP-320).
//
// Versions: 2-4.
// Version notes: 3 replica id (KIP-392) · 4 flexible
import { offsetForLeaderEpochResponse } from '../wire/messages/23-offset-for-leader-epoch.ts';
import { handler } from './handler.ts';
import { findPartition } from './topics.ts';

export const offsetForLeaderEpoch = handler({
  api: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  handle(request, context) {
    const topics = request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const log = findPartition(context, topic, partition, currentLeaderEpoch);
        if (typeof log === 'number') return { partition, errorCode: log };
        return { partition, ...log.endOffsetForEpoch(leaderEpoch) };
      }),
    }));
    return offsetForLeaderEpochResponse.create({ topics });
  },
});
