// A client that says exactly what it is told to: requests of any version, several in one write, and bytes that are no requests.
import { connect, type Socket } from 'node:net';
import type { ApiName, RequestOf, ResponseOf } from '../../broker/wire/apis.ts';
import { correlationIdOf, decodeResponse, encodeRequest } from '../../broker/wire/frame.ts';

export class RawClient {
  readonly socket: Socket;
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
  private received = Buffer.alloc(0);
  private nextCorrelationId = 1;
  private readonly waiting: { correlationId: number; take: (frame: Buffer) => void; fail: (error: Error) => void }[] =
    [];
  private waitingForToken: { take: (token: Buffer) => void; fail: (error: Error) => void } | undefined;
  /** Correlation ids of the answers, in the order they came. */
  readonly answered: number[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.waitingForToken?.fail(new Error('connection closed'));
        for (const { fail } of this.waiting.splice(0)) fail(new Error('connection closed'));
        resolve();
      });
    });
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => this.take(chunk));
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawClient(socket)));
    });
  }

  /** One request as bytes, and the promise of its answer. */
  prepare<K extends ApiName>(api: K, version: number, body: RequestOf<K>) {
    const correlationId = this.nextCorrelationId++;
    const frame = new Promise<Buffer>((take, fail) => this.waiting.push({ correlationId, take, fail }));
    const answer: Promise<ResponseOf<K>> = frame.then((bytes) => decodeResponse(api, version, bytes).body);
    answer.catch(() => undefined);
    return { bytes: Buffer.concat(encodeRequest(api, version, correlationId, 'raw', body)), answer, correlationId };
  }

  request<K extends ApiName>(api: K, version: number, body: RequestOf<K>): Promise<ResponseOf<K>> {
    const { bytes, answer } = this.prepare(api, version, body);
    this.socket.write(bytes);
    return answer;
  }

  /** A bare token, as SASL has them after SaslHandshake version 0, and the token that answers it. */
  token(token: Buffer): Promise<Buffer> {
    const size = Buffer.alloc(4);
    size.writeInt32BE(token.length);
    this.socket.write(Buffer.concat([size, token]));
    return new Promise((take, fail) => (this.waitingForToken = { take, fail }));
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    while (this.received.length >= 4 && this.received.length >= 4 + this.received.readInt32BE(0)) {
      const end = 4 + this.received.readInt32BE(0);
      const frame = this.received.subarray(4, end);
      this.received = this.received.subarray(end);
      if (this.waitingForToken !== undefined) {
        this.waitingForToken.take(frame);
        this.waitingForToken = undefined;
        continue;
      }
      const correlationId = correlationIdOf(frame);
      this.answered.push(correlationId);
      const index = this.waiting.findIndex((entry) => entry.correlationId === correlationId);
      if (index >= 0) this.waiting.splice(index, 1)[0]!.take(frame);
    }
  }
}
