// The consumer: who reads what from where. A group gives the assignment (group-membership.ts) or the caller does; the fetcher reads. Rebalances happen
// inside poll() and nowhere else, eagerly: everything is given back, then everything is given anew. So the owner's callbacks never run beside
// its own work on polled records.
import { TailraceError } from '../../base/errors.ts';
import type {
  Consumer,
  ConsumerOptions,
  FetchedBatches,
  GroupMetadata,
  StartingPoint,
  TopicPartition,
  TopicPartitionOffset,
} from './contract.ts';
import type { Assignment } from './group-assignor.ts';
import { Fetcher } from './fetcher.ts';
import { GroupMembership } from './group-membership.ts';
import { commitGroupOffsets, fetchGroupOffsets } from './group-offsets.ts';
import { listOffsets, offsetIn, type OffsetSpec } from './list-offsets.ts';
import { type Cluster, settleMs } from './metadata.ts';
import { memberGone } from './producer-errors.ts';
import { isRetriable, retry } from './retry.ts';

const defaults = {
  minBytes: 1,
  maxBytes: 8 * 1024 * 1024,
  maxWaitMs: 500,
  sessionTimeoutMs: 45_000,
  rebalanceTimeoutMs: 60_000,
};

export class KafkaConsumer implements Consumer {
  private readonly cluster: Cluster;
  private readonly options: ConsumerOptions;
  private readonly lane: string;
  private readonly onClose: () => void;
  private readonly fetcher: Fetcher;
  private readonly membership: GroupMembership | undefined;
  /** Ends what a rebalance waits for when the next rebalance is due already. */
  private settling = new AbortController();
  private rebalancing: Promise<void> | undefined;
  private isManual = false;
  private closed = false;

  /** `lane` names this consumer's own connections. */
  constructor(cluster: Cluster, options: ConsumerOptions, lane: string, onClose: () => void) {
    this.cluster = cluster;
    this.onClose = onClose;
    this.options = options;
    this.lane = lane;
    this.fetcher = new Fetcher(cluster, {
      readCommitted: (options.isolation ?? 'read_committed') === 'read_committed',
      minBytes: options.minBytes ?? defaults.minBytes,
      maxBytes: options.maxBytes ?? defaults.maxBytes,
      maxWaitMs: options.maxWaitMs ?? defaults.maxWaitMs,
      lane: `${lane}-fetch`,
    });
    this.membership = options.groupId === undefined ? undefined : this.newMembership(options.groupId);
  }

  async start(): Promise<void> {
    if (this.isManual) return;
    if (this.membership !== undefined) {
      await this.rebalanceIfDue();
      return;
    }
    const topics = await Promise.all((this.options.topics ?? []).map((topic) => this.knownTopic(topic)));
    await this.assign(
      topics.flatMap(({ name, partitions }) => partitions.map(({ partition }) => ({ topic: name, partition }))),
    );
  }

  async assign(partitions: readonly (TopicPartition & { offset?: number })[]): Promise<void> {
    this.isManual = true;
    this.fetcher.assign(await this.startingPoints(partitions));
  }

  async poll(signal?: AbortSignal): Promise<FetchedBatches[]> {
    if (this.closed) throw new TailraceError('TLR_CLOSED', 'the consumer was closed');
    if (!this.isManual && this.membership !== undefined && !(await this.belongs(signal))) return [];
    return this.fetcher.poll(signal);
  }

  assignment(): readonly TopicPartition[] {
    return this.fetcher.partitions();
  }

  trouble(): unknown {
    return this.fetcher.trouble();
  }

  position(partition: TopicPartition): number {
    return this.fetcher.position(partition);
  }

  seek(partition: TopicPartition, offset: number): void {
    this.fetcher.seek(partition, offset);
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.fetcher.setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.fetcher.setPaused(partitions, false);
  }

  async commit(offsets: readonly TopicPartitionOffset[]): Promise<void> {
    const group = this.groupMetadata();
    try {
      await commitGroupOffsets(this.cluster, group, offsets);
    } catch (error) {
      throw memberGone(error, group.groupId);
    }
  }

  groupMetadata(): GroupMetadata {
    const { groupId } = this.options;
    if (this.membership === undefined || groupId === undefined) {
      throw new TailraceError('TLR_INTERNAL', 'a consumer without a group commits nothing');
    }
    if (this.isManual) return { groupId, generation: -1, memberId: '', instanceId: undefined };
    return this.membership.metadata();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
    this.settling.abort(new TailraceError('TLR_CLOSED', 'the consumer was closed'));
    this.fetcher.close();
    if (!this.isManual) await this.membership?.leave();
    await Promise.all([this.cluster.closeLane(`${this.lane}-fetch`), this.cluster.closeLane(`${this.lane}-group`)]);
  }

  private newMembership(groupId: string): GroupMembership {
    const { options } = this;
    const sessionTimeoutMs = options.sessionTimeoutMs ?? defaults.sessionTimeoutMs;
    const rebalanceTimeoutMs = options.rebalanceTimeoutMs ?? defaults.rebalanceTimeoutMs;
    const { instanceId, topics = [], undivided = false } = options;
    const lane = `${this.lane}-group`;
    return new GroupMembership(
      this.cluster,
      { groupId, instanceId, topics, undivided, sessionTimeoutMs, rebalanceTimeoutMs, lane },
      () => {
        this.settling.abort(new TailraceError('TLR_KAFKA', 'the group rebalances again', { retriable: true }));
        this.fetcher.interrupt();
      },
    );
  }

  /** Whether this member has its assignment; waits for it unless `signal` is aborted. */
  private async belongs(signal: AbortSignal | undefined): Promise<boolean> {
    const done = this.rebalanceIfDue().then(() => true);
    if (signal === undefined) return done;
    return new Promise((resolve, reject) => {
      const onAbort = () => resolve(false);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      done.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  /** One rebalance at a time, whoever waits for it. */
  private async rebalanceIfDue(): Promise<void> {
    const { membership } = this;
    if (membership === undefined) return;
    while (this.rebalancing !== undefined || membership.needsJoin()) {
      this.rebalancing ??= this.rebalance(membership).finally(() => {
        this.rebalancing = undefined;
      });
      await this.rebalancing;
    }
  }

  private async rebalance(membership: GroupMembership): Promise<void> {
    const owned = this.fetcher.partitions();
    if (owned.length > 0) await this.options.onRevoked?.(owned);
    this.fetcher.assign([]);
    this.settling = new AbortController();
    const { signal } = this.settling;
    const assignment = await membership.join();
    try {
      const points = await this.startingPoints(listed(assignment), signal);
      this.fetcher.assign(points);
      await this.options.onAssigned?.(points);
    } catch (error) {
      membership.requestJoin();
      if (!this.closed && signal.aborted && error === signal.reason) return;
      throw error;
    }
  }

  /** Where each partition begins: as told, else where the group was, else by the option `start`. */
  private async startingPoints(
    partitions: readonly (TopicPartition & { offset?: number })[],
    signal?: AbortSignal,
  ): Promise<StartingPoint[]> {
    const { groupId } = this.options;
    const unknown = partitions.filter(({ offset }) => offset === undefined);
    const committed =
      groupId === undefined || unknown.length === 0
        ? undefined
        : await fetchGroupOffsets(this.cluster, groupId, unknown, { stable: true, ...(signal && { signal }) });
    // After the offsets: a topic that was made again meanwhile has no part in them.
    if (committed !== undefined) await this.refresh(unknown);
    const points: StartingPoint[] = [];
    const fresh: StartingPoint[] = [];
    for (const { topic, partition, offset } of partitions) {
      const { topicId } = await this.knownTopic(topic);
      const found = offset === undefined ? committed?.get(topic)?.get(partition) : { offset, metadata: '' };
      const point = { topic, partition, topicId, offset: found?.offset ?? 0, metadata: found?.metadata ?? '' };
      const isFresh = found === undefined || this.options.isVoid?.(point) === true;
      if (isFresh) fresh.push({ ...point, metadata: '' });
      else points.push(point);
    }
    const started = fresh.length === 0 ? new Map<string, Map<number, number>>() : await this.startOffsets(fresh);
    return [...points, ...fresh.map((point) => ({ ...point, offset: offsetIn(started, point) }))];
  }

  private async startOffsets(partitions: readonly TopicPartition[]): Promise<Map<string, Map<number, number>>> {
    const { start = 'earliest', isolation = 'read_committed' } = this.options;
    if (typeof start === 'object' && 'offset' in start) {
      const [first, last] = await Promise.all([
        listOffsets(this.cluster, partitions, 'earliest'),
        listOffsets(this.cluster, partitions, 'latest'),
      ]);
      for (const [topic, offsets] of first)
        for (const [partition, earliest] of offsets)
          offsets.set(partition, Math.max(earliest, Math.min(start.offset, offsetIn(last, { topic, partition }))));
      return first;
    }
    const at: OffsetSpec = start === 'latest' && isolation === 'read_committed' ? 'latest-stable' : start;
    return listOffsets(this.cluster, partitions, at);
  }

  private async refresh(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    await this.patiently(() => this.cluster.refresh(topics));
  }

  private knownTopic(topic: string): ReturnType<Cluster['topic']> {
    return this.patiently(() => this.cluster.topic(topic));
  }

  private patiently<T>(action: () => Promise<T>): Promise<T> {
    const withinMs = this.cluster.dependencies.transport.inProcess ? 0 : settleMs;
    return retry(this.cluster.dependencies, action, { withinMs, retriable: isRetriable });
  }
}

function listed(assignment: Assignment): TopicPartition[] {
  return [...assignment].flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })));
}
