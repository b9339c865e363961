// Settings of the topics that Tailrace makes for itself.

const segmentBytes = 16 * 1024 * 1024;
/** What one decision publishes may be thousands of files, and a dead letter is as large as the record was: neither may ever be too large to be written down. */
const largestRecordBytes = 64 * 1024 * 1024;

/** For topics of records that cannot be cut. */
export const largeRecordConfigs: Record<string, string> = { 'max.message.bytes': String(largestRecordBytes) };

/** Of what is kept by key (positions, manifests). Only closed segments are compacted, and each start reads what is left: so segments are small. */
export const compactedTopicConfigs: Record<string, string> = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(segmentBytes),
  ...largeRecordConfigs,
};
