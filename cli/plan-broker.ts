// Who is asked about a configuration: a broker that is named, the cluster that it names, the process that runs it, or its data directory when nobody does.
import { resolve } from 'node:path';
import { TailraceError } from '../base/errors.ts';
import { nodeFiles } from '../base/node-files.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import type { Plan } from '../pipelines/plan.ts';
import { accessOf } from './broker-security.ts';
import { withClient, withClientOf } from './connection.ts';
import { closeHouse, type House, openHouse } from './house.ts';
import { createLogger } from './logger.ts';

/** Asks the broker that is named, the cluster of the configuration, the process that has the data directory, or nobody: then it is opened here. */
export async function withBrokerOf<T>(
  plan: Plan,
  options: { broker?: string; data?: string },
  work: (client: KafkaClient, broker: string | undefined, isRunning?: boolean) => Promise<T>,
): Promise<T> {
  if (options.broker !== undefined) {
    const { broker } = options;
    return withClient(broker, (client) => work(client, broker));
  }
  if (plan.broker.kind === 'external') {
    const broker = plan.broker.bootstrap.map(({ host, port }) => `${host}:${port}`).join();
    return withClientOf(await accessOf(plan.broker, nodeFiles), (client) => work(client, broker));
  }
  const dataDirectory = resolve(options.data ?? plan.dataDirectory);
  if ((await nodeFiles.stat(dataDirectory)) === undefined) {
    const message = `there is no data directory ${dataDirectory}; say which with --data, or --broker`;
    throw new TailraceError('TLR_NOT_FOUND', message);
  }
  const logger = await createLogger('warn', 'text');
  let house: House;
  try {
    house = await openHouse({ plan: { ...plan, broker: { ...plan.broker, listen: [] } }, dataDirectory, logger });
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'TLR_LOCKED') throw error;
    const address = plan.broker.listen.find(({ tls, sasl }) => tls === undefined && sasl.length === 0);
    if (address === undefined) {
      const message = `${error.message}; it has no open listener to be asked at: name one with --broker, or stop it`;
      throw new TailraceError('TLR_LOCKED', message, { cause: error });
    }
    const broker = `${address.host}:${address.port}`;
    return withClient(broker, (client) => work(client, broker)).catch((reason: unknown) => {
      if (!(reason instanceof TailraceError) || reason.code !== 'TLR_UNREACHABLE') throw reason;
      const message = `${error.message}, and does not answer at ${broker}: it is starting or ending, or was told to listen elsewhere (--broker)`;
      throw new TailraceError('TLR_LOCKED', message, { cause: reason, retriable: true });
    });
  }
  try {
    const [address] = plan.broker.listen;
    return await work(house.client, address === undefined ? undefined : `${address.host}:${address.port}`, false);
  } finally {
    await closeHouse(house);
  }
}
