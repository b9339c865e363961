// Reads partitions ahead of their reader: while one answer is being worked on, the next one is asked for (one per broker, so at most maxBytes each wait
// in memory). Knows positions and pauses; knows nothing of groups. Whoever moves a partition (seek, revoke) makes what is under way for it void.
import { messageOf, TailraceError } from '../../base/errors.ts';
import { sleep } from '../../base/clock.ts';
import { apis, type ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { type BatchHeader, isBatchIntact } from '../wire/record-batch.ts';
import { filterBatches } from './aborted-filter.ts';
import type { FetchedBatches, TopicPartition } from './contract.ts';
import { groupByLeader, listOffsets, offsetIn } from './list-offsets.ts';
import type { Cluster } from './metadata.ts';
import { isRetriable } from './retry.ts';

export interface FetcherOptions {
  readonly readCommitted: boolean;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  /** The connections' lane: fetches wait at the broker, so they share with nobody. */
  readonly lane: string;
}

interface FetchState {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: Buffer;
  /** Where the reader is: the next fetch begins here, because there is none while something waits in `ready`. */
  position: number;
  paused: boolean;
  /** Part of a request that is under way. */
  inFlight: boolean;
  /** Fetched, not yet polled. */
  ready: FetchedBatches | undefined;
  /** Since when the broker has given nothing of it but this error. */
  trouble: { error: unknown; sinceMs: number } | undefined;
}

const pauseAfterErrorMs = 100;
/** Leaders move, connections break: what passes within this time is no trouble. */
const troubleMs = 10_000;
const responseMarginMs = 30_000;

export class Fetcher {
  private readonly cluster: Cluster;
  private readonly options: FetcherOptions;
  private readonly states = new Map<string, FetchState>();
  /** Requests under way by broker. */
  private readonly busy = new Map<number, number>();
  private readonly wakers = new Set<() => void>();
  private failure: { error: unknown } | undefined;
  private interrupted = false;
  private closed = false;

  constructor(cluster: Cluster, options: FetcherOptions) {
    this.cluster = cluster;
    this.options = options;
  }

  /** Replaces what is read; nothing is paused then. */
  assign(partitions: readonly (TopicPartition & { topicId: Buffer; offset: number })[]): void {
    this.states.clear();
    for (const { topic, partition, topicId, offset } of partitions) {
      this.states.set(keyOf(topic, partition), newState(topic, partition, topicId, offset));
    }
    this.wakeAll();
  }

  partitions(): TopicPartition[] {
    return [...this.states.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  position(partition: TopicPartition): number {
    return this.state(partition).position;
  }

  seek(target: TopicPartition, offset: number): void {
    const { topic, partition, topicId, paused } = this.state(target);
    this.states.set(keyOf(topic, partition), { ...newState(topic, partition, topicId, offset), paused });
    this.wakeAll();
  }

  /** Partitions that are not assigned (any more) are passed over. */
  setPaused(partitions: readonly TopicPartition[], paused: boolean): void {
    for (const { topic, partition } of partitions) {
      const state = this.states.get(keyOf(topic, partition));
      if (state !== undefined) state.paused = paused;
    }
    this.wakeAll();
  }

  /** What is there, waiting at most maxWaitMs for it; asks for more before it returns. Throws what no retry heals. */
  async poll(signal?: AbortSignal): Promise<FetchedBatches[]> {
    const deadlineMs = this.now() + this.options.maxWaitMs;
    this.interrupted = false;
    for (;;) {
      this.throwFailure();
      const taken = this.take();
      void this.startFetches();
      const leftMs = deadlineMs - this.now();
      if (taken.length > 0 || leftMs <= 0 || signal?.aborted || this.mustReturn()) return taken;
      await this.changed(leftMs, signal);
    }
  }

  /** Why some partition has not been readable for a while, though it is asked for again and again; undefined when all of them are. */
  trouble(): unknown {
    const nowMs = this.now();
    for (const { trouble } of this.states.values())
      if (trouble !== undefined && nowMs - trouble.sinceMs >= troubleMs) return trouble.error;
    return undefined;
  }

  /** Ends a waiting poll at once, with what there is. */
  interrupt(): void {
    this.interrupted = true;
    this.wakeAll();
  }

  close(): void {
    this.closed = true;
    this.states.clear();
    this.wakeAll();
  }

  private mustReturn(): boolean {
    return this.interrupted || this.closed;
  }

  private throwFailure(): void {
    if (this.failure === undefined) return;
    const { error } = this.failure;
    this.failure = undefined;
    throw error;
  }

  private take(): FetchedBatches[] {
    const taken: FetchedBatches[] = [];
    for (const [key, state] of this.states) {
      if (state.ready === undefined || state.paused) continue;
      taken.push(state.ready);
      state.position = state.ready.nextOffset;
      state.ready = undefined;
      // Brokers fill answers in the order of the question: whoever had something goes to the end of it.
      this.states.delete(key);
      this.states.set(key, state);
    }
    return taken;
  }

  /** Asks every broker that may be asked about the partitions that nothing waits for. */
  private async startFetches(): Promise<void> {
    const idle = [...this.states.values()].filter(
      (state) => !state.inFlight && !state.paused && state.ready === undefined,
    );
    if (idle.length === 0) return;
    for (const state of idle) state.inFlight = true;
    try {
      for (const { topic, topicId } of idle) await this.checkIdentity(topic, topicId);
      const { byLeader, leaderless } = await groupByLeader(this.cluster, idle);
      for (const { entry, error } of leaderless) void this.recover([entry], error);
      for (const [leader, states] of byLeader) {
        if ((this.busy.get(leader) ?? 0) >= this.maxBusy()) release(states);
        else void this.fetch(leader, states);
      }
    } catch (error) {
      await this.recover(idle, error);
    }
  }

  /** On a socket a second request would wait behind the first one's waiting; in process both wait side by side. */
  private maxBusy(): number {
    return this.cluster.dependencies.transport.inProcess ? 2 : 1;
  }

  /** A topic of the same name with another id is another topic: its offsets mean nothing to us. */
  private async checkIdentity(topic: string, topicId: Buffer): Promise<void> {
    const found = this.cluster.knownTopic(topic) ?? (await this.cluster.topic(topic));
    if (found.topicId.equals(topicId)) return;
    throw new TailraceError('TLR_KAFKA', `topic ${topic} was deleted and made anew: positions in it are void`);
  }

  private async fetch(leader: number, states: FetchState[]): Promise<void> {
    this.busy.set(leader, (this.busy.get(leader) ?? 0) + 1);
    try {
      const connection = await this.cluster.node(leader, this.options.lane);
      const timeoutMs = this.options.maxWaitMs + responseMarginMs;
      const response = await connection.request('Fetch', this.request(states), { timeoutMs });
      if (response.errorCode !== 0) throw new KafkaError(response.errorCode, `fetch from broker ${leader}`);
      const troubled = this.accept(states, response);
      release(states.filter((state) => !troubled.some((trouble) => trouble.state === state)));
      for (const { state, errorCode } of troubled) void this.onPartitionError(state, errorCode);
    } catch (error) {
      void this.recover(states, error);
    } finally {
      this.busy.set(leader, this.busy.get(leader)! - 1);
      this.wakeAll();
    }
  }

  private request(states: readonly FetchState[]): ReturnType<typeof apis.Fetch.request.create> {
    const { maxWaitMs, minBytes, maxBytes, readCommitted } = this.options;
    return apis.Fetch.request.create({
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: readCommitted ? 1 : 0,
      topics: [...Map.groupBy(states, ({ topic }) => topic)].map(([topic, each]) => ({
        topic,
        topicId: each[0]!.topicId,
        partitions: each.map(({ partition, position }) => ({
          partition,
          fetchOffset: position,
          partitionMaxBytes: maxBytes,
        })),
      })),
    });
  }

  /** Keeps what was sent for the next poll; returns the partitions that had an error. */
  private accept(
    states: readonly FetchState[],
    response: ResponseOf<'Fetch'>,
  ): { state: FetchState; errorCode: number }[] {
    const troubled: { state: FetchState; errorCode: number }[] = [];
    for (const { topic, topicId, partitions } of response.responses) {
      for (const answer of partitions) {
        const isMeant = (state: FetchState) =>
          state.partition === answer.partitionIndex &&
          (topic === '' ? state.topicId.equals(topicId) : state.topic === topic);
        const state = states.find(isMeant);
        if (state === undefined) continue;
        if (answer.errorCode !== 0) {
          troubled.push({ state, errorCode: answer.errorCode });
          continue;
        }
        state.trouble = undefined;
        const aborted = this.options.readCommitted ? (answer.abortedTransactions ?? []) : undefined;
        const { batches, nextOffset } = filterBatches(answer.records, state.position, aborted, (buffer, header) =>
          checkIntact(state, buffer, header),
        );
        if (nextOffset === state.position) continue;
        state.ready = {
          topic: state.topic,
          topicId: state.topicId,
          partition: state.partition,
          batches,
          fromOffset: state.position,
          nextOffset,
          highWatermark: answer.highWatermark,
          lastStableOffset: answer.lastStableOffset,
        };
      }
    }
    return troubled;
  }

  private async onPartitionError(state: FetchState, errorCode: number): Promise<void> {
    const error = new KafkaError(errorCode, `topic ${state.topic}, partition ${state.partition}`);
    try {
      if (errorCode !== ErrorCode.OFFSET_OUT_OF_RANGE) throw error;
      await this.goToStart(state);
      release([state]);
      this.wakeAll();
    } catch (reason) {
      await this.recover([state], reason);
    }
  }

  /** Retention was faster than the reader: it goes on at what is left, and says so. An offset behind the end has no such way out. */
  private async goToStart(state: FetchState): Promise<void> {
    const earliest = offsetIn(await listOffsets(this.cluster, [state], 'earliest'), state);
    const { topic, partition, position } = state;
    if (position >= earliest) {
      throw new TailraceError(
        'TLR_KAFKA',
        `offset ${position} is behind the end of topic ${topic}, partition ${partition}: the log was cut or made anew`,
      );
    }
    this.cluster.dependencies.logger.warn('Records were deleted before they were read', {
      topic,
      partition,
      fromOffset: position,
      toOffset: earliest,
      records: earliest - position,
    });
    state.position = earliest;
  }

  /** What may pass is tried again after a while; the rest is poll's to throw. */
  private async recover(states: readonly FetchState[], error: unknown): Promise<void> {
    const passes =
      isRetriable(error) && !(error instanceof KafkaError && error.errorCode === ErrorCode.CORRUPT_MESSAGE);
    if (!passes) this.failure ??= { error };
    else {
      for (const state of states) {
        this.cluster.forgetTopic(state.topic);
        state.trouble = { error, sinceMs: state.trouble?.sinceMs ?? this.now() };
      }
      this.cluster.dependencies.logger.debug('A fetch is repeated', { error: messageOf(error) });
      await sleep(this.cluster.dependencies.clock, pauseAfterErrorMs);
    }
    release(states);
    this.wakeAll();
  }

  private state({ topic, partition }: TopicPartition): FetchState {
    const state = this.states.get(keyOf(topic, partition));
    if (state === undefined) {
      throw new TailraceError('TLR_INTERNAL', `partition ${partition} of topic ${topic} is not assigned`);
    }
    return state;
  }

  private now(): number {
    return this.cluster.dependencies.clock.monotonicMs();
  }

  private changed(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        signal?.removeEventListener('abort', done);
        this.wakers.delete(done);
        resolve();
      };
      const timer = this.cluster.dependencies.clock.schedule(withinMs, done);
      signal?.addEventListener('abort', done, { once: true });
      this.wakers.add(done);
    });
  }

  private wakeAll(): void {
    for (const wake of [...this.wakers]) wake();
  }
}

/** Also in process: brokers do not look into what they read from their disks, so this is where bit rot shows, and a buffer used again too early. */
function checkIntact({ topic, partition }: TopicPartition, buffer: Buffer, header: BatchHeader): void {
  if (isBatchIntact(buffer, header)) return;
  const what = `the batch at offset ${header.baseOffset} does not match its checksum`;
  throw new TailraceError('TLR_CORRUPT', `topic ${topic}, partition ${partition}: ${what}`);
}

function release(states: readonly FetchState[]): void {
  for (const state of states) state.inFlight = false;
}

function newState(topic: string, partition: number, topicId: Buffer, offset: number): FetchState {
  return {
    topic,
    partition,
    topicId,
    position: offset,
    paused: false,
    inFlight: false,
    ready: undefined,
    trouble: undefined,
  };
}

function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}
