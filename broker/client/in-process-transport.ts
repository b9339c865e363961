// The transport to the broker of this very process: a request object is handed to its handler, nothing is encoded, and record bytes are
// not copied. Requests are handed over in the order of the calls, within the call itself.
import { TailraceError } from '../../base/errors.ts';
import type { ApiName, RequestOf, ResponseOf } from '../wire/apis.ts';
import { ApiVersionTable } from './api-versions.ts';
import type { Connection, RequestHandler, RequestOptions, Transport } from './contract.ts';

/** Reaches `handler` whatever address is asked for. No timeouts: a broker in the same process answers or has failed. */
export class InProcessTransport implements Transport {
  readonly bootstrap = [{ host: 'in-process', port: 0 }];
  readonly inProcess = true;
  private readonly handler: RequestHandler;
  private readonly clientId: string;

  constructor(handler: RequestHandler, clientId: string) {
    this.handler = handler;
    this.clientId = clientId;
  }

  connect(): Promise<Connection> {
    return Promise.resolve(new InProcessConnection(this.handler, this.clientId));
  }
}

class InProcessConnection implements Connection {
  open = true;
  private readonly handler: RequestHandler;
  private readonly clientId: string;
  private readonly versions: ApiVersionTable;
  /** Ends the waiting of those who have no answer yet when this connection is closed. */
  private readonly waiting = new Set<(reason: Error) => void>();

  constructor(handler: RequestHandler, clientId: string) {
    this.handler = handler;
    this.clientId = clientId;
    this.versions = new ApiVersionTable(handler.versions(), handler.features());
  }

  versionOf(api: ApiName, maxVersion?: number): number {
    return this.versions.versionOf(api, maxVersion);
  }

  feature(name: string): number {
    return this.versions.feature(name);
  }

  request<K extends ApiName>(api: K, body: RequestOf<K>, options?: RequestOptions): Promise<ResponseOf<K>> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(closedError());
        return;
      }
      const version = this.versionOf(api, options?.maxVersion);
      const sender = { clientId: this.clientId, clientHost: '/127.0.0.1', inProcess: true };
      this.waiting.add(reject);
      this.handler.handle(api, version, body, sender).then(
        (response) => {
          this.waiting.delete(reject);
          if (response === undefined) reject(new TailraceError('TLR_PROTOCOL', `${api} was not answered`));
          else resolve(response);
        },
        (error: unknown) => {
          this.waiting.delete(reject);
          reject(error instanceof Error ? error : new TailraceError('TLR_INTERNAL', String(error)));
        },
      );
    });
  }

  close(): Promise<void> {
    this.open = false;
    for (const reject of this.waiting) reject(closedError());
    this.waiting.clear();
    return Promise.resolve();
  }
}

function closedError(): TailraceError {
  return new TailraceError('TLR_CLOSED', 'the connection to the broker of this process was closed');
}
