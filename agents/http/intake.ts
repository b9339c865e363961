// One life of an http agent towards the broker: fence earlier lives, read back the keys they stored, then commit load after load. While one load is
// made durable the next one collects, so that requests that arrive together share a transaction.
//
// Crash-only (design §6): after any failure this intake is of no use any more. What was collecting is not stored; what was in the air is in doubt, and
// the next intake, which reads from the topic what is true, answers those who wait for it.
import { TailraceError } from '../../base/errors.ts';
import type { Producer } from '../../broker/client/contract.ts';
import type { BatchBuilder } from '../../broker/wire/batch-builder.ts';
import type { AgentContext } from '../agent.ts';
import type { Account } from './account.ts';
import { IngestKeys, type KeyedRequest } from './keys.ts';
import { Load, type Part, type TopicLimits, unusable } from './load.ts';
import { HttpProblem, unavailable } from './problem.ts';

/**
 * Also how long a refused batch is tried again before clients are told to come back: the broker of this process refuses when its disk is full, which does
 * not pass in seconds; a cluster does so while it chooses a leader.
 */
const transactionTimeoutMs = { inProcess: 3_000, cluster: 15_000 };
const largestBatchBytes = 4 * 1024 * 1024;
/** Below the broker's limit, so that a batch of 1 MiB fits into a buffer of that size. */
const batchMarginBytes = 1024;
/** What a batch has beside its only record's value, a key of Elasticsearch's 512 bytes included. */
const recordMarginBytes = 1024;
const kafkaDefaultMessageBytes = 1_048_588;
const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

/** A request that is ready to be stored. */
export interface Delivery {
  parts: readonly Part[];
  keyed?: KeyedRequest;
}

export interface IntakeOptions {
  context: AgentContext;
  topics: ReadonlySet<string>;
  account: Account;
  keepKeysMs: number;
  onCommitted: () => void;
  /** The load that was in the air when the intake before failed. */
  doubtful: Load | undefined;
}

export class Intake {
  private readonly options: IntakeOptions;
  private readonly stopping = new AbortController();
  private readonly limits = new Map<string, TopicLimits>();
  private readonly ended = Promise.withResolvers<boolean>();
  private producer: Producer | undefined;
  private keys: IngestKeys | undefined;
  private failure: Error | undefined;
  private collecting: Load;
  private flying: Load | undefined;
  /** Keys of the requests in `flying` and `collecting`. */
  private readonly underWay = new Set<string>();
  private readonly spare: BatchBuilder[] = [];
  private turn = 0;

  constructor(options: IntakeOptions) {
    this.options = options;
    this.collecting = this.newLoad();
    // Who waits for a load hears of a failure there; run() may not have been called yet.
    this.ended.promise.catch(() => undefined);
  }

  /** The load of which nobody knows whether it is stored; to be handed to the next intake after a failure. */
  get doubtful(): Load | undefined {
    return this.keys === undefined ? this.options.doubtful : this.flying;
  }

  /** Whether submit() may be called. */
  get isReady(): boolean {
    return this.keys !== undefined && this.failure === undefined && !this.stopping.signal.aborted;
  }

  /** The largest record the topic takes, in bytes. Throws HttpProblem 503 when not ready. */
  recordLimitBytes(topic: string): number {
    const limits = this.limits.get(topic);
    if (limits === undefined || !this.isReady) throw unavailable('the log cannot take records at the moment');
    return limits.batchBytes - recordMarginBytes;
  }

  /** Makes it ready. Rejects when that fails; the intake is to be thrown away then. */
  async open(): Promise<void> {
    const { context, topics, keepKeysMs, account } = this.options;
    const { client, clock, instance, name } = context;
    const compressions = new Set<(typeof codecs)[number] | 'none'>();
    for (const topic of topics) compressions.add(await this.readLimits(topic));
    // A transaction has one codec: that of the topics when they agree; what the broker has on disk is the topic's in any case.
    const [first = 'none'] = compressions;
    const compression = compressions.size === 1 ? first : 'none';
    const transactionalId = `tailrace-agent-${instance}-${name}`;
    const timeoutMs = client.inProcess ? transactionTimeoutMs.inProcess : transactionTimeoutMs.cluster;
    this.producer = client.producer({ transactionalId, compression, transactionTimeoutMs: timeoutMs });
    await this.producer.init();
    const owner = { instance, agent: name };
    const reading = { clock, keepMs: keepKeysMs, signal: this.stopping.signal };
    const keys = await IngestKeys.read(client, owner, reading);
    account.recovered(keys.totals);
    this.keys = keys;
    const { doubtful } = this.options;
    if (doubtful === undefined) return;
    if (keys.lastLoad === doubtful.name) {
      account.found(doubtful);
      doubtful.done.resolve(true);
    } else doubtful.done.reject(unavailable('the log failed'));
  }

  /** Takes records for these topics too; makes those that are missing. */
  async takeTopics(topics: ReadonlySet<string>): Promise<void> {
    for (const topic of topics) if (!this.limits.has(topic)) await this.readLimits(topic);
  }

  /** Resolves after stop() when the last load has landed; rejects when one fails. */
  async run(): Promise<void> {
    await this.ended.promise;
  }

  /** Takes no more; what was taken is committed. */
  stop(): void {
    this.stopping.abort(new TailraceError('TLR_CLOSED', 'the agent is stopping'));
    // A producer that waits for its broker does so without end.
    if (this.keys === undefined) void this.close().catch(() => undefined);
    this.settle();
  }

  async close(): Promise<void> {
    await this.producer?.close();
  }

  /**
   * Resolves when the delivery is durable, with 'repeated' when it was before. Its bytes are framed before the call returns. Throws HttpProblem: 503 with
   * what is known of the outcome, 409 and 422 for keys.
   */
  async submit(delivery: Delivery): Promise<'stored' | 'repeated'> {
    if (!this.isReady) throw unavailable('the log cannot take records at the moment');
    const { parts, keyed } = delivery;
    if (keyed !== undefined) {
      const known = this.keys!.find(keyed.key);
      if (known !== undefined && known.hash !== keyed.hash)
        throw new HttpProblem(422, 'this Idempotency-Key was used for another request; nothing of this one was stored');
      if (known !== undefined) return 'repeated';
      if (this.underWay.has(keyed.key))
        throw new HttpProblem(409, 'a request with this Idempotency-Key is under way', { retryAfterSeconds: 1 });
    }
    for (const part of parts) {
      const partition = unusable(part, this.limits.get(part.topic)!);
      if (partition !== undefined) throw unavailable(`topic ${part.topic}, partition ${partition} is offline`);
    }
    const load = this.collecting;
    const nowMs = this.options.context.clock.now();
    const turn = this.turn++;
    for (const part of parts) load.add(part, this.limits.get(part.topic)!, turn, nowMs);
    if (keyed !== undefined) {
      load.keyed.push(keyed);
      this.underWay.add(keyed.key);
    }
    load.requests++;
    this.launch();
    await load.done.promise;
    return 'stored';
  }

  private launch(): void {
    if (this.flying !== undefined || this.collecting.requests === 0 || this.failure !== undefined) return;
    const load = this.collecting;
    this.flying = load;
    this.collecting = this.newLoad();
    this.fly(load).then(
      () => this.landed(load),
      (error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))),
    );
  }

  private async fly(load: Load): Promise<void> {
    const transaction = this.producer!.begin();
    load.send(transaction);
    transaction.send(this.keys!.outgoing(load.keyed, this.options.account.totalsWith(load.linesByTopic), load.name));
    await transaction.commit();
  }

  private landed(load: Load): void {
    this.flying = undefined;
    this.keys!.remember(load.keyed);
    for (const { key } of load.keyed) this.underWay.delete(key);
    this.options.account.committed(load);
    this.options.onCommitted();
    load.done.resolve(true);
    this.launch();
    this.settle();
  }

  private fail(error: Error): void {
    this.failure = error;
    this.collecting.done.reject(unavailable('the log cannot take records at the moment'));
    this.ended.reject(error);
  }

  private settle(): void {
    if (this.stopping.signal.aborted && this.flying === undefined && this.failure === undefined)
      this.ended.resolve(true);
  }

  private newLoad(): Load {
    return new Load(this.options.context.random.bytes(12).toString('base64url'), this.spare);
  }

  /** Makes the topic when it is missing; returns its codec. */
  private async readLimits(topic: string): Promise<(typeof codecs)[number] | 'none'> {
    const admin = this.options.context.client.admin();
    let [found] = await admin.topics([topic]);
    if (found === undefined) {
      await admin.createTopic({ name: topic }, { ifMissing: true });
      [found] = await admin.topics([topic]);
    }
    const configs = await admin.describeConfigs(topic);
    const partitions = found?.partitions ?? [];
    // In this process what is offline stays so; in a cluster a leader is chosen soon, and records wait for it.
    const { inProcess } = this.options.context.client;
    const usable = partitions.flatMap(({ partition, leader }) => (leader < 0 && inProcess ? [] : partition));
    const messageBytes = Number(configs['max.message.bytes']?.value ?? kafkaDefaultMessageBytes);
    this.limits.set(topic, {
      partitions: Math.max(partitions.length, 1),
      usable: partitions.length === 0 ? [0] : usable,
      batchBytes: Math.min(messageBytes, largestBatchBytes) - batchMarginBytes,
    });
    return codecs.find((codec) => codec === configs['compression.type']?.value) ?? 'none';
  }
}
