// `leader-epoch-checkpoint` of a partition: which leader epoch began at which offset (KIP-101, KIP-320). The epoch grows with each unclean start
// of the data directory, so a client that has read beyond a cut can find out. Kafka's text format: "0", count, lines "epoch start-offset".
import { replaceFile } from '../../base/atomic-file.ts';
import type { Files } from '../../base/files.ts';
import { formatRows, parseRows } from './checkpoints.ts';

interface EpochStart {
  epoch: number;
  startOffset: number;
}

export class LeaderEpochs {
  private readonly files: Files;
  private readonly path: string;
  private entries: EpochStart[] = [];
  private dirty = false;

  constructor(files: Files, path: string) {
    this.files = files;
    this.path = path;
  }

  /** Throws TLR_CORRUPT when the file is there and cannot be read. */
  async load(): Promise<void> {
    if ((await this.files.stat(this.path)) === undefined) return;
    const rows = parseRows((await this.files.readFile(this.path)).toString('utf8'), 2, this.path);
    this.entries = rows.map(([epoch, startOffset]) => ({ epoch: Number(epoch), startOffset: Number(startOffset) }));
  }

  get latest(): number {
    return this.entries.at(-1)?.epoch ?? -1;
  }

  /** Says that records from `startOffset` on have `epoch`; nothing happens when that is known already. */
  assign(epoch: number, startOffset: number): void {
    const last = this.entries.at(-1);
    if (last !== undefined && last.epoch >= epoch) return;
    if (last?.startOffset === startOffset) this.entries.pop();
    this.entries.push({ epoch, startOffset });
    this.dirty = true;
  }

  /** Forgets epochs that began at or after `offset` (the log was cut there). */
  truncateToEnd(offset: number): void {
    const kept = this.entries.filter((entry) => entry.startOffset < offset);
    if (kept.length === this.entries.length) return;
    this.entries = kept;
    this.dirty = true;
  }

  /** Forgets epochs that ended at or before `offset` (records below are gone). */
  truncateToStart(offset: number): void {
    const first = this.entries.findLastIndex((entry) => entry.startOffset <= offset);
    if (first < 0 || (first === 0 && this.entries[0]!.startOffset === offset)) return;
    this.entries = this.entries.slice(first);
    this.entries[0] = { epoch: this.entries[0]!.epoch, startOffset: offset };
    this.dirty = true;
  }

  /** End offset of the greatest epoch at or below `epoch`; -1 and -1 when all known epochs are later or it is in the future. */
  endOffset(epoch: number, logEndOffset: number): { leaderEpoch: number; endOffset: number } {
    if (epoch === this.latest) return { leaderEpoch: epoch, endOffset: logEndOffset };
    const next = this.entries.findIndex((entry) => entry.epoch > epoch);
    if (next < 0 || epoch < 0) return { leaderEpoch: -1, endOffset: -1 };
    if (next === 0) return { leaderEpoch: epoch, endOffset: this.entries[0]!.startOffset };
    return { leaderEpoch: this.entries[next - 1]!.epoch, endOffset: this.entries[next]!.startOffset };
  }

  async flush(): Promise<void> {
    if (!this.dirty) return;
    this.dirty = false;
    await replaceFile(this.files, this.path, formatRows(this.entries.map((entry) => [entry.epoch, entry.startOffset])));
  }
}
