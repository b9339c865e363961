// A client over sockets, for every verb that talks to a broker, ours or a real cluster.
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import { createClient } from '../broker/client/client.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { parseBootstrap, SocketTransport } from '../broker/client/socket-transport.ts';

/** Runs `work` with a client for `broker` and closes it, whatever happens. */
export async function withClient<T>(broker: string, work: (client: KafkaClient) => Promise<T>): Promise<T> {
  const client = createClient({
    transport: new SocketTransport({ bootstrap: parseBootstrap(broker), clientId: 'tailrace-cli', clock: systemClock }),
    clientId: 'tailrace-cli',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
