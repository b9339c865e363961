// Writes the records of one scope into temporary files, one per resolved path, and hands over what the next decision is to publish. With paths
// that depend on time or fields one manifest covers all files that are open at the time (a barrier): published apart, they would say
// twice, or not at all, what stands between their offsets.
import { join, resolve } from 'node:path';
import { messageOf, TailraceError } from '../../base/errors.ts';
import { type Coordinates, type DeliveryBatch, type Manifest, type SinkContext, type TwoPhaseWriter } from '../sink.ts';
import { AttemptFile } from './attempt-file.ts';
import { type Compression } from './compression.ts';
import { type PathTemplate } from './path-template.ts';
import { type FileEntry, type FileManifest, type Publisher, readManifest } from './publication.ts';
import { temporaryName } from './temporary-names.ts';
import { BoundedWritePool } from './write-pool.ts';

/** When what was written is to be published; sizes are those of the file, after compression. */
export interface RollLimits {
  sizeBytes: number;
  ageMs: number;
  idleMs: number;
}

/** More files than this in one manifest make it due: a manifest is one record. */
const filesLimit = 1000;
/** Half-filled chunks of many files may hold this much together. */
const heldLimitBytes = 16 * 1024 * 1024;

export class FileWriter implements TwoPhaseWriter {
  private readonly context: SinkContext;
  private readonly template: PathTemplate;
  private readonly compression: Compression;
  private readonly limits: RollLimits;
  private readonly publisher: Publisher;
  private readonly scope: string;
  private readonly baseDirectory: string;
  private readonly pool: BoundedWritePool;
  private attempt = new Map<string, AttemptFile>();
  private lastPeriod = NaN;
  private lastPartition: Coordinates | undefined;
  private lastFile: AttemptFile | undefined;
  private fileNumber = 0;
  private publishing: Manifest | undefined;
  private firstWriteMs = 0;
  private lastWriteMs = 0;

  constructor(
    context: SinkContext,
    options: {
      template: PathTemplate;
      compression: Compression;
      limits: RollLimits;
      publisher: Publisher;
      scope: string;
    },
  ) {
    this.context = context;
    this.template = options.template;
    this.compression = options.compression;
    this.limits = options.limits;
    this.publisher = options.publisher;
    this.scope = options.scope;
    this.baseDirectory = resolve(options.template.baseDirectory);
    this.pool = new BoundedWritePool(context.files);
  }

  async write(batch: DeliveryBatch): Promise<void> {
    if (batch.count === 0) return;
    try {
      await this.publisher.ensureFolder(this.baseDirectory);
      this.take(batch);
      await this.relieve();
      for (const file of this.attempt.values()) file.check();
    } catch (error) {
      throw this.explain(error);
    }
  }

  isDue(nowMs: number): boolean {
    if (this.attempt.size === 0) return false;
    if (nowMs - this.firstWriteMs >= this.limits.ageMs || nowMs - this.lastWriteMs >= this.limits.idleMs) return true;
    if (this.attempt.size >= filesLimit) return true;
    for (const file of this.attempt.values()) if (file.sizeBytes >= this.limits.sizeBytes) return true;
    return false;
  }

  async prepare(): Promise<Manifest | undefined> {
    if (this.attempt.size === 0) return undefined;
    const attempt = [...this.attempt.values()];
    this.forget();
    try {
      const sealed = await Promise.all(attempt.map((file) => file.seal()));
      await this.context.files.syncDirectory(this.baseDirectory);
      const entries: FileEntry[] = this.template.hasOffset
        ? sealed
        : await Promise.all(sealed.map((file) => this.placeAtEnd(file)));
      return { v: 1, files: entries } satisfies FileManifest;
    } catch (error) {
      await Promise.all(attempt.map((file) => file.abandon().catch(() => undefined)));
      throw this.explain(error);
    }
  }

  async publish(manifest: Manifest): Promise<void> {
    try {
      const again = this.publishing === manifest;
      this.publishing = manifest;
      await this.publisher.publish(readManifest(manifest), again);
    } catch (error) {
      throw this.explain(error);
    }
  }

  async discard(): Promise<void> {
    const attempt = [...this.attempt.values()];
    await this.abandon();
    for (const file of attempt) await this.context.files.remove(file.temporary);
  }

  /** Closes every handle and leaves the files to the next recovery: what was decided may not be known. */
  async abandon(): Promise<void> {
    const attempt = [...this.attempt.values()];
    this.forget();
    for (const file of attempt) await file.abandon();
  }

  private take(batch: DeliveryBatch): void {
    const nowMs = this.context.clock.monotonicMs();
    if (this.attempt.size === 0) this.firstWriteMs = nowMs;
    this.lastWriteMs = nowMs;
    if (
      this.lastPartition?.partition !== batch.coordinates.partition ||
      !this.lastPartition.topicId.equals(batch.coordinates.topicId)
    ) {
      this.lastPartition = batch.coordinates;
      this.lastFile = undefined;
    }
    const periodMs = this.template.periodMs;
    batch.forEach((delivery) => {
      // Infinity (no time in the path) gives period 0 for ever; undefined (fields in the path) never matches.
      const period = periodMs === undefined ? NaN : Math.floor(Math.max(delivery.timestampMs, 0) / periodMs);
      let file = this.lastFile;
      if (file === undefined || period !== this.lastPeriod) {
        const key = this.template.key(batch.coordinates, delivery);
        file = this.attempt.get(key) ?? this.start(key, delivery.offset);
        this.lastFile = file;
        this.lastPeriod = period;
      }
      file.append(delivery.buffer, delivery.start, delivery.end);
    });
  }

  private start(key: string, firstOffset: number): AttemptFile {
    const temporary = join(this.baseDirectory, temporaryName(this.context, this.scope, this.fileNumber++));
    const final = resolve(this.template.pathOf(key, firstOffset));
    const file = new AttemptFile({ temporary, final }, this.compression, this.pool);
    this.attempt.set(key, file);
    return file;
  }

  /** Keeps memory bounded when many files are open, and makes the caller wait while the disk is behind. */
  private async relieve(): Promise<void> {
    let heldBytes = 0;
    for (const file of this.attempt.values()) heldBytes += file.heldBytes;
    if (heldBytes > heldLimitBytes) for (const file of this.attempt.values()) file.handOver();
    await this.pool.room();
  }

  private async placeAtEnd(file: FileEntry): Promise<FileEntry> {
    const stat = await this.context.files.stat(file.final);
    return { ...file, at: stat?.sizeBytes ?? 0 };
  }

  private forget(): void {
    this.attempt = new Map();
    this.lastFile = undefined;
    this.lastPeriod = NaN;
  }

  private explain(error: unknown): TailraceError {
    if (error instanceof TailraceError) return error;
    const where = `sink of ${this.context.edge}, ${this.template.text}`;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return new TailraceError('TLR_DISK_FULL', `${where}: no space left`, { cause: error, retriable: true });
    }
    return new TailraceError('TLR_SINK', `${where}: ${messageOf(error)}`, { cause: error, retriable: true });
  }
}
