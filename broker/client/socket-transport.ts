// The transport to brokers over TCP, with TLS and SASL where they are asked for.
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { SocketConnection } from './connection.ts';
import type { Connection, Transport } from './contract.ts';
import type { SaslLogin } from './sasl-login.ts';
import { tlsProblem } from './tls-problem.ts';

const connectTimeoutMs = 10_000;

/** TLS as PEM texts. The broker's certificate has to be signed by `ca` (the system's authorities unless given) and to name the host that is connected to. */
export interface TlsOptions {
  readonly ca?: string | undefined;
  /** What the client shows where the broker asks for a certificate. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** How connections are protected; not at all by default. */
export interface ConnectionSecurity {
  readonly tls?: TlsOptions;
  readonly sasl?: SaslLogin;
}

export interface SocketTransportOptions {
  bootstrap: readonly { host: string; port: number }[];
  clientId: string;
  clock: Clock;
  /** Of nonces; the system's unless given. */
  random?: Random;
  security?: ConnectionSecurity;
}

/** Opens a socket for each connection. */
export class SocketTransport implements Transport {
  readonly bootstrap: readonly { host: string; port: number }[];
  readonly inProcess = false;
  private readonly clientId: string;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly security: ConnectionSecurity;

  constructor(options: SocketTransportOptions) {
    this.bootstrap = options.bootstrap;
    this.clientId = options.clientId;
    this.clock = options.clock;
    this.random = options.random ?? systemRandom;
    this.security = options.security ?? {};
  }

  async connect({ host, port }: { host: string; port: number }): Promise<Connection> {
    const { clock, random, clientId } = this;
    const { tls, sasl } = this.security;
    const socket = await openSocket(host, port, clock, tls);
    const doubt =
      tls === undefined
        ? 'does its listener speak TLS?'
        : tls.cert && 'does it trust whoever signed our certificate (tls.cert)?';
    return SocketConnection.open(socket, { clock, random, clientId, address: `${host}:${port}`, doubt, sasl });
  }
}

/** "k1:9092,k2" → addresses; 9092 where no port is given; IPv6 in brackets. Throws TailraceError TLR_USAGE. */
export function parseBootstrap(text: string): { host: string; port: number }[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const addresses = parts.map((part) => {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(part);
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3] ?? 9092);
    if (host === undefined || port < 1 || port > 65535) {
      throw new TailraceError('TLR_USAGE', `"${part}" is not a broker's address: expected HOST:PORT`);
    }
    return { host, port };
  });
  if (addresses.length === 0) throw new TailraceError('TLR_USAGE', 'no broker given: expected HOST:PORT[,HOST:PORT …]');
  return addresses;
}

function openSocket(host: string, port: number, clock: Clock, tls: TlsOptions | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const address = { host, port, noDelay: true, keepAlive: true };
    const socket =
      tls === undefined
        ? connectSocket(address)
        : // A name for the server to choose its certificate by; an address is none (RFC 6066).
          connectSecurely({ ...address, ...tls, ...(isIP(host) === 0 ? { servername: host } : {}) });
    const fail = (error: TailraceError) => {
      timer.cancel();
      socket.destroy();
      reject(error);
    };
    const unreachable = (what: string, cause?: unknown) =>
      fail(new TailraceError('TLR_UNREACHABLE', `${host}:${port}: ${what}`, { cause, retriable: true }));
    const onError = (error: NodeJS.ErrnoException) => {
      const problem = tls === undefined ? undefined : tlsProblem(error, `${host}:${port}`);
      if (problem !== undefined) fail(problem);
      else if (error.code === 'ECONNREFUSED') unreachable('nothing listens there', error);
      else if (tls !== undefined && error.code === 'ECONNRESET')
        unreachable('it closed the connection in the TLS handshake: does its listener speak TLS?', error);
      else unreachable(error.message, error);
    };
    const timer = clock.schedule(connectTimeoutMs, () => unreachable(`no connection within ${connectTimeoutMs} ms`));
    socket.once('error', onError);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      timer.cancel();
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
