// Our client against Apache Kafka: the same suite that it passes against our own broker (test/broker/client/behaviour.ts). Skipped where a JDK or
// Maven is missing.
import { describe } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { describeClient } from '../broker/client/behaviour.ts';
import { canRunRealKafka, startRealKafka } from '../support/real-kafka.ts';

describe.skipIf(!canRunRealKafka())('Apache Kafka', () => {
  describeClient('Apache Kafka 4.3', async () => {
    const kafka = await startRealKafka();
    return {
      transport: (clientId) =>
        new SocketTransport({ bootstrap: [{ host: '127.0.0.1', port: kafka.port }], clientId, clock: systemClock }),
      stop: () => kafka.stop(),
    };
  });
});
