// Our messages against Kafka's own definitions of them (test/support/kafka-definitions.ts), field by field in every version that can be read and
// written here: order, name, type, null, tag, default, and whether a value may be lost. What differs on purpose is named with its reason, and so is
// every API for clients that is not served. Skipped where Kafka's jars cannot be fetched.
import { beforeAll, describe, expect, test } from 'vitest';
import { advertisedApis } from '../../broker/handlers/table.ts';
import { apis } from '../../broker/wire/apis.ts';
import * as consumerGroupRecords from '../../broker/wire/messages/consumer-group-records.ts';
import * as coordinatorRecords from '../../broker/wire/messages/coordinator-records.ts';
import type { Field, Fields, Message, Shape } from '../../broker/wire/schema.ts';
import { type KafkaField, type KafkaMessage, kafkaMessages, versionRange } from '../support/kafka-definitions.ts';
import { canRunRealKafka, kafkaJars } from '../support/real-kafka.ts';

/** A field as it is in one version. */
interface View {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  /** -1 where it is not tagged. */
  readonly tag: number;
  readonly default: unknown;
  /** Whether other versions may lose its value; undefined where it is in all of them. */
  readonly ignorable: boolean | undefined;
  readonly fields: readonly View[];
}

/** What differs on purpose, and why: message and path of the field, what differs. */
const differences: Readonly<Record<string, string>> = {
  'FetchResponse.responses.partitions.records isNullable':
    'no records are an empty field and never null, which librdkafka takes for a defect',
  'FetchRequest.topics.partitions.highWatermark default':
    "the greatest int64 is beyond JavaScript's whole numbers; only followers send another value",
};

/** Versions that differ on purpose, and why. */
const otherVersions: Readonly<Record<string, string>> = {
  Produce: 'librdkafka looks for version 0 before it compresses; 3 and newer are served (KAFKA-18659)',
  'ApiVersionsRequest 5': 'is newer than this Kafka: written by our client, never advertised',
  'ApiVersionsResponse 5': 'is newer than this Kafka: read by our client, never advertised',
};

/** Kafka's APIs for clients that are not served, and why. */
const notServed: Readonly<Record<string, string>> = {
  AlterReplicaLogDirs: 'there is one data directory',
  CreateDelegationToken: 'there are no delegation tokens',
  RenewDelegationToken: 'there are no delegation tokens',
  ExpireDelegationToken: 'there are no delegation tokens',
  DescribeDelegationToken: 'there are no delegation tokens',
  AlterPartitionReassignments: 'there is one broker',
  UpdateFeatures: 'features are those of the version that runs',
  UnregisterBroker: 'there is one broker',
  GetTelemetrySubscriptions: 'Java clients push their metrics to every broker that offers it',
  PushTelemetry: 'Java clients push their metrics to every broker that offers it',
  ShareGroupHeartbeat: 'there are no share groups',
  ShareGroupDescribe: 'there are no share groups',
  ShareFetch: 'there are no share groups',
  ShareAcknowledge: 'there are no share groups',
  AddRaftVoter: 'there is one broker, and no quorum',
  RemoveRaftVoter: 'there is one broker, and no quorum',
  InitializeShareGroupState: 'there are no share groups',
  ReadShareGroupState: 'there are no share groups',
  WriteShareGroupState: 'there are no share groups',
  DeleteShareGroupState: 'there are no share groups',
  ReadShareGroupStateSummary: 'there are no share groups',
  DescribeShareGroupOffsets: 'there are no share groups',
  AlterShareGroupOffsets: 'there are no share groups',
  DeleteShareGroupOffsets: 'there are no share groups',
  StreamsGroupHeartbeat: 'Kafka Streams uses consumer groups here',
  StreamsGroupDescribe: 'Kafka Streams uses consumer groups here',
};

type Described = Pick<Message<unknown>, 'name' | 'key' | 'versions' | 'fields' | 'isFlexible'>;

const messages: Described[] = [
  ...Object.values(apis).flatMap(({ request, response }): Described[] => [request, response]),
  ...Object.values({ ...coordinatorRecords, ...consumerGroupRecords }).filter((value) => typeof value === 'object'),
];

type Range = readonly [number, number];

const isWithin = (version: number, [first, last]: Range) => version >= first && version <= last;
const overlap = (left: Range, right: Range): Range => [Math.max(left[0], right[0]), Math.min(left[1], right[1])];
/** What `ignorable` says; undefined where the field is in every version that its struct is in, `around`. */
const mayBeLost = (versions: Range, around: Range, ignorable = false) =>
  versions[0] <= around[0] && versions[1] >= around[1] ? undefined : ignorable;

const rangeOf = ({ versions, taggedVersions }: KafkaField): Range => versionRange(versions ?? taggedVersions);

function theirView(message: KafkaMessage, version: number, known: Range): View[] {
  const structs = new Map(message.commonStructs?.map(({ name, fields }) => [name, fields]));
  const isFlexible = isWithin(version, versionRange(message.flexibleVersions));
  const viewsOf = (fields: readonly KafkaField[], around: Range): View[] =>
    inWireOrder(
      fields
        .filter((field) => isWithin(version, rangeOf(field)))
        .map((field) => {
          const element = field.type.replace('[]', '');
          const inner = field.fields ?? structs.get(element);
          const type = inner === undefined ? field.type : field.type.replace(element, 'struct');
          const range = rangeOf(field);
          return {
            ...{ name: field.name[0]!.toLowerCase() + field.name.slice(1), type },
            isNullable: isWithin(version, versionRange(field.nullableVersions)),
            tag: isFlexible && isWithin(version, versionRange(field.taggedVersions)) ? field.tag! : -1,
            default: theirDefault(field, type),
            ignorable: mayBeLost(range, around, field.ignorable),
            fields: viewsOf(inner ?? [], overlap(range, around)),
          };
        }),
    );
  return viewsOf(message.fields, known);
}

function theirDefault({ default: given }: KafkaField, type: string): unknown {
  if (given === 'null') return null;
  if (type === 'bool') return String(given) === 'true';
  if (/^u?int|^float/.test(type)) return Number(given ?? 0);
  if (type === 'string') return given ?? '';
  return type === 'records' ? null : 'empty';
}

function ourView(fields: Fields, version: number, isFlexible: boolean, around: Range): View[] {
  const views: View[] = [];
  for (const [name, { shape, options }] of Object.entries(fields)) {
    const { since = 0, until = Infinity, nullable = Infinity, tag = -1, tagSince = 0, ignorable } = options;
    if (!isWithin(version, [since, until])) continue;
    views.push({
      ...{ name, type: ourType(shape), isNullable: version >= nullable },
      tag: isFlexible && version >= tagSince ? tag : -1,
      default: ourDefault({ shape, options }),
      ignorable: mayBeLost([since, until], around, ignorable),
      fields: ourView(innerFields(shape), version, isFlexible, overlap([since, until], around)),
    });
  }
  return inWireOrder(views);
}

function ourType(shape: Shape): string {
  if (shape.kind === 'array') return `[]${ourType(shape.element.shape)}`;
  if (shape.kind === 'recordChunks') return 'records';
  if (shape.kind === 'bigint64') return 'int64';
  return shape.kind === 'boolean' ? 'bool' : shape.kind;
}

function innerFields(shape: Shape): Fields {
  if (shape.kind === 'array') return innerFields(shape.element.shape);
  return shape.kind === 'struct' ? shape.fields : {};
}

function ourDefault({ shape, options }: Field<unknown>): unknown {
  if (options.default !== undefined) return options.default;
  if (shape.kind === 'boolean') return false;
  if (/^u?int|^bigint|^float/.test(shape.kind)) return 0;
  if (shape.kind === 'string') return '';
  return shape.kind === 'records' || shape.kind === 'recordChunks' ? null : 'empty';
}

function inWireOrder(views: View[]): View[] {
  const tagged = views.filter(({ tag }) => tag >= 0).sort((left, right) => left.tag - right.tag);
  return [...views.filter(({ tag }) => tag < 0), ...tagged];
}

/** "path what": theirs, ours. */
function differencesOf(path: string, theirs: readonly View[], ours: readonly View[]): string[] {
  const names = (views: readonly View[]) => views.map(({ name }) => name).join(' ');
  if (names(theirs) !== names(ours)) return [`${path} fields: ${names(theirs)}, ours: ${names(ours)}`];
  return theirs.flatMap((their, index) => {
    const our = ours[index]!;
    const at = `${path}.${their.name}`;
    const found = (['type', 'isNullable', 'tag', 'default', 'ignorable'] as const)
      .filter((what) => their[what] !== our[what] && differences[`${at} ${what}`] === undefined)
      .map((what) => `${at} ${what}: ${String(their[what])}, ours: ${String(our[what])}`);
    return [...found, ...differencesOf(at, their.fields, our.fields)];
  });
}

describe.skipIf(!canRunRealKafka())("messages and Kafka's definitions of them", () => {
  let definitions: Map<string, KafkaMessage>;

  beforeAll(async () => {
    const parts = ['clients', 'group-coordinator', 'transaction-coordinator'];
    const jars = await kafkaJars();
    definitions = await kafkaMessages(jars.filter((jar) => parts.some((part) => jar.includes(`/kafka-${part}-4`))));
  });

  test.each(messages.map((message) => [message.name, message] as const))('%s', (name, message) => {
    const theirs = definitions.get(name)!;
    // Kafka keeps the kind of a coordinator's key, which is its only version here, apart from the message.
    const isKey = theirs.type === 'coordinator-key';
    const range = versionRange(theirs.validVersions);
    const found: string[] = [];
    for (let version = message.versions[0]; version <= message.versions[1]; version++) {
      const known = isKey ? 0 : version;
      if (known < range[0] || known > range[1]) {
        if (otherVersions[`${name} ${version}`] === undefined) found.push(`Kafka has no version ${version}`);
        continue;
      }
      if (message.isFlexible(version) !== known >= versionRange(theirs.flexibleVersions)[0]) {
        found.push(`version ${version} is flexible on one side only`);
      }
      const differ = differencesOf(
        name,
        theirView(theirs, known, isKey ? [0, 0] : message.versions),
        ourView(message.fields, version, message.isFlexible(version), message.versions),
      );
      found.push(...differ.map((difference) => `version ${version}: ${difference}`));
    }
    expect(found).toEqual([]);
    if (message.key >= 0) expect(message.key).toBe(theirs.apiKey);
  });

  test('every API that Kafka has for clients is advertised in every stable version, or named with the reason', () => {
    const advertised = new Map(advertisedApis.map(({ key, versions: range }) => [key, range]));
    const found: string[] = [];
    for (const { apiKey, name, type, listeners, validVersions, latestVersionUnstable } of definitions.values()) {
      if (type !== 'request' || !listeners?.includes('broker')) continue;
      const api = name.replace(/Request$/, '');
      if (advertised.has(apiKey!) && notServed[api] !== undefined) found.push(`${api} is served`);
      const [first, last] = versionRange(validVersions);
      const stable = latestVersionUnstable === true ? last - 1 : last;
      const ours = advertised.get(apiKey!);
      if (ours === undefined ? notServed[api] !== undefined : otherVersions[api] !== undefined) continue;
      if (ours?.[0] !== first || ours[1] !== stable) {
        found.push(`${apiKey} ${api} ${first}-${stable}, ours: ${ours?.join('-') ?? 'none'}`);
      }
    }
    expect(found).toEqual([]);
  });
});
