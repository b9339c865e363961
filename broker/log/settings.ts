// The settings of a topic: Kafka's names, types and defaults: those that act here, and those that tools set on every Kafka and that mean nothing on one
// node, or are so already. A setting that is not in the table is refused, not ignored.
import { ErrorCode, KafkaError } from '../wire/errors.ts';

export type SettingType = 'long' | 'int' | 'string' | 'list' | 'boolean' | 'double';

/** One setting: what it is called, means and accepts. */
export interface SettingDefinition {
  name: string;
  type: SettingType;
  default: string;
  doc: string;
  /** Least and greatest value of a number. */
  range?: readonly [number, number];
  /** Accepted words. */
  values?: readonly string[];
}

const greatestInt = 2 ** 31 - 1;
const greatestLong = Number.MAX_SAFE_INTEGER;
/** Kafka's Long.MAX_VALUE: "no limit"; as a number it is beyond every time and size that occurs. */
const noLimit = '9223372036854775807';

/** Every topic setting, in the order of their names. */
export const topicSettings: readonly SettingDefinition[] = [
  {
    name: 'cleanup.policy',
    type: 'list',
    default: 'delete',
    values: ['delete', 'compact'],
    doc: 'What happens to old segments: deleted by age and size, or compacted to the last value of each key.',
  },
  {
    name: 'compression.type',
    type: 'string',
    default: 'producer',
    values: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    doc: 'How batches are stored: as the producer sent them, or compressed again with the codec named.',
  },
  {
    name: 'delete.retention.ms',
    type: 'long',
    default: '86400000',
    range: [0, greatestLong],
    doc: 'How long a tombstone stays in a compacted topic, in milliseconds.',
  },
  {
    name: 'file.delete.delay.ms',
    type: 'long',
    default: '60000',
    range: [0, greatestLong],
    doc: 'Accepted for tools that set it: deleted files go at once.',
  },
  {
    name: 'flush.messages',
    type: 'long',
    default: noLimit,
    range: [1, greatestLong],
    doc: 'Accepted for tools that set it: every batch is synced to disk before it is visible.',
  },
  {
    name: 'flush.ms',
    type: 'long',
    default: noLimit,
    range: [0, greatestLong],
    doc: 'Accepted for tools that set it: every batch is synced to disk before it is visible.',
  },
  {
    name: 'index.interval.bytes',
    type: 'int',
    default: '4096',
    range: [0, greatestInt],
    doc: 'Bytes of log between two entries of the offset index.',
  },
  {
    name: 'max.compaction.lag.ms',
    type: 'long',
    default: noLimit,
    range: [1, greatestLong],
    doc: 'How long a record of a compacted topic stays uncompacted at most, in milliseconds.',
  },
  {
    name: 'max.message.bytes',
    type: 'int',
    default: '1048588',
    range: [0, greatestInt],
    doc: 'The largest record batch that is accepted, in bytes, compressed when it came compressed.',
  },
  {
    name: 'message.timestamp.after.max.ms',
    type: 'long',
    default: noLimit,
    range: [0, greatestLong],
    doc: 'How far a record may be dated after the time it arrives, in milliseconds. No limit here: lines carry their own times.',
  },
  {
    name: 'message.timestamp.before.max.ms',
    type: 'long',
    default: noLimit,
    range: [0, greatestLong],
    doc: 'How far a record may be dated before the time it arrives, in milliseconds.',
  },
  {
    name: 'message.timestamp.type',
    type: 'string',
    default: 'CreateTime',
    values: ['CreateTime', 'LogAppendTime'],
    doc: 'Whether records keep the time they were sent with or get the time they arrive.',
  },
  {
    name: 'min.cleanable.dirty.ratio',
    type: 'double',
    default: '0.5',
    range: [0, 1],
    doc: 'The part of a compacted partition that must be new before it is compacted again.',
  },
  {
    name: 'min.compaction.lag.ms',
    type: 'long',
    default: '0',
    range: [0, greatestLong],
    doc: 'How long a record stays uncompacted at least, in milliseconds.',
  },
  {
    name: 'min.insync.replicas',
    type: 'int',
    default: '1',
    range: [1, 1],
    doc: 'One node keeps one copy: always 1.',
  },
  {
    name: 'preallocate',
    type: 'boolean',
    default: 'false',
    values: ['true', 'false'],
    doc: 'Accepted for tools that set it: files grow as they are written.',
  },
  {
    name: 'remote.storage.enable',
    type: 'boolean',
    default: 'false',
    values: ['false'],
    doc: 'There is no second tier of storage: always false.',
  },
  {
    name: 'retention.bytes',
    type: 'long',
    default: '-1',
    range: [-1, greatestLong],
    doc: 'Size of a partition above which its oldest segments are deleted; -1 for no limit.',
  },
  {
    name: 'retention.ms',
    type: 'long',
    default: '604800000',
    range: [-1, greatestLong],
    doc: 'Age of its latest record at which a segment is deleted, in milliseconds; -1 for never.',
  },
  {
    name: 'segment.bytes',
    type: 'int',
    default: '1073741824',
    range: [1024, greatestInt],
    doc: 'Size at which a new segment file is begun. Deletion is by whole segments.',
  },
  {
    name: 'segment.index.bytes',
    type: 'int',
    default: '10485760',
    range: [4, greatestInt],
    doc: 'Accepted for tools that set it: an index grows with its segment.',
  },
  {
    name: 'segment.jitter.ms',
    type: 'long',
    default: '0',
    range: [0, greatestLong],
    doc: 'Accepted for tools that set it: segments of a topic are begun at the same age.',
  },
  {
    name: 'segment.ms',
    type: 'long',
    default: '604800000',
    range: [1, greatestLong],
    doc: 'Age at which a new segment file is begun even when the old one is not full, in milliseconds.',
  },
  {
    name: 'unclean.leader.election.enable',
    type: 'boolean',
    default: 'false',
    values: ['true', 'false'],
    doc: 'Accepted for tools that set it: there is nobody else to elect.',
  },
];

const byName = new Map(topicSettings.map((setting) => [setting.name, setting]));

/** The values that act, in types the log works with. */
export interface TopicSettings {
  deletes: boolean;
  compacts: boolean;
  compressionType: string;
  deleteRetentionMs: number;
  indexIntervalBytes: number;
  maxMessageBytes: number;
  timestampAfterMaxMs: number;
  timestampBeforeMaxMs: number;
  logAppendTime: boolean;
  minCleanableDirtyRatio: number;
  minCompactionLagMs: number;
  maxCompactionLagMs: number;
  retentionBytes: number;
  retentionMs: number;
  segmentBytes: number;
  segmentMs: number;
}

function invalid(name: string, value: string | null, why: string): KafkaError {
  return new KafkaError(ErrorCode.INVALID_CONFIG, `${name}${value === null ? '' : `=${value}`} ${why}`);
}

/** Throws KafkaError INVALID_CONFIG, saying what is accepted, when `name` is not a topic setting or `value` is not one for it;
 * null stands for the default. */
export function checkSetting(name: string, value: string | null): void {
  const setting = byName.get(name);
  if (setting === undefined) throw invalid(name, value, 'is not a topic setting; see topics describe for all of them');
  if (value === null) return;
  if (setting.values !== undefined) {
    const words = setting.type === 'list' ? value.split(',').map((word) => word.trim()) : [value];
    if (!words.every((word) => setting.values!.includes(word))) {
      throw invalid(name, value, `is none of ${setting.values.join(', ')}`);
    }
    return;
  }
  const [least, greatest] = setting.range!;
  const pattern = setting.type === 'double' ? /^\d+(\.\d+)?$/ : /^-?\d{1,19}$/;
  const number = Number(value);
  if (!pattern.test(value) || number < least || (number > greatest && greatest !== greatestLong)) {
    throw invalid(name, value, `is not a ${setting.type} of at least ${least}${limitOf(greatest)}`);
  }
}

function limitOf(greatest: number): string {
  return greatest === greatestLong ? '' : ` and at most ${greatest}`;
}

/** What is set after changes, of which null takes a setting away. */
export function changedSettings(
  configs: Readonly<Record<string, string>>,
  changes: readonly { name: string; value: string | null }[],
): Record<string, string> {
  const changed = new Map(Object.entries(configs));
  for (const { name, value } of changes) {
    if (value === null) changed.delete(name);
    else changed.set(name, value);
  }
  return Object.fromEntries(changed);
}

/** Settings of a topic from what was set on it, over `defaults` (a broker's own, under the same names), over Kafka's. */
export function resolveSettings(
  configs: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>> = {},
): TopicSettings {
  const text = (name: string) => configs[name] ?? defaults[name] ?? byName.get(name)!.default;
  const number = (name: string) => Number(text(name));
  const policies = text('cleanup.policy')
    .split(',')
    .map((word) => word.trim());
  const compacts = policies.includes('compact');
  const maxCompactionLagMs = number('max.compaction.lag.ms');
  return {
    deletes: policies.includes('delete'),
    compacts,
    compressionType: text('compression.type'),
    deleteRetentionMs: number('delete.retention.ms'),
    indexIntervalBytes: number('index.interval.bytes'),
    maxMessageBytes: number('max.message.bytes'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    logAppendTime: text('message.timestamp.type') === 'LogAppendTime',
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs,
    retentionBytes: number('retention.bytes'),
    retentionMs: number('retention.ms'),
    segmentBytes: number('segment.bytes'),
    // Only closed segments are compacted.
    segmentMs: compacts ? Math.min(number('segment.ms'), maxCompactionLagMs) : number('segment.ms'),
  };
}
