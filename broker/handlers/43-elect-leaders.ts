// ElectLeaders (key 43): there is one broker, and it leads.
//
// Versions: 0-2.
// Behaviour
// - ELECTION_NOT_NEEDED for each partition that is named, UNKNOWN_TOPIC_OR_PARTITION where there is none; null (all) names none.
// Version notes: 1 unclean elections (KIP-460) · 2 flexible
import { ErrorCode } from '../wire/errors.ts';
import { electLeadersResponse } from '../wire/messages/43-elect-leaders.ts';
import { handler } from './handler.ts';

export const electLeaders = handler({
  api: 'ElectLeaders',
  versions: [0, 2],
  handle({ topicPartitions }, { broker }) {
    const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => {
        const isThere = partitionId >= 0 && partitionId < (broker.log.topic(topic)?.partitions ?? 0);
        return isThere
          ? { partitionId, errorCode: ErrorCode.ELECTION_NOT_NEEDED, errorMessage: 'The only replica leads already' }
          : {
              partitionId,
              errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
              errorMessage: 'There is no such partition',
            };
      }),
    }));
    return electLeadersResponse.create({ replicaElectionResults });
  },
});
