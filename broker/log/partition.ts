// One partition: gives offsets to batches, queues them for the group commit, and knows what is visible. Everything an append changes is changed in the
// call itself, before any byte is on disk: the next append builds on it. What is not durable yet is invisible (high watermark) and can be thrown
// away as a whole (rollBack) when the disk is full.
//
// The folder's files: segments (segment.ts), producer snapshots, `leader-epoch-checkpoint`, `partition.metadata`.
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { copyBatch } from '../wire/batch-buffers.ts';
import { buildControlBatch } from '../wire/control-batch.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { type BatchHeader, readBatchHeader, setBaseOffset, setPartitionLeaderEpoch } from '../wire/record-batch.ts';
import type { AppendOptions, Appended, Isolation, PartitionLog, ProducerInfo, ReadResult } from './contract.ts';
import type { Committable, GroupCommit, PendingWrite, PendingWrites } from './group-commit.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import { LogReader, type Slice } from './log-reader.ts';
import { encodeSnapshot } from './producer-snapshot.ts';
import type { Marker, ProducerState } from './producer-state.ts';
import type { ReadAhead } from './read-ahead.ts';
import { rebuildIndexes, rebuildProducers } from './rebuild.ts';
import type { RecoveredLog } from './recovery.ts';
import { Segment } from './segment.ts';
import type { TopicSettings } from './settings.ts';
import { Tail, type TailBudget } from './tail.ts';
import type { AbortedEntry } from './transaction-index.ts';
import { acceptClientBatch, acceptInternalBatch, acceptOwnBatch } from './validator.ts';

export interface PartitionOptions {
  files: Files;
  directory: string;
  topic: string;
  topicId: Buffer;
  partition: number;
  leaderEpoch: number;
  logStartOffset: number;
  settings: TopicSettings;
  clock: Clock;
  commit: GroupCommit;
  tailBudget: TailBudget;
  readAhead: ReadAhead;
  epochs: LeaderEpochs;
  /** Why client appends are refused at the moment (the disk's reserve is reached), if they are. */
  refusal: (bytes: number) => KafkaError | undefined;
  /** Makes a new start of the log durable, then removes what is below. */
  onDelete: (partition: Partition, offset: number) => Promise<void>;
  /** A segment was closed: a good moment for a checkpoint. */
  onRoll: (partition: Partition) => void;
}

export class Partition implements PartitionLog, Committable {
  readonly topic: string;
  readonly topicId: Buffer;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly directory: string;
  /** Replaced when the topic's settings change. */
  settings: TopicSettings;
  readonly epochs: LeaderEpochs;
  lastBatchCrc: number | undefined;
  /** Snapshots taken when segments were closed, to be written with the next checkpoint. */
  pendingSnapshots: { offset: number; bytes: Buffer }[] = [];

  private readonly options: PartitionOptions;
  private readonly reader: LogReader;
  private readonly tail: Tail;
  private readonly listeners = new Set<() => void>();
  private segmentList: Segment[];
  private producerState: ProducerState;
  private pending: Omit<PendingWrite, 'latest'>[] = [];
  private start: number;
  private end: number;
  private visibleEnd: number;
  private blocked: KafkaError | undefined;
  private compactions = 0;

  constructor(options: PartitionOptions, recovered: RecoveredLog) {
    this.options = options;
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.leaderEpoch = options.leaderEpoch;
    this.directory = options.directory;
    this.settings = options.settings;
    this.epochs = options.epochs;
    this.segmentList = recovered.segments;
    this.producerState = recovered.producers;
    this.start = Math.max(options.logStartOffset, recovered.segments[0]!.baseOffset);
    this.end = recovered.logEndOffset;
    this.visibleEnd = recovered.logEndOffset;
    this.tail = new Tail(options.tailBudget);
    this.reader = new LogReader(
      () => this.segmentList,
      this.tail,
      options.readAhead,
      (segment) => rebuildIndexes(this.options.files, this.directory, this.segmentList, segment, this.settings),
    );
  }

  /** "topic app, partition 3", for messages. */
  get where(): string {
    return `topic ${this.topic}, partition ${this.partition}`;
  }

  get logStartOffset(): number {
    return this.start;
  }

  get logEndOffset(): number {
    return this.end;
  }

  get highWatermark(): number {
    return this.visibleEnd;
  }

  get lastStableOffset(): number {
    return Math.min(this.visibleEnd, this.producerState.firstUnstableOffset ?? this.visibleEnd);
  }

  get sizeBytes(): number {
    return this.segmentList.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  get segments(): readonly Segment[] {
    return this.segmentList;
  }

  get producerStates(): ProducerState {
    return this.producerState;
  }

  append(batch: Buffer, options: AppendOptions): Appended {
    this.checkWritable(options, batch.length);
    const nowMs = this.options.clock.now();
    const accept = { client: acceptClientBatch, 'in-process': acceptOwnBatch, internal: acceptInternalBatch };
    const accepted = accept[options.origin](batch, this.settings, nowMs, this.where);
    const { header } = accepted;
    if (header.producerId >= 0) {
      const known = this.producerState.findDuplicate(header);
      if (known !== undefined) {
        return {
          baseOffset: known.firstOffset,
          lastOffset: known.lastOffset,
          logAppendTimeMs: header.isLogAppendTime ? known.timestampMs : -1,
          logStartOffset: this.start,
          duplicate: true,
          durable: known.lastOffset < this.visibleEnd ? Promise.resolve() : this.options.commit.enqueue(this),
        };
      }
      this.producerState.check(header, this.where);
    }
    const stored = options.origin === 'client' ? copyBatch(accepted.batch) : accepted.batch;
    const durable = this.options.commit.enqueue(this, stored.length);
    const baseOffset = this.place(stored, header, nowMs);
    if (header.producerId >= 0) this.producerState.append(header, baseOffset, baseOffset + header.lastOffsetDelta);
    return this.appended(baseOffset, header, durable);
  }

  appendMarker(marker: Marker): Appended {
    this.checkWritable({ origin: 'internal' }, 0);
    this.producerState.checkMarker(marker, this.where);
    const nowMs = this.options.clock.now();
    const batch = buildControlBatch({ ...marker, timestampMs: nowMs });
    const header = readBatchHeader(batch);
    const durable = this.options.commit.enqueue(this);
    const baseOffset = this.place(batch, header, nowMs);
    const aborted = this.producerState.appendMarker(marker, baseOffset, nowMs);
    if (aborted !== undefined) this.segmentList.at(-1)!.transactionIndex.append(aborted);
    return this.appended(baseOffset, header, durable);
  }

  async read(offset: number, maxBytes: number, isolation: Isolation): Promise<ReadResult> {
    this.checkRange(offset);
    const limit = this.limitOf(isolation);
    const compactions = this.compactions;
    const slice = await this.readSlice(offset, limit, maxBytes);
    const aborted =
      isolation === 'read_committed' && slice.sizeBytes > 0
        ? await this.reader.abortedBetween(offset, slice.nextOffset)
        : [];
    // Records from before a compaction and the index from after it do not fit together.
    if (compactions !== this.compactions) return this.read(offset, maxBytes, isolation);
    return {
      records: slice.records,
      sizeBytes: slice.sizeBytes,
      highWatermark: this.visibleEnd,
      lastStableOffset: this.lastStableOffset,
      logStartOffset: this.start,
      abortedTransactions:
        isolation === 'read_committed'
          ? aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
          : undefined,
    };
  }

  readableBytes(offset: number, isolation: Isolation): number {
    const limit = this.limitOf(isolation);
    if (offset >= limit || offset < this.start) return 0;
    if (this.tail.holds(offset)) return this.tail.bytesBetween(offset, limit);
    // Not in memory: whole segments are near enough to decide whether a fetch has waited long enough.
    const later = this.segmentList.filter((segment) => segment.baseOffset > offset);
    const containing = this.segmentList[this.segmentList.length - later.length - 1];
    const inFirst = containing === undefined ? 0 : containing.sizeBytes - this.indexedPosition(containing, offset);
    return Math.max(1, inFirst + later.reduce((sum, segment) => sum + segment.sizeBytes, 0));
  }

  offsetForTime(
    timestampMs: number,
    isolation: Isolation,
  ): Promise<{ offset: number; timestampMs: number } | undefined> {
    return this.reader.findTime(timestampMs, this.start, this.limitOf(isolation));
  }

  maxTimestamp(): Promise<{ offset: number; timestampMs: number } | undefined> {
    return this.reader.findLatest(this.start, this.visibleEnd);
  }

  endOffsetForEpoch(leaderEpoch: number): { leaderEpoch: number; endOffset: number } {
    return this.epochs.endOffset(leaderEpoch, this.end);
  }

  async deleteRecordsBefore(offset: number): Promise<number> {
    if (offset > this.visibleEnd || offset < 0) {
      throw new KafkaError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        `${this.where}: offset ${offset} is not between ${this.start} and ${this.visibleEnd}`,
      );
    }
    if (offset > this.start) await this.options.onDelete(this, offset);
    return this.start;
  }

  onAdvance(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  producers(): ProducerInfo[] {
    return this.producerState.describe();
  }

  takePending(): PendingWrites {
    const writes = this.pending.map((write) => ({ ...write, latest: write.segment.placed }));
    this.pending = [];
    return { writes, endOffset: this.end };
  }

  committed({ writes, endOffset }: PendingWrites): void {
    for (const { segment, position, buffers, latest } of writes) {
      segment.endCommit(position + buffers.reduce((sum, buffer) => sum + buffer.length, 0), latest);
    }
    this.visibleEnd = endOffset;
    this.producerState.advance(endOffset);
    this.tail.durableBelow(endOffset);
    this.notify();
  }

  async rollBack(cause: Error): Promise<void> {
    this.blocked = new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, `${this.where}: ${messageOf(cause)}`, { cause });
    this.pending = [];
    this.end = this.visibleEnd;
    this.lastBatchCrc = undefined;
    this.tail.clear();
    this.reader.forget();
    this.pendingSnapshots = this.pendingSnapshots.filter(({ offset }) => offset <= this.end);
    const kept = this.segmentList.filter((segment, index) => index === 0 || segment.baseOffset < this.end);
    const dropped = this.segmentList.slice(kept.length);
    this.segmentList = kept;
    for (const segment of dropped) await segment.remove();
    if (dropped.length > 0) await this.options.files.syncDirectory(this.directory);
    await kept.at(-1)!.cutBack(this.end);
    this.epochs.truncateToEnd(this.end);
    this.producerState = await rebuildProducers(this.options.files, this.directory, kept, this.end);
    this.blocked = undefined;
    this.notify();
  }

  failed(cause: Error): void {
    this.block(new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, `${this.where}: ${messageOf(cause)}`, { cause }));
  }

  /** Refuses appends from now on (the log failed, the topic is deleted, the directory is closing) and wakes who waits. */
  block(error: KafkaError): void {
    this.blocked = error;
    this.notify();
  }

  /** Moves the start of the log, in memory. Segments wholly below it are taken out and returned, to be removed by the caller. */
  moveStart(offset: number): Segment[] {
    this.start = Math.max(this.start, offset);
    const kept = this.segmentList.filter(
      (_, index) => index === this.segmentList.length - 1 || this.segmentList[index + 1]!.baseOffset > this.start,
    );
    const dropped = this.segmentList.slice(0, this.segmentList.length - kept.length);
    this.segmentList = kept;
    if (dropped.length > 0) this.reader.forget();
    this.epochs.truncateToStart(this.start);
    return dropped;
  }

  /** Puts a compacted segment in the place of neighbours. */
  replaceSegments(old: readonly Segment[], segment: Segment): void {
    const first = this.segmentList.indexOf(old[0]!);
    const end = this.segmentList[first + old.length]!.baseOffset;
    this.segmentList = this.segmentList.toSpliced(first, old.length, segment);
    this.tail.dropBelow(end);
    this.compactions++;
    this.reader.forget();
  }

  /** Aborted transactions that overlap [from, to). */
  abortedBetween(from: number, to: number): Promise<AbortedEntry[]> {
    return this.reader.abortedBetween(from, to);
  }

  /** Begins a new segment unless the last one is empty. */
  roll(): void {
    if (this.segmentList.at(-1)!.sizeBytes === 0) return;
    this.pendingSnapshots.push({ offset: this.end, bytes: encodeSnapshot(this.producerState) });
    this.segmentList.push(new Segment(this.options.files, this.directory, this.end, true));
    this.options.onRoll(this);
  }

  /** Begins a new segment when the last one is older than segment.ms. */
  async rollByTime(nowMs: number): Promise<void> {
    const active = this.segmentList.at(-1)!;
    if (active.sizeBytes === 0) return;
    // After a restart the last write says how old the segment is at least.
    active.firstAppendMs ??= (await this.options.files.stat(active.path))?.modifiedMs ?? nowMs;
    if (nowMs - active.firstAppendMs >= this.settings.segmentMs && active === this.segmentList.at(-1)) this.roll();
  }

  /** The greatest timestamp in a segment; when its file was last written where records have none. Undefined for an empty one. */
  async latestTime(segment: Segment): Promise<number | undefined> {
    if (segment.sizeBytes === 0) return undefined;
    if (segment.latest === undefined) await this.reader.load(segment);
    return segment.latest?.timestampMs ?? (await this.options.files.stat(segment.path))?.modifiedMs;
  }

  /** Resolves when everything appended so far is durable. */
  flush(): Promise<void> {
    return this.visibleEnd === this.end ? Promise.resolve() : this.options.commit.enqueue(this);
  }

  async close(): Promise<void> {
    this.tail.clear();
    this.reader.forget();
    for (const segment of this.segmentList) await segment.close();
  }

  private checkWritable(options: AppendOptions, bytes: number): void {
    const { currentLeaderEpoch = -1, origin } = options;
    if (this.blocked !== undefined) throw this.blocked;
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== this.leaderEpoch) {
      const isOld = currentLeaderEpoch < this.leaderEpoch;
      throw new KafkaError(
        isOld ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH,
        `${this.where}: leader epoch ${currentLeaderEpoch} where it is ${this.leaderEpoch}`,
      );
    }
    const refusal = origin === 'internal' ? undefined : this.options.refusal(bytes);
    if (refusal !== undefined) throw refusal;
  }

  private checkRange(offset: number): void {
    if (offset >= this.start && offset <= this.end) return;
    throw new KafkaError(
      ErrorCode.OFFSET_OUT_OF_RANGE,
      `${this.where}: offset ${offset} is not between ${this.start} and ${this.end}`,
    );
  }

  /** Reads; once more when a segment was removed under the reader. */
  private async readSlice(offset: number, limit: number, maxBytes: number): Promise<Slice> {
    try {
      return await this.reader.read(offset, limit, maxBytes);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && (error.code === 'EBADF' || error.code === 'ENOENT')))
        throw error;
      this.reader.forget();
      this.checkRange(offset);
      return this.reader.read(offset, limit, maxBytes);
    }
  }

  private indexedPosition(segment: Segment, offset: number): number {
    return segment.offsetIndex.isLoaded ? segment.offsetIndex.lookup(offset) : 0;
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }

  private limitOf(isolation: Isolation): number {
    if (isolation === 'log_end') return this.end;
    return isolation === 'read_committed' ? this.lastStableOffset : this.visibleEnd;
  }

  /** Gives the batch its offsets and queues it; returns the first one. */
  private place(batch: Buffer, header: BatchHeader, nowMs: number): number {
    const baseOffset = this.end;
    const lastOffset = baseOffset + header.lastOffsetDelta;
    setBaseOffset(batch, baseOffset);
    setPartitionLeaderEpoch(batch, this.leaderEpoch);
    let segment = this.segmentList.at(-1)!;
    const isOld = segment.firstAppendMs !== undefined && nowMs - segment.firstAppendMs >= this.settings.segmentMs;
    if (segment.sizeBytes > 0 && (isOld || !segment.hasRoomFor(batch.length, lastOffset, this.settings.segmentBytes))) {
      this.roll();
      segment = this.segmentList.at(-1)!;
    }
    segment.firstAppendMs ??= nowMs;
    const position = segment.place(header, baseOffset, this.settings.indexIntervalBytes);
    const last = this.pending.at(-1);
    if (last?.segment === segment) last.buffers.push(batch);
    else this.pending.push({ segment, position, buffers: [batch] });
    this.end = lastOffset + 1;
    this.lastBatchCrc = header.crc;
    this.tail.add(batch, baseOffset, lastOffset);
    this.epochs.assign(this.leaderEpoch, baseOffset);
    return baseOffset;
  }

  private appended(baseOffset: number, header: BatchHeader, durable: Promise<void>): Appended {
    return {
      baseOffset,
      lastOffset: baseOffset + header.lastOffsetDelta,
      logAppendTimeMs: header.isLogAppendTime ? header.maxTimestampMs : -1,
      logStartOffset: this.start,
      duplicate: false,
      durable,
    };
  }
}
