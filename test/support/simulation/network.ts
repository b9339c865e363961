// The network of the simulation: the in-process broker behind connections that lose, delay and repeat. What goes over it is encoded and decoded by the product's
// own codecs, so nothing is shared. On one connection requests arrive in order and are answered in order, as over TCP; what was under way when it broke may
// still arrive, late, or once more. The client never learns which.
import type { Clock, Timer } from '../../../base/clock.ts';
import { TailraceError } from '../../../base/errors.ts';
import type { Random } from '../../../base/random.ts';
import { ApiVersionTable } from '../../../broker/client/api-versions.ts';
import type { Connection, RequestHandler, RequestOptions, Transport } from '../../../broker/client/contract.ts';
import type { ApiName, RequestOf, ResponseOf } from '../../../broker/wire/apis.ts';
import {
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../broker/wire/frame.ts';
import { answerTo } from './refusals.ts';
import type { SimulatedProcess, VirtualTime } from './time.ts';

/** Chances, each for one request. */
export interface NetworkFaults {
  /** The connection breaks before the request arrives. */
  loseRequest: number;
  /** It breaks before the answer arrives. */
  loseAnswer: number;
  /** The request arrives a second time, up to 20 s later. */
  repeat: number;
  /** A request that was lost arrives after all, up to 20 s later. */
  late: number;
  /** The broker answers with an error that passes, or asks the client to wait for a while. */
  refuse: number;
  /** Greatest ordinary delay of each way. */
  delayMs: number;
}

export const noFaults: NetworkFaults = { loseRequest: 0, loseAnswer: 0, repeat: 0, late: 0, refuse: 0, delayMs: 1 };

const defaultTimeoutMs = 30_000;
const latestMs = 20_000;

/** Who serves at the moment. */
interface Served {
  process: SimulatedProcess;
  handler: RequestHandler;
}

export class SimulatedNetwork {
  readonly time: VirtualTime;
  readonly random: Random;
  faults: NetworkFaults = noFaults;
  /** Processes that nothing reaches. */
  readonly cut = new Set<SimulatedProcess>();
  served: Served | undefined;
  private readonly connections = new Set<SimulatedConnection>();
  /** What it did, for the record. */
  readonly counts = { requests: 0, lostRequests: 0, lostAnswers: 0, repeated: 0, late: 0, refused: 0 };

  constructor(time: VirtualTime, random: Random) {
    this.time = time;
    this.random = random;
  }

  delay(): number {
    return this.random.next() < 0.98
      ? this.random.next() * this.faults.delayMs
      : this.random.next() * this.faults.delayMs * 50;
  }

  happens(chance: number): boolean {
    return chance > 0 && this.random.next() < chance;
  }

  transport(process: SimulatedProcess): Transport {
    return {
      inProcess: false,
      bootstrap: [{ host: 'broker', port: 9092 }],
      connect: async () => {
        await this.time.sleep(this.delay());
        await process.gate();
        const { served } = this;
        if (served?.process.isAlive !== true || this.cut.has(process) || served.process.isPaused)
          throw unreachable('nothing listens there');
        const connection = new SimulatedConnection(this, process, served, () => this.connections.delete(connection));
        this.connections.add(connection);
        return connection;
      },
    };
  }

  /** A process was killed, and its system says so to the other ends. After a power failure nobody does. */
  reset(process: SimulatedProcess): void {
    for (const connection of [...this.connections]) if (connection.touches(process)) connection.break('reset');
  }
}

/** A request under way. */
interface Pending {
  fail: (error: TailraceError) => void;
  timer: Timer;
}

class SimulatedConnection implements Connection {
  open = true;
  private readonly network: SimulatedNetwork;
  private readonly process: SimulatedProcess;
  private readonly served: Served;
  private readonly clock: Clock;
  private readonly versions: ApiVersionTable;
  private readonly pending = new Set<Pending>();
  /** The arrival of the last request at the broker; the broker's work on it; the arrival of its answer. */
  private arrived: Promise<unknown> = Promise.resolve();
  private worked: Promise<unknown> = Promise.resolve();
  private answered: Promise<unknown> = Promise.resolve();
  /** Something was lost on it: nothing behind that arrives. */
  private isTorn = false;
  private readonly onEnd: () => void;

  constructor(network: SimulatedNetwork, process: SimulatedProcess, served: Served, onEnd: () => void) {
    this.onEnd = onEnd;
    this.network = network;
    this.process = process;
    this.served = served;
    this.clock = process.clock;
    this.versions = new ApiVersionTable(served.handler.versions(), served.handler.features());
  }

  versionOf(api: ApiName, maxVersion?: number): number {
    return this.versions.versionOf(api, maxVersion);
  }

  feature(name: string): number {
    return this.versions.feature(name);
  }

  request<K extends ApiName>(api: K, body: RequestOf<K>, options: RequestOptions = {}): Promise<ResponseOf<K>> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(unreachable('the connection is closed'));
        return;
      }
      const version = this.versionOf(api, options.maxVersion);
      const frame = Buffer.concat(encodeRequest(api, version, 1, this.process.name, body)).subarray(4);
      const timer = this.clock.schedule(options.timeoutMs ?? defaultTimeoutMs, () => {
        pending.fail(new TailraceError('TLR_TIMEOUT', `no answer to ${api}`, { retriable: true }));
        this.break('an earlier request was not answered in time');
      });
      const pending: Pending = { timer, fail: reject };
      this.pending.add(pending);
      this.send(api, version, frame).then(
        (answer) => {
          if (!this.pending.delete(pending)) return;
          timer.cancel();
          resolve(answer);
        },
        () => this.break('the connection was lost'),
      );
    });
  }

  close(): Promise<void> {
    this.end(new TailraceError('TLR_CLOSED', 'the connection was closed'));
    return Promise.resolve();
  }

  touches(process: SimulatedProcess): boolean {
    return this.process === process || this.served.process === process;
  }

  break(what: string): void {
    this.end(unreachable(what));
  }

  private end(reason: TailraceError): void {
    this.open = false;
    for (const { fail, timer } of this.pending) {
      timer.cancel();
      fail(reason);
    }
    this.pending.clear();
    this.onEnd();
  }

  /** The way there and back; rejects when the connection breaks on it. */
  private async send<K extends ApiName>(api: K, version: number, frame: Buffer): Promise<ResponseOf<K>> {
    const { network } = this;
    const { faults, counts } = network;
    counts.requests++;
    const isLost = network.happens(faults.loseRequest);
    if (network.happens(faults.repeat)) {
      counts.repeated++;
      this.deliverLater(api, version, frame);
    }
    const arrival = this.arrived.then(() => network.time.sleep(network.delay()));
    this.arrived = arrival.catch(() => undefined);
    await arrival;
    if (isLost || this.isCutOff()) {
      this.isTorn = true;
      counts.lostRequests++;
      if (network.happens(faults.late)) this.deliverLater(api, version, frame);
      return this.breakSoon();
    }
    const answer = await this.work(api, version, frame);
    if (network.happens(faults.loseAnswer) || this.isCutOff()) {
      this.isTorn = true;
      counts.lostAnswers++;
      return this.breakSoon();
    }
    const back = this.answered.then(() => network.time.sleep(network.delay()));
    this.answered = back.catch(() => undefined);
    await back;
    await this.process.gate();
    return decodeResponse(api, version, answer).body;
  }

  private isCutOff(): boolean {
    const { cut } = this.network;
    return !this.open || this.isTorn || cut.has(this.process) || cut.has(this.served.process);
  }

  /** Requests of a connection act one after the other; behind Produce the next one starts at once. */
  private async work(api: ApiName, version: number, frame: Buffer): Promise<Buffer> {
    const before = this.worked;
    const done = before.then(() => this.handle(api, version, frame));
    this.worked = api === 'Produce' ? before : done.catch(() => undefined);
    return done;
  }

  private async handle(api: ApiName, version: number, frame: Buffer): Promise<Buffer> {
    const { process, handler } = this.served;
    await process.gate();
    const { reader, header } = decodeRequestHeader(Buffer.from(frame));
    const body = decodeRequestBody(api, version, reader);
    const sender = { clientId: header.clientId, clientHost: '/10.0.0.1', inProcess: false };
    const { network } = this;
    const handle = () => handler.handle(api, version, body, sender);
    const isRefused = network.happens(network.faults.refuse);
    if (isRefused) network.counts.refused++;
    const response = await (isRefused ? answerTo(api, body, handle, network.random) : handle());
    await process.gate();
    if (response === undefined) throw unreachable('it is not answered');
    return Buffer.concat(encodeResponse(api, version, 1, response)).subarray(4);
  }

  /** The client learns of a broken connection at once, or only by its own timeout. */
  private async breakSoon(): Promise<never> {
    if (this.network.happens(0.7)) throw unreachable('reset');
    return new Promise<never>(() => undefined);
  }

  /** To whoever serves then; nobody waits for the answer. */
  private deliverLater(api: ApiName, version: number, frame: Buffer): void {
    const { network } = this;
    network.counts.late++;
    const copy = Buffer.from(frame);
    network.time.schedule(network.random.next() * latestMs, () => {
      if (network.served !== this.served) return;
      this.handle(api, version, copy).catch(() => undefined);
    });
  }
}

function unreachable(what: string): TailraceError {
  return new TailraceError('TLR_UNREACHABLE', `the broker: ${what}`, { retriable: true });
}
