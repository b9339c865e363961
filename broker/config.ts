// The broker's settings under Kafka's own names: what each one does, its type and default. Only settings that act, or that clients and tools
// expect to find in DescribeConfigs, are here. Settings of topics are the log's (broker/log/settings.ts); the broker-level names that give
// their defaults (log.retention.ms …) are translated by `topicDefaults`. A value is what requests have altered for this broker, or for all brokers, or what
// the configuration says, or the default: the first of them that is there.
import { messageOf, TailraceError } from '../base/errors.ts';
import type { BrokerConfigs } from './log/metadata-log.ts';
import { checkSetting, type SettingType, topicSettings } from './log/settings.ts';
import { ErrorCode, KafkaError } from './wire/errors.ts';

export interface SettingDefinition {
  readonly type: SettingType;
  readonly default: boolean | number | string;
  readonly doc: string;
  /** The least legal number. */
  readonly least?: number;
  /** The topic setting whose default this is. */
  readonly topicSetting?: string;
  /** Requests can change it while the broker runs. */
  readonly alterable?: true;
  /** Reported, and fixed by what a single node is. */
  readonly fixed?: true;
  /** The legal words, in small letters. */
  readonly words?: readonly string[];
}

const int = (value: number, doc: string, least = 0): SettingDefinition => ({ type: 'int', default: value, doc, least });
const long = (value: number, doc: string, least = 0): SettingDefinition => ({
  type: 'long',
  default: value,
  doc,
  least,
});
const boolean = (value: boolean, doc: string): SettingDefinition => ({ type: 'boolean', default: value, doc });
const fixed = (definition: SettingDefinition): SettingDefinition => ({ ...definition, fixed: true });
const alterable = (definition: SettingDefinition): SettingDefinition => ({ ...definition, alterable: true });
/** Nothing but the default of a topic setting, with its type and default. */
const topicDefault = (name: string): SettingDefinition => {
  const { type, default: value } = topicSettings.find((setting) => setting.name === name)!;
  return alterable({ type, default: value, doc: `Default of ${name}.`, topicSetting: name });
};

/** Every broker setting. Times are in the unit that the name ends with. */
export const brokerSettings: Readonly<Record<string, SettingDefinition>> = {
  'node.id': int(1, 'Number of this broker in Metadata.'),
  'num.partitions': int(1, 'Partitions of a topic that is created without a number of them.', 1),
  'default.replication.factor': fixed(int(1, 'One node keeps one copy.')),
  'min.insync.replicas': fixed(int(1, 'One node keeps one copy.')),
  'unclean.leader.election.enable': fixed(boolean(false, 'There is nobody else to elect.')),
  'auto.create.topics.enable': boolean(true, 'Whether asking for the metadata of an unknown topic creates it.'),
  'delete.topic.enable': boolean(true, 'Whether topics can be deleted.'),
  'message.max.bytes': topicDefault('max.message.bytes'),
  'socket.listen.backlog.size': int(
    511,
    'Connections that may wait to be taken, per listener (50 in Kafka); the system’s own limit (somaxconn) holds too.',
    1,
  ),
  'socket.request.max.bytes': int(104857600, 'Largest request in bytes; a connection that claims more is closed.', 1),
  'sasl.server.max.receive.size': int(524288, 'Largest request in bytes before a client has authenticated.', 1),
  'connections.max.idle.ms': long(600000, 'A connection that is silent for so long is closed.', 1),
  'max.connections': alterable(int(2147483647, 'Most connections; more are closed at once.', 1)),
  'max.connections.per.ip': alterable(int(2147483647, 'Most connections from one address.')),
  'queued.max.request.bytes': long(
    268435456,
    'Bytes of requests under way above which no socket is read; as much again for parts of requests that came, and for answers that were not read.',
    1,
  ),
  'fetch.max.bytes': int(57671680, 'Most bytes of one Fetch response.', 1024),
  'group.min.session.timeout.ms': int(6000, 'Shortest session timeout a member may ask for.'),
  'group.max.session.timeout.ms': int(1800000, 'Longest session timeout a member may ask for.'),
  'group.initial.rebalance.delay.ms': int(0, 'How long the first rebalance of a group waits for more members.'),
  'group.max.size': int(2147483647, 'Most members of a group.', 1),
  'group.consumer.session.timeout.ms': int(45000, 'How long a member of a new consumer group may be silent.', 1),
  'group.consumer.heartbeat.interval.ms': int(5000, 'How often members of new consumer groups are to be heard of.', 1),
  'group.consumer.max.size': int(2147483647, 'Most members of a new consumer group.', 1),
  'group.consumer.migration.policy': {
    type: 'string',
    default: 'bidirectional',
    words: ['bidirectional', 'upgrade', 'downgrade', 'disabled'],
    doc: 'Whether groups with members change to the new consumer protocol when the first such member joins, and back when the last has left.',
  },
  'offset.metadata.max.bytes': int(65536, 'Longest text that may be committed with an offset.'),
  'offsets.retention.minutes': int(10080, 'How long an empty group keeps its offsets.', 1),
  'offsets.retention.check.interval.ms': long(600000, 'How often expired offsets are looked for.', 1),
  'offsets.topic.num.partitions': int(1, 'Partitions of __consumer_offsets, when it is created.', 1),
  'offsets.topic.replication.factor': fixed(int(1, 'One node keeps one copy.')),
  'transaction.max.timeout.ms': int(900000, 'Longest timeout a transactional producer may ask for.', 1),
  'transactional.id.expiration.ms': int(604800000, 'How long a silent transactional id is remembered.', 1),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': int(
    1000,
    'How often transactions that are past their timeout are looked for and aborted.',
    1,
  ),
  'transaction.state.log.num.partitions': int(1, 'Partitions of __transaction_state, when it is created.', 1),
  'transaction.state.log.replication.factor': fixed(int(1, 'One node keeps one copy.')),
  'producer.id.expiration.ms': alterable(
    int(86400000, 'How long the sequence numbers of a silent producer are remembered.', 1),
  ),
  'log.retention.check.interval.ms': long(30000, 'How often retention, rolling and checkpoints are looked after.', 1),
  'log.retention.ms': topicDefault('retention.ms'),
  'log.retention.bytes': topicDefault('retention.bytes'),
  'log.segment.bytes': topicDefault('segment.bytes'),
  'log.roll.ms': topicDefault('segment.ms'),
  'log.cleanup.policy': topicDefault('cleanup.policy'),
  'log.cleaner.delete.retention.ms': topicDefault('delete.retention.ms'),
  'log.cleaner.min.compaction.lag.ms': topicDefault('min.compaction.lag.ms'),
  'log.cleaner.max.compaction.lag.ms': topicDefault('max.compaction.lag.ms'),
  'log.cleaner.min.cleanable.ratio': topicDefault('min.cleanable.dirty.ratio'),
  'log.index.interval.bytes': topicDefault('index.interval.bytes'),
  'log.index.size.max.bytes': topicDefault('segment.index.bytes'),
  'log.message.timestamp.type': topicDefault('message.timestamp.type'),
  'log.message.timestamp.before.max.ms': topicDefault('message.timestamp.before.max.ms'),
  'log.message.timestamp.after.max.ms': topicDefault('message.timestamp.after.max.ms'),
  'log.flush.interval.messages': topicDefault('flush.messages'),
  'log.preallocate': topicDefault('preallocate'),
  'log.segment.delete.delay.ms': topicDefault('file.delete.delay.ms'),
  'compression.type': topicDefault('compression.type'),
};

export type SettingValue = boolean | number | string;

/** Where a value of a setting stands: altered for this broker, altered for all brokers, the configuration, or nowhere. */
export type SettingOrigin = 'broker' | 'cluster' | 'configuration' | 'default';

/** The settings of a running broker, typed and complete. */
export class BrokerSettings {
  private readonly given: ReadonlyMap<string, string>;
  private altered: BrokerConfigs = new Map();
  private values: ReadonlyMap<string, SettingValue>;

  /** Throws TailraceError TLR_CONFIG that names every unknown or malformed setting. */
  constructor(given: Readonly<Record<string, SettingValue>> = {}) {
    const problems: string[] = [];
    const texts = new Map<string, string>();
    for (const [name, raw] of Object.entries(given)) {
      try {
        texts.set(name, String(valueOf(name, raw)));
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    if (problems.length > 0) throw new TailraceError('TLR_CONFIG', problems.join('\n'));
    this.given = texts;
    this.values = this.currentValues();
  }

  /** Takes over what requests have altered, all of it. What this version does not accept is passed over. */
  alter(altered: BrokerConfigs): void {
    this.altered = new Map([...altered].map(([broker, texts]) => [broker, acceptedOf(texts)]));
    this.values = this.currentValues();
  }

  /** Throws TLR_INTERNAL unless it is a number. */
  number(name: string): number {
    const value = this.values.get(name);
    if (typeof value !== 'number') throw new TailraceError('TLR_INTERNAL', `Setting '${name}' is not a number`);
    return value;
  }

  boolean(name: string): boolean {
    const value = this.values.get(name);
    if (typeof value !== 'boolean') throw new TailraceError('TLR_INTERNAL', `Setting '${name}' is not true or false`);
    return value;
  }

  /** As Kafka writes it. */
  text(name: string): string {
    return String(this.values.get(name) ?? '');
  }

  /** Every value that a setting has somewhere; the first one counts. */
  chain(name: string): { value: string; origin: SettingOrigin }[] {
    const node = this.given.get('node.id') ?? String(brokerSettings['node.id']!.default);
    const values: readonly (readonly [SettingOrigin, string | undefined])[] = [
      ['broker', this.altered.get(node)?.[name]],
      ['cluster', this.altered.get('')?.[name]],
      ['configuration', this.given.get(name)],
      ['default', String(brokerSettings[name]?.default ?? '')],
    ];
    return values.flatMap(([origin, value]) => (value === undefined ? [] : { value, origin }));
  }

  /** Settings of the configuration that do not count, because a request has altered them. */
  overruled(): { name: string; configured: string; altered: string }[] {
    return [...this.given].flatMap(([name, configured]) => {
      const { value, origin } = this.current(name);
      return origin === 'configuration' ? [] : { name, configured, altered: value };
    });
  }

  /** What topics get where they do not say otherwise: only what was set for the broker. */
  topicDefaults(): Record<string, string> {
    const defaults: Record<string, string> = {};
    for (const [name, { topicSetting }] of Object.entries(brokerSettings)) {
      const { value, origin } = this.current(name);
      if (topicSetting !== undefined && origin !== 'default') defaults[topicSetting] = value;
    }
    return defaults;
  }

  /** The value that counts. */
  private current(name: string): { value: string; origin: SettingOrigin } {
    return this.chain(name)[0]!;
  }

  private currentValues(): Map<string, SettingValue> {
    return new Map(Object.keys(brokerSettings).map((name) => [name, valueOf(name, this.current(name).value)]));
  }
}

/**
 * Throws KafkaError INVALID_REQUEST unless a request may give the setting this value; null takes an alteration away, of which there may be none. Settings
 * of Kafka's that do nothing here are refused: who sets them is to know.
 */
export function checkAlteration(name: string, value: string | null): void {
  if (value === null) return;
  const definition = brokerSettings[name];
  if (definition !== undefined && definition.alterable !== true) {
    throw new KafkaError(ErrorCode.INVALID_REQUEST, `Cannot update these configs dynamically: [${name}]`);
  }
  try {
    valueOf(name, value);
  } catch (error) {
    throw new KafkaError(ErrorCode.INVALID_REQUEST, messageOf(error), { cause: error });
  }
}

function acceptedOf(texts: Readonly<Record<string, string>>): Record<string, string> {
  const isAccepted = ([name, value]: [string, string]) => {
    try {
      checkAlteration(name, value);
      return true;
    } catch {
      return false;
    }
  };
  return Object.fromEntries(Object.entries(texts).filter(isAccepted));
}

/** The value as it acts. Throws TLR_CONFIG, saying what would be right, when there is no such setting or it cannot have this value. */
function valueOf(name: string, raw: SettingValue): SettingValue {
  const definition = brokerSettings[name];
  const refuse = (words: string) => new TailraceError('TLR_CONFIG', words);
  if (definition === undefined) throw refuse(`There is no broker setting '${name}'${suggestion(name)}.`);
  if (definition.topicSetting !== undefined) {
    const text = String(raw).trim();
    try {
      checkSetting(definition.topicSetting, text);
    } catch (error) {
      throw refuse(`Broker setting '${name}': ${messageOf(error)}`);
    }
    return text;
  }
  const value = parseSetting(definition, raw);
  if (value === undefined) throw refuse(`Broker setting '${name}' is '${raw}', but must be ${wanted(definition)}.`);
  if (definition.fixed === true && value !== definition.default) {
    throw refuse(`Broker setting '${name}' is always ${definition.default} here: ${definition.doc}`);
  }
  return value;
}

function parseSetting(definition: SettingDefinition, raw: SettingValue): SettingValue | undefined {
  const trimmed = String(raw).trim();
  if (definition.type === 'boolean') return trimmed === 'true' ? true : trimmed === 'false' ? false : undefined;
  if (definition.words !== undefined) return definition.words.find((word) => word === trimmed.toLowerCase());
  if (!/^-?\d+$/.test(trimmed)) return undefined;
  const value = Number(trimmed);
  const greatest = definition.type === 'int' ? 2147483647 : Number.MAX_SAFE_INTEGER;
  return value >= (definition.least ?? 0) && value <= greatest ? value : undefined;
}

function wanted(definition: SettingDefinition): string {
  if (definition.type === 'boolean') return 'true or false';
  if (definition.words !== undefined) return `one of ${definition.words.join(', ')}`;
  return `a whole number of at least ${definition.least ?? 0}`;
}

function suggestion(name: string): string {
  let best: string | undefined;
  let bestDistance = Math.max(3, Math.floor(name.length / 4));
  for (const known of Object.keys(brokerSettings)) {
    const distance = editDistance(name, known);
    if (distance < bestDistance) [best, bestDistance] = [known, distance];
  }
  return best === undefined ? '' : `; did you mean '${best}'?`;
}

/** Levenshtein distance. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const change = left[row - 1] === right[column - 1] ? 0 : 1;
      current.push(Math.min(previous[column - 1]! + change, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}
