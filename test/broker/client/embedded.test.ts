// The client against the broker of this repository: in process and over its socket. The same suite runs against Apache Kafka in test/conformance.
import { systemClock } from '../../../base/clock.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import { parseBootstrap, SocketTransport } from '../../../broker/client/socket-transport.ts';
import { startTestBroker } from '../../support/test-broker.ts';
import { describeClient } from './behaviour.ts';

const sessionTimeoutMs = 1500;
const settings = { 'group.min.session.timeout.ms': sessionTimeoutMs };

describeClient('the embedded broker, in process', async () => {
  const server = await startTestBroker({ socket: false, settings });
  return {
    transport: (clientId) => new InProcessTransport(server.broker, clientId),
    sessionTimeoutMs,
    stop: () => server.close(),
  };
});

describeClient('the embedded broker, over its socket', async () => {
  const server = await startTestBroker({ settings });
  return {
    transport: (clientId) =>
      new SocketTransport({ bootstrap: parseBootstrap(server.bootstrap), clientId, clock: systemClock }),
    sessionTimeoutMs,
    stop: () => server.close(),
  };
});
