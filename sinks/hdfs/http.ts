// HTTP as WebHDFS needs it, over Node's own client: a DataNode answers CREATE with an unasked "100 Continue" before it takes the data, which undici takes for an
// error. Redirects are not followed (the data would go to the first address), bodies are streamed with a known length, and an answer that comes
// before the whole body was sent (a refusal) ends the sending. Servers that are silent are given up, and so are those that drip: they would hold an edge without end.
import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.ts';
import { http, https } from '../../base/http.ts';
import { formatDuration } from '../../base/units.ts';

export interface HttpOptions {
  clock: Clock;
  connectTimeoutMs: number;
  /** A server that neither takes nor gives anything for this long is given up; so is one that moves less than `leastBytes` in that time. */
  silenceMs: number;
  /** Certificates (PEM) that sign the servers; those of the system when undefined. */
  ca: string | undefined;
}

export interface HttpRequest {
  method: 'GET' | 'PUT' | 'DELETE';
  headers: Readonly<Record<string, string>>;
  body?: AsyncIterable<Uint8Array> | undefined;
}

export interface HttpAnswer {
  status: number;
  location: string | undefined;
  body: string;
}

/** What a server takes and gives within `silenceMs`, unless it is done before: 4 KB a second with the usual minute. */
const leastBytes = 256 * 1024;
/** To one server; further requests wait for a turn. */
const connectionsLimit = 16;
/** Of one answer: folder listings are the longest. */
const answerLimitBytes = 64 * 1024 * 1024;

export class HttpCaller {
  private readonly options: HttpOptions;
  private readonly agent: HttpAgent;
  private readonly tlsAgent: HttpsAgent;
  private readonly active = new Set<(reason: Error) => void>();
  private closed: Error | undefined;

  constructor(options: HttpOptions) {
    const agent = { keepAlive: true, maxSockets: connectionsLimit };
    this.options = options;
    this.agent = new (http().Agent)(agent);
    this.tlsAgent = new (https().Agent)({ ...agent, ...(options.ca === undefined ? {} : { ca: options.ca }) });
  }

  /** Rejects with Node's error when there is no whole answer, and with the reason of close(). */
  call(url: string, { method, headers, body }: HttpRequest): Promise<HttpAnswer> {
    const isTls = url.startsWith('https:');
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) {
        reject(this.closed);
        return;
      }
      const request = isTls
        ? https().request(url, { method, headers, agent: this.tlsAgent })
        : http().request(url, { method, headers, agent: this.agent });
      const { clock, connectTimeoutMs, silenceMs } = this.options;
      const pace = { bytes: 0 };
      const source = body === undefined ? undefined : Readable.from(counted(body, pace), { objectMode: false });
      const abort = (reason: Error) => void request.destroy(reason);
      const end = (settle: () => void) => {
        connecting?.cancel();
        watching?.cancel();
        this.active.delete(abort);
        source?.destroy();
        settle();
      };
      const fail = (error: Error) => {
        request.destroy(error);
        end(() => reject(error));
      };
      const watch = () => {
        const before = pace.bytes;
        watching = clock.schedule(silenceMs, () => {
          if (pace.bytes - before >= leastBytes) watch();
          else abort(new Error(`it is too slow: ${pace.bytes - before} bytes within ${formatDuration(silenceMs)}`));
        });
      };
      let connecting: Timer | undefined;
      let watching: Timer | undefined;
      this.active.add(abort);
      request.on('error', fail);
      request.on('socket', (socket) => {
        watch();
        if (!socket.connecting) return;
        const late = () => abort(new Error(`no connection within ${formatDuration(connectTimeoutMs)}`));
        connecting = clock.schedule(connectTimeoutMs, late);
        socket.once(isTls ? 'secureConnect' : 'connect', () => connecting?.cancel());
      });
      request.setTimeout(silenceMs, () => abort(new Error(`it said nothing for ${formatDuration(silenceMs)}`)));
      request.on('response', (response) => {
        readAnswer(response, pace).then((answer) => {
          // A refusal before all data was sent: the connection is of no further use.
          if (!request.writableFinished) request.destroy();
          end(() => resolve(answer));
        }, fail);
      });
      if (source === undefined) request.end();
      else source.on('error', fail).pipe(request);
    });
  }

  /** Ends everything under way with this reason. */
  close(reason: Error): void {
    this.closed = reason;
    for (const abort of this.active) abort(reason);
    this.agent.destroy();
    this.tlsAgent.destroy();
  }
}

async function* counted(body: AsyncIterable<Uint8Array>, pace: { bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    pace.bytes += piece.length;
    yield piece;
  }
}

async function readAnswer(response: IncomingMessage, pace: { bytes: number }): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    pace.bytes += chunk.length;
    chunks.push(chunk);
    lengthBytes += chunk.length;
    if (lengthBytes > answerLimitBytes) throw new Error('the answer is too long');
  }
  const { location } = response.headers;
  return { status: response.statusCode ?? 0, location, body: Buffer.concat(chunks).toString() };
}
