// The HTTP side of an http agent: listens, checks who asks, receives bodies, and answers when what they hold is durable. Two doors: POST /ingest/TOPIC for
// everybody, and _bulk for shippers that believe they speak to Elasticsearch.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseAddress } from '../../base/address.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { cannotListen } from '../../base/listening.ts';
import type { Logger } from '../../base/logger.ts';
import { type Hold, readBody, Room } from './body.ts';
import { bulkAnswer, readBulk } from './bulk.ts';
import { Credentials } from './credentials.ts';
import { answerAsElasticsearch } from './elasticsearch.ts';
import { cutRecords, formatOf } from './formats.ts';
import type { Intake } from './intake.ts';
import type { KeyedRequest } from './keys.ts';
import { HttpProblem, unavailable } from './problem.ts';
import type { HttpSettings } from './settings.ts';

const idempotencyKeyLimit = 255;
const headersTimeoutMs = 10_000;
const bulkTypes =
  /^(?:application\/(?:x-ndjson|ndjson|json|vnd\.elasticsearch\+(?:x-ndjson|json))|text\/plain)\s*(?:;|$)/i;

/** PEM texts. */
export interface TlsIdentity {
  cert: string;
  key: string;
}

export interface ServerOptions {
  /** The agent's. */
  name: string;
  settings: HttpSettings;
  /** The topic of `to`, and all topics that may be written to. */
  topic: string;
  topics: ReadonlySet<string>;
  tls: TlsIdentity | undefined;
  clock: Clock;
  logger: Logger;
  /** Undefined while there is none that takes records. */
  intake: () => Intake | undefined;
}

export class IngestServer {
  private options: ServerOptions;
  private readonly app: FastifyInstance;
  private readonly room: Room;
  private credentials: Credentials;

  private constructor(options: ServerOptions, app: FastifyInstance) {
    this.options = options;
    this.app = app;
    this.room = new Room(options.settings.max_pending);
    this.credentials = new Credentials(options.settings.auth);
  }

  /** Rejects with TailraceError TLR_LISTEN when it cannot listen there. */
  static async open(options: ServerOptions): Promise<IngestServer> {
    const { settings, tls } = options;
    const { fastify } = await import('fastify');
    const timeouts = {
      requestTimeout: settings.timeout,
      headersTimeout: Math.min(settings.timeout, headersTimeoutMs),
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(settings.timeout / 4)),
    };
    const common = {
      ...{ logger: false, requestTimeout: settings.timeout, forceCloseConnections: 'idle' as const },
      // While it closes, what still comes over open connections is taken: a reload or a restart refuses nobody who is connected.
      return503OnClosing: false,
    };
    // The two forms give types that differ in the server alone, which nothing here looks at.
    const app = (
      tls === undefined
        ? fastify({ ...common, http: timeouts })
        : fastify({ ...common, https: { ...timeouts, ...tls } })
    ) as FastifyInstance;
    const server = new IngestServer(options, app);
    server.route();
    app.server.maxConnections = settings.max_connections;
    const { host, port } = parseAddress(settings.listen)!;
    try {
      await app.listen({ host, port });
    } catch (error) {
      await app.close();
      throw cannotListen(`agent ${options.name}`, settings.listen, error);
    }
    return server;
  }

  get port(): number {
    const address = this.app.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** From now on; requests under way are not disturbed. Address, TLS, timeout and number of connections stay. */
  change(to: Pick<ServerOptions, 'settings' | 'topic' | 'topics'>): void {
    this.options = { ...this.options, ...to };
    this.room.limitBytes = to.settings.max_pending;
    this.credentials = new Credentials(to.settings.auth);
  }

  /** Shows another certificate to who connects from now on; it has to be a good one. */
  renew(identity: TlsIdentity): void {
    const { server } = this.app;
    if (server instanceof TlsServer) server.setSecureContext(identity);
  }

  /** Takes no new connection or request; resolves when those under way are answered. */
  async close(): Promise<void> {
    await this.app.close();
  }

  /** Ends what is still open, answered or not. */
  closeConnections(): void {
    this.app.server.closeAllConnections();
  }

  private route(): void {
    const { app } = this;
    app.removeAllContentTypeParsers();
    // Bodies are received by hand, after everything that can be said without them.
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));
    app.addHook('onRequest', async (request, reply) => {
      if (this.credentials.allow(request.headers.authorization)) return;
      reply.header('www-authenticate', this.credentials.challenge!);
      throw new HttpProblem(401, 'credentials are needed: send Authorization with the token or the password');
    });
    app.setErrorHandler((error, request, reply) => this.explain(error, request, reply));
    app.post<{ Params: { topic?: string } }>('/ingest', (request, reply) => this.ingest(undefined, request, reply));
    app.post<{ Params: { topic: string } }>('/ingest/:topic', (request, reply) =>
      this.ingest(request.params.topic, request, reply),
    );
    for (const method of ['POST', 'PUT'] as const) {
      const handler = (request: FastifyRequest, reply: FastifyReply) => this.bulk(request, reply);
      app.route({ method, url: '/_bulk', handler });
      app.route({ method, url: '/:index/_bulk', handler });
    }
    app.setNotFoundHandler((request, reply) => this.other(request, reply));
  }

  private async ingest(named: string | undefined, request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const topic = named ?? this.options.topic;
    if (!this.options.topics.has(topic)) throw new HttpProblem(404, `there is no topic ${topic} to write to here`);
    const format = formatOf(request.headers['content-type']);
    const key = idempotencyKeyOf(request.headers);
    const limitBytes = this.intake().recordLimitBytes(topic);
    return this.withBody(request.raw, async (source) => {
      const hash = key === undefined ? '' : hashOf(['ingest', topic, format], source);
      const spans = cutRecords(format, source, limitBytes);
      const count = spans.length / 2;
      const keyed = key === undefined ? undefined : { key, hash, count };
      const outcome = await this.store([{ topic, source, spans }], count, keyed);
      if (outcome === 'repeated') reply.header('idempotency-replayed', 'true');
      reply.type('application/json; charset=utf-8');
      return JSON.stringify({
        topic,
        accepted: count,
        guarantee: key === undefined ? 'at least once' : 'exactly once',
      });
    });
  }

  private async bulk(request: FastifyRequest, reply: FastifyReply): Promise<string> {
    const { clock, topic, topics } = this.options;
    const startedMs = clock.monotonicMs();
    if (!bulkTypes.test(request.headers['content-type'] ?? ''))
      throw new HttpProblem(415, 'a bulk is sent as application/x-ndjson');
    const key = idempotencyKeyOf(request.headers);
    const { index } = request.params as { index?: string };
    const intake = this.intake();
    return this.withBody(request.raw, async (source) => {
      const hash = key === undefined ? '' : hashOf(['bulk', index ?? ''], source);
      const bulk = readBulk(source, {
        index,
        topicOf: (name) => (topics.has(name) ? name : topic),
        recordLimitBytes: (name) => intake.recordLimitBytes(name),
      });
      const count = bulk.parts.reduce((sum, { spans }) => sum + spans.length / 2, 0);
      await this.store(bulk.parts, count, key === undefined ? undefined : { key, hash, count });
      reply.type('application/json').header('x-elastic-product', 'Elasticsearch');
      return bulkAnswer(bulk, clock.monotonicMs() - startedMs);
    });
  }

  private async store(
    parts: Parameters<Intake['submit']>[0]['parts'],
    count: number,
    keyed: KeyedRequest | undefined,
  ): Promise<'stored' | 'repeated'> {
    if (count === 0 && keyed === undefined) return 'stored';
    return this.intake().submit(keyed === undefined ? { parts } : { parts, keyed });
  }

  /** Everything else: what shippers ask of an Elasticsearch, or nothing of ours. */
  private async other(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const path = request.url.split('?', 1)[0]!;
    if (path.startsWith('/ingest')) throw new HttpProblem(404, 'lines are sent with POST /ingest/TOPIC');
    let name = path;
    try {
      name = decodeURIComponent(path);
    } catch {
      throw new HttpProblem(400, 'the path is not well formed');
    }
    const answer = answerAsElasticsearch(request.method, name);
    if (answer === undefined) throw new HttpProblem(404, `${request.method} ${path} is not known here`);
    // What is not looked at must still be received, for the connection goes on.
    request.raw.resume();
    reply.code(answer.status).header('x-elastic-product', 'Elasticsearch');
    if (typeof answer.body === 'string') return reply.type('text/plain').send(answer.body);
    return reply.type('application/json').send(JSON.stringify(answer.body));
  }

  private intake(): Intake {
    const intake = this.options.intake();
    if (intake === undefined) throw unavailable('the log cannot take records at the moment');
    return intake;
  }

  private async withBody<T>(request: IncomingMessage, use: (body: Buffer) => Promise<T>): Promise<T> {
    const { max_body: sentBytes, max_decompressed: decompressedBytes } = this.options.settings;
    const hold: Hold = this.room.hold();
    try {
      return await use(await readBody(request, { sentBytes, decompressedBytes }, hold));
    } finally {
      hold.release();
    }
  }

  private explain(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const problem = this.problemOf(error);
    const { status, message, details } = problem;
    if (details.retryAfterSeconds !== undefined) reply.header('retry-after', String(details.retryAfterSeconds));
    // A body that nobody will read: the connection cannot be used again.
    if (!request.raw.complete) reply.header('connection', 'close');
    reply.code(status).type('application/json; charset=utf-8');
    const line = details.line === undefined ? {} : { line: details.line };
    if (request.url.startsWith('/ingest')) return reply.send(JSON.stringify({ error: message, ...line, status }));
    const type = status === 401 ? 'security_exception' : status < 500 ? 'illegal_argument_exception' : 'unavailable';
    reply.header('x-elastic-product', 'Elasticsearch');
    return reply.send(JSON.stringify({ error: { type, reason: message, ...line }, status }));
  }

  private problemOf(error: unknown): HttpProblem {
    if (error instanceof HttpProblem) return error;
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) return new HttpProblem(status, messageOf(error));
    this.options.logger.error('a request failed', { error: messageOf(error) });
    return new HttpProblem(500, 'this is a defect; see the log of tailrace');
  }
}

function idempotencyKeyOf(headers: IncomingMessage['headers']): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && key !== '' && key.length <= idempotencyKeyLimit) return key;
  throw new HttpProblem(400, `an Idempotency-Key has 1 to ${idempotencyKeyLimit} characters`);
}

function hashOf(asked: readonly string[], body: Buffer): string {
  return createHash('sha256').update(JSON.stringify(asked)).update(body).digest('hex');
}
