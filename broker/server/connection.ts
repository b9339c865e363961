// One client's connection: bytes to requests, requests to handlers, answers back in the order of the requests.
//
// - Requests act one after the other, as in Kafka, with one exception: behind Produce requests that wait for the disk the next request starts
//   at once, because a Produce has done all that depends on order (its appends) when its handler returns. Idempotent producers keep five
//   under way.
// - A client that does not read its answers is not read from either, until its socket has drained; nobody else waits for it.
// - Where the listener asks for SASL, nothing but versions and the exchange itself is answered before it has ended well (authenticator.ts).
// - What is not a request of ours (too long, cut short, unknown API or version, HTTP) ends the connection with one line in the log.
import type { Socket } from 'node:net';
import { sleep, type Timer } from '../../base/clock.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { unsupportedApiVersions } from '../handlers/18-api-versions.ts';
import { dispatch, isServed } from '../handlers/dispatch.ts';
import type { BrokerParts, Endpoint, HandlerTable } from '../handlers/handler.ts';
import { type ApiName, apis, type ResponseOf } from '../wire/apis.ts';
import { giveBatchBuffer } from '../wire/batch-buffers.ts';
import { ErrorCode } from '../wire/errors.ts';
import { decodeRequestBody, decodeRequestHeader, encodeResponse, type RequestFrame } from '../wire/frame.ts';
import { Reader } from '../wire/reader.ts';
import type { Authenticator } from './authenticator.ts';
import { FrameReader } from './frame-reader.ts';
import type { RequestBudget } from './request-budget.ts';

/** Requests of one connection that may be under way at once. */
const mostUnderWay = 100;
/** While a connection waits, it goes on reading up to so much: that is how it notices that the client has gone. */
const readAheadBytes = 1024 * 1024;

/** A client that failed to authenticate hears of it so much later: guessing takes time (Kafka's connection.failed.authentication.delay.ms). */
const failureDelayMs = 100;

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
  /** Undefined where the listener asks for no SASL. */
  private readonly authenticator: Authenticator | undefined;
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

  /** With an `authenticator` the client has to pass it first. */
  constructor(socket: Socket, house: ConnectionHouse, authenticator?: Authenticator) {
    const { broker } = house;
    this.socket = socket;
    this.house = house;
    this.authenticator = authenticator;
    // Kafka's form of an address in DescribeGroups.
    this.clientHost = `/${(socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')}`;
    this.logger = broker.logger.child({ client: `${this.clientHost.slice(1)}:${socket.remotePort ?? 0}` });
    this.frames = new FrameReader(this.frameLimitBytes());
    this.lastActiveMs = broker.clock.monotonicMs();
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
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

  /** Of all connections this one holds the most received bytes, and together they are too many. */
  giveUp(): void {
    const reason = `${this.frames.bufferedBytes} bytes of requests that are not complete, when queued.max.request.bytes was used up`;
    this.refuse(new TailraceError('TLR_PROTOCOL', reason));
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
    this.house.budget.hold(this, this.frames.bufferedBytes, this.frames.pieces);
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
    if (this.authenticator?.expectsToken === true) {
      this.serve(this.takeToken(this.authenticator, Buffer.from(frame)), frame.length);
      return;
    }
    const request = decodeRequestHeader(frame);
    const { api, version, correlationId } = request.header;
    if (api === undefined || !request.isReadable || !isServed(this.house.handlers, api, version)) {
      if (api !== 'ApiVersions') throw this.unknownRequest(request);
      const answer = encodeResponse('ApiVersions', 0, correlationId, unsupportedApiVersions(this.house.broker));
      this.enqueue(Promise.resolve(answer), frame.length);
      return;
    }
    if (api === 'Produce') this.enqueue(this.handle(api, request), frame.length);
    else this.serve(this.handle(api, kept(request)), frame.length);
  }

  /** Nothing behind this request begins before it is done. */
  private serve(answer: Promise<Buffer[] | undefined>, requestBytes: number): void {
    this.isBusy = true;
    const free = () => {
      this.isBusy = false;
      this.pump();
    };
    answer.then(free, free);
    this.enqueue(answer, requestBytes);
  }

  private async handle(api: ApiName, request: RequestFrame): Promise<Buffer[] | undefined> {
    const { version, correlationId, clientId } = request.header;
    const { broker, handlers, endpoint } = this.house;
    if (this.authenticator?.isDone === false && api !== 'ApiVersions') {
      return this.admit(this.authenticator, api, request);
    }
    const body = decodeRequestBody(api, version, request.reader);
    if ('maxBytes' in body) body.maxBytes = Math.min(body.maxBytes, this.house.budget.fetchBytes);
    const sender = { version, clientId, clientHost: this.clientHost, inProcess: false };
    const response = await dispatch(handlers, api, body, { ...sender, broker, endpoint, asker: this });
    return response === undefined ? undefined : encodeResponse(api, version, correlationId, response);
  }

  /** The requests of a client that is not known yet. */
  private async admit(authenticator: Authenticator, api: ApiName, request: RequestFrame): Promise<Buffer[]> {
    const { version, correlationId } = request.header;
    if (api === 'SaslHandshake' && !authenticator.isUnderWay) {
      const response = authenticator.handshake(decodeRequestBody(api, version, request.reader), version);
      if (response.errorCode !== ErrorCode.NONE) await this.turnAway('it asks for a mechanism that is not offered');
      return encodeResponse(api, version, correlationId, response);
    }
    if (api === 'SaslAuthenticate' && authenticator.isUnderWay) {
      const { authBytes } = decodeRequestBody(api, version, request.reader);
      return encodeResponse(api, version, correlationId, await this.authenticate(authenticator, authBytes));
    }
    throw new TailraceError('TLR_PROTOCOL', `${api} came before the client had authenticated`);
  }

  private async authenticate(authenticator: Authenticator, message: Buffer): Promise<ResponseOf<'SaslAuthenticate'>> {
    const step = await authenticator.step(message);
    if ('token' in step) {
      if (authenticator.isDone) this.frames.limitBytes = this.frameLimitBytes();
      return apis.SaslAuthenticate.response.create({ authBytes: step.token });
    }
    await this.turnAway(step.refusal);
    return apis.SaslAuthenticate.response.create({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: 'Authentication failed: wrong user or password',
    });
  }

  /** A step of an exchange that was begun by SaslHandshake version 0: tokens go to and fro in bare frames, and a failure closes the connection. */
  private async takeToken(authenticator: Authenticator, message: Buffer): Promise<Buffer[] | undefined> {
    const { errorCode, authBytes } = await this.authenticate(authenticator, message);
    if (errorCode !== ErrorCode.NONE) return undefined;
    const size = Buffer.alloc(4);
    size.writeInt32BE(authBytes.length);
    return [size, authBytes];
  }

  /** The connection ends with the answer that follows. */
  private async turnAway(reason: string): Promise<void> {
    this.logger.warn('Authentication failed', { reason });
    await sleep(this.house.broker.clock, failureDelayMs);
    this.isDraining = true;
  }

  private frameLimitBytes(): number {
    const { settings } = this.house.broker;
    const isKnown = this.authenticator?.isDone ?? true;
    return settings.number(isKnown ? 'socket.request.max.bytes' : 'sasl.server.max.receive.size');
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
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const { budget } = this.house;
    budget.noteUnsent(bytes);
    this.cork();
    for (const chunk of chunks.slice(0, -1)) this.socket.write(chunk);
    // Called when all has gone to the system, or the socket is closed.
    this.socket.write(chunks.at(-1)!, () => {
      budget.noteUnsent(-bytes);
      for (const chunk of chunks) giveBatchBuffer(chunk);
    });
  }

  /** Answers that are ready together, such as those of a sync round, go to the system in one call. */
  private cork(): void {
    if (this.socket.writableCorked > 0) return;
    this.socket.cork();
    process.nextTick(() => this.socket.uncork());
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
    this.house.budget.hold(this, 0, 0);
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

/** The request in memory that stays: a frame's does not, and only a Produce has done with it when it has been started. */
function kept({ header, isReadable, reader }: RequestFrame): RequestFrame {
  return { header, isReadable, reader: new Reader(Buffer.from(reader.buffer), reader.position) };
}
