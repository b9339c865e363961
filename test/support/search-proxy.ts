// Stands in front of a real search server (real-search.ts): answers `GET /` where the server's own answer is on no registry, asks for credentials, ends TLS, and
// misbehaves as networks and balancers do.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { RealSearch } from './real-search.ts';
import { freePort } from './test-broker.ts';

/**
 * 'cut': the connection is closed in the middle of the request. 'hang': nothing is passed on nor answered. 'swallow': passed on, but the answer is not. 'half': half of
 * the answer, then the connection is closed. 'drip': the answer, a byte at a time, never to its end. A number: that status instead.
 */
export type Fault = 'cut' | 'hang' | 'swallow' | 'half' | 'drip' | number;

export interface SearchProxyOptions {
  tls?: { key: string; cert: string };
  /** The value that the header Authorization must have. */
  authorization?: string;
}

export class SearchProxy {
  readonly url: string;
  /** Asked for each bulk. */
  fault: (request: IncomingMessage) => Fault | undefined = () => undefined;
  bulks = 0;
  private readonly port: number;
  private readonly search: RealSearch;
  private readonly options: SearchProxyOptions;
  private server: Server | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(search: RealSearch, port: number, options: SearchProxyOptions) {
    this.search = search;
    this.port = port;
    this.options = options;
    this.url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  }

  static async start(search: RealSearch, options: SearchProxyOptions = {}): Promise<SearchProxy> {
    const proxy = new SearchProxy(search, await freePort(), options);
    await proxy.open();
    return proxy;
  }

  /** Takes connections again after close(). */
  async open(): Promise<void> {
    const { tls } = this.options;
    const listener = (incoming: IncomingMessage, response: ServerResponse) => this.handle(incoming, response);
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    this.server = server;
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
  }

  /** Refuses connections and drops those that are there. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private handle(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = incoming;
    const { authorization } = this.options;
    const isBulk = url.startsWith('/_bulk');
    if (isBulk) this.bulks++;
    const fault = isBulk ? this.fault(incoming) : undefined;
    if (authorization !== undefined && headers.authorization !== authorization) this.answer(incoming, response, 401);
    else if (typeof fault === 'number') this.answer(incoming, response, fault);
    else if (fault === 'cut') incoming.once('data', () => incoming.destroy());
    else if (fault === 'hang') incoming.resume();
    else if (url === '/' && method === 'GET' && this.search.kind.startsWith('elasticsearch'))
      this.answer(incoming, response, 200, { version: { number: this.search.version } });
    else this.forward(incoming, response, fault);
  }

  private answer(incoming: IncomingMessage, response: ServerResponse, status: number, body: unknown = {}): void {
    incoming.resume().on('end', () => {
      if (this.search.kind.startsWith('elasticsearch')) response.setHeader('x-elastic-product', 'Elasticsearch');
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }

  private forward(incoming: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const { method, url, headers } = incoming;
    const onwards = request({ host: '127.0.0.1', port: this.search.port, method, path: url, headers }, (answer) => {
      if (fault === 'swallow') {
        answer.resume();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (fault === undefined) answer.pipe(response);
      else {
        answer.once('data', (chunk: Buffer) => {
          if (fault === 'drip') response.write(chunk.subarray(0, 1));
          else response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy());
        });
      }
    });
    onwards.on('error', () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
    incoming.pipe(onwards);
  }
}
