// Writes the records of one partition into local files first, and brings them to HDFS when they are complete (prepare).
//
// Why not stream them there as they come? A file is open for minutes to an hour. A request that is open that long dies with its DataNode, with a NameNode that
// restarts, with every proxy's idle limit; each death would begin the edge again from its last decision, and where deaths come more often than rolls it would never
// end. A hundred open files would be a hundred leases and DataNode threads. A local file makes every request short and at full speed, an upload that failed is made
// again from it, and HDFS only ever sees whole files. Memory would have to hold a file for the same; the disk has room for it, and nothing depends on it:
// it is not synced, and after a crash it is removed, for the records are still in the topic. The price is room for one roll of each open file, and that reading
// waits while files are uploaded.
import { crashPoint } from '../../base/crash-point.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { AttemptFile } from '../rolled/attempt-file.ts';
import type { Compression } from '../rolled/compression.ts';
import { isDiskFull, OpenFiles } from '../rolled/open-files.ts';
import type { PathTemplate } from '../rolled/path-template.ts';
import type { RollLimits } from '../rolled/settings.ts';
import { randomNumber, temporaryName } from '../rolled/temporary-names.ts';
import { BoundedWritePool } from '../rolled/write-pool.ts';
import type { DeliveryBatch, Manifest, SinkContext, TwoPhaseWriter } from '../sink.ts';
import { type HdfsEntry, type HdfsManifest, type HdfsPublisher, readManifest } from './publication.ts';
import type { Uploader } from './upload.ts';

export interface HdfsWriterOptions {
  template: PathTemplate;
  compression: Compression;
  limits: RollLimits;
  publisher: HdfsPublisher;
  uploader: Uploader;
  /** Tag of the scope in temporary names. */
  scope: string;
  /** Local folder of files that are not in HDFS yet. */
  spool: string;
  /** Folder in HDFS of files that are not published yet. */
  temporaryFolder: string;
  /** Servers that are asked, for the manifest. */
  origins: readonly string[];
}

export class HdfsWriter implements TwoPhaseWriter {
  private readonly context: SinkContext;
  private readonly options: HdfsWriterOptions;
  private readonly open: OpenFiles;
  private fileNumber = 0;
  private hasSpool = false;
  private publishing: Manifest | undefined;

  constructor(context: SinkContext, options: HdfsWriterOptions) {
    const { template, compression, limits, scope, spool } = options;
    this.context = context;
    this.options = options;
    this.open = new OpenFiles({
      ...{ clock: context.clock, template, compression, limits },
      pool: new BoundedWritePool(context.files, { durable: false }),
      nextTemporary: () => `${spool}/${temporaryName(context, scope, this.fileNumber++)}`,
    });
  }

  async write(batch: DeliveryBatch): Promise<void> {
    if (batch.count === 0) return;
    try {
      if (!this.hasSpool) await this.context.files.makeDirectory(this.options.spool);
      this.hasSpool = true;
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
      const { origins } = this.options;
      return { v: 1, sink: 'hdfs', at: [...origins], files: await this.bringAll(attempt) } satisfies HdfsManifest;
    } catch (error) {
      await this.drop(attempt).catch(() => undefined);
      throw this.explain(error);
    }
  }

  async publish(manifest: Manifest): Promise<void> {
    try {
      const again = this.publishing === manifest;
      this.publishing = manifest;
      await this.options.publisher.publish(readManifest(manifest), again);
      await this.options.uploader.tidy();
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** Nothing is in HDFS before prepare(). */
  discard(): Promise<void> {
    return this.drop(this.open.release());
  }

  /** All or none: when one fails, those that wait are given up, and nothing is under way when this rejects. */
  private async bringAll(attempt: readonly AttemptFile[]): Promise<HdfsEntry[]> {
    const failures: unknown[] = [];
    const bring = (file: AttemptFile) =>
      this.bring(file, () => failures.length > 0).catch((error: unknown) => void failures.push(error));
    const entries = await Promise.all(attempt.map(bring));
    if (failures.length > 0) throw failures[0];
    return entries.filter((entry) => entry !== undefined);
  }

  private async bring(file: AttemptFile, isGivenUp: () => boolean): Promise<HdfsEntry> {
    const { uploader, scope, temporaryFolder } = this.options;
    const { context } = this;
    const local = await file.seal();
    const nextName = () => `${temporaryFolder}/${temporaryName(context, scope, randomNumber(context.random))}`;
    const entry = await uploader.upload(local, nextName, isGivenUp);
    crashPoint('hdfs.uploaded');
    await context.files.remove(local.temporary);
    return entry;
  }

  private async drop(attempt: readonly AttemptFile[]): Promise<void> {
    for (const file of attempt) {
      await file.abandon();
      await this.context.files.remove(file.temporary);
    }
  }

  private explain(error: unknown): TailraceError {
    const where = `sink of ${this.context.edge}, ${this.options.template.text}`;
    if (error instanceof TailraceError) {
      const { code, retriable, message } = error;
      return new TailraceError(code, `${where}: ${message}`, { cause: error, retriable });
    }
    if (isDiskFull(error)) {
      const message = `${where}: no space left in ${this.options.spool}, where files wait for HDFS`;
      return new TailraceError('TLR_DISK_FULL', message, { cause: error, retriable: true });
    }
    return new TailraceError('TLR_SINK', `${where}: ${messageOf(error)}`, { cause: error, retriable: true });
  }
}
