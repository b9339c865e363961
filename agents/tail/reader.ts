// Takes followed files chunk by chunk, straight from the read buffer into the shipper.
import type { Clock } from '../../base/clock.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import { partitionForKey } from '../../broker/wire/murmur2.ts';
import { HandleBudget } from '../handle-budget.ts';
import type { Shipper } from '../shipper.ts';
import { replacedCode } from './account.ts';
import { type Chunk, ChunkReader } from './chunks.ts';
import type { KeyOf } from './line-key.ts';
import { LineHeaders } from './line-headers.ts';
import { type FramingLimits, LineFramer, type TakeLine, type TakeRun } from './lines.ts';
import { EventFramer, type Extent, type MultilineRule } from './multiline.ts';
import { packingOf, UnpackedFile } from './packing.ts';
import type { TailedFile } from './tailed-file.ts';
import { addZeros } from './zeros.ts';

/**
 * What became of a read: 'more' there may be more at once; 'end' all that is there was read; 'replaced' the content is another one;
 * 'packed' it is compressed, and was not known to be; 'failed' it cannot be read now.
 */
export type ReadOutcome = 'more' | 'end' | 'replaced' | 'packed' | 'failed';

/** What can only be read through its handle is not lost while a broker is away. */
export type KeptHandles = Map<TailedFile, OpenFile>;

/** Handles that are open at most without a budget, but for those of files that no path leads to: opening such a one again is not possible. */
const leastHandles = 512;
const reopenedAtOnce = 16;
/** Looked at beside each other. */
const looksAtOnce = 32;

export class Reader {
  private readonly files: Files;
  private readonly clock: Clock;
  private readonly chunks: ChunkReader;
  /** Files whose handle is open, the one that was used longest ago first. */
  private readonly opened = new Set<TailedFile>();
  private readonly closing = new Set<Promise<void>>();
  private readonly budget: HandleBudget;
  /** Handles above `leastHandles` that the budget has room for. */
  private extraHandles = 0;
  private readonly headers = new LineHeaders();
  private readonly lines: LineFramer;
  /** With `multiline`. */
  private readonly events: EventFramer | undefined;
  private timestampMs = 0;
  /** Of the last chunk. */
  private consumedBytes = 0;
  private partition = 0;
  private fileId: Buffer = Buffer.alloc(6);
  /** Overlong lines met so far. */
  longLines = 0;
  /** Zeros were passed over. */
  passedZeros = false;

  /** `keyed`: the keys of lines, and the partitions where those with one go. */
  constructor(
    files: Files,
    clock: Clock,
    shipper: Shipper,
    limits: FramingLimits,
    multiline?: MultilineRule,
    keyed?: { keyOf: KeyOf; partitions: number },
    budget: HandleBudget = new HandleBudget(0),
  ) {
    this.budget = budget;
    this.files = files;
    this.clock = clock;
    const { headers } = this;
    const take: TakeLine = (source, start, end, position, mark) => {
      const encoded = mark === undefined ? headers.at(position) : headers.marked(this.fileId, position, mark);
      const key = mark === undefined ? keyed?.keyOf(source, start, end) : undefined;
      const partition = key === undefined ? this.partition : partitionForKey(key, keyed!.partitions);
      shipper.append(partition, this.timestampMs, source, start, end, encoded, key);
    };
    const takeRun: TakeRun = (source, start, end, position, longestBytes) => {
      const { timestampMs } = this;
      const run = { timestampMs, longestBytes, reference: headers.prefix, position };
      return shipper.appendLines(this.partition, source, start, end, run);
    };
    this.lines = new LineFramer(limits, take, keyed === undefined ? takeRun : undefined);
    this.events = multiline === undefined ? undefined : new EventFramer(limits, multiline, take);
    const { neededBytes } = this.events ?? this.lines;
    this.chunks = new ChunkReader(neededBytes);
  }

  /** The file's handle, opened when it is not. Throws what the system says. */
  async open(file: TailedFile): Promise<OpenFile> {
    if (file.handle === undefined) {
      const raw = await this.files.open(file.path, 'read');
      const handle = file.packing === undefined ? raw : new UnpackedFile(raw, file.packing);
      const stat = await handle.stat();
      if (stat.identity !== file.identity || file.isOther(stat)) {
        await handle.close();
        throw Object.assign(new Error(`${file.path} is another file now`), { code: replacedCode });
      }
      // Nothing was read yet: it is the one that was opened, which may have got the inode just now, and is not known to be another yet.
      if (file.position === 0) file.born = stat.born;
      return this.adopt(file, handle);
    }
    this.opened.delete(file);
    this.opened.add(file);
    return file.handle;
  }

  /** From now on `handle` is that of `file`. Closes others when there are too many. */
  adopt(file: TailedFile, handle: OpenFile): OpenFile {
    if (file.handle !== handle) this.close(file);
    file.handle = handle;
    this.opened.add(file);
    while (this.opened.size > this.handlesLimit && this.budget.take()) this.extraHandles++;
    for (const oldest of this.opened) {
      if (this.opened.size <= this.handlesLimit) break;
      // What is half unpacked would have to be unpacked again.
      const isHalfUnpacked = oldest.packing !== undefined && (oldest.isReadable || oldest.unverified !== undefined);
      if (oldest === file || oldest.isMissing || isHalfUnpacked) continue;
      this.close(oldest);
      oldest.isCrowdedOut = true;
    }
    return handle;
  }

  private get handlesLimit(): number {
    return leastHandles + this.extraHandles;
  }

  /** Opens files again that had to be closed for others, as far as there is room again: they may be deleted at any time. */
  async reopen(files: Iterable<TailedFile>): Promise<void> {
    const crowdedOut = [...files].filter((file) => file.isCrowdedOut && file.packing === undefined && !file.isMissing);
    await inParallel(crowdedOut, reopenedAtOnce, async (file) => {
      if (this.opened.size + reopenedAtOnce > this.handlesLimit && !this.budget.has(reopenedAtOnce)) return;
      // Whoever reads it tells what was wrong.
      await this.open(file).catch(() => undefined);
    });
  }

  close(file: TailedFile): void {
    file.isCrowdedOut = false;
    const { handle } = file;
    if (handle === undefined) return;
    this.release(file);
    const closing = handle
      .close()
      .catch(() => undefined)
      .finally(() => this.closing.delete(closing));
    this.closing.add(closing);
  }

  /** Moves the handles that are open to `kept`: nobody can open a file again that is deleted meanwhile. */
  surrender(kept: KeptHandles): void {
    for (const file of this.opened) {
      if (file.handle === undefined || file.packing !== undefined || file.state !== 'live') continue;
      kept.set(file, file.handle);
      this.release(file);
    }
  }

  /** The handle of `file` is no business of this reader any more. */
  private release(file: TailedFile): void {
    file.handle = undefined;
    this.opened.delete(file);
    while (this.extraHandles > 0 && this.opened.size < this.handlesLimit) {
      this.extraHandles--;
      this.budget.giveBack();
    }
  }

  /**
   * Gives back handles that a session before this one had when it failed, of what is still the same file. Returns the files, open again, of which no
   * record tells, not even one of what they held before they were truncated; the other handles are closed.
   */
  async takeBack(
    kept: KeptHandles,
    live: ReadonlyMap<string, TailedFile>,
    isRecorded: (key: string) => boolean,
  ): Promise<TailedFile[]> {
    const byKey = new Map([...live.values()].map((file) => [file.key, file]));
    const taken = [...kept];
    kept.clear();
    const unrecorded: TailedFile[] = [];
    await inParallel(taken, reopenedAtOnce, async ([before, handle]) => {
      const isNew = !isRecorded(before.key) && !live.has(before.identity);
      const file = isNew ? before.anew() : byKey.get(before.key);
      const stat = file?.packing === undefined ? await handle.stat().catch(() => undefined) : undefined;
      if (file === undefined || stat?.identity !== file.identity || file.isOther(stat)) {
        await handle.close().catch(() => undefined);
        return;
      }
      this.adopt(file, handle);
      if (isNew) unrecorded.push(file);
    });
    return unrecorded;
  }

  /** Closes every handle, and resolves when all are closed. */
  async closeAll(): Promise<void> {
    for (const file of this.opened) this.close(file);
    await Promise.all(this.closing);
  }

  /** Takes the next chunk of `file`. `isAlone`: it will be read again next, so the chunk after it may be begun already. */
  async read(file: TailedFile, isAlone: boolean): Promise<ReadOutcome> {
    let chunk: Chunk | undefined;
    let sizeBytes = 0;
    const startMs = this.clock.now();
    const seenBytes = file.sizeBytes;
    try {
      const handle = await this.open(file);
      if (file.endPosition !== undefined) sizeBytes = await handle.size();
      chunk = await this.chunks.read(file, handle, isAlone);
      if (file.position === 0) file.doubt(await handle.stat());
    } catch (error) {
      file.trouble = error;
      return 'failed';
    }
    if (chunk === undefined) return 'replaced';
    const { buffer, start, end, atEnd } = chunk;
    const mayBePacked = file.position === 0 && file.packing === undefined;
    if (mayBePacked && packingOf(buffer.subarray(start, end)) !== undefined) return 'packed';
    // More has come since the end was set: the line there goes on, and is for the next time.
    const goesOn = file.endPosition !== undefined && sizeBytes > file.endPosition;
    const isToEnd = file.endPosition !== undefined && !goesOn;
    const isLast = atEnd && (file.finishing || isToEnd || file.packing !== undefined);
    file.soundMs = startMs;
    file.soundBytes = seenBytes;
    this.frame(file, chunk, isLast ? 'all' : atEnd && file.settling ? 'whole-lines' : 'ended');
    file.outgrewSlice = !atEnd && this.consumedBytes === 0;
    if (!atEnd) return 'more';
    if (goesOn) file.endPosition = file.position;
    file.hungry = false;
    file.settling = false;
    file.finishing = false;
    file.isWhole = file.packing !== undefined;
    // It holds memory.
    if (file.isWhole) this.close(file);
    return 'end';
  }

  /** Looks at the files that are open, while a sweep is under way. */
  async glance(): Promise<void> {
    const open = [...this.opened].filter((file) => file.packing === undefined && !file.replaced && !file.isMissing);
    await inParallel(open, looksAtOnce, async (file) => {
      const nowMs = this.clock.now();
      const stat = await file.handle?.stat().catch(() => undefined);
      if (stat !== undefined) file.observe(stat, nowMs);
    });
  }

  private frame(file: TailedFile, { buffer, start, end }: Chunk, extent: Extent): void {
    this.timestampMs = this.clock.now();
    this.partition = file.origin.partition;
    this.fileId = file.origin.id;
    this.headers.use(this.fileId);
    if (this.events === undefined) this.lines.frame(buffer, start, end, file.position, file.part, extent === 'all');
    else this.events.frame(buffer, start, end, file.position, file.part, extent);
    const { consumedBytes, records, part, longLines, zeros } = this.events ?? this.lines;
    for (const range of zeros) file.zeros = addZeros(file.zeros, range);
    this.passedZeros ||= zeros.length > 0;
    this.longLines += longLines;
    this.consumedBytes = consumedBytes;
    file.advance(buffer, start, start + consumedBytes, records, part);
  }
}
