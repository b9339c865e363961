// One listening address and its connections. Clients are sent to the address that the listener advertises; without one, to the very address they came
// in by, as a literal: librdkafka may resolve a name to an address that nobody listens on.
//
// Limits count every socket from its first moment, so also those that are still shaking hands for TLS.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { cannotListen } from '../../base/listening.ts';
import { assertShowable, datesProblem, withIdentity } from '../../base/pem.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint } from '../handlers/handler.ts';
import type { SaslMechanism } from '../wire/sasl.ts';
import { Authenticator } from './authenticator.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { Connection, type ConnectionHouse } from './connection.ts';

export interface ListenAddress {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** What Metadata tells the clients of this listener; where it listens unless given. */
  advertisedHost?: string;
  advertisedPort?: number;
  /** Where the configuration says so, for messages. */
  place?: string | undefined;
  /** Speaks TLS: PEM texts. With `ca` clients have to show a certificate that it signed. */
  tls?: { cert: string; key: string; ca?: string | undefined };
  /** Clients have to authenticate by one of these. */
  sasl?: readonly SaslMechanism[];
}

/** How a listener shows who it is, and whom it lets in. */
type TlsIdentity = NonNullable<ListenAddress['tls']>;

export interface ListenerHouse extends Omit<ConnectionHouse, 'endpoint'> {
  readonly limits: ConnectionLimits;
  /** Connections that may wait to be taken. */
  readonly backlog: number;
  readonly random: Random;
}

/** How long a client may take to shake hands. */
const handshakeTimeoutMs = 30_000;

export class Listener {
  private readonly server: Server;
  private readonly tlsServer: TlsServer | undefined;
  private readonly house: ListenerHouse;
  private readonly listen: ListenAddress;
  private readonly sockets = new Set<Socket>();
  private readonly connections = new Set<Connection>();
  /** Where it listens. */
  readonly address: Endpoint;
  /** Where clients are sent that came in by no socket, or by one whose address is not known. */
  readonly endpoint: Endpoint;
  /** Whether clients are sent to where they came in. */
  private readonly isMirror: boolean;
  private identity: TlsIdentity | undefined;

  private constructor(server: Server, tlsServer: TlsServer | undefined, listen: ListenAddress, house: ListenerHouse) {
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
    this.server = server;
    this.tlsServer = tlsServer;
    this.listen = listen;
    this.house = house;
    if (listen.tls !== undefined) this.show(listen.tls);
    this.address = { host: listen.host, port };
    this.isMirror = listen.advertisedHost === undefined;
    this.endpoint = { host: listen.advertisedHost ?? reachable(listen.host), port: listen.advertisedPort ?? port };
    server.on('connection', (socket) => this.accept(socket));
    tlsServer?.on('secureConnection', (socket) => this.serve(socket));
    tlsServer?.on('tlsClientError', (error, socket) => {
      const client = socket.remoteAddress === undefined ? 'unknown' : `${socket.remoteAddress}:${socket.remotePort}`;
      house.broker.logger.warn('Connection closed', { client, reason: `no TLS handshake: ${handshakeProblem(error)}` });
      socket.destroy();
    });
  }

  /** Throws TLR_LISTEN when the address cannot be listened on, TLR_CONFIG when key and certificate are none or do not fit. */
  static open(listen: ListenAddress, house: ListenerHouse): Promise<Listener> {
    const { tls } = listen;
    const at = listen.place === undefined ? '' : `${listen.place}: `;
    const tlsServer = tls && withIdentity(`${listen.host}:${listen.port}`, () => createSecureServer(tls));
    const server = createServer({ pauseOnConnect: false });
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) => reject(cannotListen(`${at}the broker`, `${listen.host}:${listen.port}`, error));
      server.once('error', refuse);
      // One address for the name: that of ::1 is not where most clients look.
      const host = listen.host === 'localhost' ? '127.0.0.1' : listen.host;
      server.listen({ port: listen.port, host, backlog: house.backlog }, () => {
        server.off('error', refuse);
        server.on('error', (error) => house.broker.logger.error('Listener failed', { error: error.message }));
        resolve(new Listener(server, tlsServer, listen, house));
      });
    });
  }

  get connectionCount(): number {
    return this.sockets.size;
  }

  /**
   * Makes ready to show another certificate to those who connect from then on; connections that are there stay. Returns what does it, which cannot fail; undefined
   * when it is the same one. Throws TLR_CONFIG when key and certificate are none or do not fit.
   */
  renewal(tls: TlsIdentity | undefined): (() => void) | undefined {
    const { listen, tlsServer } = this;
    if (tls === undefined || tlsServer === undefined || isDeepStrictEqual(tls, this.identity)) return undefined;
    assertShowable(`${listen.host}:${listen.port}`, tls);
    return () => {
      tlsServer.setSecureContext(tls);
      this.show(tls);
    };
  }

  private show(tls: TlsIdentity): void {
    this.identity = tls;
    const { logger, clock } = this.house.broker;
    const problem = datesProblem(tls.cert, clock.now());
    if (problem !== undefined)
      logger.warn(`The certificate of the listener ${this.listen.host}:${this.listen.port} ${problem}`);
  }

  /** Takes no more connections and no more requests; what is under way is answered. Resolves when all connections have ended. */
  async drain(): Promise<void> {
    this.server.close();
    const open = [...this.connections];
    for (const connection of open) connection.end();
    await Promise.all(open.map((connection) => connection.closed));
  }

  /** Ends everything at once. */
  destroy(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: Socket): void {
    const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const refusal = this.house.limits.enter(from);
    if (refusal !== undefined) {
      this.house.broker.logger.warn('Connection refused', { client: from, reason: refusal });
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.house.limits.leave(from);
    });
    if (this.tlsServer === undefined) this.serve(socket);
    else this.tlsServer.emit('connection', socket);
  }

  private serve(socket: Socket): void {
    const { broker, random } = this.house;
    const { sasl = [] } = this.listen;
    const authenticator = sasl.length === 0 ? undefined : new Authenticator(sasl, broker.users, random);
    const connection = new Connection(socket, { ...this.house, endpoint: this.endpointFor(socket) }, authenticator);
    this.connections.add(connection);
    void connection.closed.then(() => this.connections.delete(connection));
  }

  private endpointFor(socket: Socket): Endpoint {
    if (!this.isMirror || socket.localAddress === undefined) return this.endpoint;
    return { host: socket.localAddress.replace(/^::ffff:/, ''), port: this.endpoint.port };
  }
}

function createSecureServer({ cert, key, ca }: TlsIdentity): TlsServer {
  const client = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  return createTlsServer({ cert, key, ...client, handshakeTimeout: handshakeTimeoutMs });
}

/** By OpenSSL's and Node's codes, why a client got no further. */
const handshakeProblems: readonly (readonly [RegExp, string])[] = [
  [/WRONG_VERSION_NUMBER|SSL_HTTP_REQUEST/, 'what came is not TLS'],
  [/ALERT.*(CERTIFICATE|UNKNOWN_CA)/, 'the client does not take our certificate'],
  [/PEER_DID_NOT_RETURN_A_CERTIFICATE/, 'the client showed no certificate'],
  [/^ECONNRESET$/, 'the client hung up; does it trust who signed our certificate, and is it valid?'],
];

function handshakeProblem(error: NodeJS.ErrnoException): string {
  return handshakeProblems.find(([code]) => code.test(error.code ?? ''))?.[1] ?? error.message.trim();
}

/** An address for clients on this machine of a listener on all addresses. */
function reachable(host: string): string {
  return ['0.0.0.0', '::', '', 'localhost'].includes(host) ? '127.0.0.1' : host;
}
