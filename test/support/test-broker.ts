// A real Broker in a temporary folder, with or without a socket on a free port, for every suite that needs one.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { Broker, type BrokerOptions } from '../../broker/broker.ts';

export interface TestBroker {
  /** Changes with restart(). */
  broker: Broker;
  readonly dataDirectory: string;
  /** "127.0.0.1:PORT"; throws when it was started without a socket. */
  readonly bootstrap: string;
  readonly port: number;
  /** Closes cleanly and opens again on the same folder and port. */
  restart(): Promise<void>;
  /** Closes and removes the folder. */
  close(): Promise<void>;
}

export interface TestBrokerOptions extends Partial<BrokerOptions> {
  /** Whether to listen on a free port; true by default. */
  socket?: boolean;
}

/** Starts one; close() it in afterAll or afterEach. */
export async function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { socket = true, ...given } = options;
  const dataDirectory = given.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'tailrace-broker-')));
  const port = socket ? await freePort() : 0;
  const open = () =>
    Broker.open({
      ...{ files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger },
      ...(socket ? { listen: [{ host: '127.0.0.1', port }] } : {}),
      ...given,
      dataDirectory,
    });
  const self = {
    broker: await open(),
    dataDirectory,
    port,
    get bootstrap() {
      if (!socket) throw new Error('This test broker was started without a socket');
      return `127.0.0.1:${port}`;
    },
    async restart() {
      await self.broker.close();
      self.broker = await open();
    },
    async close() {
      await self.broker.close();
      if (given.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
    },
  };
  return self;
}

/** A free port of the loopback below 32768, where the kernel hands out none by itself. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port)) return port;
  }
  throw new Error('No free port between 20000 and 32000');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
