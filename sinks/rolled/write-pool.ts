// What the temporary files of one writer share: at most so many written at once, so many open handles, so many bytes under way, and
// chunks that are used again instead of being allocated anew.
import type { Files } from '../../base/files.ts';
import type { WritePool } from './attempt-file.ts';

/** Files written to at the same time. */
const activeLimit = 16;
/** Handles that may stay open while nothing is written. */
const openLimit = 128;
/** The caller waits above this. */
const underWayLimitBytes = 8 * 1024 * 1024;
const keptChunks = 10;
const keptChunkBytes = 1024 * 1024;

export class BoundedWritePool implements WritePool {
  readonly files: Files;
  readonly durable: boolean;
  readonly permissions: number | undefined;
  private active = 0;
  private open = 0;
  private bytes = 0;
  private readonly turns: (() => void)[] = [];
  private waiting: (() => void)[] = [];
  private readonly chunks: Buffer[] = [];

  constructor(files: Files, { durable, permissions }: { durable: boolean; permissions?: number }) {
    this.files = files;
    this.durable = durable;
    this.permissions = permissions;
  }

  get crowded(): boolean {
    return this.open > openLimit;
  }

  enter(): Promise<void> {
    if (this.active < activeLimit) {
      this.active++;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.turns.push(resolve));
  }

  leave(): void {
    const next = this.turns.shift();
    if (next === undefined) this.active--;
    else next();
  }

  opened(change: 1 | -1): void {
    this.open += change;
  }

  underWay(changeBytes: number): void {
    this.bytes += changeBytes;
    if (this.bytes > underWayLimitBytes) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  /** Back-pressure: resolves when little enough is under way. */
  async room(): Promise<void> {
    while (this.bytes > underWayLimitBytes) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  takeChunk(sizeBytes: number): Buffer {
    if (sizeBytes === keptChunkBytes) {
      const kept = this.chunks.pop();
      if (kept !== undefined) return kept;
    }
    return Buffer.allocUnsafeSlow(sizeBytes);
  }

  giveChunk(chunk: Buffer): void {
    if (chunk.buffer.byteLength !== keptChunkBytes || this.chunks.length >= keptChunks) return;
    this.chunks.push(Buffer.from(chunk.buffer, 0, keptChunkBytes));
  }
}
