// The appliance: what one configuration starts in one process, in the order broker, pipelines, agents, and stops in the order of the data:
// agents, pipelines, broker. The composition of `up` and `pipe`.
import { join, resolve } from 'node:path';
import { handleBudget } from '../agents/handle-budget.ts';
import { type Clock, sleep, systemClock } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import { nodeFiles } from '../base/node-files.ts';
import { systemRandom } from '../base/random.ts';
import { formatCount } from '../base/units.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { retry } from '../broker/client/retry.ts';
import { SocketTransport } from '../broker/client/socket-transport.ts';
import { buildLedger, type Ledger } from '../pipelines/ledger.ts';
import type { Plan } from '../pipelines/plan.ts';
import { comparePlans, describeDifference, type Notes } from '../pipelines/plan-difference.ts';
import { PipelineRunner } from '../pipelines/runner.ts';
import { accessOf, listenersOf } from './broker-security.ts';
import { clusterError, judgeCluster, lookAtCluster } from './cluster-check.ts';
import { checkReachable } from './connection.ts';
import { beginningsOf, notesOn } from './change-notes.ts';
import { closeHouse, type House, openHouse, readersOf, usingDirectory } from './house.ts';
import { packUp, unpack } from './move.ts';
import type { Observed } from './observation.ts';
import { RunningAgents } from './running-agents.ts';
import { reachSinks } from './sink-reach.ts';
import { setTopics } from './topic-settings.ts';

export interface ApplianceOptions {
  plan: Plan;
  dataDirectory: string;
  /** Read up to the ends that are there at the start, deliver that, and be done (drained()). */
  once: boolean;
  logger: Logger;
}

/** Of `--once`: how long the brokers may be away at the start. */
const clusterPatienceMs = 30_000;
/** When somebody who looks on is told that brokers are waited for. */
const noticeMs = 3000;

const files: Files = nodeFiles;
const clock: Clock = systemClock;

/** Waits for the cluster, for as long as it takes unless the run is to end by itself; says what of it is not as it should be. Throws TLR_CONFIG. */
async function settleCluster(client: KafkaClient, { plan, once, logger }: ApplianceOptions): Promise<void> {
  const notice = clock.schedule(
    noticeMs,
    () => void whyWaiting(plan).then((error) => logger.warn('waiting for the brokers', error)),
  );
  const facts = await retry({ clock, random: systemRandom }, () => lookAtCluster(client, plan), {
    withinMs: once ? clusterPatienceMs : Infinity,
    onRetry: (error) => logger.warn('waiting for the brokers', { error: messageOf(error) }),
  }).finally(() => notice.cancel());
  const findings = judgeCluster(facts);
  for (const { severity, message } of findings) if (severity === 'warning') logger.warn(message);
  const problem = clusterError(findings);
  if (problem !== undefined) throw problem;
}

/** What keeps us from the brokers, as a new connection finds it. */
async function whyWaiting({ broker }: Plan): Promise<{ error?: string }> {
  if (broker.kind !== 'external') return {};
  try {
    const access = await accessOf(broker, files);
    await checkReachable(new SocketTransport({ ...access, clientId: 'tailrace-look', clock }));
    return {};
  } catch (error) {
    return { error: messageOf(error) };
  }
}

/** Files that standard output and error go to: tailing them would feed them with what is logged about it. */
async function ownOutputs(): Promise<Set<string>> {
  const stats = await Promise.all(
    ['/dev/stdout', '/dev/stderr'].map((path) => files.stat(path).catch(() => undefined)),
  );
  return new Set(stats.flatMap((stat) => (stat?.kind === 'file' ? [stat.identity] : [])));
}

function replaceEntries<Key, Value>(map: Map<Key, Value>, entries: ReadonlyMap<Key, Value>): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function diskFailure(error: Error): TailraceError {
  return new TailraceError('TLR_DISK_FAILED', `the log stopped for good: ${messageOf(error)}`, { cause: error });
}

/** Stops what runs in the order of the data: agents, pipelines, broker. */
async function stopInOrder(
  { house, agents, runner }: { house: House; agents?: RunningAgents; runner?: PipelineRunner },
  leftMs: () => number,
  logger: Logger,
): Promise<void> {
  await agents?.stopAll(leftMs);
  await runner?.stop(leftMs()).catch((error: unknown) => {
    logger.warn('pipelines did not stop cleanly', { error: messageOf(error) });
  });
  await closeHouse(house);
}

/** How long what has begun may take to finish when something else could not begin. */
const giveUpDeadlineMs = 5000;
/** How long an agent or edge that is replaced may take to finish what it has taken. */
const replaceDeadlineMs = 10_000;

export class Appliance {
  private readonly house: House;
  private readonly agents: RunningAgents;
  private readonly runner: PipelineRunner;
  private readonly logger: Logger;
  private readonly scratch: string;
  private plan: Plan;
  /** Resolves when a change of the plan begins. */
  private changing = Promise.withResolvers<boolean>();
  /** The change under way, or the last one. */
  private applying: Promise<unknown> = Promise.resolve();
  private readonly stopping = Promise.withResolvers<never>();
  /** Rejects when something ended for good: the disk failed, or another process took over. Never resolves. */
  readonly failed: Promise<never>;

  private constructor(
    options: ApplianceOptions,
    house: House,
    parts: { agents: RunningAgents; runner: PipelineRunner; scratch: string },
  ) {
    this.house = house;
    this.agents = parts.agents;
    this.runner = parts.runner;
    this.scratch = parts.scratch;
    this.plan = options.plan;
    this.logger = options.logger;
    const diskFailed = house.broker?.failed.then((error) => {
      throw diskFailure(error);
    });
    this.failed = Promise.race([...(diskFailed === undefined ? [] : [diskFailed]), this.agents.failed]);
    this.failed.catch(() => undefined);
    this.stopping.promise.catch(() => undefined);
  }

  /** Rejects when the data directory is in use or unusable, or a sink cannot be opened as configured. */
  static async start(options: ApplianceOptions): Promise<Appliance> {
    const dataDirectory = resolve(options.dataDirectory);
    const moving = { ...options, dataDirectory, files, clock };
    const carried = await usingDirectory(dataDirectory, () => packUp(moving));
    const house = await openHouse({ ...options, dataDirectory });
    const begun: { agents?: RunningAgents; runner?: PipelineRunner } = {};
    try {
      const { plan, logger, once } = options;
      if (plan.broker.kind === 'external') await settleCluster(house.client, options);
      if (carried !== undefined) await unpack(carried, house.client, house.instance, moving);
      await setTopics(
        house.client,
        plan.topics.map((topic) => ({ topic, dropped: [] })),
        logger,
      );
      const excludedIdentities = await ownOutputs();
      const common = { client: house.client, instance: house.instance, files, clock, random: systemRandom };
      const scratch = join(dataDirectory, 'scratch');
      const runner = new PipelineRunner({ ...common, scratch, pipelines: plan.pipelines, logger });
      begun.runner = runner;
      for (const sentence of await beginningsOf(house.client, plan).catch(() => [])) logger.info(sentence);
      await runner.start();
      const handles = await handleBudget(files);
      const agents = new RunningAgents({ context: { ...common, excludedIdentities, handles }, logger, once });
      begun.agents = agents;
      for (const agent of plan.agents) await agents.start(agent);
      return new Appliance(options, house, { agents, runner, scratch });
    } catch (error) {
      await stopInOrder({ house, ...begun }, () => giveUpDeadlineMs, options.logger);
      throw house.broker?.hasFailed === true ? diskFailure(await house.broker.failed) : error;
    }
  }

  /**
   * Goes over to another plan, touching only what is different, and says what that was. Rejects, and leaves everything as it was, when something needs a
   * restart (TLR_RESTART), a sink of a new or changed edge cannot be opened (TLR_SINK), or an agent cannot start. One call after the other.
   */
  apply(plan: Plan): Promise<readonly string[]> {
    const done = this.applying.catch(() => undefined).then(() => this.change(plan));
    this.applying = done;
    this.changing.resolve(true);
    this.changing = Promise.withResolvers<boolean>();
    return done;
  }

  private async change(plan: Plan): Promise<readonly string[]> {
    const { client, readers } = this.house;
    const before = this.plan;
    const difference = comparePlans(before, plan);
    const { restart, topics, agents, edges } = difference;
    if (restart.length > 0) {
      throw new TailraceError('TLR_RESTART', `${restart.join(' and ')} cannot change while Tailrace runs`);
    }
    const renewCertificates = await this.renewal(plan);
    const notes = await notesOn(difference, this.house, clock).catch((): Notes => new Map());
    const coming = [...edges.added, ...edges.changed.map(({ to }) => to)];
    if (coming.length > 0) await this.runner.prepare();
    const reached = reachSinks(coming, this.scratch, (group) => this.runner.lastDecided(group));
    await Promise.race([reached, this.stopping.promise]);
    replaceEntries(readers, readersOf([before, plan]));
    try {
      await setTopics(client, topics, this.logger);
      await this.agents.replace(agents, replaceDeadlineMs);
    } catch (error) {
      await setTopics(client, comparePlans(plan, before).topics, this.logger).catch((problem: unknown) => {
        this.logger.warn('topics could not be set back', { error: messageOf(problem) });
      });
      replaceEntries(readers, readersOf([before]));
      throw error;
    }
    const leaving = [...edges.removed, ...edges.changed.map(({ from }) => from)];
    await this.runner.replace(
      leaving.map(({ edge }) => edge.group),
      coming,
      replaceDeadlineMs,
    );
    replaceEntries(readers, readersOf([plan]));
    this.plan = plan;
    return [...describeDifference(difference, notes), ...renewCertificates()];
  }

  /** Reads the certificates of listeners again, the broker's and the agents': files are renewed under the same names. */
  private async renewal({ broker, agents }: Plan): Promise<() => string[]> {
    const renewBroker =
      broker.kind === 'external'
        ? undefined
        : this.house.broker?.renewCertificates((await listenersOf(broker, files)).map(({ tls }) => tls));
    const staying = agents.filter(({ name, definition }) =>
      this.plan.agents.some((before) => before.name === name && before.definition === definition),
    );
    const renewAgents = await this.agents.renewal(staying);
    return () => [...(renewBroker?.() ?? []), ...renewAgents()].map((address) => `certificate of ${address} renewed`);
  }

  /** Where clients can reach the embedded broker. */
  get brokerAddresses(): readonly string[] {
    return this.house.broker?.addresses.map(({ host, port }) => `${host}:${port}`) ?? [];
  }

  /** `--once`: resolves when all that was there is in the topics and every edge has delivered what is in them. */
  async drained(): Promise<void> {
    await Promise.all(this.agents.entries().map(([, agent]) => agent.drained()));
    await this.runner.drain();
  }

  /** Resolves when every pipeline of the configuration is a finished job and no agent keeps the process busy; else never. */
  async jobsFinished(): Promise<void> {
    for (;;) {
      await this.applying.catch(() => undefined);
      const { promise: changing } = this.changing;
      const finished = this.agents.count > 0 ? new Promise<boolean>(() => undefined) : this.runner.jobsFinished();
      // Edges that a change of the plan ends are no finished jobs.
      if ((await Promise.race([changing, finished])) !== true) return;
    }
  }

  ledger(): Ledger {
    const agents = this.agents.entries().map(([name, agent]) => ({ agent: name, ...agent.ledger() }));
    return buildLedger(agents, this.runner.accounts());
  }

  /** Edges that have not yet delivered what they are to, in words; of `--once` and jobs. */
  unfinished(): string[] {
    return this.runner
      .status()
      .filter(({ state }) => state !== 'finished')
      .map(({ group, problem, account }) => {
        const settled = account.out + account.alreadyThere + account.dropped + account.dead - account.split;
        return `edge ${group}, ${formatCount(settled)} of ${formatCount(account.in)} records read are delivered${problem === undefined ? '' : `: ${problem}`}`;
      });
  }

  /** What runs at the moment, for the monitor. */
  observe(): Observed {
    const { broker, client } = this.house;
    const states = new Map(this.runner.status().map((status) => [status.group, status]));
    return {
      ...{ broker, client },
      agents: this.agents.entries().map(([agent, running]) => ({ agent, ledger: running.ledger() })),
      edges: this.runner.accounts().flatMap(({ edge, topics, readsAll, account }) => {
        const status = states.get(edge);
        if (status === undefined) return [];
        return { edge, account, state: status.state, outage: status.outage, topics: readsAll ? topics : [] };
      }),
    };
  }

  /** Drains within the deadline, then ends. Safe to call in any phase. */
  async stop(deadlineMs: number): Promise<void> {
    const endMs = clock.monotonicMs() + deadlineMs;
    const leftMs = () => Math.max(0, endMs - clock.monotonicMs());
    this.stopping.reject(new TailraceError('TLR_CLOSED', 'Tailrace is stopping'));
    await Promise.race([this.applying.catch(() => undefined), sleep(clock, deadlineMs / 2)]);
    const { house, agents, runner } = this;
    await stopInOrder({ house, agents, runner }, leftMs, this.logger);
  }
}
