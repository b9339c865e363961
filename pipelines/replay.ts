// Replay: a topic once more, from where one says to where it ends now, into a sink. A bounded job in the calling process, with its own consumer group: live
// pipelines do not notice. Its identity is topic, sink and steps: an unfinished one goes on where it was, also after kill -9; a finished one is not done
// twice unless `again` starts a new attempt. Attempts are groups: replay.<topic>.<hash>, then …<hash>.2, …<hash>.3.
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { FileRegistry } from '../broker/client/file-registry.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { SinkContext } from '../sinks/sink.ts';
import { emptyAccount } from './account.ts';
import { Edge } from './edge.ts';
import { jobEnds } from './job-ends.ts';
import type { EdgeAccount } from './ledger.ts';
import { type JobRecord, ManifestStore } from './manifests.ts';
import type { PipelinePlan, ReplayEnd, ReplayStart, SinkPlan } from './plan.ts';

export interface ReplayRequest {
  topic: string;
  sink: SinkPlan;
  /** The pipeline whose steps are run; none when undefined. */
  pipeline: Pick<PipelinePlan, 'name' | 'steps' | 'stepsFingerprint' | 'deadLetterTopic'> | undefined;
  from: ReplayStart;
  until: ReplayEnd;
  /** This partition alone; all when undefined. */
  partition?: number | undefined;
  /** Greatest rate. */
  bytesPerSecond?: number | undefined;
  /** Start a new attempt when the last one is done. */
  again: boolean;
  /** Count only: nothing is written, no group is made. */
  dryRun: boolean;
}

export interface ReplayProgress {
  records: number;
  bytes: number;
  totalRecords: number;
  elapsedMs: number;
}

export interface ReplayDependencies {
  client: KafkaClient;
  instance: string;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Called often; bytes are those of this run, records those of the whole job. */
  onProgress?: (progress: ReplayProgress) => void;
  /** Ends the run: what was taken is decided first. */
  signal?: AbortSignal;
}

export interface ReplayResult {
  /** 'already-done': a finished replay of the same identity; nothing was written. */
  outcome: 'done' | 'already-done' | 'interrupted' | 'incomplete' | 'dry-run';
  group: string;
  attempt: number;
  /** Records the job is about: an upper bound, for offsets are also taken by transaction markers. */
  totalRecords: number;
  account: EdgeAccount;
}

const stopDeadlineMs = 10_000;

function identityOf({ topic, sink, pipeline }: ReplayRequest): string {
  const parts = [topic, sink.definition.type, sink.settings, pipeline?.stepsFingerprint ?? null];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

/** The group of an attempt; the first is 1. */
export function replayGroup(request: ReplayRequest, attempt: number): string {
  const group = `replay.${request.topic}.${identityOf(request)}`;
  return attempt === 1 ? group : `${group}.${attempt}`;
}

class Replay {
  private readonly request: ReplayRequest;
  private readonly dependencies: ReplayDependencies;
  private readonly manifests: ManifestStore;

  constructor(request: ReplayRequest, dependencies: ReplayDependencies) {
    this.request = request;
    this.dependencies = dependencies;
    this.manifests = new ManifestStore(dependencies.client);
  }

  async run(): Promise<ReplayResult> {
    const { client, clock } = this.dependencies;
    const { topic, dryRun } = this.request;
    if ((await client.admin().topics([topic])).length === 0)
      throw new TailraceError('TLR_NOT_FOUND', `there is no topic ${topic}`);
    if (dryRun) return this.count();
    await this.manifests.create();
    await this.manifests.refresh(this.dependencies.signal);
    const { attempt, job } = this.attempt();
    const group = replayGroup(this.request, attempt);
    const fileNames = new FileRegistry(client, clock);
    try {
      return await this.runEdge(group, attempt, job, fileNames);
    } finally {
      await fileNames.close();
      await this.manifests.close();
    }
  }

  /** The last attempt, or the next one when that is done and `again` was said. */
  private attempt(): { attempt: number; job: JobRecord | undefined } {
    let attempt = 1;
    while (this.manifests.job(replayGroup(this.request, attempt + 1)) !== undefined) attempt++;
    const job = this.manifests.job(replayGroup(this.request, attempt));
    return job?.done === true && this.request.again ? { attempt: attempt + 1, job: undefined } : { attempt, job };
  }

  private async runEdge(
    group: string,
    attempt: number,
    job: JobRecord | undefined,
    fileNames: FileRegistry,
  ): Promise<ReplayResult> {
    const { client, clock, signal, onProgress, ...rest } = this.dependencies;
    const { request } = this;
    const startedMs = clock.monotonicMs();
    const totalRecords = await this.total(job);
    let bytes = 0;
    const progress = (total: number) =>
      onProgress?.({
        records: edge.status().account.in,
        bytes,
        totalRecords: total,
        elapsedMs: clock.monotonicMs() - startedMs,
      });
    const edge: Edge = new Edge({
      ...{ ...rest, client, clock, group, fileNames, manifests: this.manifests },
      ...{ topics: [request.topic], start: request.from, until: request.until, partition: request.partition },
      steps: request.pipeline?.steps ?? [],
      stepsFingerprint: request.pipeline?.stepsFingerprint,
      pipeline: request.pipeline?.name ?? '',
      deadLetterTopic: request.pipeline?.deadLetterTopic ?? `replay.${request.topic}.dlq`,
      target: {
        kind: 'sink',
        name: request.sink.name,
        open: (context: SinkContext) => request.sink.definition.open(request.sink.settings, context),
      },
      bytesPerSecond: request.bytesPerSecond,
      onProgress: (_records, more) => {
        bytes += more;
        progress(totalRecords);
      },
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
    // Only now it is known how many of the offsets were markers of transactions.
    if (state === 'finished' && bytes > 0) progress(account.in);
    const outcome =
      state === 'finished'
        ? job?.done === true
          ? 'already-done'
          : 'done'
        : problem === 'interrupted'
          ? 'interrupted'
          : 'incomplete';
    return { outcome, group, attempt, totalRecords, account: this.accountOf(group, account, outcome, problem) };
  }

  private accountOf(
    group: string,
    account: EdgeAccount['account'],
    outcome: ReplayResult['outcome'],
    problem: string | undefined,
  ): EdgeAccount {
    const { topic, pipeline } = this.request;
    return {
      ...{ edge: group, topics: [topic], toTopic: undefined, account, readsAll: false },
      deadLetterTopic: pipeline?.deadLetterTopic ?? `replay.${topic}.dlq`,
      problem:
        outcome === 'done' || outcome === 'already-done' || outcome === 'dry-run'
          ? undefined
          : (problem ?? 'it was stopped before its end'),
    };
  }

  /** Offsets between where the job began and its end. */
  private async total(job: JobRecord | undefined): Promise<number> {
    const { topic, from, until, partition: only } = this.request;
    const { client } = this.dependencies;
    const ends = job?.ends[topic] ?? (await jobEnds(client, topic, until, only));
    const earliest = await client.admin().offsets(topic, 'earliest');
    const isOffset = typeof from === 'object' && 'offset' in from;
    const starts = isOffset ? undefined : await client.admin().offsets(topic, from);
    let total = 0;
    for (const [partition, end] of Object.entries(ends)) {
      const index = Number(partition);
      const start = isOffset ? from.offset : (starts?.get(index) ?? 0);
      total += Math.max(0, end - Math.max(start, earliest.get(index) ?? 0));
    }
    return total;
  }

  private async count(): Promise<ReplayResult> {
    const group = replayGroup(this.request, 1);
    const totalRecords = await this.total(undefined);
    const account = emptyAccount();
    return {
      outcome: 'dry-run',
      group,
      attempt: 1,
      totalRecords,
      account: this.accountOf(group, account, 'dry-run', undefined),
    };
  }
}

/**
 * Replays a topic into a sink. Resolves when it is done, found done, or ended by `signal`; 'incomplete' when somebody must change something first.
 * Throws TailraceError TLR_NOT_FOUND when there is no such topic.
 */
export function replay(request: ReplayRequest, dependencies: ReplayDependencies): Promise<ReplayResult> {
  return new Replay(request, dependencies).run();
}
