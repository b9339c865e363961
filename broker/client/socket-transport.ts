// The transport to brokers over TCP.
import { connect as connectSocket, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { SocketConnection } from './connection.ts';
import type { Connection, Transport } from './contract.ts';

const connectTimeoutMs = 10_000;

export interface SocketTransportOptions {
  bootstrap: readonly { host: string; port: number }[];
  clientId: string;
  clock: Clock;
}

/** Opens a socket for each connection. */
export class SocketTransport implements Transport {
  readonly bootstrap: readonly { host: string; port: number }[];
  readonly inProcess = false;
  private readonly clientId: string;
  private readonly clock: Clock;

  constructor(options: SocketTransportOptions) {
    this.bootstrap = options.bootstrap;
    this.clientId = options.clientId;
    this.clock = options.clock;
  }

  async connect({ host, port }: { host: string; port: number }): Promise<Connection> {
    const { clock, clientId } = this;
    return SocketConnection.open(await openSocket(host, port, clock), { clock, clientId, address: `${host}:${port}` });
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

function openSocket(host: string, port: number, clock: Clock): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, noDelay: true, keepAlive: true });
    const fail = (what: string, cause?: unknown) => {
      timer.cancel();
      socket.destroy();
      reject(new TailraceError('TLR_UNREACHABLE', `${host}:${port}: ${what}`, { cause, retriable: true }));
    };
    const onError = (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ECONNREFUSED' ? 'nothing listens there' : error.message, error);
    const timer = clock.schedule(connectTimeoutMs, () => fail(`no connection within ${connectTimeoutMs} ms`));
    socket.once('error', onError);
    socket.once('connect', () => {
      timer.cancel();
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
