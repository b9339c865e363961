// Our client against Apache Kafka: the same suite that it passes against our own broker (test/broker/client/behaviour.ts). Skipped where a JDK or
// Maven is missing.
import { describe } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { describeClient } from '../broker/client/behaviour.ts';
import { canRunRealKafka, startRealKafka } from '../support/real-kafka.ts';

describe.skipIf(!canRunRealKafka())('Apache Kafka', () => {
  const open = (features: readonly string[]) => async () => {
    const kafka = await startRealKafka({ features });
    const bootstrap = [{ host: '127.0.0.1', port: kafka.port }];
    return {
      transport: (clientId: string) => new SocketTransport({ bootstrap, clientId, clock: systemClock }),
      stop: () => kafka.stop(),
    };
  };
  describeClient('Apache Kafka 4.3', open([]));
  describeClient('Apache Kafka before KIP-890 (transaction.version 1)', open(['transaction.version=1']));
});
