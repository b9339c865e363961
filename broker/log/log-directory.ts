// A data directory: lock, identity (`meta.properties`), the metadata log, all partitions and the one writer.
//
// A start: take the lock; read the metadata; note whether the last end was clean and remove the marker, durably; when it was not, raise the leader
// epoch; finish deletions that were under way; open and recover the partitions; write checkpoints. Clean marker: Kafka's `.kafka_cleanshutdown`.
import { join, resolve } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import type { Clock } from '../../base/clock.ts';
import { DurableFolders } from '../../base/durable-folders.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { type Lock, acquireLock } from '../../base/lock.ts';
import type { Logger } from '../../base/logger.ts';
import { inParallel } from '../../base/parallel.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { CommitStatistics, LogDirectory, PartitionLog, RecoveryCut, TopicDescription } from './contract.ts';
import { DiskGuard } from './disk-guard.ts';
import { FailStopFiles } from './fail-stop-files.ts';
import { GroupCommit } from './group-commit.ts';
import { writeIdentity } from './identity.ts';
import {
  type BrokerConfigs,
  type CredentialChanges,
  MetadataLog,
  type StoredCredential,
  type TopicMetadata,
} from './metadata-log.ts';
import { openPartition } from './partition-opening.ts';
import { Partition } from './partition.ts';
import { ReadAhead } from './read-ahead.ts';
import { changedSettings, checkSetting, resolveSettings } from './settings.ts';
import { TailBudget } from './tail.ts';
import type { DeletableUntil } from './retention.ts';
import { clearDeleted, removeFolders } from './topic-folders.ts';
import { checkPartitionCount, checkTopicName, describeTopic, emptyTopic, type Topic } from './topic.ts';
import { Upkeep } from './upkeep.ts';

export interface LogDirectoryOptions {
  directory: string;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /**
   * Topic settings of the broker, under their topic names, with what requests have altered of its settings; they stand between a topic's own and the
   * defaults. Asked once at the start, before topics are opened, and after each alteration.
   */
  topicDefaults?: (altered: BrokerConfigs) => Readonly<Record<string, string>>;
  /** Memory for recently appended batches of all partitions. */
  tailBytes?: number;
  /** Client appends are refused when less room than this is left on the file system. */
  reserveBytes?: number;
  /** The most that all records may take on disk; 80 % of the file system when left out. */
  maxDiskBytes?: number;
  /** How far every reader that counts has delivered a partition, for `max_disk` and warnings; left out: nobody waits for anything. */
  deletableUntil?: DeletableUntil;
  /** Producers that wrote nothing for this long are forgotten (producer.id.expiration.ms); a day when left out. */
  producerExpiryMs?: () => number;
  /** So much is written while an earlier round is being synced (group-commit.ts); tests of crashes lower it. */
  earlyWriteBytes?: number;
  /** Replaced by tests that run in memory. */
  lock?: (directory: string) => Promise<Lock>;
}

const cleanMarker = '.kafka_cleanshutdown';
const producerIdBlock = 1000;
const openedAtOnce = 8;

/** Opens a data directory, making it when it is not there. Throws TLR_LOCKED, TLR_DATA_VERSION, TLR_CORRUPT or TLR_DISK_FAILED. */
export async function openLogDirectory(given: LogDirectoryOptions): Promise<LogDirectory> {
  let opened: DiskLogDirectory | undefined;
  const files = new FailStopFiles(given.files, (error) => opened?.fail(error));
  const options = { ...given, files };
  await new DurableFolders(files, resolve(options.directory)).ensure(resolve(options.directory));
  const lock = await (options.lock ?? acquireLock)(options.directory);
  try {
    const metadata = await MetadataLog.open(files, options.directory);
    if (metadata.cutBytes > 0) {
      options.logger.warn('recovery cut a torn change of the metadata', { cutBytes: metadata.cutBytes });
    }
    const { totalBytes } = await files.space(options.directory);
    opened = new DiskLogDirectory({ maxDiskBytes: totalBytes * 0.8, ...options }, lock, metadata);
    await opened.start();
    return opened;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class DiskLogDirectory implements LogDirectory {
  readonly recoveryCuts: RecoveryCut[] = [];
  readonly metadataCutBytes: number;
  readonly failed: Promise<Error>;

  private readonly options: LogDirectoryOptions;
  private readonly files: Files;
  readonly directory: string;
  private readonly lock: Lock;
  private readonly metadata: MetadataLog;
  private readonly commit: GroupCommit;
  private readonly tailBudget: TailBudget;
  private readonly readAhead = new ReadAhead();
  private readonly guard: DiskGuard;
  private readonly byName = new Map<string, Topic>();
  private topicDefaults: Readonly<Record<string, string>> | undefined;
  private wasClean = false;
  private producerIds = { next: 0, end: 0 };
  private administration: Promise<unknown> = Promise.resolve();
  private readonly upkeep: Upkeep;
  private failure: Error | undefined;
  /** Stops everything for good. */
  readonly fail: (error: Error) => void;
  private closing = false;

  constructor(options: LogDirectoryOptions & { maxDiskBytes: number }, lock: Lock, metadata: MetadataLog) {
    this.options = options;
    this.files = options.files;
    this.directory = options.directory;
    this.lock = lock;
    this.metadata = metadata;
    this.metadataCutBytes = metadata.cutBytes;
    this.tailBudget = new TailBudget(options.tailBytes ?? 32 * 1024 * 1024);
    this.guard = new DiskGuard(
      options.files,
      options.directory,
      options.clock,
      options.logger,
      options.reserveBytes ?? 64 * 1024 * 1024,
    );
    const { directory, files, clock, logger, maxDiskBytes } = options;
    this.upkeep = new Upkeep({
      ...{ directory, files, clock, logger, maxDiskBytes },
      partitions: () => this.openPartitions(),
      deletableUntil: options.deletableUntil ?? (() => undefined),
      onLimit: (reason) => this.guard.limit(reason),
      producerExpiryMs: options.producerExpiryMs ?? (() => 86_400_000),
    });
    const { promise: failed, resolve: tellFailed } = Promise.withResolvers<Error>();
    this.failed = failed;
    this.commit = new GroupCommit(
      {
        onCommitted: (bytes) => {
          this.guard.wrote(bytes);
          this.upkeep.watchLimit();
        },
        onFull: (error) => this.guard.full(error),
        onFailed: (error) => this.fail(error),
      },
      () => clock.monotonicMs(),
      options.earlyWriteBytes,
    );
    this.fail = (error) => {
      this.failure ??= error;
      for (const partition of this.openPartitions()) partition.failed(error);
      tellFailed(error);
    };
  }

  get commits(): CommitStatistics {
    return this.commit;
  }

  get offline(): { topic: string; partition: number; reason: TailraceError }[] {
    return [...this.byName].flatMap(([topic, { partitions }]) =>
      partitions.flatMap((reason, partition) =>
        reason instanceof TailraceError ? [{ topic, partition, reason }] : [],
      ),
    );
  }

  get clusterId(): string {
    return this.metadata.state.clusterId!;
  }

  get metadataPosition(): { leaderEpoch: number; changes: number } {
    const { changeCount, leaderEpoch } = this.metadata.state;
    return { leaderEpoch, changes: changeCount };
  }

  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.files.space(this.directory);
  }

  async start(): Promise<void> {
    const { files, directory, metadata } = this;
    await writeIdentity(files, directory, metadata, this.options.random);
    this.wasClean = (await files.stat(join(directory, cleanMarker))) !== undefined;
    await files.remove(join(directory, cleanMarker));
    await files.syncDirectory(directory);
    if (!this.wasClean && metadata.existed) {
      await metadata.append({ kind: 'leader-epoch', leaderEpoch: metadata.state.leaderEpoch + 1 });
    }
    this.topicDefaults = this.options.topicDefaults?.(this.brokerConfigs());
    await this.upkeep.load();
    await clearDeleted(files, directory);
    await this.finishDeletions();
    const topics = [...metadata.state.topics.values()];
    for (const topic of topics) this.byName.set(topic.name, emptyTopic(topic));
    const all = topics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({ topic, partition })),
    );
    await inParallel(all, openedAtOnce, async ({ topic, partition }) => {
      this.byName.get(topic.name)!.partitions[partition] = await this.openPartition(topic, partition);
    });
    if (!this.wasClean) await this.upkeep.checkpoint(this.openPartitions());
    await this.guard.check();
  }

  topics(): TopicDescription[] {
    return [...this.byName.values()].map(describeTopic);
  }

  topic(name: string): TopicDescription | undefined {
    const topic = this.byName.get(name);
    return topic === undefined ? undefined : describeTopic(topic);
  }

  topicById(topicId: Buffer): TopicDescription | undefined {
    const metadata = this.metadata.state.topics.get(topicId.toString('base64url'));
    return metadata === undefined ? undefined : this.topic(metadata.name);
  }

  partition(topic: string, partition: number): PartitionLog | undefined {
    const found = this.byName.get(topic)?.partitions[partition];
    if (found instanceof TailraceError) {
      throw new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, found.message, { cause: found });
    }
    return found;
  }

  createTopic(topic: {
    name: string;
    partitions: number;
    configs?: Record<string, string>;
  }): Promise<TopicDescription> {
    const { name, partitions, configs = {} } = topic;
    return this.administer(async () => {
      checkTopicName(name);
      checkPartitionCount(partitions);
      for (const [key, value] of Object.entries(configs)) checkSetting(key, value);
      if (this.byName.has(name)) throw new KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, `topic ${name}`);
      await this.finishDeletions(name);
      const topicId = randomUuid(this.options.random).toString('base64url');
      await this.metadata.append({ kind: 'topic', name, topicId, partitions, configs });
      const created = emptyTopic(this.metadata.state.topics.get(topicId)!);
      try {
        await this.addPartitions(created, partitions);
      } catch (error) {
        // The metadata has it, but nobody was told: taken back.
        await this.removeTopic(created);
        throw error;
      }
      this.byName.set(name, created);
      return describeTopic(created);
    });
  }

  deleteTopic(name: string): Promise<void> {
    return this.administer(() => this.removeTopic(this.existing(name)));
  }

  createPartitions(name: string, total: number): Promise<void> {
    return this.administer(async () => {
      const topic = this.existing(name);
      checkPartitionCount(total);
      if (total <= topic.partitions.length) {
        throw new KafkaError(
          ErrorCode.INVALID_PARTITIONS,
          `topic ${name} has ${topic.partitions.length} partitions already`,
        );
      }
      await this.metadata.append({ kind: 'partitions', topicId: topic.metadata.topicId, partitions: total });
      await this.addPartitions(topic, total);
    });
  }

  alterConfigs(name: string, changes: { name: string; value: string | null }[]): Promise<void> {
    return this.administer(async () => {
      const topic = this.existing(name);
      for (const change of changes) checkSetting(change.name, change.value);
      const configs = changedSettings(topic.metadata.configs, changes);
      await this.metadata.append({ kind: 'configs', topicId: topic.metadata.topicId, configs });
      this.applySettings(topic);
    });
  }

  brokerConfigs(): BrokerConfigs {
    return this.metadata.state.brokerConfigs;
  }

  alterBrokerConfigs(broker: string, changes: { name: string; value: string | null }[]): Promise<void> {
    return this.administer(async () => {
      const configs = changedSettings(this.brokerConfigs().get(broker) ?? {}, changes);
      await this.metadata.append({ kind: 'broker-configs', broker, configs });
      this.topicDefaults = this.options.topicDefaults?.(this.brokerConfigs());
      for (const topic of this.byName.values()) this.applySettings(topic);
    });
  }

  credentials(): StoredCredential[] {
    return [...this.metadata.state.credentials.values()];
  }

  alterCredentials(changes: CredentialChanges): Promise<void> {
    return this.administer(() => this.metadata.append({ kind: 'credentials', ...changes }));
  }

  allocateProducerId(): Promise<number> {
    return this.administer(async () => {
      if (this.producerIds.next === this.producerIds.end) {
        const next = this.metadata.state.nextProducerId;
        await this.metadata.append({ kind: 'producer-ids', next: next + producerIdBlock });
        this.producerIds = { next, end: next + producerIdBlock };
      }
      return this.producerIds.next++;
    });
  }

  async maintain(): Promise<void> {
    if (this.closing || this.failure !== undefined) return;
    await this.guard.check();
    await this.upkeep.maintain();
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    const closed = new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, 'the log is closed', {
      cause: new TailraceError('TLR_CLOSED', 'the log is closed'),
    });
    for (const partition of this.openPartitions()) partition.block(closed);
    await this.commit.idle();
    try {
      await this.upkeep.exclusively(async () => {
        if (this.failure !== undefined) return;
        await this.upkeep.checkpoint(this.openPartitions());
        // A partition that is offline was not looked at to its end: the next start must not take its recovery point for it.
        const isWhole = [...this.byName.values()].every((topic) =>
          topic.partitions.every((one) => one instanceof Partition),
        );
        if (!isWhole) return;
        await replaceFile(this.files, join(this.directory, cleanMarker), '{"version":0,"brokerEpoch":-1}');
      });
    } finally {
      for (const partition of this.openPartitions()) await partition.close();
      await this.metadata.close();
      await this.lock.release();
    }
  }

  private checkOpen(): void {
    if (this.failure !== undefined) {
      throw new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, this.failure.message, { cause: this.failure });
    }
    if (this.closing) throw new TailraceError('TLR_CLOSED', 'the log is closed');
  }

  /** Changes of the metadata happen one after the other. */
  private administer<T>(work: () => Promise<T>): Promise<T> {
    const result = this.administration.then(async () => {
      this.checkOpen();
      try {
        return await work();
      } catch (error) {
        const isDisk = error instanceof TailraceError && /^TLR_DISK_/.test(error.code);
        throw isDisk ? new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, error.message, { cause: error }) : error;
      }
    });
    this.administration = result.catch(() => undefined);
    return result;
  }

  private applySettings({ metadata, partitions }: Topic): void {
    const settings = resolveSettings(metadata.configs, this.topicDefaults);
    for (const partition of partitions) if (partition instanceof Partition) partition.settings = settings;
  }

  private async removeTopic({ metadata, partitions }: Topic): Promise<void> {
    await this.metadata.append({ kind: 'delete', topicId: metadata.topicId });
    this.byName.delete(metadata.name);
    const gone = new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${metadata.name} was deleted`);
    const open = partitions.filter((partition) => partition instanceof Partition);
    for (const partition of open) partition.block(gone);
    await Promise.allSettled(open.map((partition) => partition.flush()));
    await this.upkeep.exclusively(async () => {
      for (const partition of open) await partition.close();
      await this.finishDeletion(metadata.name, metadata.topicId);
    });
  }

  private existing(name: string): Topic {
    const topic = this.byName.get(name);
    if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name}`);
    return topic;
  }

  private openPartitions(): Partition[] {
    return [...this.byName.values()].flatMap((topic) =>
      topic.partitions.filter((partition) => partition instanceof Partition),
    );
  }

  /** Those that were not ended, because the process was or the disk was full; of one name, or all. */
  private async finishDeletions(only?: string): Promise<void> {
    for (const [topicId, name] of this.metadata.state.deleting) {
      if (only === undefined || only === name) await this.upkeep.exclusively(() => this.finishDeletion(name, topicId));
    }
  }

  private async finishDeletion(name: string, topicId: string): Promise<void> {
    await removeFolders(this.files, this.directory, name, topicId);
    await this.upkeep.forget(name);
    await this.metadata.append({ kind: 'removed', topicId });
  }

  private async addPartitions(topic: Topic, total: number): Promise<void> {
    const added = Array.from(
      { length: total - topic.partitions.length },
      (_, index) => topic.partitions.length + index,
    );
    const opened: (Partition | TailraceError)[] = [];
    await inParallel(added, openedAtOnce, async (partition) => {
      opened[partition] = await this.openPartition(topic.metadata, partition);
    });
    for (const partition of added) topic.partitions[partition] = opened[partition]!;
  }

  private async openPartition(topic: TopicMetadata, partition: number): Promise<Partition | TailraceError> {
    const { files, directory, topicDefaults } = this;
    const { clock, logger } = this.options;
    const opened = await openPartition(
      {
        ...{ files, directory, clock, logger, topicDefaults },
        ...{ commit: this.commit, tailBudget: this.tailBudget, readAhead: this.readAhead, upkeep: this.upkeep },
        leaderEpoch: this.metadata.state.leaderEpoch,
        wasClean: this.wasClean,
        refusal: (bytes) => this.guard.refusal(bytes),
      },
      topic,
      partition,
    );
    if (opened.cut !== undefined) this.recoveryCuts.push(opened.cut);
    return opened.partition;
  }
}
