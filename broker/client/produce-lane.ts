// One partition of a producer: batches leave in order, up to five at once, and what may be repeated is repeated in order. A batch keeps the bytes, and
// with them the producer id, epoch and sequence, that it was built with: the broker recognises a repetition by them.
//
// Rules, each for a reason:
// - The first batch of an identity (sequence 0) travels alone. A broker without state for a producer takes any sequence, so a second
//   batch that overtakes a refused first one would be accepted and the first refused for ever.
// - After an error that may be repeated nothing new leaves until all that is under way was answered; then all goes again from the oldest.
//   OUT_OF_ORDER_SEQUENCE_NUMBER behind such an error is its consequence and repeated with it; at the head of the line it is fatal.
// - An answer that never came (lost connection, timeout) is repeated as well: with the same sequence that is safe.
import { type Clock, sleep } from '../../base/clock.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Random } from '../../base/random.ts';
import { apis } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { Connection } from './contract.ts';
import type { Cluster } from './metadata.ts';
import { isRetriable } from './retry.ts';

/** A built batch and how it is to be sent. */
export interface OutgoingBatch {
  /** A promise while it is being compressed. */
  readonly bytes: Buffer | Promise<Buffer>;
  readonly baseSequence: number;
  readonly transactionalId: string | null;
  /** 1: the answer comes when the batch is appended (in process, inside a transaction); -1: when it is durable. */
  readonly acks: 1 | -1;
  /** The greatest Produce version that may be used: 12 and above add the partition to the transaction. */
  readonly maxVersion: number;
  /** What must have happened before the batch leaves (AddPartitionsToTxn); its failure is the batch's. */
  readonly admission?: Promise<void>;
}

interface Entry {
  readonly batch: OutgoingBatch;
  readonly enqueuedMs: number;
  state: 'waiting' | 'sent' | 'repeat';
  resolve: () => void;
  reject: (error: unknown) => void;
}

const maxInFlight = 5;
const requestTimeoutMs = 30_000;
/** A topic that was just made is not known to every broker of a cluster at once; one that is missing for longer is not there. */
const missingTopicMs = 5000;

export class PartitionLane {
  private readonly cluster: Cluster;
  private readonly clock: Clock;
  private readonly topic: string;
  private readonly partition: number;
  private readonly deliveryTimeoutMs: number;
  private readonly backoff: Backoff;
  /** Oldest first; answered ones are gone. */
  private entries: Entry[] = [];
  private running = false;
  private wake: () => void = () => undefined;

  constructor(cluster: Cluster, target: { topic: string; partition: number }, deliveryTimeoutMs: number) {
    const { clock, random }: { clock: Clock; random: Random } = cluster.dependencies;
    this.cluster = cluster;
    this.clock = clock;
    this.topic = target.topic;
    this.partition = target.partition;
    this.deliveryTimeoutMs = deliveryTimeoutMs;
    this.backoff = new Backoff({ firstMs: 10, maxMs: 1000 }, random);
  }

  /** Sends behind all earlier ones; resolves with the broker's yes. After a rejection the later ones of the lane are rejected too. */
  enqueue(batch: OutgoingBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.entries.push({ batch, enqueuedMs: this.clock.monotonicMs(), state: 'waiting', resolve, reject });
      if (this.running) this.wake();
      else void this.run();
    });
  }

  /** Rejects everything that is under way, without knowing what became of it. */
  abandon(cause: unknown): void {
    this.failAll(cause);
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.entries.length > 0) {
        if (this.entries.some((entry) => entry.state === 'repeat')) await this.prepareRepetition();
        const next = this.entries.find((entry) => entry.state === 'waiting');
        if (next === undefined || !this.mayLeave(next)) await this.changed();
        else await this.dispatch(next);
      }
    } catch (error) {
      this.failAll(error);
    } finally {
      this.running = false;
    }
  }

  private mayLeave(next: Entry): boolean {
    const sent = this.entries.filter((entry) => entry.state === 'sent');
    if (sent.length === 0) return true;
    if (sent.length >= maxInFlight || this.entries.some((entry) => entry.state === 'repeat')) return false;
    return sent[0]!.batch.baseSequence !== 0 && next.batch.baseSequence !== 0;
  }

  /** Waits for the answers that are under way, then for a while, and puts everything back in line. */
  private async prepareRepetition(): Promise<void> {
    while (this.entries.some((entry) => entry.state === 'sent')) await this.changed();
    const oldest = this.entries[0];
    if (oldest === undefined) return;
    await sleep(this.clock, this.backoff.nextMs());
    for (const entry of this.entries) entry.state = 'waiting';
  }

  private async dispatch(entry: Entry): Promise<void> {
    let connection: Connection;
    let records: Buffer;
    try {
      await entry.batch.admission;
      records = await entry.batch.bytes;
      connection = await this.cluster.leader(this.topic, this.partition);
    } catch (error) {
      this.onError(entry, error);
      return;
    }
    // Answers came in while we waited: one of them may have put the line back to its oldest batch, or ended it.
    if (!this.entries.includes(entry) || !this.mayLeave(entry)) return;
    const { batch } = entry;
    const topicId = this.cluster.knownTopic(this.topic)?.topicId ?? Buffer.alloc(16);
    const body = apis.Produce.request.create({
      transactionalId: batch.transactionalId,
      acks: batch.acks,
      timeoutMs: requestTimeoutMs,
      topicData: [{ name: this.topic, topicId, partitionData: [{ index: this.partition, records }] }],
    });
    entry.state = 'sent';
    const options = { maxVersion: batch.maxVersion, timeoutMs: requestTimeoutMs };
    connection.request('Produce', body, options).then(
      (response) => {
        const answer = response.responses[0]?.partitionResponses[0];
        const code = answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
        if (code === ErrorCode.NONE || code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) this.onSuccess(entry);
        else this.onError(entry, new KafkaError(code, this.describe(answer?.errorMessage)));
      },
      (error: unknown) => this.onError(entry, error),
    );
  }

  private onSuccess(entry: Entry): void {
    this.backoff.reset();
    this.entries = this.entries.filter((each) => each !== entry);
    entry.resolve();
    this.wake();
  }

  private onError(entry: Entry, error: unknown): void {
    if (!this.entries.includes(entry)) return;
    const behindRepetition = this.entries[0] !== entry && this.entries.some((each) => each.state === 'repeat');
    const consequence = behindRepetition && hasCode(error, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    if (consequence || (isRetriable(error) && this.hasTimeLeft(entry, error))) {
      entry.state = 'repeat';
      if (!hasCode(error, ErrorCode.CONCURRENT_TRANSACTIONS)) this.cluster.forgetTopic(this.topic);
      this.cluster.dependencies.logger.debug('A batch is sent again', {
        topic: this.topic,
        partition: this.partition,
        error: error instanceof Error ? error.message : String(error),
      });
      this.wake();
    } else {
      this.failAll(error);
    }
  }

  private hasTimeLeft(entry: Entry, error: unknown): boolean {
    const missing = hasCode(error, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const patienceMs = missing ? Math.min(missingTopicMs, this.deliveryTimeoutMs) : this.deliveryTimeoutMs;
    return this.clock.monotonicMs() - entry.enqueuedMs < patienceMs;
  }

  /** A gap in the sequences can never be closed: whatever stands behind a refused batch is refused with it. */
  private failAll(error: unknown): void {
    const failed = this.entries;
    this.entries = [];
    for (const entry of failed) entry.reject(error);
    this.wake();
  }

  private changed(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private describe(brokerMessage: string | null | undefined): string {
    const where = `topic ${this.topic}, partition ${this.partition}`;
    return brokerMessage ? `${where} (${brokerMessage})` : where;
  }
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof KafkaError && error.errorCode === code;
}
