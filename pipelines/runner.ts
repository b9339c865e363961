// Runs the pipelines of a plan: one edge for each pipeline-to-sink connection, all independent of each other. Also what `--once` needs: draining the edges
// in the order of the data, from topic to topic; and exchanging some edges while the others go on.
import type { Clock } from '../base/clock.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { FileRegistry } from '../broker/client/file-registry.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { Edge, type EdgeStatus } from './edge.ts';
import type { Ends } from './job-ends.ts';
import type { Manifest } from '../sinks/sink.ts';
import type { EdgeAccount } from './ledger.ts';
import { ManifestStore } from './manifests.ts';
import type { EdgePlan, PipelinePlan } from './plan.ts';
import { selectTopics } from './subscription.ts';

/** How long a cluster may take to give each partition a leader; in this process one that is offline stays so. */
const settleMs = 30_000;

export interface RunnerOptions {
  pipelines: readonly PipelinePlan[];
  client: KafkaClient;
  /** Identity of this instance: in transactional ids and temporary names. */
  instance: string;
  files: Files;
  /** Local folder for what sinks need only while they run. */
  scratch?: string | undefined;
  clock: Clock;
  random: Random;
  logger: Logger;
}

interface Entry {
  edge: Edge;
  pipeline: PipelinePlan;
  plan: EdgePlan;
  /** What kept it from delivering everything in drain(). */
  problem: string | undefined;
}

export class PipelineRunner {
  private readonly options: RunnerOptions;
  private readonly manifests: ManifestStore;
  private readonly fileNames: FileRegistry;
  private entries: readonly Entry[];
  private stopped = false;

  constructor(options: RunnerOptions) {
    this.options = options;
    this.manifests = new ManifestStore(options.client);
    this.fileNames = new FileRegistry(options.client, options.clock);
    this.entries = options.pipelines.flatMap((pipeline) =>
      pipeline.edges.map((plan) => this.createEntry(pipeline, plan)),
    );
  }

  /** Begins all edges. The topics of the plan are there already. Rejects when the broker is not to be had. */
  async start(): Promise<void> {
    if (this.entries.length === 0) return;
    await this.prepare();
    for (const { edge } of this.entries) edge.start();
  }

  /** Makes what edges need at the broker. Rejects when it is not to be had. */
  prepare(): Promise<void> {
    return this.manifests.create();
  }

  /** After prepare(): what an edge of this group has decided last, of each topic that is still there. */
  async lastDecided(group: string): Promise<Manifest[]> {
    await this.manifests.refresh();
    const topics = await this.options.client.admin().topics();
    const ids = new Set(topics.map(({ topicId }) => topicId.toString('hex')));
    const isThere = (scope: string) => scope === 'edge' || ids.has(scope.slice(0, scope.indexOf('/')));
    return [...this.manifests.manifests(group)].filter(([scope]) => isThere(scope)).map(([, manifest]) => manifest);
  }

  /**
   * Ends the edges of the groups in `leaving` (what they have taken is decided, or left to their successors after `deadlineMs`), then begins those in `coming`,
   * which may have the same groups; after prepare(). All others go on undisturbed. Begins nothing once the runner is stopped.
   */
  async replace(
    leaving: readonly string[],
    coming: readonly { pipeline: PipelinePlan; edge: EdgePlan }[],
    deadlineMs: number,
  ): Promise<void> {
    const groups = new Set(leaving);
    const ending = this.entries.filter(({ plan }) => groups.has(plan.group));
    await Promise.all(ending.map(({ edge }) => edge.stop(deadlineMs)));
    if (this.stopped) return;
    const beginning = coming.map(({ pipeline, edge }) => this.createEntry(pipeline, edge));
    this.entries = [...this.entries.filter((entry) => !ending.includes(entry)), ...beginning];
    for (const { edge } of beginning) edge.start();
  }

  status(): EdgeStatus[] {
    return this.entries.map(({ edge }) => edge.status());
  }

  /** What became of the records of each edge, for the ledger; also after stop(). */
  accounts(): EdgeAccount[] {
    return this.entries.map(({ edge, pipeline, plan, problem }) => {
      const status = edge.status();
      return {
        ...{
          edge: plan.group,
          topics: edge.topics(),
          deadLetterTopic: pipeline.deadLetterTopic,
          account: status.account,
        },
        toTopic: plan.target.kind === 'topic' ? plan.target.topic : undefined,
        readsAll: pipeline.start === 'earliest' && pipeline.until === undefined,
        problem: problem ?? status.problem,
      };
    });
  }

  /**
   * Resolves when every edge has delivered what is in its topics now, edges into topics first, and jobs have reached their ends. An edge that cannot
   * without somebody's help is left behind; its account says why.
   */
  async drain(): Promise<void> {
    const waiting = new Set(this.entries);
    while (waiting.size > 0) {
      const fed = new Set(
        [...waiting].flatMap(({ plan }) => (plan.target.kind === 'topic' ? [plan.target.topic] : [])),
      );
      let ready = [...waiting].filter(({ pipeline }) => !pipeline.from.some((topic) => fed.has(topic)));
      if (ready.length === 0) ready = [...waiting]; // A cycle: the planner refuses those.
      await Promise.all(ready.map((entry) => this.drainEdge(entry)));
      for (const entry of ready) waiting.delete(entry);
    }
  }

  /** Resolves when every pipeline is a job and done (or stuck); never when one of them is not bounded, or there are none. */
  async jobsFinished(): Promise<void> {
    if (this.entries.length === 0 || this.entries.some(({ pipeline }) => pipeline.until === undefined))
      return new Promise(() => undefined);
    await Promise.all(this.entries.map((entry) => this.drainEdge(entry)));
  }

  /** Decides what was taken, and ends; after `deadlineMs` it ends without, and the next start does that part again. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true;
    await Promise.all(this.entries.map(({ edge }) => edge.stop(deadlineMs)));
    await this.manifests.close();
    await this.fileNames.close();
  }

  /** Drops everything at once. */
  kill(): void {
    for (const { edge } of this.entries) edge.kill();
  }

  private async drainEdge(entry: Entry): Promise<void> {
    const { edge, pipeline } = entry;
    if (pipeline.until === undefined) {
      const { ends, offline } = await this.endsOf(pipeline);
      const problem = await edge.drained(ends);
      entry.problem = problem ?? (offline.length === 0 ? undefined : `offline, so not read: ${offline.join('; ')}`);
    } else entry.problem = await edge.finished();
  }

  /** The ends of what can be read, and what cannot. */
  private async endsOf({ from, fromPatterns }: PipelinePlan): Promise<{ ends: Ends; offline: string[] }> {
    const { client } = this.options;
    const admin = client.admin();
    const topics = await selectTopics(admin, { topics: from, patterns: fromPatterns });
    const ends = new Map<string, Map<number, number>>();
    const offline: string[] = [];
    const withinMs = client.inProcess ? 0 : settleMs;
    for (const { name, partitions } of await admin.topics(topics)) {
      const known = await admin.offsets(name, 'latest', { withinMs });
      ends.set(name, known);
      for (const { partition } of partitions)
        if (!known.has(partition)) offline.push(`topic ${name}, partition ${partition}`);
    }
    return { ends, offline };
  }

  private createEntry(pipeline: PipelinePlan, plan: EdgePlan): Entry {
    return { edge: this.createEdge(pipeline, plan), pipeline, plan, problem: undefined };
  }

  private createEdge(pipeline: PipelinePlan, plan: EdgePlan): Edge {
    const { client, instance, files, scratch, clock, random } = this.options;
    const { target } = plan;
    return new Edge({
      ...{
        client,
        instance,
        files,
        scratch,
        clock,
        random,
        logger: this.options.logger.child({ pipeline: pipeline.name }),
      },
      ...{ manifests: this.manifests, fileNames: this.fileNames },
      ...{
        group: plan.group,
        pipeline: pipeline.name,
        topics: pipeline.from,
        patterns: pipeline.fromPatterns,
        start: pipeline.start,
        until: pipeline.until,
      },
      ...{ steps: pipeline.steps, stepsFingerprint: pipeline.stepsFingerprint },
      deadLetterTopic: pipeline.deadLetterTopic,
      target:
        target.kind === 'topic'
          ? target
          : {
              kind: 'sink',
              name: target.sink.name,
              open: (context) => target.sink.definition.open(target.sink.settings, context),
            },
    });
  }
}
