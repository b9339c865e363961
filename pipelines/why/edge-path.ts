// What became of one record on one edge: what the ledger says of its range, what the steps make of it, and whether it is where it was delivered.
import type { FetchedBatches } from '../../broker/client/contract.ts';
import type { SinkAuditor } from '../../sinks/sink.ts';
import { openAuditor } from '../audit/audit.ts';
import { forEachInTopic, placeName } from '../audit/other-topics.ts';
import { readLetter } from '../dead-letter.ts';
import { forEachOpenLetter } from '../dead-letters.ts';
import type { FileNames } from '../event.ts';
import type { LedgerPart, LedgerRecord } from '../ledger-record.ts';
import { originAfter, originIn } from '../origin.ts';
import type { EdgePlan, PipelinePlan, SinkPlan } from '../plan.ts';
import { readRanges } from '../range-reader.ts';
import type { SourceDelivery } from '../source-batch.ts';
import { Transformer, type Transformed } from '../transform.ts';
import type { FoundRecord, Place } from './record-look.ts';
import type { WhyDependencies } from './why.ts';

/** When and with what an edge decided on a record. */
export interface Decided {
  part: LedgerPart;
  record: LedgerRecord;
}

/** One record that the steps made of it, and where it went. */
export interface PiecePath {
  /** 0, or which piece of the record it is. */
  ordinal: number;
  value: string;
  /** File, index and id, or topic/partition/offset; undefined when nobody can tell. */
  where: string | undefined;
  /** In a rolled file, from 1. */
  line: number | undefined;
  /** What is not as it should be: "is missing". */
  problem: string | undefined;
  /** In a topic: how it goes on from there. */
  next: Place | undefined;
}

export interface LetterPath {
  /** topic/partition/offset. */
  letter: string;
  refusedBy: string;
  reason: string;
  diedMs: number;
  /** False when it was tried again or dropped since. */
  isOpen: boolean;
}

export interface EdgePath {
  edge: string;
  /** Where it writes, in words. */
  target: string;
  /**
   * waits: not decided yet · delivered · missing: delivered, and not (whole) there · dropped: by a step · refused: a dead letter · decided: the steps were others
   * then, so what they made of it is not known
   */
  state: 'waits' | 'delivered' | 'missing' | 'dropped' | 'refused' | 'decided';
  /** Up to where the edge has decided; undefined when it has not begun. */
  committed: number | undefined;
  decided: { atMs: number; from: number; to: number; read: number } | undefined;
  /** The step that dropped it. */
  droppedBy: string | undefined;
  pieces: PiecePath[];
  letters: LetterPath[];
  notes: string[];
}

export interface EdgeQuestion {
  pipeline: PipelinePlan;
  edge: EdgePlan;
  place: Place;
  found: FoundRecord & { fetched: FetchedBatches };
  decided: Decided | undefined;
  names: FileNames;
}

export async function pathOnEdge(question: EdgeQuestion, dependencies: WhyDependencies): Promise<EdgePath> {
  const { pipeline, edge, place, found, decided } = question;
  const { target } = edge;
  const committed = await committedOf(edge.group, place, dependencies);
  const path: EdgePath = {
    ...{ edge: edge.group, state: 'waits', committed, droppedBy: undefined, pieces: [], letters: [], notes: [] },
    target: target.kind === 'topic' ? `topic ${target.topic}` : target.sink.definition.describe(target.sink.settings),
    decided: undefined,
  };
  if (committed === undefined || place.offset >= committed) return path;
  if (decided === undefined) path.notes.push(noLedger);
  else {
    const { from, to, account } = decided.part;
    path.decided = { atMs: decided.record.atMs, from, to, read: account.in };
  }
  path.letters = await lettersOf(question, dependencies);
  if (decided !== undefined && decided.record.steps !== pipeline.stepsFingerprint) {
    path.notes.push('the steps were others then, so what they made of this record is not known');
    path.state = path.letters.length > 0 ? 'refused' : 'decided';
    return path;
  }
  const auditor =
    target.kind === 'topic' ? undefined : await auditorOf(question, target.sink, path.notes, dependencies);
  try {
    const transformer = transformerOf(question, auditor);
    const result = await transformer.run(found.fetched, place.offset + 1);
    if (target.kind === 'topic') path.pieces = await inTopic(target.topic, question, result, dependencies);
    else path.pieces = await inSink(question, { auditor, transformer, result }, dependencies);
    if (result.droppedCount > 0) path.droppedBy = await dropperOf(question);
  } finally {
    await auditor?.close();
  }
  path.state = stateOf(path);
  return path;
}

const noLedger = 'the ledger has no line of it: it is older than the ledger, or the edge began behind it or was killed';

function stateOf({ letters, pieces }: EdgePath): EdgePath['state'] {
  if (letters.some(({ isOpen }) => isOpen)) return 'refused';
  if (pieces.some(({ problem }) => problem !== undefined)) return letters.length > 0 ? 'refused' : 'missing';
  if (pieces.length > 0) return 'delivered';
  return letters.length > 0 ? 'refused' : 'dropped';
}

async function committedOf(
  group: string,
  { topic, partition }: Place,
  { client }: WhyDependencies,
): Promise<number | undefined> {
  const options = { stable: true, partitions: [{ topic, partition }] };
  const offset = (await client.admin().groupOffsets(group, options)).get(topic)?.get(partition)?.offset;
  return offset === undefined || offset < 0 ? undefined : offset;
}

async function auditorOf(
  { pipeline, edge }: EdgeQuestion,
  sink: SinkPlan,
  notes: string[],
  dependencies: WhyDependencies,
): Promise<SinkAuditor | undefined> {
  const auditor = await openAuditor(pipeline, edge.group, sink, dependencies);
  if (auditor === undefined) notes.push(`${sink.name} (${sink.definition.type}) cannot be asked whether it is there`);
  return auditor;
}

function transformerOf({ pipeline, edge, names }: EdgeQuestion, auditor: SinkAuditor | undefined): Transformer {
  const target = edge.target.kind === 'sink' ? edge.target.sink.name : `topic:${edge.target.topic}`;
  return new Transformer({ steps: pipeline.steps, names, target, askedPaths: auditor?.fieldPaths ?? [] });
}

/** The first step after which nothing is left of the record. */
async function dropperOf(question: EdgeQuestion): Promise<string | undefined> {
  const { steps } = question.pipeline;
  for (let count = 1; count <= steps.length; count++) {
    const shortened = { ...question, pipeline: { ...question.pipeline, steps: steps.slice(0, count) } };
    const run = transformerOf(shortened, undefined).run(question.found.fetched, question.place.offset + 1);
    const { name, place } = steps[count - 1]!;
    if ((await run).droppedCount > 0) return `${name} at ${place}`;
  }
  return undefined;
}

async function lettersOf(
  { pipeline, edge, place, found }: EdgeQuestion,
  { client, signal }: WhyDependencies,
): Promise<LetterPath[]> {
  const letters: LetterPath[] = [];
  const isOfRecord = (at: ReturnType<typeof readLetter>['at']) =>
    at?.topicId.equals(found.fetched.topicId) === true &&
    at.partition === place.partition &&
    at.offset === place.offset;
  const topic = pipeline.deadLetterTopic;
  await forEachInTopic(
    client,
    topic,
    (delivery, partition) => {
      const { edge: group, at, refusedBy, reason } = readLetter(delivery.headers(), delivery.timestampMs);
      if (group !== edge.group || !isOfRecord(at)) return;
      const letter = `${topic}/${partition}/${delivery.offset}`;
      letters.push({ letter, refusedBy, reason, diedMs: delivery.timestampMs, isOpen: false });
    },
    signal,
  );
  if (letters.length === 0) return letters;
  await forEachOpenLetter(client, pipeline.name, (open) => {
    const name = `${open.topic}/${open.partition}/${open.offset}`;
    for (const letter of letters) if (letter.letter === name) letter.isOpen = true;
    return true;
  });
  return letters;
}

function deliveriesOf({ batch }: Transformed): SourceDelivery[] {
  const deliveries: SourceDelivery[] = [];
  // Those of a transformer are objects of their own.
  batch.forEach((delivery) => deliveries.push(delivery));
  return deliveries;
}

function pieceOf({ ordinal, buffer, start, end }: SourceDelivery): PiecePath {
  const value = buffer.toString('utf8', start, end);
  return { ordinal, value, where: undefined, line: undefined, problem: undefined, next: undefined };
}

async function inTopic(
  topic: string,
  { place, found }: EdgeQuestion,
  result: Transformed,
  { client, signal }: WhyDependencies,
): Promise<PiecePath[]> {
  const pieces = new Map<string, PiecePath>();
  for (const delivery of deliveriesOf(result)) {
    const { offset, ordinal } = delivery;
    const here = { topicId: found.fetched.topicId, partition: place.partition, offset, ordinal };
    const origin = originAfter(delivery.headers(), here);
    if (origin !== undefined) pieces.set(placeName(origin), { ...pieceOf(delivery), problem: 'is missing' });
  }
  const look = (delivery: SourceDelivery, partition: number) => {
    const origin = originIn(delivery.headers());
    const piece = origin === undefined ? undefined : pieces.get(placeName(origin));
    if (piece === undefined) return;
    piece.next = { topic, partition, offset: delivery.offset };
    piece.where = `${topic}/${partition}/${delivery.offset}`;
    piece.problem = undefined;
  };
  if (pieces.size > 0) await forEachInTopic(client, topic, look, signal);
  return [...pieces.values()];
}

async function inSink(
  question: EdgeQuestion,
  run: { auditor: SinkAuditor | undefined; transformer: Transformer; result: Transformed },
  dependencies: WhyDependencies,
): Promise<PiecePath[]> {
  const { auditor, result } = run;
  const deliveries = deliveriesOf(result);
  const pieces = deliveries.map((delivery) => pieceOf(delivery));
  if (auditor?.seek !== undefined && pieces.length > 0) {
    for (const sought of await auditor.seek(result.batch, dependencies.signal)) {
      const piece = pieces.find(({ ordinal }) => ordinal === sought.ordinal);
      if (piece === undefined) continue;
      piece.where = sought.name;
      if (!sought.isThere) piece.problem = 'is missing';
    }
  }
  const manifest = question.decided?.record.manifest;
  if (auditor?.published === undefined || manifest === undefined) return pieces;
  const parts = await auditor.published(manifest);
  for (const [index, delivery] of deliveries.entries()) {
    const { offset } = delivery;
    const firstIn = (name: string) => auditor.firstOffsetIn?.(name, result.batch.coordinates, delivery);
    const [part] = parts
      .flatMap((each) => ({ ...each, first: firstIn(each.name) ?? Infinity }))
      .filter(({ first }) => first <= offset)
      .toSorted((one, other) => other.first - one.first);
    if (part === undefined) continue;
    const { name, problem, first } = part;
    Object.assign(pieces[index]!, { where: name, problem });
    // An appended file has lines of other decisions, too.
    if (name.includes(String(first).padStart(20, '0')))
      pieces[index]!.line = await lineIn(name, delivery, { ...question, ...run, auditor, first }, dependencies);
  }
  return pieces;
}

/** How many records go into the same file up to this one. */
async function lineIn(
  name: string,
  { offset, ordinal }: SourceDelivery,
  {
    place,
    auditor,
    transformer,
    first,
  }: EdgeQuestion & { auditor: SinkAuditor; transformer: Transformer; first: number },
  { client, signal }: WhyDependencies,
): Promise<number> {
  const fetches: FetchedBatches[] = [];
  const range = { topic: place.topic, partition: place.partition, from: first, to: offset + 1 };
  await readRanges(client, [range], (fetched) => fetches.push(fetched) > 0, { signal });
  let line = 0;
  for (const fetched of fetches) {
    const { batch } = await transformer.run(fetched, offset + 1);
    batch.forEach((delivery) => {
      const isBefore = delivery.offset < offset || delivery.ordinal <= ordinal;
      if (isBefore && auditor.firstOffsetIn?.(name, batch.coordinates, delivery) !== undefined) line++;
    });
  }
  return line;
}
