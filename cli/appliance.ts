// The appliance: what one configuration starts in one process, in the order broker, pipelines, agents, and stops in the order of the data:
// agents, pipelines, broker. The composition of `up` and `pipe`.
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Agent } from '../agents/agent.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import { acquireLock, type Lock } from '../base/lock.ts';
import type { Logger } from '../base/logger.ts';
import { nodeFiles } from '../base/node-files.ts';
import { systemRandom } from '../base/random.ts';
import { Broker } from '../broker/broker.ts';
import { createClient } from '../broker/client/client.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { InProcessTransport } from '../broker/client/in-process-transport.ts';
import { SocketTransport } from '../broker/client/socket-transport.ts';
import { buildLedger, type Ledger } from '../pipelines/ledger.ts';
import type { Plan, TopicPlan } from '../pipelines/plan.ts';
import { PipelineRunner } from '../pipelines/runner.ts';
import { instanceOf } from './identity.ts';

export interface ApplianceOptions {
  plan: Plan;
  dataDirectory: string;
  /** Read up to the ends that are there at the start, deliver that, and be done (drained()). */
  once: boolean;
  logger: Logger;
}

interface House {
  broker: Broker | undefined;
  lock: Lock | undefined;
  client: KafkaClient;
  instance: string;
}

const files: Files = nodeFiles;
const clock: Clock = systemClock;

/** Opens the embedded broker, or takes the data directory's lock for an external one; and a client to it. */
async function openHouse({ plan, dataDirectory, logger }: ApplianceOptions): Promise<House> {
  await files.makeDirectory(dataDirectory);
  const clientId = `tailrace-${hostname()}`;
  const dependencies = { clientId, clock, random: systemRandom, logger };
  if (plan.broker.kind === 'external') {
    const lock = await acquireLock(dataDirectory);
    const transport = new SocketTransport({ bootstrap: plan.broker.bootstrap, clientId, clock });
    const instance = await instanceOf(dataDirectory, plan.instance, files, systemRandom);
    return { broker: undefined, lock, client: createClient({ ...dependencies, transport }), instance };
  }
  const broker = await Broker.open({
    dataDirectory,
    listen: plan.broker.listen,
    settings: plan.broker.settings,
    ...(plan.maxDiskBytes === undefined ? {} : { maxDiskBytes: plan.maxDiskBytes }),
    readers: readersOf(plan),
    files,
    clock,
    random: systemRandom,
    logger: logger.child({ part: 'broker' }),
  });
  for (const cut of broker.recoveryCuts) {
    logger.warn('recovery cut a torn tail', {
      topic: cut.topic,
      partition: cut.partition,
      fromOffset: cut.fromOffset,
      bytes: cut.cutBytes,
      reason: cut.reason,
    });
  }
  const instance = await instanceOf(dataDirectory, plan.instance, files, systemRandom);
  return {
    broker,
    lock: undefined,
    client: createClient({ ...dependencies, transport: new InProcessTransport(broker, clientId) }),
    instance,
  };
}

/** Files that standard output and error go to: tailing them would feed them with what is logged about it. */
async function ownOutputs(): Promise<Set<string>> {
  const stats = await Promise.all(
    ['/dev/stdout', '/dev/stderr'].map((path) => files.stat(path).catch(() => undefined)),
  );
  return new Set(stats.flatMap((stat) => (stat?.kind === 'file' ? [stat.identity] : [])));
}

/** By topic, the groups of the edges that read it and are no jobs: what they have not delivered is not deleted for room. */
function readersOf(plan: Plan): Map<string, string[]> {
  const readers = new Map<string, string[]>();
  for (const { from, edges, until } of plan.pipelines) {
    if (until !== undefined) continue;
    for (const topic of from) readers.set(topic, [...(readers.get(topic) ?? []), ...edges.map((edge) => edge.group)]);
  }
  return readers;
}

/** Makes missing topics, and brings the settings of declared ones to what the configuration says. */
async function ensureTopics(client: KafkaClient, topics: readonly TopicPlan[], logger: Logger): Promise<void> {
  const admin = client.admin();
  const known = new Map((await admin.topics()).map((topic) => [topic.name, topic]));
  for (const topic of topics) {
    const existing = known.get(topic.name);
    if (existing === undefined) {
      await admin.createTopic(
        { name: topic.name, partitions: topic.partitions, configs: { ...topic.configs } },
        { ifMissing: true },
      );
      continue;
    }
    if (topic.declared && existing.partitions.length !== topic.partitions) {
      logger.warn('a topic keeps the partitions it was made with', {
        topic: topic.name,
        partitions: existing.partitions.length,
        configured: topic.partitions,
      });
    }
    const current = await admin.describeConfigs(topic.name);
    const changes = Object.entries(topic.configs).filter(([name, value]) => current[name]?.value !== value);
    if (changes.length > 0) await admin.alterConfigs(topic.name, Object.fromEntries(changes));
  }
}

export class Appliance {
  private readonly house: House;
  private readonly agents: ReadonlyMap<string, Agent>;
  private readonly runner: PipelineRunner;
  private readonly logger: Logger;
  /** Rejects when something ended for good: the disk failed, or another process took over. Never resolves. */
  readonly failed: Promise<never>;

  private constructor(house: House, agents: ReadonlyMap<string, Agent>, runner: PipelineRunner, logger: Logger) {
    this.house = house;
    this.agents = agents;
    this.runner = runner;
    this.logger = logger;
    const diskFailed = house.broker?.failed.then((error) => {
      throw new TailraceError('TLR_DISK_FAILED', `the log stopped for good: ${messageOf(error)}`, { cause: error });
    });
    this.failed = Promise.race([
      ...(diskFailed === undefined ? [] : [diskFailed]),
      ...[...agents.values()].map((agent) => agent.failed),
    ]);
    this.failed.catch(() => undefined);
  }

  /** Rejects when the data directory is in use or unusable, or a sink cannot be opened as configured. */
  static async start(options: ApplianceOptions): Promise<Appliance> {
    const dataDirectory = resolve(options.dataDirectory);
    const house = await openHouse({ ...options, dataDirectory });
    try {
      const { plan, logger, once } = options;
      await ensureTopics(house.client, plan.topics, logger);
      const excludedIdentities = await ownOutputs();
      const common = { client: house.client, instance: house.instance, files, clock, random: systemRandom };
      const runner = new PipelineRunner({
        ...common,
        scratch: join(dataDirectory, 'scratch'),
        pipelines: plan.pipelines,
        logger,
      });
      await runner.start();
      const agents = new Map<string, Agent>();
      for (const { name, definition, settings, topic } of plan.agents) {
        const context = {
          ...common,
          excludedIdentities,
          name,
          host: hostname(),
          logger: logger.child({ agent: name }),
        };
        const agent = definition.create(settings, topic, context, { once });
        agents.set(name, agent);
        await agent.start();
      }
      return new Appliance(house, agents, runner, logger);
    } catch (error) {
      await closeHouse(house);
      throw error;
    }
  }

  /** Where clients can reach the embedded broker. */
  get brokerAddresses(): readonly string[] {
    return this.house.broker?.addresses.map(({ host, port }) => `${host}:${port}`) ?? [];
  }

  /** `--once`: resolves when all that was there is in the topics and every edge has delivered what is in them. */
  async drained(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.drained()));
    await this.runner.drain();
  }

  /** Resolves when every pipeline of the configuration is a finished job and no agent keeps the process busy; else never. */
  jobsFinished(): Promise<void> {
    return this.agents.size > 0 ? new Promise(() => undefined) : this.runner.jobsFinished();
  }

  ledger(): Ledger {
    const agents = [...this.agents].map(([name, agent]) => ({ agent: name, ...agent.ledger() }));
    return buildLedger(agents, this.runner.accounts());
  }

  /** Drains within the deadline, then ends. Safe to call in any phase. */
  async stop(deadlineMs: number): Promise<void> {
    const endMs = clock.monotonicMs() + deadlineMs;
    const leftMs = () => Math.max(0, endMs - clock.monotonicMs());
    const results = await Promise.allSettled([...this.agents.values()].map((agent) => agent.stop(leftMs())));
    for (const result of results) {
      if (result.status === 'rejected')
        this.logger.warn('an agent did not stop cleanly', { error: messageOf(result.reason) });
    }
    await this.runner.stop(leftMs()).catch((error: unknown) => {
      this.logger.warn('pipelines did not stop cleanly', { error: messageOf(error) });
    });
    await closeHouse(this.house);
  }
}

async function closeHouse(house: House): Promise<void> {
  await house.client.close();
  await house.broker?.close();
  await house.lock?.release();
}
