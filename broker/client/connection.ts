// One socket to one broker: frames out, frames in, answers matched to requests by correlation id. Requests leave in the order of the calls and are
// pipelined; the broker answers in that order. A request that is not answered in time ends the connection, because nothing behind it
// would be answered either; everybody who waits then learns TLR_UNREACHABLE, which means "outcome unknown".
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { type ApiName, apiNameOf, apis, type RequestOf, type ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../wire/frame.ts';
import { ApiVersionTable } from './api-versions.ts';
import type { Connection, RequestOptions } from './contract.ts';
import { FrameReader } from './frame-reader.ts';
import { authenticate, type SaslLogin } from './sasl-login.ts';
import { tlsProblem } from './tls-problem.ts';

const defaultTimeoutMs = 30_000;
/** Larger answers are refused before memory is taken for them. */
const maxResponseBytes = 512 * 1024 * 1024;

interface Pending {
  readonly api: ApiName;
  readonly timer: Timer;
  onFrame: (frame: Buffer) => void;
  reject: (error: TailraceError) => void;
}

export class SocketConnection implements Connection {
  open = true;
  private readonly socket: Socket;
  private readonly clock: Clock;
  private readonly clientId: string;
  private readonly address: string;
  private readonly pending = new Map<number, Pending>();
  /** What may be missing when the broker hangs up on us before it has answered. */
  private hint: string | undefined;
  private nextCorrelationId = 1;
  /** What waits until the broker wants more from us: it would not be read before (KIP-219). */
  private readonly held: Uint8Array[] = [];
  private throttle: { untilMs: number; timer: Timer } | undefined;
  private versions = new ApiVersionTable(new Map(), new Map());

  private constructor(socket: Socket, options: { clock: Clock; clientId: string; address: string }) {
    this.socket = socket;
    this.clock = options.clock;
    this.clientId = options.clientId;
    this.address = options.address;
    const frames = new FrameReader(maxResponseBytes, (frame) => this.onFrame(frame));
    socket.on('data', (chunk: Buffer) => {
      try {
        frames.push(chunk);
      } catch (error) {
        this.end(error instanceof TailraceError ? error : this.unreachable(messageOf(error)));
      }
    });
    socket.on('error', (error) => this.end(tlsProblem(error, this.address) ?? this.unreachable(error.message)));
    socket.on('close', () => this.end(this.unreachable(`the broker closed the connection${this.hint ?? ''}`)));
  }

  /**
   * Takes a connected socket over, asks the broker for its versions, and authenticates. `doubt`: what to ask oneself when it hangs up at once. Throws
   * TLR_UNREACHABLE, TLR_TIMEOUT, TLR_PROTOCOL, or TLR_DENIED when the broker does not accept the user.
   */
  static async open(
    socket: Socket,
    options: {
      clock: Clock;
      random: Random;
      clientId: string;
      address: string;
      doubt?: string | undefined;
      sasl?: SaslLogin | undefined;
    },
  ): Promise<SocketConnection> {
    const { doubt, sasl } = options;
    const connection = new SocketConnection(socket, options);
    try {
      connection.hint = doubt && ` before it answered: ${doubt}`;
      await connection.negotiate();
      connection.hint = undefined;
      if (sasl !== undefined) await authenticate(connection, sasl, options);
      else connection.hint = ' after it told its versions: does its listener ask for a user (sasl)?';
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  versionOf(api: ApiName, maxVersion?: number): number {
    return this.versions.versionOf(api, maxVersion);
  }

  feature(name: string): number {
    return this.versions.feature(name);
  }

  request<K extends ApiName>(api: K, body: RequestOf<K>, options: RequestOptions = {}): Promise<ResponseOf<K>> {
    return this.send(api, this.versionOf(api, options.maxVersion), body, options.timeoutMs ?? defaultTimeoutMs);
  }

  close(): Promise<void> {
    this.end(new TailraceError('TLR_CLOSED', `the connection to ${this.address} was closed`));
    return Promise.resolve();
  }

  private send<K extends ApiName>(
    api: K,
    version: number,
    body: RequestOf<K>,
    timeoutMs: number,
  ): Promise<ResponseOf<K>> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(this.unreachable('the connection is closed'));
        return;
      }
      const correlationId = this.nextCorrelationId++ & 0x7fffffff;
      const chunks = encodeRequest(api, version, correlationId, this.clientId, body);
      const patienceMs = timeoutMs + Math.max(0, (this.throttle?.untilMs ?? 0) - this.clock.monotonicMs());
      const timer = this.clock.schedule(patienceMs, () => {
        reject(
          new TailraceError('TLR_TIMEOUT', `${this.address} did not answer ${api} within ${timeoutMs} ms`, {
            retriable: true,
          }),
        );
        this.end(this.unreachable('an earlier request was not answered in time'));
      });
      const onFrame = (frame: Buffer) => {
        const { body } = decodeResponse(api, version, frame);
        if ('throttleTimeMs' in body && body.throttleTimeMs > 0) this.holdBack(body.throttleTimeMs);
        resolve(body);
      };
      this.pending.set(correlationId, { api, timer, onFrame, reject });
      if (this.throttle === undefined) this.write(chunks);
      else this.held.push(...chunks);
    });
  }

  private write(chunks: readonly Uint8Array[]): void {
    this.socket.cork();
    for (const chunk of chunks) this.socket.write(chunk);
    this.socket.uncork();
  }

  /** The broker has a quota for us, and we are over it. */
  private holdBack(throttleMs: number): void {
    const untilMs = this.clock.monotonicMs() + throttleMs;
    if (untilMs <= (this.throttle?.untilMs ?? 0)) return;
    this.throttle?.timer.cancel();
    const timer = this.clock.schedule(throttleMs, () => {
      this.throttle = undefined;
      this.write(this.held.splice(0));
    });
    this.throttle = { untilMs, timer };
  }

  private onFrame(frame: Buffer): void {
    const correlationId = correlationIdOf(frame);
    const waiting = this.pending.get(correlationId);
    if (waiting === undefined) {
      throw new TailraceError(
        'TLR_PROTOCOL',
        `${this.address} answered a request (${correlationId}) that was not made`,
      );
    }
    this.pending.delete(correlationId);
    waiting.timer.cancel();
    if (waiting.api !== 'ApiVersions') this.hint = undefined;
    try {
      waiting.onFrame(frame);
    } catch (error) {
      const failure = new TailraceError('TLR_PROTOCOL', `${this.address}, ${waiting.api}: ${messageOf(error)}`, {
        cause: error,
      });
      waiting.reject(failure);
      throw failure;
    }
  }

  /** Asks with our newest version; a broker that does not know it answers in version 0 with what it has (KIP-511). */
  private async negotiate(): Promise<void> {
    const ask = (version: number) => {
      const body = apis.ApiVersions.request.create({ clientSoftwareName: 'tailrace', clientSoftwareVersion: '0.1' });
      return this.send('ApiVersions', version, body, defaultTimeoutMs);
    };
    const newest = apis.ApiVersions.versions[1];
    let response = await ask(newest);
    if (response.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
      const theirs = response.apiKeys.find(({ apiKey }) => apiKey === apis.ApiVersions.key)?.maxVersion ?? 0;
      response = await ask(Math.min(theirs, newest));
    }
    if (response.errorCode !== 0) throw new KafkaError(response.errorCode, `ApiVersions of ${this.address}`);
    const ranges = new Map<ApiName, readonly [number, number]>();
    for (const { apiKey, minVersion, maxVersion } of response.apiKeys) {
      const api = apiNameOf(apiKey);
      if (api !== undefined) ranges.set(api, [minVersion, maxVersion]);
    }
    const features = new Map(response.finalizedFeatures.map(({ name, maxVersionLevel }) => [name, maxVersionLevel]));
    this.versions = new ApiVersionTable(ranges, features);
  }

  private end(reason: TailraceError): void {
    if (!this.open) return;
    this.open = false;
    this.throttle?.timer.cancel();
    this.socket.destroy();
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const { timer, reject } of waiting) {
      timer.cancel();
      reject(reason);
    }
  }

  private unreachable(what: string): TailraceError {
    return new TailraceError('TLR_UNREACHABLE', `${this.address}: ${what}`, { retriable: true });
  }
}
