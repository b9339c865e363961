// What a configuration's broker needs of this process: the embedded broker on its data directory, or the directory's lock and a client for another broker.
import { hostname } from 'node:os';
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
import type { Plan } from '../pipelines/plan.ts';
import { accessOf, listenersOf } from './broker-security.ts';
import { instanceOf } from './identity.ts';

export interface House {
  broker: Broker | undefined;
  lock: Lock | undefined;
  client: KafkaClient;
  instance: string;
  /** What the broker asks before it deletes for room. */
  readers: Map<string, string[]>;
}

export interface HouseOptions {
  plan: Plan;
  dataDirectory: string;
  logger: Logger;
}

/** What the system says of paths that are others', or something else than they should be. */
const pathErrors = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'];
const files: Files = nodeFiles;
const clock: Clock = systemClock;

/** Runs `work`, which uses the data directory; throws TLR_UNREADABLE where the system does not let it. */
export async function usingDirectory<T>(dataDirectory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!pathErrors.includes(code)) throw error;
    const message = `the data directory ${dataDirectory} cannot be used: ${messageOf(error)}`;
    throw new TailraceError('TLR_UNREADABLE', message, { cause: error });
  }
}

/** Opens the embedded broker, or takes the data directory's lock for an external one; and a client to it. */
export function openHouse(options: HouseOptions): Promise<House> {
  return usingDirectory(options.dataDirectory, () => open(options));
}

async function open({ plan, dataDirectory, logger }: HouseOptions): Promise<House> {
  await files.makeDirectory(dataDirectory);
  const clientId = `tailrace-${hostname()}`;
  const dependencies = { clientId, clock, random: systemRandom, logger };
  const readers = readersOf([plan]);
  if (plan.broker.kind === 'external') {
    const lock = await acquireLock(dataDirectory);
    const transport = new SocketTransport({ ...(await accessOf(plan.broker, files)), clientId, clock });
    const instance = await instanceOf(dataDirectory, plan.instance, files, systemRandom);
    return { broker: undefined, lock, client: createClient({ ...dependencies, transport }), instance, readers };
  }
  const broker = await Broker.open({
    dataDirectory,
    listen: await listenersOf(plan.broker, files),
    users: plan.broker.users,
    settings: plan.broker.settings,
    ...(plan.maxDiskBytes === undefined ? {} : { maxDiskBytes: plan.maxDiskBytes }),
    readers,
    files,
    clock,
    random: systemRandom,
    logger: logger.child({ part: 'broker' }),
  });
  const instance = await instanceOf(dataDirectory, plan.instance, files, systemRandom);
  return {
    broker,
    lock: undefined,
    client: createClient({ ...dependencies, transport: new InProcessTransport(broker, clientId) }),
    instance,
    readers,
  };
}

/** By topic, the groups of the edges that read it and are no jobs: what they have not delivered is not deleted for room. */
export function readersOf(plans: readonly Plan[]): Map<string, string[]> {
  const readers = new Map<string, Set<string>>();
  for (const { from, edges, until } of plans.flatMap(({ pipelines }) => pipelines)) {
    if (until !== undefined) continue;
    for (const topic of from)
      readers.set(topic, new Set([...(readers.get(topic) ?? []), ...edges.map(({ group }) => group)]));
  }
  return new Map([...readers].map(([topic, groups]) => [topic, [...groups]]));
}

export async function closeHouse(house: House): Promise<void> {
  await house.client.close();
  await house.broker?.close();
  await house.lock?.release();
}
