// Brings one complete local file to HDFS, under a temporary name, whatever DataNodes do meanwhile. Each attempt has a name of its own, so the lease of an
// attempt that was cut off never matters to anybody: HDFS ends it, and the sweep removes the file. An attempt counts when the file has the
// length that was sent. A few files of a sink go at the same time; the others wait for their turn.
import { Backoff } from '../../base/backoff.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { SealedFile } from '../rolled/attempt-file.ts';
import { HdfsFailure } from './failure.ts';
import type { HdfsEntry } from './publication.ts';
import { DataNodeFailure, type WebHdfs } from './webhdfs.ts';

export interface UploaderOptions {
  hdfs: WebHdfs;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** How long an upload is tried again after it failed first. */
  patienceMs: number;
  replication: number | undefined;
  blockSizeBytes: number | undefined;
  signal: AbortSignal;
}

const chunkBytes = 256 * 1024;
const turns = 8;
const backoff = { firstMs: 100, maxMs: 5000 };

export class Uploader {
  private readonly options: UploaderOptions;
  private active = 0;
  private readonly waiting: (() => void)[] = [];
  /** Attempts that failed and could not be removed at once. */
  private readonly abandoned = new Set<string>();

  constructor(options: UploaderOptions) {
    this.options = options;
  }

  /**
   * Resolves when the file stands complete in HDFS. `nextName` gives a temporary path that was never used; `isGivenUp` says that the result is of no use
   * any more. Throws HdfsFailure, and what the local disk throws.
   */
  async upload(local: SealedFile, nextName: () => string, isGivenUp: () => boolean): Promise<HdfsEntry> {
    if (this.active >= turns) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.active++;
    try {
      const temporary = await this.untilThere(local, nextName, isGivenUp);
      const checksum = await this.options.hdfs.checksum(temporary);
      const { final, length, lines } = local;
      return { temporary, final, length, lines, ...(checksum === undefined ? {} : { checksum }) };
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.active--;
      else next();
    }
  }

  /** Removes failed attempts that are still there; what cannot be removed now is left to the next time. */
  async tidy(): Promise<void> {
    for (const path of this.abandoned) await this.remove(path);
  }

  private async untilThere(local: SealedFile, nextName: () => string, isGivenUp: () => boolean): Promise<string> {
    const { clock, random, patienceMs, logger, signal } = this.options;
    const wait = new Backoff(backoff, random);
    const excluded = new Set<string>();
    let failedMs: number | undefined;
    for (;;) {
      if (isGivenUp()) throw new HdfsFailure('later', `${local.final} was given up`);
      const name = nextName();
      try {
        await this.attempt(local, name, excluded);
        return name;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof HdfsFailure) || !error.retriable) throw error;
        failedMs ??= clock.monotonicMs();
        logger.debug('an upload to HDFS failed', { file: name, problem: messageOf(error) });
        // A NameNode that runs on a DataNode's host prefers it as long as it counts as alive: minutes after its end. When
        // nobody is left, or the NameNode does not know the name, all are allowed again.
        if (error instanceof DataNodeFailure) excluded.add(error.host);
        else excluded.clear();
        await this.remove(name);
        if (clock.monotonicMs() - failedMs >= patienceMs) throw error;
        await sleep(clock, wait.nextMs(), signal);
      }
    }
  }

  private async attempt(local: SealedFile, name: string, excluded: Iterable<string>): Promise<void> {
    const { hdfs, replication, blockSizeBytes } = this.options;
    const source = new LocalSource(this.options.files, local);
    try {
      await hdfs.create(name, local.length, () => source.read(), { replication, blockSizeBytes, excluded });
    } catch (error) {
      throw source.failure ?? error;
    }
    const status = await hdfs.status(name);
    if (status?.kind === 'file' && status.length === local.length) return;
    const found = status === undefined ? 'is not there' : `has ${status.length} bytes instead of ${local.length}`;
    throw new HdfsFailure('later', `${name} was written, but ${found}`);
  }

  private async remove(path: string): Promise<void> {
    this.abandoned.add(path);
    try {
      await this.options.hdfs.remove(path, false);
      this.abandoned.delete(path);
    } catch {
      // The next tidy() tries again, and the next recovery finds it in any case.
    }
  }
}

/** The bytes of the local file. What fails here is not to be blamed on a DataNode. */
class LocalSource {
  failure: Error | undefined;
  private readonly files: Files;
  private readonly local: SealedFile;

  constructor(files: Files, local: SealedFile) {
    this.files = files;
    this.local = local;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const { temporary, length } = this.local;
    const guard = async <T>(action: Promise<T>): Promise<T> => {
      try {
        return await action;
      } catch (error) {
        throw (this.failure = error instanceof Error ? error : new Error(String(error)));
      }
    };
    const file = await guard(this.files.open(temporary, 'read'));
    try {
      for (let position = 0; position < length;) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, length - position));
        const count = await guard(file.read(chunk, position));
        if (count === 0) throw (this.failure = new Error(`${temporary} became shorter while it was sent`));
        yield chunk.subarray(0, count);
        position += count;
      }
    } finally {
      await file.close();
    }
  }
}
