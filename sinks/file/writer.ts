// Writes the records of one scope into temporary files, one per resolved path, and hands over what the next decision is to publish.
import { join, resolve } from 'node:path';
import { crashPoint } from '../../base/crash-point.ts';
import type { DurableFolders } from '../../base/durable-folders.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Compression } from '../rolled/compression.ts';
import { isDiskFull, OpenFiles } from '../rolled/open-files.ts';
import type { PathTemplate } from '../rolled/path-template.ts';
import type { RollLimits } from '../rolled/settings.ts';
import { randomNumber, temporaryName } from '../rolled/temporary-names.ts';
import { BoundedWritePool } from '../rolled/write-pool.ts';
import type { DeliveryBatch, Manifest, SinkContext, TwoPhaseWriter } from '../sink.ts';
import { type FileEntry, type FileManifest, type Publisher, readManifest } from './publication.ts';

export interface FileWriterOptions {
  template: PathTemplate;
  compression: Compression;
  limits: RollLimits;
  folders: DurableFolders;
  publisher: Publisher;
  /** Of the files, less the umask. */
  permissions: number;
  /** Tag of the scope in temporary names. */
  scope: string;
}

export class FileWriter implements TwoPhaseWriter {
  private readonly context: SinkContext;
  private readonly template: PathTemplate;
  private readonly folders: DurableFolders;
  private readonly publisher: Publisher;
  private readonly baseDirectory: string;
  private readonly open: OpenFiles;
  private publishing: Manifest | undefined;

  constructor(
    context: SinkContext,
    { template, compression, limits, folders, publisher, permissions, scope }: FileWriterOptions,
  ) {
    this.context = context;
    this.template = template;
    this.folders = folders;
    this.publisher = publisher;
    this.baseDirectory = resolve(template.baseDirectory);
    this.open = new OpenFiles({
      ...{ clock: context.clock, template, compression, limits },
      pool: new BoundedWritePool(context.files, { durable: true, permissions }),
      nextTemporary: () => join(this.baseDirectory, temporaryName(context, scope, randomNumber(context.random))),
    });
  }

  async write(batch: DeliveryBatch): Promise<void> {
    if (batch.count === 0) return;
    try {
      await this.folders.ensure(this.baseDirectory);
      await this.open.write(batch);
    } catch (error) {
      throw this.explain(error);
    }
  }

  isDue(nowMs: number): boolean {
    return this.open.isDue(nowMs);
  }

  async prepare(): Promise<Manifest | undefined> {
    const attempt = this.open.release();
    if (attempt.length === 0) return undefined;
    try {
      const sealed = await Promise.all(attempt.map((file) => file.seal()));
      crashPoint('file.sealed');
      await this.context.files.syncDirectory(this.baseDirectory);
      const named = sealed.map((file) => ({ ...file, final: resolve(file.final) }));
      const entries: FileEntry[] = this.template.hasOffset
        ? named
        : await Promise.all(named.map((file) => this.placeAtEnd(file)));
      return { v: 1, sink: 'file', files: entries } satisfies FileManifest;
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
    for (const file of await this.abandon()) await this.context.files.remove(file.temporary);
  }

  /** Closes every handle and leaves the files to the next recovery: what was decided may not be known. */
  async abandon() {
    const attempt = this.open.release();
    for (const file of attempt) await file.abandon();
    return attempt;
  }

  private async placeAtEnd(file: FileEntry): Promise<FileEntry> {
    const stat = await this.context.files.stat(file.final);
    return { ...file, at: stat?.sizeBytes ?? 0 };
  }

  private explain(error: unknown): TailraceError {
    if (error instanceof TailraceError) return error;
    const where = `sink of ${this.context.edge}, ${this.template.text}`;
    if (isDiskFull(error)) {
      return new TailraceError('TLR_DISK_FULL', `${where}: no space left`, { cause: error, retriable: true });
    }
    return new TailraceError('TLR_SINK', `${where}: ${messageOf(error)}`, { cause: error, retriable: true });
  }
}
