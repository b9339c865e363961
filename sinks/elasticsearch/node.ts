// One node of a store, behind one face: requests in, status and body out. Two kinds speak to it: plain HTTP through undici (OpenSearch, and anything
// else that has the bulk API) and Elastic's own client (Elasticsearch, with the media types of the server's major version). Both load their package on
// first use. Timeouts and the choice of node are the cluster's (cluster.ts).
import type * as elastic from '@elastic/elasticsearch';
import type { Agent } from 'undici';
import { messageOf, TailraceError } from '../../base/errors.ts';
import { readAnswer } from './answer.ts';

export interface StoreRequest {
  method: 'GET' | 'POST' | 'PUT';
  /** With the query. */
  path: string;
  body?: Buffer;
  kind?: 'json' | 'ndjson';
}

export interface StoreAnswer {
  status: number;
  /** As answer.ts reads it; the text when it is not JSON. */
  body: unknown;
  /** The header by which Elasticsearch makes itself known. */
  product: string | undefined;
}

export interface StoreNode {
  /** Address without secrets. */
  readonly url: string;
  /** Any status is an answer. Throws TailraceError TLR_UNREACHABLE when there was none; it may have been done all the same. */
  request(request: StoreRequest, signal: AbortSignal): Promise<StoreAnswer>;
  close(): Promise<void>;
}

/** What requests to all nodes have in common. */
export interface NodeOptions {
  /** The header Authorization. */
  authorization: string | undefined;
  /** Certificates (PEM) that are trusted beside the well-known ones' place. */
  ca: string | undefined;
}

const connectTimeoutMs = 10_000;
const mediaTypes = { json: 'application/json', ndjson: 'application/x-ndjson' };

/** Leaves timeouts to the caller's signal; connections to a node that is there again are made anew. */
async function undiciAgent({ ca }: NodeOptions): Promise<Agent> {
  const undici = await import('undici');
  const tls = ca === undefined ? {} : { ca };
  return new undici.Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    connect: { timeout: connectTimeoutMs, ...tls },
  });
}

/** The reason of an error, where libraries hide it in `cause` or in a list. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error && error.cause instanceof Error) return reasonOf(error.cause);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = messageOf(error);
  return message === '' || message === 'other side closed'
    ? `the connection was closed${code === '' ? '' : ` (${code})`}`
    : message;
}

function unreachable(url: string, error: unknown): TailraceError {
  return new TailraceError('TLR_UNREACHABLE', `${url} cannot be reached: ${reasonOf(error)}`, {
    cause: error,
    retriable: true,
  });
}

export class PlainNode implements StoreNode {
  readonly url: string;
  private readonly options: NodeOptions;
  private agent: Promise<Agent> | undefined;

  constructor(url: string, options: NodeOptions) {
    this.url = url;
    this.options = options;
  }

  async request(request: StoreRequest, signal: AbortSignal): Promise<StoreAnswer> {
    const { authorization } = this.options;
    const agent = await (this.agent ??= undiciAgent(this.options));
    const base = new URL(this.url);
    try {
      const answer = await agent.request({
        origin: base.origin,
        path: `${base.pathname.replace(/\/$/, '')}${request.path}`,
        method: request.method,
        headers: {
          accept: mediaTypes.json,
          ...(authorization === undefined ? {} : { authorization }),
          ...(request.body === undefined ? {} : { 'content-type': mediaTypes[request.kind ?? 'json'] }),
        },
        ...(request.body === undefined ? {} : { body: request.body }),
        signal,
      });
      const text = await answer.body.text();
      const product = answer.headers['x-elastic-product'];
      return {
        status: answer.statusCode,
        body: parsed(text),
        product: typeof product === 'string' ? product : undefined,
      };
    } catch (error) {
      signal.throwIfAborted();
      throw unreachable(this.url, error);
    }
  }

  async close(): Promise<void> {
    const agent = this.agent;
    this.agent = undefined;
    await (await agent)?.destroy();
  }
}

/** Answers of proxies are not always JSON. */
function parsed(text: string): unknown {
  return readAnswer(text) ?? text.slice(0, 1000);
}

type Elastic = typeof elastic;

/** The client of version 9 asks for its own version's answers, which older servers refuse; they get to be asked for theirs. */
export class ElasticNode implements StoreNode {
  readonly url: string;
  private readonly options: NodeOptions;
  private readonly major: number;
  private client: Promise<{ errors: Elastic['errors']; client: elastic.Client }> | undefined;

  constructor(url: string, options: NodeOptions, major: number) {
    this.url = url;
    this.options = options;
    this.major = major;
  }

  async request(request: StoreRequest, signal: AbortSignal): Promise<StoreAnswer> {
    const { errors, client } = await (this.client ??= this.open());
    const [path, querystring] = request.path.split('?', 2) as [string, string | undefined];
    const type = (kind: 'json' | 'x-ndjson') => `application/vnd.elasticsearch+${kind}; compatible-with=${this.major}`;
    const headers = {
      accept: type('json'),
      // Also without a body: the client would name its own version's type, which older servers refuse.
      'content-type': type(request.kind === 'ndjson' ? 'x-ndjson' : 'json'),
    };
    try {
      const answer = await client.transport.request(
        {
          ...{ method: request.method, path },
          ...(querystring === undefined ? {} : { querystring }),
          ...(request.body === undefined ? {} : { bulkBody: request.body }),
        },
        { meta: true, signal, headers },
      );
      return { status: answer.statusCode, body: answer.body, product: 'Elasticsearch' };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof errors.ResponseError)
        return { status: error.statusCode ?? 0, body: error.body, product: 'Elasticsearch' };
      throw unreachable(this.url, error);
    }
  }

  async close(): Promise<void> {
    const opened = this.client;
    this.client = undefined;
    await (await opened)?.client.close();
  }

  private async open(): Promise<{ errors: Elastic['errors']; client: elastic.Client }> {
    const { Client, errors, Serializer, Transport } = await import('@elastic/elasticsearch');
    const { authorization, ca } = this.options;
    class AnswerReader extends Serializer {
      override deserialize = parsed as typeof Serializer.prototype.deserialize;
    }
    /** Answers are judged here: one without Elasticsearch's header, as a proxy gives, would be thrown away unread. */
    class UncheckedTransport extends Transport {
      constructor(options: elastic.TransportOptions) {
        const unchecked = { ...options };
        delete unchecked.productCheck;
        super(unchecked);
      }
    }
    const client = new Client({
      node: this.url,
      Transport: UncheckedTransport,
      Serializer: AnswerReader,
      maxRetries: 0,
      requestTimeout: 0,
      enableMetaHeader: false,
      // By itself it looks for secrets in what failed, body included, by copying it byte by byte: seconds and hundreds of megabytes for each bulk that fails.
      redaction: { type: 'remove' },
      headers: authorization === undefined ? {} : { authorization },
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    return { errors, client };
  }
}
