// One client's connection: bytes to requests, requests to handlers, answers back in the order of the requests.
//
// - Requests act one after the other, as in Kafka, with one exception: behind Produce requests that wait for the disk the next request starts
//   at once, because a Produce has done all that depends on order (its appends) when its handler returns. Idempotent producers keep five
//   under way.
// - A client that does not read its answers is not read from either, until its socket has drained; nobody else waits for it.
// - What is not a request of ours (too long, cut short, unknown API or version, HTTP) ends the connection with one line in the log.
import type { Socket } from 'node:net';
import type { Timer } from '../../base/clock.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { unsupportedApiVersions } from '../handlers/18-api-versions.ts';
import { dispatch, isServed } from '../handlers/dispatch.ts';
import type { BrokerParts, Endpoint, HandlerTable } from '../handlers/handler.ts';
import type { ApiName } from '../wire/apis.ts';
import { decodeRequestBody, decodeRequestHeader, encodeResponse, type RequestFrame } from '../wire/frame.ts';
import { FrameReader } from './frame-reader.ts';
import type { RequestBudget } from './request-budget.ts';

/** Requests of one connection that may be under way at once. */
const mostUnderWay = 100;
/** While a connection waits, it goes on reading up to so much: that is how it notices that the client has gone. */
const readAheadBytes = 1024 * 1024;

/** What all connections of a listener share. */
export interface ConnectionHouse {
  readonly broker: BrokerParts;
  readonly handlers: HandlerTable;
  readonly endpoint: Endpoint;
  readonly budget: RequestBudget;
}

/** A request under way: its answer as chunks, or none. */
interface UnderWay {
  readonly answer: Promise<Buffer[] | undefined>;
  readonly requestBytes: number;
}

export class Connection {
  private readonly socket: Socket;
  private readonly house: ConnectionHouse;
  private readonly logger: Logger;
  private readonly frames: FrameReader;
  private readonly clientHost: string;
  private readonly underWay: UnderWay[] = [];
  /** True while a request that is not a Produce is being handled. */
  private isBusy = false;
  private isWriting = false;
  private isDraining = false;
  private isClosed = false;
  private lastActiveMs: number;
  private idleTimer: Timer | undefined;
  private readonly onRoom = () => this.pump();
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, house: ConnectionHouse) {
    const { broker } = house;
    this.socket = socket;
    this.house = house;
    // Kafka's form of an address in DescribeGroups.
    this.clientHost = `/${(socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')}`;
    this.logger = broker.logger.child({ client: `${this.clientHost.slice(1)}:${socket.remotePort ?? 0}` });
    this.frames = new FrameReader(broker.settings.number('socket.request.max.bytes'));
    this.lastActiveMs = broker.clock.monotonicMs();
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.release();
        resolve();
      });
    });
    socket.on('error', (error) => this.logger.debug('Connection lost', { error: error.message }));
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('drain', () => this.pump());
    this.watchIdle();
  }

  /** Answers what is under way, takes nothing more, and ends. */
  end(): void {
    this.isDraining = true;
    if (this.underWay.length === 0) this.socket.end();
    this.socket.resume();
  }

  /** Ends at once. */
  destroy(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    if (this.isDraining || this.isClosed) return;
    this.lastActiveMs = this.house.broker.clock.monotonicMs();
    this.frames.push(chunk);
    this.pump();
  }

  /** Starts as many requests as may be under way, and reads on or not accordingly. */
  private pump(): void {
    try {
      while (this.mayStart()) {
        const frame = this.frames.next();
        if (frame === undefined) break;
        this.start(frame);
      }
    } catch (error) {
      this.refuse(error);
      return;
    }
    if (this.isClosed) return;
    if (!this.mayStart() && this.frames.bufferedBytes > readAheadBytes) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  private mayStart(): boolean {
    if (this.isClosed || this.isDraining || this.isBusy || this.socket.writableNeedDrain) return false;
    if (this.underWay.length >= mostUnderWay) return false;
    if (!this.house.budget.isFull) return true;
    this.house.budget.whenRoom(this.onRoom);
    return false;
  }

  private start(frame: Buffer): void {
    const request = decodeRequestHeader(frame);
    const { api, version, correlationId } = request.header;
    if (api === undefined || !request.isReadable || !isServed(this.house.handlers, api, version)) {
      if (api !== 'ApiVersions') throw this.unknownRequest(request);
      const answer = encodeResponse('ApiVersions', 0, correlationId, unsupportedApiVersions(this.house.broker));
      this.enqueue(Promise.resolve(answer), frame.length);
      return;
    }
    const answer = this.handle(api, request);
    if (api !== 'Produce') {
      this.isBusy = true;
      const free = () => {
        this.isBusy = false;
        this.pump();
      };
      answer.then(free, free);
    }
    this.enqueue(answer, frame.length);
  }

  private async handle(api: ApiName, request: RequestFrame): Promise<Buffer[] | undefined> {
    const { version, correlationId, clientId } = request.header;
    const { broker, handlers, endpoint } = this.house;
    const body = decodeRequestBody(api, version, request.reader);
    const sender = { version, clientId, clientHost: this.clientHost, inProcess: false };
    const response = await dispatch(handlers, api, body, { ...sender, broker, endpoint, asker: this });
    return response === undefined ? undefined : encodeResponse(api, version, correlationId, response);
  }

  private enqueue(answer: Promise<Buffer[] | undefined>, requestBytes: number): void {
    this.house.budget.take(requestBytes);
    // The error is seen when its turn comes; until then it is nobody's.
    answer.catch(() => undefined);
    this.underWay.push({ answer, requestBytes });
    if (!this.isWriting) void this.write();
  }

  /** Sends the answers, one after the other. */
  private async write(): Promise<void> {
    this.isWriting = true;
    for (let first = this.underWay[0]; first !== undefined; first = this.underWay[0]) {
      try {
        const chunks = await first.answer;
        if (chunks !== undefined && !this.isClosed) this.send(chunks);
      } catch (error) {
        this.refuse(error);
      }
      this.underWay.shift();
      this.house.budget.give(first.requestBytes);
      this.lastActiveMs = this.house.broker.clock.monotonicMs();
    }
    this.isWriting = false;
    if (this.isDraining) this.socket.end();
    else this.pump();
  }

  private send(chunks: readonly Buffer[]): void {
    this.socket.cork();
    for (const chunk of chunks) this.socket.write(chunk);
    this.socket.uncork();
  }

  private unknownRequest({ header }: RequestFrame): TailraceError {
    const what = header.api ?? `API key ${header.apiKey}`;
    return new TailraceError('TLR_PROTOCOL', `${what} version ${header.version} is not served`);
  }

  private refuse(error: unknown): void {
    if (this.isClosed) return;
    const level = error instanceof TailraceError ? 'warn' : 'error';
    this.logger[level]('Connection closed', { reason: messageOf(error) });
    this.isClosed = true;
    this.socket.destroy();
  }

  private release(): void {
    this.isClosed = true;
    this.idleTimer?.cancel();
    this.house.budget.forget(this.onRoom);
    this.house.broker.waiting.release(this);
  }

  private watchIdle(): void {
    const { clock, settings } = this.house.broker;
    const limitMs = settings.number('connections.max.idle.ms');
    const silentMs = this.underWay.length > 0 ? 0 : clock.monotonicMs() - this.lastActiveMs;
    if (silentMs >= limitMs) {
      this.logger.debug('Connection closed', { reason: `silent for ${limitMs} ms` });
      this.socket.destroy();
      return;
    }
    this.idleTimer = clock.schedule(limitMs - silentMs, () => this.watchIdle());
  }
}
