// What runs in the processes of the simulation: the product's own broker, agent and edges, put together as the command does, and a program of somebody
// else that writes in transactions.
import type { Logger } from '../../../base/logger.ts';
import type { Random } from '../../../base/random.ts';
import { tailAgent } from '../../../agents/tail/agent.ts';
import { Broker } from '../../../broker/broker.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient, Transport } from '../../../broker/client/contract.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import type { PipelinePlan } from '../../../pipelines/plan.ts';
import { PipelineRunner } from '../../../pipelines/runner.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { History, Value } from '../history.ts';
import { pipeline, sinkPlan } from '../pipeline-world.ts';
import type { MountedFiles } from './disks.ts';
import { fleeting, fleetingFolder, remains } from './fleeting.ts';
import type { SimulatedNetwork } from './network.ts';
import type { SimulatedStore } from './store.ts';
import type { SimulatedProcess } from './time.ts';

/** What a program gets of its process. */
export interface Surroundings {
  process: SimulatedProcess;
  files: MountedFiles;
  random: Random;
  logger: Logger;
  network: SimulatedNetwork;
  store: SimulatedStore;
  /** Whether edges read the topic that comes and goes. */
  hasFleeting?: boolean;
}

export interface Program {
  /** Resolves or rejects when it has ended for good. */
  failed?: Promise<unknown>;
  /** Ends one of its pipelines or agents and begins it anew with other settings, as a reload does. */
  reload?(): Promise<void>;
  stop(): Promise<void>;
}

/** Everything in one process. */
export interface Appliance extends Program {
  /** With `once`: resolves when all lines that were there at the start are where they belong. */
  drained(): Promise<void>;
}

export const topics = { lines: 2, direct: 2, copy: 2 } as const;
const stopMs = 5000;

function clientOf({ process, random, logger }: Surroundings, transport: Transport): KafkaClient {
  return createClient({ transport, clientId: process.name, clock: process.clock, random, logger });
}

export function networkClient(surroundings: Surroundings): KafkaClient {
  return clientOf(surroundings, surroundings.network.transport(surroundings.process));
}

/** The broker, reached over the network of the simulation. */
export async function openBroker(surroundings: Surroundings): Promise<Broker> {
  const { process, files, random, logger, network, hasFleeting } = surroundings;
  const broker = await Broker.open({
    dataDirectory: '/data',
    ...{ files, random, logger, clock: process.clock },
    settings: { 'num.partitions': 2, 'log.segment.bytes': 20_000, 'log.retention.check.interval.ms': 7000 },
    lock: () => Promise.resolve({ release: () => Promise.resolve() }),
  });
  const client = clientOf(surroundings, new InProcessTransport(broker, ''));
  if (hasFleeting) await client.admin().createTopic(remains, { ifMissing: true });
  for (const [name, partitions] of Object.entries(topics))
    await client.admin().createTopic({ name, partitions }, { ifMissing: true });
  network.served = { process, handler: broker };
  return broker;
}

export async function startBroker(surroundings: Surroundings): Promise<Program> {
  const broker = await openBroker(surroundings);
  return { failed: broker.failed, stop: () => broker.close() };
}

async function runAgent(surroundings: Surroundings, client: KafkaClient, once = false): Promise<Required<Appliance>> {
  const { process, files, random, logger } = surroundings;
  const context = { name: 'app', instance: 'one', host: 'host', client, files, clock: process.clock, random, logger };
  const failure = Promise.withResolvers<undefined>();
  const begin = async (size: string) => {
    const settings = tailAgent.settings.parse({ paths: ['/logs/*'], flush: { size, wait: '50ms' } });
    const agent = tailAgent.create(settings, 'lines', context, { once });
    await agent.start();
    agent.failed.catch(failure.reject);
    return agent;
  };
  let agent = await begin('4KB');
  let isStopping = false;
  const reload = inTurn(async () => {
    await agent.stop(stopMs);
    if (!isStopping) agent = await begin(random.next() < 0.5 ? '1KB' : '16KB');
  });
  return {
    failed: failure.promise,
    drained: () => agent.drained(),
    reload: () => reload().catch(failure.reject),
    stop: async () => {
      isStopping = true;
      await agent.stop(stopMs);
    },
  };
}

/** One call after the other, as reloads come. */
function inTurn(work: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  return () => (last = last.catch(() => undefined).then(work));
}

export async function startAgent(surroundings: Surroundings): Promise<Program> {
  const client = networkClient(surroundings);
  const agent = await runAgent(surroundings, client);
  return {
    ...agent,
    stop: async () => {
      await agent.stop();
      await client.close();
    },
  };
}

/** Files that are rolled, files that are appended to, a topic, a store. `appends`: only one member can do that. */
function pipelines(surroundings: Surroundings, appends: boolean, size = '3KB'): PipelinePlan[] {
  const { process, store, hasFleeting = false } = surroundings;
  const file = (path: string) => ({
    name: 'files',
    definition: fileSink,
    settings: fileSink.settings.parse({ path, roll: { size, age: '400ms', idle: '200ms' } }),
  });
  const keep = sinkPlan('store', () => Promise.resolve(store.sink(process)));
  return [
    pipeline('lines', file('/out/rolled/{partition}-{offset}.log'), { name: 'rolled' }),
    ...(appends ? [pipeline('lines', file('/out/appended/all.log'), { name: 'appended' })] : []),
    pipeline('lines', 'copy', { name: 'copy' }),
    pipeline('lines', keep, { name: 'keep', from: ['lines', 'direct'] }),
    ...(hasFleeting
      ? [
          pipeline(fleeting.name, keep, { name: 'fleeting' }),
          pipeline(fleeting.name, file(`${fleetingFolder}/{partition}.log`), { name: 'fleeting' }),
          pipeline(fleeting.name, remains.name, { name: 'fleeting' }),
        ]
      : []),
  ];
}

async function runEdges(
  surroundings: Surroundings,
  client: KafkaClient,
  instance: string,
  plans: readonly PipelinePlan[],
): Promise<Program & { runner: PipelineRunner; reload(): Promise<void> }> {
  const { process, files, random, logger } = surroundings;
  const runner = new PipelineRunner({
    pipelines: plans,
    ...{ client, instance, files, random, logger, clock: process.clock },
  });
  await runner.start();
  return {
    runner,
    reload: inTurn(async () => {
      await runner.prepare();
      const appends = plans.some(({ name }) => name === 'appended');
      const changed = pipelines(surroundings, appends, random.next() < 0.5 ? '1KB' : '8KB');
      const pipeline = changed[Math.floor(random.next() * changed.length)]!;
      const groups = pipeline.edges.map(({ group }) => group);
      const coming = pipeline.edges.map((edge) => ({ pipeline, edge }));
      await runner.replace(groups, coming, stopMs);
    }),
    stop: () => runner.stop(stopMs),
  };
}

export function startEdges(instance: string, appends: boolean): (surroundings: Surroundings) => Promise<Program> {
  return async (surroundings) => {
    const client = networkClient(surroundings);
    const edges = await runEdges(surroundings, client, instance, pipelines(surroundings, appends));
    return {
      ...edges,
      stop: async () => {
        await edges.stop();
        await client.close();
      },
    };
  };
}

/** Broker, pipelines and agent in one process, as `tailrace up` has them. */
export async function startAppliance(
  surroundings: Surroundings,
  { plans = pipelines(surroundings, true), once = false }: { plans?: readonly PipelinePlan[]; once?: boolean } = {},
): Promise<Appliance> {
  const broker = await openBroker(surroundings);
  const client = clientOf(surroundings, new InProcessTransport(broker, 'appliance'));
  const edges = await runEdges(surroundings, client, 'one', plans);
  const agent = await runAgent(surroundings, client, once);
  return {
    reload: async () => {
      if (surroundings.random.next() < 0.5) await edges.reload();
      else await agent.reload();
    },
    drained: async () => {
      await agent.drained();
      await edges.runner.drain();
    },
    failed: Promise.race([broker.failed, agent.failed]),
    stop: async () => {
      await agent.stop();
      await edges.stop();
      await client.close();
      await broker.close();
    },
  };
}

/** The next number of the foreign program, over all its lives; and where it notes what it did. */
export interface WriterState {
  next: number;
  transactions: number;
  /** Nothing more is to be written. */
  isOver: boolean;
  /** The numbers of the transactions of which it knows that they are committed. */
  readonly committed: Set<number>;
  history: History;
}

/** Writes transactions over two partitions with the one transactional id, each aborted or committed; crash-only, as Jepsen asks. */
export function startWriter(state: WriterState): (surroundings: Surroundings) => Promise<Program> {
  return (surroundings) => {
    const stopping = new AbortController();
    const client = networkClient(surroundings);
    const { clock } = surroundings.process;
    const pause = (delayMs: number) => new Promise<void>((resolve) => clock.schedule(delayMs, resolve));
    const isOver = () => stopping.signal.aborted || state.isOver;
    const run = async () => {
      while (!isOver()) {
        const producer = client.producer({ transactionalId: 'direct', transactionTimeoutMs: 10_000 });
        try {
          await producer.init();
          while (!isOver()) {
            await writeTransaction(producer, state, surroundings.random);
            await pause(surroundings.random.next() * 300);
          }
        } catch {
          await pause(200);
        }
        await producer.close().catch(() => undefined);
      }
    };
    const running = run();
    const stop = async () => {
      stopping.abort();
      await running;
      await client.close();
    };
    return Promise.resolve({ stop });
  };
}

async function writeTransaction(
  producer: ReturnType<KafkaClient['producer']>,
  state: WriterState,
  random: Random,
): Promise<void> {
  const { history } = state;
  const transaction = producer.begin();
  const name = `transaction ${state.transactions++}`;
  const values: Value[] = Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => ({
    source: 'direct',
    number: state.next++,
  }));
  const note = (outcome: 'committed' | 'aborted' | 'unknown') => {
    for (const value of values) history.wrote(value, outcome, name);
  };
  // Nobody has asked for its commit: it must not be seen, whatever becomes of us.
  note('aborted');
  for (const { number } of values)
    transaction.send([{ topic: 'direct', partition: number % 2, value: Buffer.from(`direct ${number}`) }]);
  if (random.next() < 0.25) {
    await transaction.abort();
    return;
  }
  note('unknown');
  await transaction.commit();
  note('committed');
  for (const { number } of values) state.committed.add(number);
}
