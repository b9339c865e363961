// DescribeQuorum (key 55): who keeps the metadata of the cluster: this broker alone, in its metadata log, whose changes are counted as a real Kafka counts
// the records of `__cluster_metadata`.
//
// Versions: 0-2.
// Behaviour
// - A request that names anything but partition 0 of `__cluster_metadata` is UNKNOWN_TOPIC_OR_PARTITION in all it names.
// - Every change is synced before it is visible, so end and high watermark are one. No listener is named: nobody else votes, and controllers cannot be
//   reached from outside (DescribeCluster).
// Version notes: 1 times of replicas (KIP-836) · 2 messages, nodes (KIP-853)
import { ErrorCode } from '../wire/errors.ts';
import { describeQuorumResponse } from '../wire/messages/55-describe-quorum.ts';
import { handler } from './handler.ts';

const metadataTopic = '__cluster_metadata';

export const describeQuorum = handler({
  api: 'DescribeQuorum',
  versions: [0, 2],
  handle({ topics }, { broker: { clock, log, nodeId }, version }) {
    const named = topics.flatMap(({ topicName, partitions }) =>
      partitions.map(({ partitionIndex }) => `${topicName} ${partitionIndex}`),
    );
    if (named.length !== 1 || named[0] !== `${metadataTopic} 0`) {
      const refused = topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        })),
      }));
      return describeQuorumResponse.create({ topics: refused });
    }
    const { changes, leaderEpoch } = log.metadataPosition;
    const nowMs = clock.now();
    const times = { lastFetchTimestamp: nowMs, lastCaughtUpTimestamp: nowMs };
    const leader = { leaderId: nodeId, leaderEpoch, highWatermark: changes };
    const currentVoters = [{ replicaId: nodeId, logEndOffset: changes, ...times }];
    return describeQuorumResponse.create({
      topics: [{ topicName: metadataTopic, partitions: [{ partitionIndex: 0, ...leader, currentVoters }] }],
      nodes: version >= 2 ? [{ nodeId }] : [],
    });
  },
});
