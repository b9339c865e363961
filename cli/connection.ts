// A client over sockets, for every verb that talks to a broker, ours or a real cluster.
import { systemClock } from '../base/clock.ts';
import { TailraceError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { nodeFiles } from '../base/node-files.ts';
import { systemRandom } from '../base/random.ts';
import { createClient } from '../broker/client/client.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { SocketTransport } from '../broker/client/socket-transport.ts';
import { apis } from '../broker/wire/apis.ts';
import { type BrokerAccess, brokerAccess } from './client-properties.ts';

const clientId = 'tailrace-cli';

/**
 * Runs `work` with a client for `broker` (as `--broker` takes it) and closes it, whatever happens. Throws TLR_UNREACHABLE at once when nobody
 * answers there, TLR_DENIED when the user is not let in.
 */
export async function withClient<T>(broker: string, work: (client: KafkaClient) => Promise<T>): Promise<T> {
  try {
    return await withClientOf(await brokerAccess(broker, nodeFiles), work);
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'TLR_UNREACHABLE') throw error;
    const message = `${error.message} (is "tailrace up" running? --broker names another broker)`;
    throw new TailraceError(error.code, message, { cause: error, retriable: true });
  }
}

/** As withClient, for a broker of a configuration. */
export async function withClientOf<T>(access: BrokerAccess, work: (client: KafkaClient) => Promise<T>): Promise<T> {
  const transport = new SocketTransport({ ...access, clientId, clock: systemClock });
  await checkReachable(transport);
  const client = createClient({ transport, clientId, clock: systemClock, random: systemRandom, logger: silentLogger });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/**
 * The client itself is patient, as pipelines need it; a person at a terminal wants to know now. Throws what is wrong when no broker lets us in.
 */
export async function checkReachable(transport: SocketTransport): Promise<void> {
  const attempts = await Promise.allSettled(transport.bootstrap.map((address) => letIn(transport, address)));
  if (attempts.every(({ status }) => status === 'rejected')) throw (attempts[0] as PromiseRejectedResult).reason;
}

/** Some brokers say no with the first question only. */
async function letIn(transport: SocketTransport, address: SocketTransport['bootstrap'][number]): Promise<void> {
  const connection = await transport.connect(address);
  try {
    await connection.request('Metadata', apis.Metadata.request.create({ topics: [] }));
  } finally {
    await connection.close();
  }
}
