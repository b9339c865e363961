// The agent `http`: takes lines over HTTP into topics and answers when they are durable. This file holds its definition and the crash-only loop around
// intakes (intake.ts); the listener stays through all of them and answers 503 in between.
import { isDeepStrictEqual } from 'node:util';
import { Backoff } from '../../base/backoff.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import { sleep } from '../../base/clock.ts';
import { assertShowable, datesProblem, readPem } from '../../base/pem.ts';
import { formatDuration } from '../../base/units.ts';
import type { Agent, AgentContext, AgentDefinition, AgentLedger } from '../agent.ts';
import { Account } from './account.ts';
import { Intake } from './intake.ts';
import type { Load } from './load.ts';
import { HttpProblem } from './problem.ts';
import { IngestServer, type TlsIdentity } from './server.ts';
import { type HttpSettings, httpSettings, httpSettingsFromUrl } from './settings.ts';

/** Errors that no new intake can mend. */
const fatalCodes: ReadonlySet<string> = new Set(['TLR_FENCED', 'TLR_CONFIG', 'TLR_DISK_FAILED', 'TLR_CORRUPT']);
/** Whoever waits for a transaction in doubt is told so after this time. */
const doubtMs = 20_000;

/** Settings that change while it listens, with something in their place: what is left must be alike. */
const changeable = { topics: [], auth: undefined, insecure: false, max_body: 0, max_decompressed: 0, max_pending: 0 };

class HttpAgent implements Agent {
  readonly failed: Promise<never>;
  private settings: HttpSettings;
  private topic: string;
  private readonly context: AgentContext;
  private readonly account = new Account();
  private readonly backoff: Backoff;
  private readonly stopping = new AbortController();
  private readonly ready = Promise.withResolvers<boolean>();
  private fail!: (error: unknown) => void;
  private intake: Intake | undefined;
  private server: IngestServer | undefined;
  private identity: TlsIdentity | undefined;
  private running: Promise<void> = Promise.resolve();
  private troubled = false;

  constructor(settings: HttpSettings, topic: string, context: AgentContext) {
    this.settings = settings;
    this.topic = topic;
    this.context = context;
    this.backoff = new Backoff({ firstMs: 20, maxMs: 10_000 }, context.random);
    this.failed = new Promise((_resolve, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
  }

  async start(): Promise<void> {
    const { settings, topic, topics, context } = this;
    this.identity = await this.readTls(settings);
    this.server = await IngestServer.open({
      ...{ settings, topic, topics, name: context.name, clock: context.clock, logger: context.logger },
      tls: this.identity,
      intake: () => (this.intake?.isReady === true ? this.intake : undefined),
    });
    this.tellDates();
    this.running = this.run();
    await Promise.race([this.ready.promise, this.failed]);
    context.logger.info('listening', { address: settings.listen, topics: [...topics].join(', ') });
  }

  async change(settings: HttpSettings, topic: string): Promise<boolean> {
    const { server, intake } = this;
    const before = { settings: this.settings, topic: this.topic };
    const isAlike = isDeepStrictEqual({ ...before.settings, ...changeable }, { ...settings, ...changeable });
    if (server === undefined || intake?.isReady !== true || !isAlike) return false;
    // Before its topics are there: should this intake fail now, the next one has them.
    Object.assign(this, { settings, topic });
    try {
      await intake.takeTopics(this.topics);
    } catch (error) {
      Object.assign(this, before);
      throw error;
    }
    server.change({ settings, topic, topics: this.topics });
    return true;
  }

  async renewal(settings: HttpSettings): Promise<(() => string) | undefined> {
    const { server } = this;
    const identity = await this.readTls(settings);
    if (server === undefined || identity === undefined || isDeepStrictEqual(identity, this.identity)) return undefined;
    return () => {
      server.renew(identity);
      this.identity = identity;
      this.tellDates();
      return settings.listen;
    };
  }

  /** Network agents have no end to wait for. */
  async drained(): Promise<void> {}

  ledger(): AgentLedger {
    return this.account.ledger();
  }

  async stop(deadlineMs: number): Promise<void> {
    const { clock, logger } = this.context;
    const timer = clock.schedule(deadlineMs, () => {
      logger.warn('stopped before every request was answered; their clients send them again');
      this.server?.closeConnections();
      this.stopping.abort();
      this.intake?.stop();
    });
    await this.server?.close();
    timer.cancel();
    this.stopping.abort();
    this.intake?.stop();
    await this.running;
  }

  /** Intake after intake, until one ends well or for good. */
  private async run(): Promise<void> {
    const { context, account, settings } = this;
    let doubtful: Load | undefined;
    while (!this.stopping.signal.aborted) {
      const intake = new Intake({
        ...{ context, topics: this.topics, account, keepKeysMs: settings.keep_keys, doubtful },
        onCommitted: () => this.backoff.reset(),
      });
      this.intake = intake;
      try {
        await intake.open();
        this.isWell();
        await intake.run();
      } catch (error) {
        doubtful = intake.doubtful;
        await intake.close().catch(() => undefined);
        this.expectNews(doubtful);
        if (error instanceof TailraceError && fatalCodes.has(error.code)) {
          this.fail(error);
          break;
        }
        if (!this.troubled) context.logger.warn('interrupted; answering 503', { error: messageOf(error) });
        this.troubled = true;
        await sleep(context.clock, this.backoff.nextMs(), this.stopping.signal).catch(() => undefined);
        continue;
      }
      await intake.close().catch(() => undefined);
    }
    doubtful?.done.reject(inDoubt());
  }

  private get topics(): ReadonlySet<string> {
    return new Set([this.topic, ...this.settings.topics]);
  }

  private isWell(): void {
    if (this.troubled) this.context.logger.info('taking requests again');
    this.troubled = false;
    this.ready.resolve(true);
  }

  private expectNews(doubtful: Load | undefined): void {
    if (doubtful !== undefined) this.context.clock.schedule(doubtMs, () => doubtful.done.reject(inDoubt()));
  }

  /** Clients will not connect to a certificate whose time is over. */
  private tellDates(): void {
    const { logger, clock } = this.context;
    const problem = this.identity && datesProblem(this.identity.cert, clock.now());
    if (problem !== undefined) logger.warn(`The certificate of the listener ${this.settings.listen} ${problem}`);
  }

  /** Throws TLR_CONFIG when there is none in the files, or key and certificate do not fit. */
  private async readTls({ tls, listen }: HttpSettings): Promise<TlsIdentity | undefined> {
    if (tls === undefined) return undefined;
    const { files } = this.context;
    const identity = {
      cert: await readPem(files, tls.cert, 'tls.cert'),
      key: await readPem(files, tls.key, 'tls.key'),
    };
    assertShowable(listen, identity);
    return identity;
  }
}

function inDoubt(): HttpProblem {
  const message = 'the log failed while this request was being made durable: it may be stored or not; send it again';
  return new HttpProblem(503, message, { retryAfterSeconds: 5 });
}

export const httpAgent: AgentDefinition<HttpSettings> = {
  type: 'http',
  summary:
    'takes lines over HTTP: NDJSON, JSON or plain lines, and Elasticsearch’s _bulk; answers when they are durable',
  settings: httpSettings,
  fromUrl: httpSettingsFromUrl,
  topics: ({ topics }) => topics,
  describeGuarantee: ({ keep_keys: keepKeysMs }) =>
    `exactly once for requests with an Idempotency-Key, which is remembered for ${formatDuration(keepKeysMs)} in the transaction of their records; without one, each answer 2xx is stored once, and a client that repeats what was not answered may store it twice`,
  describe: ({ listen, tls }) => `${tls === undefined ? 'http' : 'https'}://${listen}`,
  listener: ({ listen, tls }) => tls && { address: listen, ...tls },
  create: (settings, topic, context) => new HttpAgent(settings, topic, context),
};
