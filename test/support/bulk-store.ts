// A store with the bulk API, in memory, that can be told to misbehave: for tests of the sink `elasticsearch`. Documents are kept as a real store does it
// (create refuses an id that is there); media types are refused as Elasticsearch does; everything asked of it is kept to be looked at.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { freePort } from './test-broker.ts';

export interface StoreItem {
  operation: string;
  index: string;
  id: string;
  document: Record<string, unknown>;
}

export interface ItemProblem {
  status: number;
  error: { type: string; reason: string };
}

/**
 * What to do with a bulk instead of answering it: another answer, with nothing stored; or everything stored and then no answer ('hang'), half of one
 * ('half'), one that lacks an item ('fewer'), or a closed connection ('reset').
 */
export type Reaction = { status: number; body?: unknown } | 'hang' | 'half' | 'fewer' | 'reset';

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  items: readonly StoreItem[];
  body: string;
}

interface StoreOptions {
  product?: 'Elasticsearch' | 'OpenSearch';
  version?: string;
  port?: number;
  tls?: { key: string; cert: string };
}

export class BulkStore {
  readonly port: number;
  readonly url: string;
  readonly documents = new Map<string, Record<string, unknown>>();
  readonly seen: SeenRequest[] = [];
  readonly templates = new Map<string, unknown>();
  /** Data streams: the indices behind a name, of which the last is written to. */
  readonly streams = new Map<string, string[]>();
  /** Asked for each bulk. */
  react: (request: SeenRequest) => Reaction | undefined = () => undefined;
  /** Asked for each item; the problem is its answer. */
  reactToItem: (item: StoreItem) => ItemProblem | undefined = () => undefined;
  /** Asked for each other request, by "METHOD /path" without the query. */
  answers = new Map<string, { status: number; body: unknown }>();
  /** How long it thinks about a bulk. */
  latencyMs = 0;
  private underWay = 0;
  mostUnderWay = 0;
  private readonly options: StoreOptions;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(port: number, options: StoreOptions) {
    this.port = port;
    this.options = options;
    this.url = `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
    const listener = (request: IncomingMessage, response: ServerResponse) => void this.handle(request, response);
    this.server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  static async start(options: StoreOptions = {}): Promise<BulkStore> {
    const store = new BulkStore(options.port ?? (await freePort()), options);
    await new Promise<void>((resolve, reject) => {
      store.server.once('error', reject).listen(store.port, '127.0.0.1', resolve);
    });
    return store;
  }

  get bulks(): SeenRequest[] {
    return this.seen.filter(({ path }) => path.startsWith('/_bulk'));
  }

  /** Makes the name a data stream, or gives it a new index to write to. */
  rollOver(name: string): void {
    const behind = this.streams.get(name) ?? [];
    this.streams.set(name, [...behind, `.ds-${name}-${String(behind.length + 1).padStart(6, '0')}`]);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    response.once('close', () => this.underWay--);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // The other side went away.
    }
    const body = Buffer.concat(chunks).toString();
    const { method = '', url = '', headers } = request;
    const path = url.split('?')[0]!;
    const seen: SeenRequest = { method, path, headers, body, items: path === '/_bulk' ? itemsOf(body) : [] };
    this.seen.push(seen);
    const refusal = this.mediaTypeProblem(headers);
    if (refusal !== undefined) this.answer(response, 400, refusal);
    else if (path === '/_bulk' && this.latencyMs === 0) this.bulk(seen, response);
    else if (path === '/_bulk') setTimeout(() => this.bulk(seen, response), this.latencyMs);
    else this.other(seen, response);
  }

  private answer(response: ServerResponse, status: number, body: unknown): void {
    // A text is the page of a proxy.
    const isStore = typeof body !== 'string';
    if (isStore && this.options.product !== 'OpenSearch') response.setHeader('x-elastic-product', 'Elasticsearch');
    response.setHeader('content-type', isStore ? 'application/json' : 'text/html');
    response.writeHead(status).end(isStore ? JSON.stringify(body) : body);
  }

  /** As Elasticsearch 8 and 9: only its own major and the one before; OpenSearch knows the plain types only. */
  private mediaTypeProblem(headers: IncomingMessage['headers']): unknown {
    const asked = [headers.accept, headers['content-type']].filter((type) => type !== undefined);
    const major = Number.parseInt(this.options.version ?? '9', 10);
    const isKnown = (type: string) => {
      const compatible = /^application\/vnd\.elasticsearch\+(?:json|x-ndjson); ?compatible-with=(\d+)$/.exec(type)?.[1];
      if (compatible === undefined) return /^application\/(json|x-ndjson)$/.test(type);
      return (
        this.options.product !== 'OpenSearch' && (Number(compatible) === major || Number(compatible) === major - 1)
      );
    };
    return asked.every(isKnown)
      ? undefined
      : { error: { type: 'media_type_header_exception', reason: `Invalid media-type value on headers` }, status: 400 };
  }

  private other({ method, path, body }: SeenRequest, response: ServerResponse): void {
    const scripted = this.answers.get(`${method} ${path}`);
    const template = /^\/_index_template\/(.+)$/.exec(path)?.[1];
    const resolved = this.streams.get(/^\/_resolve\/index\/(.+)$/.exec(path)?.[1] ?? '');
    const [, searched, verb] = /^\/([^/]+)\/(_refresh|_search)$/.exec(path) ?? [];
    if (scripted !== undefined) this.answer(response, scripted.status, scripted.body);
    else if (resolved !== undefined) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      this.answer(response, 200, { indices: [], aliases: [], data_streams: [{ name, backing_indices: resolved }] });
    } else if (verb === '_refresh' && this.streams.has(searched!)) this.answer(response, 200, {});
    else if (verb === '_search' && this.streams.has(searched!)) this.search(searched!, body, response);
    else if (path === '/') {
      const distribution = this.options.product === 'OpenSearch' ? { distribution: 'opensearch' } : {};
      this.answer(response, 200, { version: { number: this.options.version ?? '9.1.0', ...distribution } });
    } else if (template !== undefined && method === 'PUT') {
      this.templates.set(template, JSON.parse(body));
      this.answer(response, 200, { acknowledged: true });
    } else if (template !== undefined && this.templates.has(template))
      this.answer(response, 200, { index_templates: [{ name: template }] });
    else this.answer(response, 404, { error: { type: 'resource_not_found_exception', reason: path }, status: 404 });
  }

  /** Finds ids in all indices behind a name. */
  private search(name: string, body: string, response: ServerResponse): void {
    const { values } = (JSON.parse(body) as { query: { ids: { values: string[] } } }).query.ids;
    const hits = this.streams
      .get(name)!
      .flatMap((index) => values.filter((id) => this.documents.has(`${index}/${id}`)).map((id) => ({ _id: id })));
    this.answer(response, 200, hits.length === 0 ? {} : { hits: { hits } });
  }

  private bulk(seen: SeenRequest, response: ServerResponse): void {
    const reaction = this.react(seen);
    if (typeof reaction === 'object') {
      this.answer(response, reaction.status, reaction.body ?? '');
      return;
    }
    const results = seen.items.map((item) => ({ [item.operation]: this.keep(item) }));
    if (reaction === 'fewer') results.pop();
    const errors = results.some((result) => Object.values(result)[0]!.status >= 300);
    if (reaction === undefined || reaction === 'fewer') this.answer(response, 200, { errors, items: results });
    else if (reaction === 'half') {
      const text = JSON.stringify({ errors, items: results });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
      response.write(text.slice(0, text.length / 2), () => response.destroy());
    } else if (reaction === 'reset') response.destroy();
  }

  private keep(item: StoreItem): { status: number; error?: ItemProblem['error'] } {
    const problem = this.reactToItem(item);
    if (problem !== undefined) return problem;
    const name = `${this.streams.get(item.index)?.at(-1) ?? item.index}/${item.id}`;
    const isThere = this.documents.has(name);
    if (isThere && item.operation === 'create') {
      const reason = `[${item.id}]: version conflict, document already exists (current version [1])`;
      return { status: 409, error: { type: 'version_conflict_engine_exception', reason } };
    }
    this.documents.set(name, item.document);
    return { status: isThere ? 200 : 201 };
  }
}

function itemsOf(body: string): StoreItem[] {
  const lines = body.split('\n');
  if (lines.pop() !== '' || lines.length % 2 !== 0) throw new Error('not the body of a bulk request');
  return lines.flatMap((line, at) => {
    if (at % 2 === 1) return [];
    const [operation, action] = Object.entries(JSON.parse(line) as Record<string, { _index: string; _id: string }>)[0]!;
    const document = JSON.parse(lines[at + 1]!) as Record<string, unknown>;
    return [{ operation, index: action._index, id: action._id, document }];
  });
}
