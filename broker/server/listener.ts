// One listening address and its connections. Clients are sent to the address that the listener advertises; without one, to the very address they came
// in by, as a literal: librdkafka may resolve a name to an address that nobody listens on.
import { createServer, type Server, type Socket } from 'node:net';
import { TailraceError } from '../../base/errors.ts';
import type { Endpoint } from '../handlers/handler.ts';
import { Connection, type ConnectionHouse } from './connection.ts';

export interface ListenAddress {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** What Metadata tells the clients of this listener; where it listens unless given. */
  advertisedHost?: string;
  advertisedPort?: number;
}

export class Listener {
  private readonly server: Server;
  private readonly house: Omit<ConnectionHouse, 'endpoint'>;
  private readonly connections = new Map<Connection, string>();
  /** Where it listens. */
  readonly address: Endpoint;
  /** Where clients are sent that came in by no socket, or by one whose address is not known. */
  readonly endpoint: Endpoint;
  /** Whether clients are sent to where they came in. */
  private readonly isMirror: boolean;

  private constructor(server: Server, listen: ListenAddress, house: Omit<ConnectionHouse, 'endpoint'>) {
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
    this.server = server;
    this.house = house;
    this.address = { host: listen.host, port };
    this.isMirror = listen.advertisedHost === undefined;
    this.endpoint = { host: listen.advertisedHost ?? reachable(listen.host), port: listen.advertisedPort ?? port };
    server.on('connection', (socket) => this.accept(socket));
  }

  /** Throws TLR_UNREACHABLE when the address cannot be listened on. */
  static open(listen: ListenAddress, house: Omit<ConnectionHouse, 'endpoint'>): Promise<Listener> {
    const server = createServer({ pauseOnConnect: false });
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) =>
        reject(
          new TailraceError('TLR_UNREACHABLE', `Cannot listen on ${listen.host}:${listen.port}: ${error.message}`, {
            cause: error,
          }),
        );
      server.once('error', refuse);
      // One address for the name: that of ::1 is not where most clients look.
      server.listen(listen.port, listen.host === 'localhost' ? '127.0.0.1' : listen.host, () => {
        server.off('error', refuse);
        server.on('error', (error) => house.broker.logger.error('Listener failed', { error: error.message }));
        resolve(new Listener(server, listen, house));
      });
    });
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Takes no more connections and no more requests; what is under way is answered. Resolves when all connections have ended. */
  async drain(): Promise<void> {
    this.server.close();
    const open = [...this.connections.keys()];
    for (const connection of open) connection.end();
    await Promise.all(open.map((connection) => connection.closed));
  }

  /** Ends everything at once. */
  destroy(): void {
    this.server.close();
    for (const connection of this.connections.keys()) connection.destroy();
  }

  private accept(socket: Socket): void {
    const { settings, logger } = this.house.broker;
    const from = socket.remoteAddress ?? '';
    const fromHere = [...this.connections.values()].filter((address) => address === from).length;
    const isFull = this.connections.size >= settings.number('max.connections');
    if (isFull || fromHere >= settings.number('max.connections.per.ip')) {
      logger.warn('Connection refused', {
        client: from,
        reason: isFull ? 'max.connections' : 'max.connections.per.ip',
      });
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, { ...this.house, endpoint: this.endpointFor(socket) });
    this.connections.set(connection, from);
    void connection.closed.then(() => this.connections.delete(connection));
  }

  private endpointFor(socket: Socket): Endpoint {
    if (!this.isMirror || socket.localAddress === undefined) return this.endpoint;
    return { host: socket.localAddress.replace(/^::ffff:/, ''), port: this.endpoint.port };
  }
}

/** An address for clients on this machine of a listener on all addresses. */
function reachable(host: string): string {
  return ['0.0.0.0', '::', '', 'localhost'].includes(host) ? '127.0.0.1' : host;
}
