// One life of an edge: poll → steps → target → prepare → decide → publish, until it is stopped, its job is done, or anything fails. It is crash-only: after
// an error nothing of it is used again; the next session fences it, reads back what was decided, and goes on from there (edge.ts).
//
// The order within a decision, and what if it stops there:
//   prepare  what was taken is durable under temporary names        → the next session removes it and reads the records again
//   decide   one transaction: offsets, accounts, manifest, letters  → unknown to us, known to the broker: the next session asks it
//   publish  temporary names become final ones                      → the next session publishes again, which does no harm
import { sleep } from '../base/clock.ts';
import { crashPoint } from '../base/crash-point.ts';
import { assert, TailraceError } from '../base/errors.ts';
import type { Consumer, FetchedBatches, StartingPoint, TopicPartition } from '../broker/client/contract.ts';
import { largeRecordConfigs } from '../broker/client/own-topics.ts';
import { giveBatchBuffer } from '../broker/wire/batch-buffers.ts';
import type { Coordinates, Manifest, WriterScope } from '../sinks/sink.ts';
import { type Account, addAccount, emptyAccount } from './account.ts';
import { deadLetterRecord } from './dead-letter.ts';
import type { Decider } from './decide.ts';
import { Deliveries } from './deliveries.ts';
import type { EdgeOptions } from './edge.ts';
import type { GoneTopics } from './gone-topics.ts';
import { LedgerKeeper } from './ledger-record.ts';
import { type Ends, endsOf, haveCommitted } from './job-ends.ts';
import { onlyPiece, sortLetters } from './letter-source.ts';
import { type JobRecord, scopeKey } from './manifests.ts';
import type { ReplayStart } from './plan.ts';
import { PartitionProgress } from './progress.ts';
import { Rebalance } from './rebalance.ts';
import { PassThroughBatch, type SourceBatch } from './source-batch.ts';
import { scopeOf, type Target } from './target.ts';
import { type Transformed, Transformer } from './transform.ts';

/** How long a poll waits: also how often it is asked whether a decision is due. */
const pollMs = 250;
/** After trouble, so many empty answers in a row say that there is nothing to read. */
const provingPolls = 3;
/** How often a member of a job that has done its part asks how far the others are. */
const othersLookMs = 1000;
/**
 * A static member that was killed keeps its partitions for so long, and then others get them; one that comes back sooner goes on without a rebalance. The shortest
 * that Kafka allows unless told otherwise.
 */
export const memberSessionMs = 6000;
const fetchBytes = 4 * 1024 * 1024;
/** Offsets of records that left nothing to decide (dropped, or none at all) are committed at this distance. */
const idleCommitMs = 1000;
/** Dead letters are held until the decision; above this it is made early. */
const deadLetterLimitBytes = 4 * 1024 * 1024;

export interface SessionHooks {
  /** After each decision, and when there is nothing to read: the edge works. `waiting`: records that this session found when it began to work. */
  healthy(waiting: number): void;
  /** Whether the last session failed and this one has not proved yet that it works. */
  isTroubled(): boolean;
  /** Told each round: why some partition has not been readable for a while, though the others are; undefined when all are. */
  reads(trouble: unknown): void;
  /** Asked after each round: whether the topics to read are others by now. */
  topicsChanged(wanted: Ends | undefined): Promise<boolean>;
  /** Asked after each round: the ends to reach now, when somebody waits for that. */
  drainEnds(): Ends | undefined;
  drained(): void;
  progress(records: number, bytes: number): void;
}

export class EdgeSession {
  private readonly options: EdgeOptions;
  private readonly target: Target;
  private readonly decider: Decider;
  private readonly job: JobRecord | undefined;
  private readonly hooks: SessionHooks;
  private readonly gone: GoneTopics;
  private readonly topics: readonly string[];
  private readonly consumer: Consumer;
  private readonly transformer: Transformer | undefined;
  private readonly partitions = new Map<string, PartitionProgress>();
  private readonly ledger: LedgerKeeper;
  private readonly deliveries: Deliveries;
  private readonly rebalance = new Rebalance();
  private lastDecisionMs: number;
  private takenBytes = 0;
  private closing = false;
  private askedOthersMs = -Infinity;
  /** Empty answers in a row. */
  private idlePolls = 0;
  private readonly startedMs: number;

  constructor(
    options: EdgeOptions,
    parts: {
      target: Target;
      decider: Decider;
      job: JobRecord | undefined;
      topics: readonly string[];
      /** Where a partition begins that the group has not read yet. */
      start: ReplayStart;
      hooks: SessionHooks;
      gone: GoneTopics;
      instanceId: string | undefined;
    },
  ) {
    this.options = options;
    this.target = parts.target;
    this.decider = parts.decider;
    this.job = parts.job;
    this.hooks = parts.hooks;
    this.gone = parts.gone;
    this.topics = parts.topics;
    this.startedMs = this.lastDecisionMs = options.clock.monotonicMs();
    this.ledger = new LedgerKeeper(options.group, options.stepsFingerprint ?? '', options.clock);
    const { steps, fileNames: names } = options;
    const askedPaths = this.target.fieldPaths;
    this.deliveries = new Deliveries(this.target.overlaps && options.letters === undefined);
    const asks = askedPaths.some((path) => path.startsWith('meta.'));
    this.transformer =
      steps.length > 0 || asks ? new Transformer({ steps, names, askedPaths, target: this.target.name }) : undefined;
    this.consumer = options.client.consumer({
      ...{ groupId: options.group, topics: parts.topics, isolation: 'read_committed', start: parts.start },
      ...{ maxBytes: fetchBytesAt(options.bytesPerSecond), minBytes: 1, maxWaitMs: pollMs },
      undivided: this.target.hasManifests && this.target.scope === 'edge',
      ...(parts.instanceId === undefined ? {} : { instanceId: parts.instanceId, sessionTimeoutMs: memberSessionMs }),
      isVoid: (committed) => this.gone.voids(committed),
      onAssigned: (assigned) => this.rebalance.begin(() => this.onAssigned(assigned)),
      onRevoked: (revoked) => this.rebalance.begin(() => this.onRevoked(revoked)),
    });
  }

  /** Group generation of this member. */
  get generation(): number {
    return this.consumer.groupMetadata().generation;
  }

  account(): Account {
    const sum = emptyAccount();
    for (const progress of this.partitions.values()) addAccount(sum, progress.account);
    return sum;
  }

  /**
   * Runs until `stop`, or until there are other topics to read (then everything taken is decided first), or until the job is done: true then. `kill`
   * ends waits with an error.
   */
  async run(stop: AbortSignal, kill: AbortSignal): Promise<boolean> {
    await this.consumer.start();
    while (!stop.aborted) {
      const fetched = await this.poll(stop);
      for (const batches of fetched) {
        await this.handle(batches, stop, kill);
        // Tried-again letters stay at hand until the decision; of everything else only copies are left once it is delivered.
        if (this.options.letters === undefined)
          this.deliveries.afterwards(() => batches.batches.forEach(giveBatchBuffer));
        kill.throwIfAborted();
      }
      this.catchUp();
      await this.decideDue();
      if (fetched.length === 0) await this.deliveries.settle();
      this.hooks.reads(this.consumer.trouble());
      await this.proveHealthy(fetched.length === 0);
      const ends = this.hooks.drainEnds();
      if (this.job === undefined && (await this.hooks.topicsChanged(ends))) break;
      if (ends !== undefined && (await this.isReached(ends))) {
        await this.decideAll();
        this.hooks.healthy(0);
        this.hooks.drained();
      }
      if (this.job !== undefined && (await this.isReached(endsOf(this.job)))) {
        await this.decideAll();
        return true;
      }
    }
    await this.rebalance.settled();
    await this.decideAll();
    return false;
  }

  /** After trouble, nothing to read is no proof: what was taken is decided at once, and only a few empty answers in a row mean that nothing is there. */
  private async proveHealthy(isIdle: boolean): Promise<void> {
    this.idlePolls = isIdle ? this.idlePolls + 1 : 0;
    if (!isIdle) return;
    if (this.hooks.isTroubled()) await this.decideAll();
    if (!this.hooks.isTroubled() || this.idlePolls >= provingPolls) this.hooks.healthy(0);
  }

  /** Offsets between what was decided and the end that was last seen. */
  private waiting(): number {
    return [...this.partitions.values()].reduce((sum, { waitingCount }) => sum + waitingCount, 0);
  }

  /** Leaves the group. What was not decided is left to the next session. */
  async close(): Promise<void> {
    this.closing = true;
    await this.deliveries.stop();
    await this.rebalance.over(this.options.clock);
    await this.consumer.close();
  }

  private async poll(stop: AbortSignal): Promise<FetchedBatches[]> {
    try {
      return await this.consumer.poll(stop);
    } catch (error) {
      if (stop.aborted) return [];
      throw error;
    }
  }

  private async handle(fetched: FetchedBatches, stop: AbortSignal, kill: AbortSignal): Promise<void> {
    const progress = this.partitions.get(nameOf(fetched));
    if (progress === undefined) return; // Taken away while it was fetched.
    progress.seenEnd = fetched.lastStableOffset;
    const endOffset = this.job?.ends[fetched.topic]?.[fetched.partition] ?? Infinity;
    if (this.options.letters === undefined) {
      const { stopped } = await this.handleRecords(progress, fetched, endOffset, kill);
      if (stopped !== undefined) {
        progress.nextOffset = stopped.offset;
        await this.decideAll();
        throw stopped.error;
      }
    } else {
      const settled = sortLetters(fetched, endOffset, this.options.letters);
      progress.addSettled(settled);
      for (const run of settled.runs) {
        const { stopped } = await this.handleRecords(progress, run.fetched, Infinity, kill, run.ordinal);
        if (stopped !== undefined) throw stopped.error;
      }
    }
    progress.nextOffset = Math.max(progress.nextOffset, Math.min(fetched.nextOffset, endOffset));
    if (progress.nextOffset >= endOffset) this.consumer.pause([fetched]);
    await this.decideDue();
    await this.throttle(stop);
  }

  /** Takes records through the steps to the target. `ordinal`: only this piece of them is wanted. */
  private async handleRecords(
    progress: PartitionProgress,
    fetched: FetchedBatches,
    endOffset: number,
    kill: AbortSignal,
    ordinal = 0,
  ): Promise<Pick<Transformed, 'stopped'>> {
    if (this.transformer === undefined) {
      const batch = new PassThroughBatch(fetched, endOffset);
      progress.account.in += batch.count;
      await this.deliver(progress, batch, kill);
      return { stopped: undefined };
    }
    const result = onlyPiece(await this.transformer.run(fetched, endOffset), ordinal);
    progress.addTransformed(result);
    await this.deliver(progress, result.batch, kill);
    return result;
  }

  private async deliver(progress: PartitionProgress, batch: SourceBatch, kill: AbortSignal): Promise<void> {
    if (batch.count === 0) return;
    const scope = scopeOf(this.target, progress.coordinates);
    await this.deliveries.add(
      (stopped) => this.target.take(scope, batch, AbortSignal.any([kill, stopped])),
      (outcomes) => progress.addDelivered(batch, outcomes, this.target.name),
    );
    this.takenBytes += batch.sizeBytes;
    this.hooks.progress(batch.count, batch.sizeBytes);
  }

  /** Holds the rate that was asked for, measured from the start. */
  private async throttle(stop: AbortSignal): Promise<void> {
    const rate = this.options.bytesPerSecond;
    if (rate === undefined) return;
    const aheadMs = (this.takenBytes / rate) * 1000 - (this.options.clock.monotonicMs() - this.startedMs);
    if (aheadMs > 0) await sleep(this.options.clock, aheadMs, stop).catch(() => undefined);
  }

  /** Positions also move over what is not data: markers of transactions, and aborted records. */
  private catchUp(): void {
    for (const progress of this.partitions.values()) {
      const { topic, partition } = progress.coordinates;
      const endOffset = this.job?.ends[topic]?.[partition] ?? Infinity;
      progress.nextOffset = Math.max(
        progress.nextOffset,
        Math.min(this.consumer.position({ topic, partition }), endOffset),
      );
    }
  }

  private hasReached(ends: Ends): boolean {
    for (const { coordinates, nextOffset } of this.partitions.values()) {
      if (nextOffset < (ends.get(coordinates.topic)?.get(coordinates.partition) ?? 0)) return false;
    }
    return true;
  }

  /** Whether the ends are reached everywhere: here, and, as they have committed it, by the other members. */
  private async isReached(ends: Ends): Promise<boolean> {
    if (!this.hasReached(ends)) return false;
    const elsewhere = [...ends]
      .flatMap(([topic, partitions]) => [...partitions].map(([partition, end]) => ({ topic, partition, end })))
      .filter((each) => !this.partitions.has(nameOf(each)));
    if (elsewhere.length === 0) return true;
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.askedOthersMs < othersLookMs) return false;
    this.askedOthersMs = nowMs;
    await this.decideAll();
    return haveCommitted(this.options.client, this.options.group, elsewhere);
  }

  private async onAssigned(assigned: readonly StartingPoint[]): Promise<void> {
    if (assigned.length === 0) return;
    const { manifests, manifestGroup = this.options.group, client } = this.options;
    if (this.target.hasManifests) {
      await manifests.refresh();
      await this.gone.finish(this.target, client.admin(), manifests.manifests(manifestGroup), assigned);
    }
    const opened = new Set<string>();
    for (const { topic, topicId, partition, offset, metadata } of assigned) {
      const coordinates: Coordinates = { topic, topicId, partition };
      const scopes: WriterScope[] = [{ kind: 'partition', coordinates }, { kind: 'edge' }];
      // What was decided while partitions shared files, or did not, is finished before the first is written as it is now.
      if (this.target.scope === 'partition') scopes.reverse();
      for (const scope of scopes) {
        if (this.closing) throw new TailraceError('TLR_CLOSED', 'the edge was stopped');
        const key = scopeKey(scope);
        const lastDecided = manifests.manifest(manifestGroup, key);
        if (scope.kind === this.target.scope && !opened.has(key)) {
          await this.target.open(scope, lastDecided);
          this.gone.note(scope);
        } else if (lastDecided !== undefined && !opened.has(key)) await this.target.finish(scope, lastDecided);
        opened.add(key);
      }
      const pin = this.options.start !== 'earliest';
      this.partitions.set(nameOf({ topic, partition }), new PartitionProgress(coordinates, { offset, metadata }, pin));
    }
    if (this.target.hasManifests && this.target.scope === 'edge') await this.checkOwnsAll();
  }

  private async onRevoked(revoked: readonly TopicPartition[]): Promise<void> {
    if (this.closing) return;
    const scopes = new Set<string>();
    for (const partition of revoked) {
      const progress = this.partitions.get(nameOf(partition));
      if (progress !== undefined) scopes.add(scopeOf(this.target, progress.coordinates));
    }
    await this.decide([...scopes], true);
    for (const scope of scopes) await this.target.release(scope);
    for (const partition of revoked) this.partitions.delete(nameOf(partition));
  }

  /** Partitions that share files must have one owner. */
  private async checkOwnsAll(): Promise<void> {
    for (const { name, partitions } of await this.options.client.admin().topics(this.topics)) {
      if (partitions.every(({ partition }) => this.partitions.has(nameOf({ topic: name, partition })))) continue;
      const message = `${this.options.group}: the path of ${this.target.name} lets partitions share files, but another member owns some of ${name}; add {partition} to the path`;
      throw new TailraceError('TLR_CONFIG', message);
    }
  }

  private scopes(): Set<string> {
    return new Set([...this.partitions.values()].map(({ coordinates }) => scopeOf(this.target, coordinates)));
  }

  private members(scope: string): PartitionProgress[] {
    return [...this.partitions.values()].filter(({ coordinates }) => scopeOf(this.target, coordinates) === scope);
  }

  private async decideDue(): Promise<void> {
    const nowMs = this.options.clock.monotonicMs();
    const due: string[] = [];
    for (const scope of this.scopes()) {
      const members = this.members(scope);
      const letterBytes = members.reduce((sum, { deadLetterBytes }) => sum + deadLetterBytes, 0);
      const hasNothing = members.every(({ undecidedCount }) => undecidedCount === 0);
      const isIdle = hasNothing && members.some(({ hasUnsaved }) => hasUnsaved);
      const isUnrecorded = hasNothing && members.some(({ hasUnrecorded }) => hasUnrecorded);
      if (this.target.isDue(scope, nowMs) || letterBytes >= deadLetterLimitBytes) due.push(scope);
      else if (isIdle && nowMs - this.lastDecisionMs >= idleCommitMs) due.push(scope);
      else if (isUnrecorded && this.ledger.isDue) due.push(scope);
    }
    if (due.length > 0) await this.decide(due);
  }

  private decideAll(): Promise<void> {
    return this.decide([...this.scopes()], true);
  }

  /** `last`: of these scopes, or for now: the ledger is to have all of it. */
  private async decide(scopes: readonly string[], last = false): Promise<void> {
    await this.deliveries.settle();
    const manifests: { scope: string; manifest: Manifest }[] = [];
    await Promise.all(
      scopes.map(async (scope) => {
        const manifest = await this.target.prepare(scope);
        if (manifest !== undefined) manifests.push({ scope, manifest });
      }),
    );
    const gathers = !last && !this.ledger.isDue;
    const changed = scopes
      .flatMap((scope) => this.members(scope))
      .filter(({ hasUnsaved, hasUnrecorded }) => hasUnsaved || (hasUnrecorded && !gathers));
    assert(
      changed.length > 0 || manifests.length === 0,
      `${this.options.group}: something to publish, but no offset moved`,
    );
    if (changed.length === 0) return;
    const offsets = changed.map((progress) => progress.offset());
    const letters = changed.flatMap(({ deadLetters }) => deadLetters);
    const { deadLetterTopic, clock, group } = this.options;
    const edge = this.options.letters?.edge ?? group;
    if (letters.length > 0) {
      const topic = { name: deadLetterTopic, partitions: 1, configs: largeRecordConfigs };
      await this.options.client.admin().createTopic(topic, { ifMissing: true });
    }
    const nowMs = clock.now();
    const deadLetters = [
      ...changed.flatMap(({ keptLetters }) => keptLetters),
      ...letters.map((letter) => deadLetterRecord(deadLetterTopic, edge, letter, nowMs)),
    ];
    const recorded = scopes.filter((scope) => !gathers || manifests.some((each) => each.scope === scope));
    const ledger = this.ledgerRecords(recorded, manifests);
    crashPoint('edge.prepared');
    await this.decider.decide({ offsets, manifests, deadLetters, ledger }, this.consumer);
    crashPoint('edge.decided');
    for (const scope of recorded) for (const progress of this.members(scope)) progress.isRecorded();
    if (!gathers) this.ledger.written();
    for (const { scope, manifest } of manifests) await this.target.publish(scope, manifest);
    crashPoint('edge.published');
    const waiting = this.waiting();
    for (const [index, progress] of changed.entries()) progress.saved(offsets[index]!.offset);
    this.lastDecisionMs = clock.monotonicMs();
    this.hooks.healthy(waiting);
  }

  /** Letters that are settled are no ranges of what was read. */
  private ledgerRecords(scopes: readonly string[], manifests: readonly { scope: string; manifest: Manifest }[]) {
    if (this.options.letters !== undefined) return [];
    return scopes.flatMap((scope) => {
      const members = this.members(scope).filter(({ hasUnrecorded }) => hasUnrecorded);
      const manifest = manifests.find((each) => each.scope === scope)?.manifest;
      return members.length === 0 ? [] : [this.ledger.record(members, manifest)];
    });
  }
}

/** With a rate to be held, a fetch is at most a quarter of a second of it. */
function fetchBytesAt(bytesPerSecond: number | undefined): number {
  return bytesPerSecond === undefined ? fetchBytes : Math.min(fetchBytes, Math.max(16 * 1024, bytesPerSecond / 4));
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
