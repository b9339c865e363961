// One temporary file being written: lines are copied into a chunk at once (append never waits), full chunks are compressed and written in
// order behind the caller's back, and seal() completes the whole (durable where the pool says so) and says what it holds. It stands under a
// name that begins with a dot until the decision that names it has been made; whoever finds one that no decision names may remove it.
import { crc32c } from '@node-rs/crc32';
import { crashPoint } from '../../base/crash-point.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import { type Compression, type Compressor, createCompressor } from './compression.ts';

const newline = 0x0a;
const smallestChunkBytes = 4 * 1024;
const largestChunkBytes = 1024 * 1024;
/** Large files are synced behind the writes each time they have grown by so much: the seal has little left to wait for. */
const syncBehindBytes = 16 * 1024 * 1024;

/** What the files of one writer share: bounds on open handles and on bytes under way, and buffers to use again. */
export interface WritePool {
  readonly files: Files;
  /** Whether seal() syncs: not where the files are only on their way to another store. */
  readonly durable: boolean;
  /** Permissions of the files, less the umask; those of Files.open unless given. */
  readonly permissions?: number | undefined;
  /** Waits for a turn: only so many files are written at the same time. */
  enter(): Promise<void>;
  leave(): void;
  /** Whether a file that has nothing to write just now should close its handle. */
  readonly crowded: boolean;
  opened(change: 1 | -1): void;
  /** Bytes handed over and not yet written. */
  underWay(changeBytes: number): void;
  takeChunk(sizeBytes: number): Buffer;
  giveChunk(chunk: Buffer): void;
}

export interface SealedFile {
  temporary: string;
  final: string;
  length: number;
  checksum: number;
  lines: number;
}

export class AttemptFile {
  readonly temporary: string;
  readonly final: string;
  /** Bytes of lines taken so far, before compression; rolls by size look at writtenBytes when there is compression. */
  takenBytes = 0;
  /** Records taken so far: each is a line, unless it holds newlines itself. */
  lines = 0;
  /** Bytes in the file so far. */
  writtenBytes = 0;
  private readonly pool: WritePool;
  private readonly compression: Compression;
  private chunk: Buffer | undefined;
  private used = 0;
  private queue: Buffer[] = [];
  private pumping: Promise<void> | undefined;
  private failure: Error | undefined;
  private file: OpenFile | undefined;
  private created = false;
  private compressor: Compressor | undefined;
  private checksum = 0;
  private syncing: Promise<void> | undefined;
  private syncedBytes = 0;

  constructor(names: { temporary: string; final: string }, compression: Compression, pool: WritePool) {
    this.temporary = names.temporary;
    this.final = names.final;
    this.compression = compression;
    this.pool = pool;
  }

  /** Copies `source[start..end)` and a newline. Never waits; a failure of an earlier write is thrown by check() and seal(). */
  append(source: Buffer, start: number, end: number): void {
    const length = end - start + 1;
    let chunk = this.chunk;
    let used = this.used;
    if (chunk === undefined || used + length > chunk.length) {
      chunk = this.nextChunk(length);
      used = 0;
    }
    source.copy(chunk, used, start, end);
    used += length;
    chunk[used - 1] = newline;
    this.used = used;
    this.takenBytes += length;
    this.lines++;
  }

  /** Copies `count` records, a newline behind each. As append otherwise. */
  appendLines(lines: Buffer, count: number): void {
    this.lines += count;
    for (let from = 0; from < lines.length;) {
      if (this.chunk === undefined || this.used === this.chunk.length) this.nextChunk(1);
      const copied = lines.copy(this.chunk!, this.used, from);
      this.used += copied;
      this.takenBytes += copied;
      from += copied;
    }
  }

  /** Bytes of memory held by the chunk that is being filled. */
  get heldBytes(): number {
    return this.chunk?.length ?? 0;
  }

  get sizeBytes(): number {
    return this.compression === 'none' ? this.takenBytes : this.writtenBytes;
  }

  /** Throws what an earlier write failed with. */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** Hands the chunk over although it is not full. */
  handOver(): void {
    if (this.chunk === undefined) return;
    const chunk = this.chunk;
    this.chunk = undefined;
    if (this.used === 0 || this.failure !== undefined) {
      this.pool.giveChunk(chunk);
      return;
    }
    this.queue.push(chunk.subarray(0, this.used));
    this.pool.underWay(this.used);
    this.used = 0;
    this.pumping ??= this.pump();
  }

  /** Writes what is left, ends the frame, syncs (in a durable pool) and closes. The folder is for the caller to sync. */
  async seal(): Promise<SealedFile> {
    this.handOver();
    await this.settle();
    await this.pool.enter();
    try {
      await this.endFrame();
      const file = await this.open();
      await this.syncing;
      this.check();
      if (this.pool.durable) await file.sync();
      await this.close();
    } finally {
      this.pool.leave();
    }
    const { temporary, final, writtenBytes: length, checksum, lines } = this;
    return { temporary, final, length, checksum, lines };
  }

  /** Closes the handle without a word about what was written. */
  async abandon(): Promise<void> {
    this.dropQueue();
    await this.pumping;
    this.compressor?.destroy();
    this.compressor = undefined;
    await this.close();
  }

  /** Resolves when everything handed over is written; throws when that failed. */
  async settle(): Promise<void> {
    while (this.pumping !== undefined) await this.pumping;
    this.check();
  }

  private nextChunk(lineBytes: number): Buffer {
    this.handOver();
    const sizeBytes = Math.min(
      largestChunkBytes,
      Math.max(smallestChunkBytes, 2 ** Math.ceil(Math.log2(this.takenBytes + 1))),
    );
    this.used = 0;
    this.chunk = this.pool.takeChunk(Math.max(sizeBytes, lineBytes));
    return this.chunk;
  }

  private async pump(): Promise<void> {
    await this.pool.enter();
    try {
      do {
        while (this.queue.length > 0) await this.writeQueue();
        if (this.pool.crowded) await this.park();
      } while (this.queue.length > 0);
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      this.dropQueue();
    } finally {
      this.pumping = undefined;
      this.pool.leave();
    }
  }

  private async writeQueue(): Promise<void> {
    const chunks = this.queue;
    this.queue = [];
    try {
      await this.writeOut(chunks);
    } finally {
      for (const chunk of chunks) this.release(chunk);
    }
  }

  private dropQueue(): void {
    for (const chunk of this.queue.splice(0)) this.release(chunk);
  }

  private release(chunk: Buffer): void {
    this.pool.underWay(-chunk.length);
    this.pool.giveChunk(chunk);
  }

  /** Gives the handle back; the file is opened again, behind the ended frame, when there is more to write. */
  private async park(): Promise<void> {
    await this.endFrame();
    await this.close();
  }

  private async writeOut(chunks: readonly Buffer[]): Promise<void> {
    if (this.compression === 'none') return this.store(chunks);
    this.compressor ??= createCompressor(this.compression);
    for (const chunk of chunks) await this.store(await this.compressor.write(chunk));
  }

  private async endFrame(): Promise<void> {
    if (this.compressor === undefined) return;
    const rest = await this.compressor.end();
    this.compressor = undefined;
    await this.store(rest);
  }

  private async store(chunks: readonly Buffer[]): Promise<void> {
    if (chunks.length === 0) return;
    const file = await this.open();
    let lengthBytes = 0;
    for (const chunk of chunks) {
      this.checksum = crc32c(chunk, this.checksum);
      lengthBytes += chunk.length;
    }
    await file.write(chunks, this.writtenBytes);
    crashPoint('file.piece-written');
    this.writtenBytes += lengthBytes;
    if (this.writtenBytes - this.syncedBytes >= syncBehindBytes) this.syncBehind(file);
  }

  /** A sync that fails here fails the file: the next one would lie. */
  private syncBehind(file: OpenFile): void {
    if (!this.pool.durable || this.syncing !== undefined) return;
    this.syncedBytes = this.writtenBytes;
    this.syncing = file
      .sync()
      .catch((error: unknown) => (this.failure ??= error instanceof Error ? error : new Error(String(error))))
      .then(() => (this.syncing = undefined));
  }

  private async open(): Promise<OpenFile> {
    if (this.file !== undefined) return this.file;
    this.file = await this.pool.files.open(
      this.temporary,
      this.created ? 'write' : 'create-new',
      this.pool.permissions,
    );
    this.created = true;
    this.pool.opened(1);
    return this.file;
  }

  private async close(): Promise<void> {
    const file = this.file;
    if (file === undefined) return;
    this.file = undefined;
    this.pool.opened(-1);
    await this.syncing;
    await file.close();
  }
}
