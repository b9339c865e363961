// A file of fixed-size entries that only grows at its end: what the three indexes of a segment have in common. New entries are kept in memory
// and written by flush(), so an append costs no write; the file is a cache of what the log says and is rebuilt from it when missing or wrong.
// Promise: after flush() resolved, the file holds exactly the entries there were when it was called, durably.
import type { Files } from '../../base/files.ts';

export class EntryFile {
  /** Changes when the segment's files are renamed (compaction). */
  path: string;
  protected readonly entryBytes: number;
  protected entries: Buffer;
  protected entryCount = 0;
  private readonly files: Files;
  private flushedCount = 0;
  private loaded: boolean;
  /** The file holds entries that were dropped. */
  private stale = false;

  /** `fresh`: the file is new and empty, there is nothing to load. */
  constructor(files: Files, path: string, entryBytes: number, fresh: boolean) {
    this.files = files;
    this.path = path;
    this.entryBytes = entryBytes;
    this.entries = Buffer.alloc(0);
    this.loaded = fresh;
  }

  get count(): number {
    return this.entryCount;
  }

  get isLoaded(): boolean {
    return this.loaded;
  }

  get isDirty(): boolean {
    return this.stale || this.flushedCount < this.entryCount;
  }

  /** Reads the file into memory unless it is there. False when it is missing or not a whole number of sane entries: rebuild it then. */
  async load(): Promise<boolean> {
    if (this.loaded) return true;
    if ((await this.files.stat(this.path)) === undefined) return false;
    const content = await this.files.readFile(this.path);
    // Somebody else may have been quicker.
    if (this.isLoaded) return true;
    this.entries = content;
    this.entryCount = this.saneCount(content);
    this.flushedCount = this.entryCount;
    if (this.entryCount * this.entryBytes !== content.length && !this.isZero(content)) return false;
    this.loaded = true;
    return true;
  }

  /** Forgets what is in memory (it is read again on demand). Only for files that are flushed. */
  unload(): void {
    if (this.isDirty) return;
    this.entries = Buffer.alloc(0);
    this.entryCount = 0;
    this.flushedCount = 0;
    this.loaded = false;
  }

  /** Starts again with no entries, to be filled from the log. */
  reset(): void {
    this.entries = Buffer.alloc(0);
    this.entryCount = 0;
    this.flushedCount = 0;
    this.loaded = true;
    this.stale = true;
  }

  /** Writes what is new and cuts what is too much, then syncs. */
  async flush(): Promise<void> {
    if (!this.loaded) return;
    const first = this.flushedCount;
    const last = this.entryCount;
    const file = await this.files.open(this.path, 'create');
    try {
      if ((await file.size()) > first * this.entryBytes) await file.truncate(first * this.entryBytes);
      if (last > first) {
        const bytes = Buffer.from(this.entries.subarray(first * this.entryBytes, last * this.entryBytes));
        await file.write([bytes], first * this.entryBytes);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    this.stale = false;
    this.flushedCount = Math.max(this.flushedCount, Math.min(last, this.entryCount));
  }

  /** How many leading entries make sense; a subclass knows the order they must be in. */
  protected saneCount(content: Buffer): number {
    return Math.floor(content.length / this.entryBytes);
  }

  /** Room for one more entry: its position in `entries`. */
  protected extend(): number {
    const position = this.entryCount * this.entryBytes;
    if (position + this.entryBytes > this.entries.length) {
      const larger = Buffer.alloc(Math.max(64 * this.entryBytes, this.entries.length * 2));
      this.entries.copy(larger, 0, 0, position);
      this.entries = larger;
    }
    this.entryCount++;
    return position;
  }

  protected keepFirst(count: number): void {
    if (count >= this.entryCount) return;
    this.entryCount = count;
    if (this.flushedCount > count) this.stale = true;
    this.flushedCount = Math.min(this.flushedCount, this.entryCount);
  }

  /** Index files that Kafka preallocated and did not trim end in zeros. */
  private isZero(content: Buffer): boolean {
    for (let position = this.entryCount * this.entryBytes; position < content.length; position++) {
      if (content[position] !== 0) return false;
    }
    return true;
  }
}

/** The greatest i in [0, count) for which `holds(i)`, -1 when there is none; `holds` must be true, then false. */
export function lastWhere(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
