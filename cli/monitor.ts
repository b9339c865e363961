// `monitor: HOST:PORT`: three pages for machines. Loaded only when the configuration asks for it.
//   /metrics  Prometheus' text format (base/metrics.ts has the table)
//   /health   200 while the process does its work, 503 when it cannot go on (the log has failed): restart it then
//   /ready    200 when the broker answers and every edge delivers, 503 with what is missing: look at it then
// Nothing here tells contents, problems in words, or settings; only names, states and numbers.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Address } from '../base/address.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { http } from '../base/http.ts';
import { cannotListen } from '../base/listening.ts';
import type { Logger } from '../base/logger.ts';
import { metricsPage, type Observed } from './observation.ts';

export interface Readiness {
  ready: boolean;
  /** What is missing; empty when ready. */
  missing: string[];
}

const requestTimeoutMs = 10_000;
const connectionsLimit = 64;
const brokerPatienceMs = 3000;
/** Of the measurement of the event loop: delays are told beyond it. */
const loopResolutionMs = 20;

interface Answer {
  status: number;
  type: string;
  body: string;
}

export class Monitor {
  private readonly server: Server;
  private readonly observe: () => Observed;
  private readonly logger: Logger;
  private readonly loopDelay = monitorEventLoopDelay({ resolution: loopResolutionMs });
  /** One collection serves all who ask while it is made. */
  private collecting: Promise<string> | undefined;

  private constructor(server: Server, observe: () => Observed, logger: Logger) {
    this.server = server;
    this.observe = observe;
    this.logger = logger;
    this.loopDelay.enable();
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.handle(request, response));
  }

  /** Throws TailraceError TLR_LISTEN when the address cannot be listened on. */
  static async start({ host, port }: Address, observe: () => Observed, logger: Logger): Promise<Monitor> {
    const server = http().createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });
    server.maxConnections = connectionsLimit;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen(port, host === 'localhost' ? '127.0.0.1' : host, () => resolve(undefined));
    try {
      await promise;
    } catch (error) {
      throw cannotListen('monitor:', `${host}:${port}`, error);
    }
    server.off('error', reject);
    server.on('error', (error) => logger.warn('the monitor has a problem', { error: error.message }));
    return new Monitor(server, observe, logger);
  }

  /** Where it listens, `host:port`. */
  get address(): string {
    const bound = this.server.address();
    if (bound === null || typeof bound === 'string') return '';
    return bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  async close(): Promise<void> {
    this.loopDelay.disable();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.server.close(() => resolve(undefined));
    this.server.closeAllConnections();
    await promise;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.answer(request.method ?? '', (request.url ?? '').split('?')[0]!);
    } catch (error) {
      this.logger.warn('the monitor could not answer', { page: request.url ?? '', error: messageOf(error) });
      answer = json(503, { status: 'failed' });
    }
    const { status, type, body } = answer;
    const bytes = Buffer.from(body);
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  private async answer(method: string, path: string): Promise<Answer> {
    const pages: Record<string, () => Promise<Answer>> = {
      '/metrics': async () => {
        this.collecting ??= metricsPage(this.observe(), systemClock, this.loopDelays()).finally(
          () => (this.collecting = undefined),
        );
        return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await this.collecting };
      },
      '/health': () => Promise.resolve(this.health()),
      '/ready': async () => {
        const { ready, missing } = await this.readiness();
        return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', missing });
      },
    };
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined) return json(404, { pages: Object.keys(pages) });
    return method === 'GET' || method === 'HEAD' ? page() : json(405, { allowed: ['GET', 'HEAD'] });
  }

  private health(): Answer {
    const failed = this.observe().broker?.hasFailed === true;
    return json(failed ? 503 : 200, { status: failed ? 'the log has failed' : 'ok' });
  }

  private async readiness(): Promise<Readiness> {
    const { broker, client, edges } = this.observe();
    const missing: string[] = [];
    if (broker === undefined ? !(await answersSoon(client.admin().topics([]))) : broker.hasFailed)
      missing.push('broker');
    for (const { topic, partition } of broker?.log.offline ?? [])
      missing.push(`partition ${topic}-${partition}: offline`);
    for (const { edge, state } of edges)
      if (state === 'starting' || state === 'paused') missing.push(`edge ${edge}: ${state}`);
    return { ready: missing.length === 0, missing };
  }

  /** Since the last call. */
  private loopDelays(): Record<string, number> {
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - loopResolutionMs / 1000);
    const { loopDelay } = this;
    const quantiles = [50, 99].map(
      (percent) => [String(percent / 100), seconds(loopDelay.percentile(percent))] as const,
    );
    const delays = Object.fromEntries([...quantiles, ['1', seconds(loopDelay.max)] as const]);
    loopDelay.reset();
    return delays;
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: JSON.stringify(value) + '\n' };
}

async function answersSoon(work: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = systemClock.schedule(brokerPatienceMs, () => resolve(false));
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => false,
      ),
      late,
    ]);
  } finally {
    timer.cancel();
  }
}
