// An edge over its whole life: runs sessions (edge-session.ts) one after the other, waits between them when one fails, and tells how it is. Edges know
// nothing of each other: one that fails, or whose sink is away, holds up none.
import { Backoff } from '../base/backoff.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { Sink, SinkContext } from '../sinks/sink.ts';
import { type Account, addAccount, decodeAccount, emptyAccount } from './account.ts';
import { Decider } from './decide.ts';
import { EdgeSession } from './edge-session.ts';
import type { FileNames } from './event.ts';
import { GoneTopics } from './gone-topics.ts';
import { type Ends, jobEnds } from './job-ends.ts';
import type { LetterChoice } from './letter-source.ts';
import { needsSomebody, OutageReport, type OutageStatus } from '../base/outage.ts';
import type { JobRecord, ManifestStore } from './manifests.ts';
import type { CompiledStep, ReplayEnd, ReplayStart } from './plan.ts';
import { lookMs, Subscription } from './subscription.ts';
import { SendingTarget, type Target, TwoPhaseTarget } from './target.ts';
import type { TopicPattern } from './topic-pattern.ts';
import { TopicTarget } from './topic-target.ts';

export interface EdgeOptions {
  /** `<pipeline>.<sink>`. */
  group: string;
  /** See SinkContext. */
  pipeline: string;
  instance: string;
  topics: readonly string[];
  /** Topics that match are read too, also those that appear later. */
  patterns?: readonly TopicPattern[];
  start: ReplayStart;
  /** Makes the edge a bounded job. */
  until: ReplayEnd | undefined;
  /** A job that reads this partition alone. */
  partition?: number | undefined;
  steps: readonly CompiledStep[];
  /** Of the steps, for the ledger. */
  stepsFingerprint?: string | undefined;
  deadLetterTopic: string;
  target: { kind: 'sink'; name: string; open(context: SinkContext): Promise<Sink> } | { kind: 'topic'; topic: string };
  /** The records are dead letters, to be tried again or dropped; `ends` are taken by the caller then. */
  letters?: LetterChoice | undefined;
  /** With these the edge is a bounded job that is not resumed as such: the next one is given its own. */
  ends?: JobRecord['ends'] | undefined;
  /** The name that manifests are kept under; the group unless given: for groups that do not always write to the same place. */
  manifestGroup?: string | undefined;
  manifests: ManifestStore;
  fileNames: FileNames | undefined;
  client: KafkaClient;
  files: Files;
  /** Local folder for what sinks need only while they run. */
  scratch?: string | undefined;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Greatest rate of reading; unbounded when undefined. */
  bytesPerSecond?: number | undefined;
  /** Called with what was handed to the target; records may be counted again after a failure. */
  onProgress?: ((records: number, bytes: number) => void) | undefined;
}

export type EdgeState = 'starting' | 'running' | 'paused' | 'finished' | 'stopped';

export interface EdgeStatus {
  group: string;
  state: EdgeState;
  /** Why it is paused. */
  problem: string | undefined;
  /** Of the partitions it owns now, undecided work included; once it was drained on a cluster and has ended, of all that its group committed. */
  account: Account;
  outage: OutageStatus;
}

/** After the deadline, for handles and connections to be closed. */
const closeGraceMs = 1000;
/** How often a partition that cannot be read counts as one more failure; the report says so rarely. */
const impairedMs = 10_000;
const backoff = { firstMs: 200, maxMs: 15_000 };

export class Edge {
  readonly group: string;
  private readonly options: EdgeOptions;
  private readonly stopping = new AbortController();
  private readonly killing = new AbortController();
  private state: EdgeState = 'starting';
  private problem: string | undefined;
  private lastAccount = emptyAccount();
  private session: EdgeSession | undefined;
  private running: Promise<void> | undefined;
  private isDrained = false;
  private drain: { ends: Ends | undefined; resolve: (problem: string | undefined) => void } | undefined;
  /** Set while the session cannot read some partition; when that was last told. */
  private impaired: { toldMs: number } | undefined;
  private readonly backoff: Backoff;
  private readonly subscription: Subscription;
  private readonly outage: OutageReport;
  private readonly gone: GoneTopics;

  constructor(options: EdgeOptions) {
    this.options = options;
    this.group = options.group;
    const { topics, patterns = [] } = options;
    this.subscription = new Subscription({ topics, patterns }, () => options.client.admin(), options.clock);
    this.backoff = new Backoff(backoff, options.random);
    this.gone = new GoneTopics(options.group, options.logger);
    this.outage = new OutageReport('edge', { edge: options.group }, options.clock, options.logger);
  }

  /** Begins; returns at once. */
  start(): void {
    this.running ??= this.run();
  }

  /** What it reads, as of the last look. */
  topics(): readonly string[] {
    return this.subscription.topics;
  }

  status(): EdgeStatus {
    return {
      group: this.group,
      state: this.state,
      problem: this.problem,
      account: this.session?.account() ?? this.lastAccount,
      outage: this.outage.status(),
    };
  }

  /**
   * Resolves when everything below `ends` has been delivered, decided and published; with the problem when that cannot be without somebody changing
   * something. Passing trouble (a sink that is away) is waited out.
   */
  drained(ends: Ends): Promise<string | undefined> {
    if (this.state === 'finished') return Promise.resolve(undefined);
    return new Promise((resolve) => (this.drain = { ends, resolve }));
  }

  /** For a job: resolves when it is done, or with the problem that keeps it from being so. */
  finished(): Promise<string | undefined> {
    if (this.state === 'finished') return Promise.resolve(undefined);
    return new Promise((resolve) => (this.drain = { ends: undefined, resolve }));
  }

  /** Decides what was taken and ends; after `deadlineMs` it ends without. */
  async stop(deadlineMs: number): Promise<void> {
    const deadline = this.options.clock.schedule(deadlineMs, () => this.kill());
    this.stopping.abort(new TailraceError('TLR_CLOSED', `${this.group} was stopped`));
    const late = new Promise<void>((resolve) => {
      const wait = () => this.options.clock.schedule(closeGraceMs, resolve);
      if (this.killing.signal.aborted) wait();
      else this.killing.signal.addEventListener('abort', wait, { once: true });
    });
    await Promise.race([this.running, late]);
    deadline.cancel();
  }

  /** Ends at once; what was not decided is done again by the next session. */
  kill(): void {
    const reason = new TailraceError('TLR_CLOSED', `${this.group} was stopped`);
    this.stopping.abort(reason);
    this.killing.abort(reason);
  }

  private async run(): Promise<void> {
    for (let done = false; !done && !this.isStopping();) {
      try {
        done = await this.runSession();
        if (done) this.finish();
      } catch (error) {
        if (this.isStopping()) {
          this.leave(error);
          break;
        }
        this.pause(error);
        await sleep(this.options.clock, this.backoff.nextMs(), this.stopping.signal).catch(() => undefined);
      }
    }
    if (this.status().state !== 'finished') this.state = 'stopped';
    this.drain?.resolve('it was stopped');
  }

  /** True when the job is done. */
  private async runSession(): Promise<boolean> {
    const { options } = this;
    const decider = new Decider(options.client, options.group, options.instance, options.manifestGroup);
    let target: Target | undefined;
    let session: EdgeSession | undefined;
    try {
      const job = await this.prepareJob(decider);
      if (job?.done) {
        await this.readAccount();
        return true;
      }
      if (job === undefined && !(await this.findTopics())) return false;
      target = await this.openTarget(decider, () => session?.generation ?? -1);
      session = new EdgeSession(options, {
        ...{ target, decider, job, start: await this.startNow(), hooks: this.hooks(), gone: this.gone },
        topics: job === undefined ? this.topics() : Object.keys(job.ends),
        instanceId: options.client.inProcess ? undefined : `tailrace-${options.instance}-${options.group}`,
      });
      this.session = session;
      this.impaired = undefined;
      if (!(await this.orKilled(session.run(this.stopping.signal, this.killing.signal)))) return false;
      if (job !== undefined && options.ends === undefined) await decider.keepJob({ ...job, done: true });
      return true;
    } finally {
      if (session !== undefined) this.lastAccount = session.account();
      this.session = undefined;
      // Each on its own: what one of them cannot close must not keep the others open.
      for (const part of [session, target, decider]) await part?.close().catch(() => undefined);
      // Members in other processes may have had a part in what was drained.
      if (this.isDrained && !options.client.inProcess) await this.orKilled(this.readAccount()).catch(() => undefined);
    }
  }

  /** False when no topic matches: nothing is to be done until one does. */
  private async findTopics(): Promise<boolean> {
    await this.subscription.look();
    if (this.topics().length > 0) return true;
    this.healthy(0);
    if (this.drain?.ends !== undefined) this.resolveDrain(undefined);
    await sleep(this.options.clock, lookMs, this.stopping.signal).catch(() => undefined);
    return false;
  }

  /** Where new partitions begin. `latest` is meant for the first start: a topic that appears later is read from its beginning, so that none of it is lost. */
  private async startNow(): Promise<ReplayStart> {
    const { start, patterns = [], client, group } = this.options;
    if (start !== 'latest' || patterns.length === 0) return start;
    const isFirst = (await client.admin().groupOffsets(group)).size === 0;
    return isFirst ? start : 'earliest';
  }

  private async orKilled<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.killing;
    work.catch(() => undefined);
    const killed = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason as Error);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    return Promise.race([work, killed]);
  }

  /** Two-phase sinks and topics fence earlier sessions before anything is read back. */
  private async openTarget(decider: Decider, generation: () => number): Promise<Target> {
    const { target, clock, client, files, scratch, random, logger, instance, pipeline } = this.options;
    const monotonicMs = () => clock.monotonicMs();
    if (target.kind === 'topic') {
      await decider.init();
      await client.admin().createTopic({ name: target.topic }, { ifMissing: true });
      const partitions = (await client.admin().topics([target.topic]))[0]?.partitions.length ?? 1;
      return new TopicTarget({ topic: target.topic, partitions, transaction: () => decider.current(), monotonicMs });
    }
    const context: SinkContext = {
      ...{ edge: this.group, pipeline, instance, files, scratch, clock, random, logger },
      job: this.options.until !== undefined || this.options.ends !== undefined,
      get generation() {
        return generation();
      },
    };
    const sink = await target.open(context);
    if (sink.guarantee !== 'two-phase') return new SendingTarget(target.name, sink, monotonicMs);
    await decider.init();
    return new TwoPhaseTarget(target.name, sink);
  }

  /** The job as it was first started: its ends are taken once, and kept. */
  private async prepareJob(decider: Decider): Promise<JobRecord | undefined> {
    const { until, partition: only, manifests, client, ends: given } = this.options;
    if (given !== undefined) return { ends: given, done: false };
    if (until === undefined) return undefined;
    await decider.init();
    await manifests.refresh(this.stopping.signal);
    const known = manifests.job(this.group);
    if (known !== undefined) return known;
    await this.subscription.look();
    const ends: JobRecord['ends'] = {};
    for (const topic of this.topics()) {
      ends[topic] = await jobEnds(client, topic, until, only);
    }
    const job: JobRecord = { ends, done: false };
    await decider.keepJob(job);
    return job;
  }

  /** What was committed for the group, whoever did it: what is decided and not marked yet is waited for. */
  private async readAccount(): Promise<void> {
    const sum = emptyAccount();
    const admin = this.options.client.admin();
    const names = new Set([...(await admin.groupOffsets(this.group)).keys(), ...this.topics()]);
    const partitions = (await admin.topics([...names])).flatMap((topic) =>
      topic.partitions.map(({ partition }) => ({ topic: topic.name, partition })),
    );
    for (const offsets of (await admin.groupOffsets(this.group, { stable: true, partitions })).values()) {
      for (const { metadata } of offsets.values()) addAccount(sum, decodeAccount(metadata) ?? emptyAccount());
    }
    if (sum.in >= this.lastAccount.in) this.lastAccount = sum;
  }

  private hooks() {
    return {
      healthy: (waiting: number) => this.healthy(waiting),
      isTroubled: () => this.outage.isOn && this.impaired === undefined,
      reads: (trouble: unknown) => this.reads(trouble),
      topicsChanged: (wanted: Ends | undefined) => this.subscription.hasChanged(wanted),
      drainEnds: () => this.drain?.ends,
      drained: () => this.resolveDrain(undefined),
      progress: (records: number, bytes: number) => this.options.onProgress?.(records, bytes),
    };
  }

  /** A partition that cannot be read holds up no other one of the session. */
  private reads(trouble: unknown): void {
    const nowMs = this.options.clock.monotonicMs();
    if (trouble === undefined) this.impaired = undefined;
    else if (nowMs - (this.impaired?.toldMs ?? -Infinity) >= impairedMs) {
      this.impaired = { toldMs: nowMs };
      this.problem = messageOf(trouble);
      this.outage.failed(trouble);
    }
  }

  private healthy(waiting: number): void {
    this.state = 'running';
    this.backoff.reset();
    if (this.impaired !== undefined) return;
    this.outage.ended(waiting);
    this.problem = undefined;
  }

  private finish(): void {
    this.outage.ended(0);
    this.state = 'finished';
    this.problem = undefined;
    this.options.logger.info('the job is done', { edge: this.group });
    this.resolveDrain(undefined);
  }

  private isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  /** It was to end anyway; what it could not decide is done by the next start. */
  private leave(error: unknown): void {
    if (error === this.stopping.signal.reason || error === this.killing.signal.reason) return;
    this.problem = messageOf(error);
    this.options.logger.warn('the edge ended with work undecided', { edge: this.group, problem: this.problem });
  }

  private pause(error: unknown): void {
    this.outage.failed(error);
    this.state = 'paused';
    this.problem = messageOf(error);
    if (needsSomebody(error)) this.resolveDrain(this.problem);
  }

  private resolveDrain(problem: string | undefined): void {
    if (problem === undefined && this.drain?.ends !== undefined) this.isDrained = true;
    this.drain?.resolve(problem);
    this.drain = undefined;
  }
}
