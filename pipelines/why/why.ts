// `tailrace why`: the whole path of one record. From the byte of the file where its line began, over its place in the topic, to what each edge made of it:
// the documents and files that hold it now, the step that dropped it, the dead letter that it became; and on from the topics that it went to. Reads only.
import { hostname } from 'node:os';
import { TailraceError } from '../../base/errors.ts';
import type { KafkaClient, TopicMetadata } from '../../broker/client/contract.ts';
import { type FileEntry, FileRegistry } from '../../broker/client/file-registry.ts';
import { PositionsLog } from '../../broker/client/positions-log.ts';
import {
  decodeFileReference,
  decodePositionsRecord,
  fileReferenceHeader,
  type PositionRecord,
} from '../../broker/client/positions-record.ts';
import type { AuditDependencies } from '../audit/audit.ts';
import { type LedgerRecord, readLedger } from '../ledger-record.ts';
import { originIn } from '../origin.ts';
import type { Plan } from '../plan.ts';
import { selectTopics } from '../subscription.ts';
import { type Decided, type EdgePath, pathOnEdge } from './edge-path.ts';
import { findLine, findRecord, type FoundRecord, type Place } from './record-look.ts';

export type WhyDependencies = Omit<AuditDependencies, 'onProgress'>;

export interface WhyRequest {
  plan: Pick<Plan, 'pipelines'>;
  place: Place;
}

/** An edge that the configuration does not have: a replay, or one of another configuration. */
export interface OtherEdge {
  edge: string;
  atMs: number;
  from: number;
  to: number;
}

export interface RecordPath extends Place {
  state: FoundRecord['state'];
  /** What the partition holds: from `start`, below `end`. */
  start: number;
  end: number;
  leader: number;
  replicas: readonly number[];
  inSyncReplicas: readonly number[];
  timestampMs: number | undefined;
  key: string | null;
  value: string;
  bytes: number;
  /** Where its line began; undefined when it was not read from a file. */
  file: (Partial<FileEntry> & { file: string; byte: number }) | undefined;
  /** The record that it was made of by a pipeline: topic (or its id, when it is gone), partition, offset and piece. */
  origin: (Place & { ordinal: number }) | undefined;
  edges: EdgePath[];
  others: OtherEdge[];
  /** The same of the records that it became in other topics. */
  next: RecordPath[];
}

/** Throws TailraceError TLR_NOT_FOUND when there is no such topic or partition. */
export async function why({ plan, place }: WhyRequest, dependencies: WhyDependencies): Promise<RecordPath> {
  const { client, clock, signal } = dependencies;
  const names = new FileRegistry(client, clock);
  try {
    const found = await findRecord(client, place, signal);
    const topics = await client.admin().topics();
    const path = describe(place, found, topics);
    path.file = await fileOf(found, names);
    const { fetched } = found;
    if (fetched === undefined || found.state !== 'committed') return path;
    const decisions = await decisionsOn(client, place, fetched.topicId.toString('hex'), signal);
    for (const pipeline of plan.pipelines) {
      const selection = { topics: pipeline.from, patterns: pipeline.fromPatterns };
      if (!(await selectTopics(client.admin(), selection)).includes(place.topic)) continue;
      for (const edge of pipeline.edges) {
        const decided = decisions.findLast(({ record }) => record.edge === edge.group);
        const question = { pipeline, edge, place, found: { ...found, fetched }, decided, names };
        path.edges.push(await pathOnEdge(question, dependencies));
      }
    }
    const known = new Set(path.edges.map(({ edge }) => edge));
    for (const { part, record } of decisions)
      if (!known.has(record.edge))
        path.others.push({ edge: record.edge, atMs: record.atMs, from: part.from, to: part.to });
    for (const piece of path.edges.flatMap(({ pieces }) => pieces))
      if (piece.next !== undefined) path.next.push(await why({ plan, place: piece.next }, dependencies));
    return path;
  } finally {
    await names.close();
  }
}

function describe(place: Place, found: FoundRecord, topics: readonly TopicMetadata[]): RecordPath {
  const { state, start, end, timestampMs, key, value, headers, fetched } = found;
  const partition = topics
    .find(({ name }) => name === place.topic)
    ?.partitions.find((each) => each.partition === place.partition);
  const origin = originIn(headers);
  const originTopic = origin && topics.find(({ topicId }) => topicId.equals(origin.topicId));
  return {
    ...{ topic: place.topic, partition: place.partition, offset: place.offset, state, start, end },
    ...{ leader: partition?.leader ?? -1, replicas: partition?.replicas ?? [] },
    ...{ inSyncReplicas: partition?.inSyncReplicas ?? [], timestampMs: fetched && timestampMs },
    ...{ key: key?.toString('utf8') ?? null, value: value.toString('utf8'), bytes: value.length },
    ...{ file: undefined, edges: [], others: [], next: [] },
    origin: origin && {
      ...{ topic: originTopic?.name ?? origin.topicId.toString('hex'), partition: origin.partition },
      ...{ offset: origin.offset, ordinal: origin.ordinal },
    },
  };
}

async function fileOf({ headers }: FoundRecord, names: FileRegistry): Promise<RecordPath['file']> {
  const value = headers.find(({ key }) => key === fileReferenceHeader)?.value;
  if (value === undefined || value === null) return undefined;
  const { file, position } = decodeFileReference(value);
  return { ...(await names.resolve(file)), file, byte: position };
}

/** What the ledger has of the record, in the order of the decisions. */
async function decisionsOn(
  client: KafkaClient,
  { partition, offset }: Place,
  topicId: string,
  signal: AbortSignal,
): Promise<Decided[]> {
  const decisions: Decided[] = [];
  const look = (record: LedgerRecord) => {
    const part = record.parts.find(
      (each) => each.topicId === topicId && each.partition === partition && each.from <= offset && offset < each.to,
    );
    if (part !== undefined) decisions.push({ part, record });
  };
  await readLedger(client, look, signal);
  return decisions;
}

/**
 * The record of the line that holds a byte of a file. Throws TailraceError TLR_NOT_FOUND when no agent follows such a file, has not read so far, or the topic does
 * not keep the line any more.
 */
export async function placeOfByte(
  { path, identity, byte }: { path: string; identity: string | undefined; byte: number },
  { client, clock, signal }: WhyDependencies,
): Promise<Place> {
  const files = new Map<string, PositionRecord>();
  const log = new PositionsLog(client, { isolation: 'read_committed', clock }, (key, value) => {
    const record = value === null ? undefined : decodePositionsRecord(key, value);
    if (record?.kind === 'file') files.set(record.file, record);
  });
  try {
    await log.readToEnd(signal);
  } finally {
    await log.close();
  }
  // The file itself before others that had its name; its last generation before older ones.
  const rank = (record: PositionRecord) =>
    (record.identity === identity && record.host === hostname() ? 4 : 0) + (record.state === 'live' ? 1 : 0);
  const [file] = [...files.values()]
    .filter((each) => [each.path, each.realPath, each.firstPath].includes(path))
    .toSorted((one, other) => rank(other) - rank(one) || other.generation - one.generation || other.atMs - one.atMs);
  if (file === undefined) throw new TailraceError('TLR_NOT_FOUND', `no agent has read a file ${path}`);
  if (byte >= file.position)
    throw new TailraceError('TLR_NOT_FOUND', `${path} is read up to byte ${file.position}, so not to ${byte} yet`);
  const place = await findLine(client, file, byte, signal);
  if (place !== undefined) return place;
  const message = `topic ${file.topic} does not keep the line at byte ${byte} of ${path} any more`;
  throw new TailraceError('TLR_NOT_FOUND', message);
}
