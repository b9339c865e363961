// Settings of the topics in which Tailrace keeps its own state by key (positions, manifests). Only closed segments are compacted, and each start reads
// what is left: so segments are small.

const segmentBytes = 16 * 1024 * 1024;

/** For createTopic. */
export const compactedTopicConfigs: Record<string, string> = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(segmentBytes),
};
