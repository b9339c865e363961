// What became of dead letters, and trying them again: `tailrace dlq`. A dead-letter topic is shared by the edges of a pipeline; each of them has a group
// `retry.<pipeline>.<sink>` whose committed offset says up to where ITS letters are settled: delivered, dropped, or written again further on. Settling is
// a bounded run of an edge (edge.ts) over the topic, up to the end it has when it begins:
//   chosen letters    go through the pipeline's steps into the sink under the coordinates of the records that they were (letter-source.ts), or are dropped
//   letters refused once more, and those that were not chosen, go to the end of the topic again: they are open, and are looked at by the next run
// and all of it is decided in the one transaction that commits the group's offset. What if it stops there? As everywhere: what was not decided is done again,
// under the same ids; what was decided is behind the offset. So a letter is settled exactly once, whatever the choice, after however many kill -9.
//
// Letters may be retried into another sink than the edge's. What a two-phase sink has decided is published by its next start; so a run that was killed must be
// finished with the same sink before another one, or a drop, may begin: the unfinished run is noted with the place it writes to.
//
// Offsets of a group that has no members for offsets.retention.minutes are forgotten. So that letters kept longer are not tried twice, the end of
// a completed run is also kept in `__tailrace_sinks`, under the group and the id of the topic.
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { KafkaClient, TopicMetadata } from '../broker/client/contract.ts';
import { FileRegistry } from '../broker/client/file-registry.ts';
import type { SendingSink, Sink, SinkContext } from '../sinks/sink.ts';
import { type Account, decodeAccount, emptyAccount } from './account.ts';
import { type FoundLetter, readLetter } from './dead-letter.ts';
import { Decider } from './decide.ts';
import { Edge, type EdgeOptions } from './edge.ts';
import { type JobRecord, ManifestStore } from './manifests.ts';
import type { CompiledStep, SinkPlan } from './plan.ts';
import { normaliseReason } from '../base/reason.ts';
import { PassThroughBatch } from './source-batch.ts';

const topicSuffix = '.dlq';
const settlingInstance = 'dlq';
const stopDeadlineMs = 10_000;
/** Kinds of letters that are told apart; those beyond are counted together. */
const groupsLimit = 1000;
const sampleCharacters = 300;

export function deadLetterTopicOf(pipeline: string): string {
  return `${pipeline}${topicSuffix}`;
}

function settlingGroup(edge: string): string {
  return `retry.${edge}`;
}

/** Where the end of completed runs is kept. */
function settledKey(edge: string, topicId: Buffer): string {
  return `${settlingGroup(edge)}@${topicId.toString('hex')}`;
}

/** A letter that is open. */
export interface OpenLetter extends FoundLetter {
  topic: string;
  partition: number;
  offset: number;
  /** When it became one. */
  diedMs: number;
  group: string;
  value: Buffer;
}

/** Letters of one edge that were refused by the same step or sink for the same kind of reason. */
export interface LetterGroup {
  /** Names the group in the command. */
  group: string;
  topic: string;
  edge: string | undefined;
  refusedBy: string;
  /** With what differs from letter to letter (numbers, quoted text) left out. */
  reason: string;
  count: number;
  firstMs: number;
  lastMs: number;
  /** One of them: its origin and the beginning of its value. */
  sample: { origin: string; value: string };
}

/** The name of the group that a letter belongs to. */
export function letterGroup(letter: FoundLetter): string {
  const parts = [letter.edge ?? null, letter.refusedBy.replace(/:\d+:\d+$/, ''), normaliseReason(letter.reason)];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
}

/**
 * Topics of dead letters, of `pipeline` or all of them; none where a pipeline has none yet. Throws TLR_NOT_FOUND for a pipeline that the broker has never
 * heard of.
 */
async function letterTopics(client: KafkaClient, pipeline: string | undefined): Promise<TopicMetadata[]> {
  const named = pipeline === undefined ? undefined : [deadLetterTopicOf(pipeline)];
  const topics = await client.admin().topics(named);
  const found = topics.filter(({ name }) => name.endsWith(topicSuffix));
  if (found.length === 0 && pipeline !== undefined) await checkHasRun(client, pipeline);
  return found;
}

async function checkHasRun(client: KafkaClient, pipeline: string): Promise<void> {
  const groups = await client.admin().listGroups();
  if (groups.some(({ groupId }) => groupId.startsWith(`${pipeline}.`))) return;
  const others = (await letterTopics(client, undefined)).map(({ name }) => name.slice(0, -topicSuffix.length));
  throw new TailraceError(
    'TLR_NOT_FOUND',
    `this broker knows no pipeline ${pipeline}: there is neither a topic ${deadLetterTopicOf(pipeline)} nor a group ${pipeline}.SINK; ` +
      `pipelines with dead letters: ${others.join(', ') || 'none'}`,
  );
}

/** By edge and partition, the offset below which its letters are settled. */
class Settled {
  private readonly offsets = new Map<string, ReadonlyMap<number, number>>();
  private readonly client: KafkaClient;
  private readonly manifests: ManifestStore;
  private readonly topic: TopicMetadata;

  constructor(client: KafkaClient, manifests: ManifestStore, topic: TopicMetadata) {
    this.client = client;
    this.manifests = manifests;
    this.topic = topic;
  }

  async load(edge: string): Promise<ReadonlyMap<number, number>> {
    const known = this.offsets.get(edge);
    if (known !== undefined) return known;
    const { name, topicId, partitions: all } = this.topic;
    const named = all.map(({ partition }) => ({ topic: name, partition }));
    const committed = await this.client.admin().groupOffsets(settlingGroup(edge), { stable: true, partitions: named });
    const kept = this.manifests.job(settledKey(edge, topicId))?.ends[name] ?? {};
    const offsets = new Map<number, number>();
    for (const { partition } of all) {
      const offset = Math.max(committed.get(name)?.get(partition)?.offset ?? 0, kept[String(partition)] ?? 0);
      if (offset > 0) offsets.set(partition, offset);
    }
    this.offsets.set(edge, offsets);
    return offsets;
  }
}

async function withManifests<T>(client: KafkaClient, work: (manifests: ManifestStore) => Promise<T>): Promise<T> {
  const manifests = new ManifestStore(client);
  try {
    await manifests.create();
    await manifests.refresh();
    return await work(manifests);
  } finally {
    await manifests.close();
  }
}

/** Visits the open letters of `pipeline`, or of all; ends early when `visit` says false. Reads up to the ends that are there now. */
export async function forEachOpenLetter(
  client: KafkaClient,
  pipeline: string | undefined,
  visit: (letter: OpenLetter) => boolean,
): Promise<void> {
  const topics = await letterTopics(client, pipeline);
  await withManifests(client, async (manifests) => {
    for (const topic of topics) if (!(await visitTopic(client, topic, manifests, visit))) return;
  });
}

async function visitTopic(
  client: KafkaClient,
  topic: TopicMetadata,
  manifests: ManifestStore,
  visit: (letter: OpenLetter) => boolean,
): Promise<boolean> {
  const { name } = topic;
  const settled = new Settled(client, manifests, topic);
  // Not the last stable offset: a transaction that was decided a moment ago may still lack its markers. Open ones end within seconds.
  const ends = await client.admin().offsets(name, 'latest');
  const starts = await client.admin().offsets(name, 'earliest');
  const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 200 });
  try {
    await consumer.assign(
      [...ends.keys()].map((partition) => ({ topic: name, partition, offset: starts.get(partition) ?? 0 })),
    );
    const isOpen = () => [...ends].some(([partition, end]) => consumer.position({ topic: name, partition }) < end);
    while (isOpen()) {
      for (const fetched of await consumer.poll()) {
        const letters: OpenLetter[] = [];
        const { partition } = fetched;
        new PassThroughBatch(fetched, ends.get(partition)).forEach((delivery) => {
          const letter = readLetter(delivery.headers(), delivery.timestampMs);
          const place = { topic: name, partition, offset: delivery.offset, diedMs: delivery.timestampMs };
          letters.push({ ...letter, ...place, group: letterGroup(letter), value: delivery.source() });
        });
        for (const letter of letters) {
          const upTo = letter.edge === undefined ? 0 : ((await settled.load(letter.edge)).get(partition) ?? 0);
          if (letter.offset >= upTo && !visit(letter)) return false;
        }
      }
    }
    return true;
  } finally {
    await consumer.close();
  }
}

/** The open letters by edge, who refused them, and kind of reason; the most frequent first. */
export async function listLetters(client: KafkaClient, pipeline: string | undefined): Promise<LetterGroup[]> {
  const groups = new Map<string, LetterGroup>();
  await forEachOpenLetter(client, pipeline, (letter) => {
    const isFull = groups.size >= groupsLimit;
    const key = `${letter.topic} ${letter.group}`;
    const known = groups.get(key) ?? (isFull ? groups.get('rest') : undefined);
    if (known === undefined) groups.set(isFull ? 'rest' : key, begin(letter, isFull));
    else {
      known.count++;
      known.firstMs = Math.min(known.firstMs, letter.diedMs);
      known.lastMs = Math.max(known.lastMs, letter.diedMs);
    }
    return true;
  });
  return [...groups.values()].sort((left, right) => right.count - left.count);
}

function begin(letter: OpenLetter, isRest: boolean): LetterGroup {
  const value = letter.value.toString('utf8', 0, sampleCharacters * 4).slice(0, sampleCharacters);
  return {
    ...{ group: isRest ? '-' : letter.group, topic: letter.topic, edge: isRest ? undefined : letter.edge },
    ...{
      refusedBy: isRest ? '-' : letter.refusedBy,
      reason: isRest ? 'further reasons' : normaliseReason(letter.reason),
    },
    ...{ count: 1, firstMs: letter.diedMs, lastMs: letter.diedMs, sample: { origin: letter.origin, value } },
  };
}

export interface SettleRequest {
  /** `<pipeline>.<sink>`. */
  edge: string;
  pipeline: string;
  /** Drop the chosen letters, or take them through the steps into the sink. */
  action: { kind: 'drop' } | { kind: 'retry'; steps: readonly CompiledStep[]; target: SettleTarget };
  chooses(letter: FoundLetter): boolean;
}

export type SettleTarget = { kind: 'sink'; sink: SinkPlan } | { kind: 'topic'; topic: string };

export interface SettleDependencies {
  client: KafkaClient;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Ends the run: what was taken is decided first. */
  signal?: AbortSignal;
}

export interface SettleResult {
  edge: string;
  outcome: 'done' | 'interrupted' | 'incomplete';
  /** Of this run. */
  account: Account;
  problem: string | undefined;
}

/** Settles the chosen letters of an edge. Throws TailraceError TLR_NOT_FOUND when the pipeline has no dead letters, or there is none. */
export async function settleLetters(request: SettleRequest, dependencies: SettleDependencies): Promise<SettleResult> {
  const { client } = dependencies;
  const [topic] = await letterTopics(client, request.pipeline);
  if (topic === undefined) {
    const message = `there is no topic ${deadLetterTopicOf(request.pipeline)}: pipeline ${request.pipeline} has no dead letters`;
    throw new TailraceError('TLR_NOT_FOUND', message);
  }
  return withManifests(client, async (manifests) => {
    const fileNames = new FileRegistry(client, dependencies.clock);
    try {
      return await settle(request, dependencies, topic, { manifests, fileNames });
    } finally {
      await fileNames.close();
    }
  });
}

async function settle(
  request: SettleRequest,
  dependencies: SettleDependencies,
  topic: TopicMetadata,
  shared: { manifests: ManifestStore; fileNames: FileRegistry },
): Promise<SettleResult> {
  const { client, signal } = dependencies;
  const { edge: name, action } = request;
  const target = placeOf(action);
  const key = settledKey(name, topic.topicId);
  const last = throwIfOtherUnfinished(name, shared.manifests.job(key), target);
  const before = await begunAt(client, shared.manifests, name, topic);
  const begun = await decidedOffsets(client, name, topic);
  const offsets = await client.admin().offsets(topic.name, 'latest');
  const ends: JobRecord['ends'] = {
    [topic.name]: Object.fromEntries([...offsets].map(([partition, offset]) => [String(partition), offset])),
  };
  const edge = new Edge({
    ...{ ...dependencies, ...shared, ends },
    ...{ group: settlingGroup(name), pipeline: request.pipeline, instance: settlingInstance },
    ...{ topics: [topic.name], start: 'earliest', until: 'now', deadLetterTopic: topic.name },
    steps: action.kind === 'retry' ? action.steps : [],
    letters: { edge: name, action: action.kind, chooses: (letter) => request.chooses(letter) },
    manifestGroup: `${settlingGroup(name)}#${createHash('sha256').update(target).digest('hex').slice(0, 12)}`,
    target:
      action.kind === 'retry'
        ? targetOf(name, action.target, () => keepJob(client, key, { ends: last?.ends ?? {}, done: false, target }))
        : nowhere,
  });
  const finished = edge.finished();
  edge.start();
  const interrupted = new Promise<'interrupted'>((resolve) => {
    if (signal?.aborted) resolve('interrupted');
    signal?.addEventListener('abort', () => resolve('interrupted'), { once: true });
  });
  const problem = await Promise.race([finished, interrupted]);
  await edge.stop(stopDeadlineMs);
  const { state, account } = edge.status();
  const isDone = state === 'finished';
  if (isDone) await keepJob(client, key, { ends, done: true });
  // Nothing was decided, so nothing waits to be published: whoever comes next is free to choose.
  else if (last?.done !== false && (await decidedOffsets(client, name, topic)) === begun)
    await keepJob(client, key, { ends: last?.ends ?? {}, done: true });
  const outcome = isDone ? 'done' : problem === 'interrupted' ? 'interrupted' : 'incomplete';
  return { edge: name, outcome, account: difference(account, before), problem: isDone ? undefined : problem };
}

/** What the group has committed, as a text to be compared. */
async function decidedOffsets(client: KafkaClient, edge: string, { name, partitions }: TopicMetadata): Promise<string> {
  const asked = partitions.map(({ partition }) => ({ topic: name, partition }));
  const committed = await client.admin().groupOffsets(settlingGroup(edge), { stable: true, partitions: asked });
  return JSON.stringify(partitions.map(({ partition }) => committed.get(name)?.get(partition)?.offset ?? -1));
}

/** The account as it is committed. Puts the group's offsets back to where the last run ended when they were forgotten. */
async function begunAt(
  client: KafkaClient,
  manifests: ManifestStore,
  edge: string,
  topic: TopicMetadata,
): Promise<Account> {
  const group = settlingGroup(edge);
  const committed = (await client.admin().groupOffsets(group)).get(topic.name);
  const settled = await new Settled(client, manifests, topic).load(edge);
  const forgotten = [...settled].filter(([partition, offset]) => offset > (committed?.get(partition)?.offset ?? 0));
  if (forgotten.length > 0) {
    const offsets = forgotten.map(([partition, offset]) => ({ topic: topic.name, partition, offset }));
    await client.admin().commitGroupOffsets(group, offsets);
  }
  const sum = emptyAccount();
  for (const { metadata } of committed?.values() ?? []) add(sum, decodeAccount(metadata) ?? emptyAccount(), 1);
  return sum;
}

/** Where the chosen letters go, in words without secrets. */
function placeOf(action: SettleRequest['action']): string {
  if (action.kind === 'drop') return 'nowhere';
  const { target } = action;
  if (target.kind === 'topic') return `topic ${target.topic}`;
  const { definition, settings } = target.sink;
  return `${definition.type} ${definition.describe(settings)}`;
}

/** The record of the last run. */
function throwIfOtherUnfinished(edge: string, job: JobRecord | undefined, target: string): JobRecord | undefined {
  if (job === undefined || job.done || job.target === target) return job;
  const message = `${edge}: a retry into ${job.target ?? 'another sink'} was not finished; run it again with that sink first`;
  throw new TailraceError('TLR_USAGE', message);
}

async function keepJob(client: KafkaClient, key: string, job: JobRecord): Promise<void> {
  const decider = new Decider(client, key, settlingInstance);
  try {
    await decider.keepJob(job);
  } finally {
    await decider.close();
  }
}

/** `begin` is called before a two-phase sink is used. */
function targetOf(edge: string, target: SettleTarget, begin: () => Promise<void>): EdgeOptions['target'] {
  if (target.kind === 'topic') return target;
  const { name, definition, settings } = target.sink;
  const open = async (context: SinkContext): Promise<Sink> => {
    const sink = await definition.open(settings, context);
    if (sink.guarantee !== 'two-phase') return sink;
    if (sink.appends !== true) {
      await begin();
      return sink;
    }
    await sink.close();
    const message = `${edge} appends to its files, which only the edge itself may do; name another sink with --to, such as file:retried/{partition}-{offset}.log`;
    throw new TailraceError('TLR_CONFIG', message);
  };
  return { kind: 'sink', name, open };
}

/** For letters that are dropped: nothing comes through. */
const nothing: SendingSink = {
  guarantee: 'idempotent',
  fieldPaths: [],
  deliver: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
};
const nowhere: EdgeOptions['target'] = { kind: 'sink', name: 'nowhere', open: () => Promise.resolve(nothing) };

function add(sum: Account, more: Account, sign: 1 | -1): void {
  for (const key of Object.keys(sum) as (keyof Account)[]) sum[key] += sign * more[key];
}

function difference(after: Account, before: Account): Account {
  const result = { ...after };
  add(result, before, -1);
  return result;
}
