// The brokers that clients are tried with: ours, and with CONFORMANCE=all a real Kafka, too, as control; and what becomes of a trial.
import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient } from '../../../broker/client/contract.ts';
import { parseBootstrap, SocketTransport } from '../../../broker/client/socket-transport.ts';
import { canRunRealKafka, type RealKafka, startRealKafka } from '../../support/real-kafka.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { type BrokerName, type Cell, recordCell } from './page.ts';

/** Whether everything is run, and written down. */
export const isLong = process.env['CONFORMANCE'] === 'all';
export const brokerNames: readonly BrokerName[] = isLong && canRunRealKafka() ? ['tailrace', 'kafka'] : ['tailrace'];

/** Starts them before the tests of a file, and ends them after. */
export function useBrokers() {
  let ours: TestBroker | undefined;
  let kafka: RealKafka | undefined;
  const clients = new Map<BrokerName, KafkaClient>();
  const bootstrap = (broker: BrokerName) => (broker === 'tailrace' ? ours!.bootstrap : `127.0.0.1:${kafka!.port}`);
  beforeAll(async () => {
    ours = await startTestBroker();
    if (brokerNames.includes('kafka')) kafka = await startRealKafka();
    for (const broker of brokerNames) clients.set(broker, ownClient(bootstrap(broker)));
  });
  afterAll(async () => {
    for (const client of clients.values()) await client.close();
    await Promise.all([ours?.close(), kafka?.stop()]);
  });
  /** Our own client, connected to it. */
  const client = (broker: BrokerName) => clients.get(broker)!;
  return { bootstrap, client };
}

function ownClient(bootstrap: string): KafkaClient {
  const clock = systemClock;
  const transport = new SocketTransport({ bootstrap: parseBootstrap(bootstrap), clientId: 'clients', clock });
  return createClient({ transport, clientId: 'clients', clock, random: systemRandom, logger: silentLogger });
}

/** Does it, and in the long form writes down what came of it; a string is a note for the page. `whyNot` tells a known failure better. */
export async function recorded(
  cell: Omit<Cell, 'failure'>,
  attempt: () => Promise<unknown>,
  whyNot?: string,
): Promise<void> {
  try {
    const note = await attempt();
    if (isLong) recordCell({ ...cell, failure: null, ...(typeof note === 'string' ? { note } : {}) });
  } catch (error) {
    if (isLong) recordCell({ ...cell, failure: whyNot ?? String(error) });
    throw error;
  }
}
