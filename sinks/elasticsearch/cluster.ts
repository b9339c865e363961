// The nodes of a store as one: finds out what it is, takes them in turn, passes over those that do not answer, and ends requests that take too long.
import type { Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import {
  ElasticNode,
  type NodeOptions,
  PlainNode,
  type StoreAnswer,
  type StoreNode,
  type StoreRequest,
} from './node.ts';

export interface ClusterOptions extends NodeOptions {
  urls: readonly string[];
  timeoutMs: number;
  clock: Clock;
}

interface Place {
  node: StoreNode;
  /** It is passed over until then, unless all are. */
  restsUntilMs: number;
  failures: number;
}

const firstRestMs = 1000;
const longestRestMs = 60_000;
const probeTimeoutMs = 10_000;
/** A node behind a balancer that is not up, or one that is leaving. */
const nodeStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

export class Cluster {
  private readonly options: ClusterOptions;
  private places: Place[];
  private turn = 0;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.places = options.urls.map((url) => place(new PlainNode(url, options)));
  }

  /** Its addresses, for messages. */
  get name(): string {
    return this.options.urls.join(', ');
  }

  /**
   * Asks for the store's kind and version, and speaks to it accordingly from then on. Resolves with what it is, in words. Throws TailraceError TLR_SINK,
   * retriable when nothing answers, not when the credentials are not taken.
   */
  async connect(): Promise<string> {
    const answer = await this.request(
      { method: 'GET', path: '/' },
      undefined,
      Math.min(probeTimeoutMs, this.options.timeoutMs),
    );
    const version = versionOf(answer.body);
    if (answer.status === 401)
      throw new TailraceError('TLR_SINK', `${this.name} does not take the credentials (status 401)`);
    // 403: the credentials may be good for writing alone.
    if (answer.status !== 200 && answer.status !== 403) throw this.problem(`answers with status ${answer.status}`);
    const major = version === undefined ? 8 : Number.parseInt(version.number, 10);
    if (answer.product !== 'Elasticsearch' || major < 8)
      return version === undefined ? 'a store' : `${version.distribution} ${version.number}`;
    for (const { node } of this.places) await node.close();
    this.places = this.options.urls.map((url) => place(new ElasticNode(url, this.options, major)));
    return `Elasticsearch ${version?.number ?? ''}`.trim();
  }

  /**
   * Sends the request to a node, and to the next when it does not answer, each at most once. Throws TailraceError TLR_SINK, retriable, when none did; then it
   * may have been done all the same. Rejects with the signal's reason when that ends it.
   */
  async request(request: StoreRequest, signal?: AbortSignal, timeoutMs = this.options.timeoutMs): Promise<StoreAnswer> {
    let answer: StoreAnswer | undefined;
    let problem: unknown;
    for (const place of this.inTurn()) {
      try {
        answer = await this.ask(place.node, request, signal, timeoutMs);
        if (!nodeStatuses.has(answer.status)) {
          place.failures = 0;
          place.restsUntilMs = 0;
          return answer;
        }
      } catch (error) {
        signal?.throwIfAborted();
        problem = error;
      }
      place.restsUntilMs =
        this.options.clock.monotonicMs() + Math.min(longestRestMs, firstRestMs * 2 ** Math.min(place.failures++, 10));
    }
    if (answer !== undefined) return answer;
    const message = problem instanceof Error ? problem.message : String(problem);
    throw new TailraceError('TLR_SINK', message, { cause: problem, retriable: true });
  }

  async close(): Promise<void> {
    await Promise.all(this.places.map(({ node }) => node.close()));
  }

  private problem(what: string): TailraceError {
    return new TailraceError('TLR_SINK', `${this.name} ${what}`, { retriable: true });
  }

  /** Those at work first, each time beginning with another one; then those that rest, the one that has rested longest first. */
  private inTurn(): Place[] {
    const nowMs = this.options.clock.monotonicMs();
    const first = this.turn++ % this.places.length;
    const places = [...this.places.slice(first), ...this.places.slice(0, first)];
    const resting = places.filter(({ restsUntilMs }) => restsUntilMs > nowMs);
    resting.sort((one, other) => one.restsUntilMs - other.restsUntilMs);
    return [...places.filter(({ restsUntilMs }) => restsUntilMs <= nowMs), ...resting];
  }

  private async ask(
    node: StoreNode,
    request: StoreRequest,
    signal: AbortSignal | undefined,
    timeoutMs: number,
  ): Promise<StoreAnswer> {
    const late = new AbortController();
    const message = `${node.url} did not answer within ${Math.round(timeoutMs / 1000)} s`;
    const timer = this.options.clock.schedule(timeoutMs, () => late.abort(new TailraceError('TLR_TIMEOUT', message)));
    try {
      return await node.request(request, signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
    } finally {
      timer.cancel();
    }
  }
}

function place(node: StoreNode): Place {
  return { node, restsUntilMs: 0, failures: 0 };
}

/** From the answer to `GET /`. */
function versionOf(body: unknown): { number: string; distribution: string } | undefined {
  const version = typeof body === 'object' && body !== null && 'version' in body ? body.version : undefined;
  if (typeof version !== 'object' || version === null || !('number' in version) || typeof version.number !== 'string')
    return undefined;
  const isOpenSearch = 'distribution' in version && version.distribution === 'opensearch';
  return { number: version.number, distribution: isOpenSearch ? 'OpenSearch' : 'Elasticsearch' };
}
