// Progress of a bounded job: a bar with rate and ETA on a terminal, a plain line every few seconds elsewhere.
import type { Clock } from '../base/clock.ts';
import { formatBytes, formatCount, formatDuration } from '../base/units.ts';

export interface Progress {
  records: number;
  bytes: number;
  totalRecords: number;
}

const barWidth = 24;
const redrawMs = 100;
const plainLineMs = 5000;

/** One line about where the job stands. `elapsedMs` and `recordsBefore` belong to this run, so a resumed job shows its own rate. */
export function describeProgress(progress: Progress, elapsedMs: number, recordsBefore: number): string {
  const done = progress.totalRecords === 0 ? 1 : Math.min(1, progress.records / progress.totalRecords);
  const perSecond = ((progress.records - recordsBefore) / Math.max(elapsedMs, 1)) * 1000;
  const leftMs = perSecond > 0 ? ((progress.totalRecords - progress.records) / perSecond) * 1000 : Number.NaN;
  const eta =
    done >= 1 ? `took ${formatDuration(elapsedMs)}` : `ETA ${Number.isNaN(leftMs) ? '?' : formatDuration(leftMs)}`;
  return (
    `${(done * 100).toFixed(1).padStart(5)} %  ${formatCount(progress.records)} of ${formatCount(progress.totalRecords)} records  ` +
    `${formatBytes(progress.bytes)}  ${formatCount(Math.round(perSecond))}/s  ${eta}`
  );
}

export class ProgressDisplay {
  private readonly label: string;
  private readonly clock: Clock;
  private readonly stream: NodeJS.WriteStream;
  private readonly startedMs: number;
  private recordsBefore: number | undefined;
  private drawnMs = -Infinity;
  private last: Progress | undefined;

  constructor(label: string, clock: Clock, stream: NodeJS.WriteStream = process.stderr) {
    this.label = label;
    this.clock = clock;
    this.stream = stream;
    this.startedMs = clock.monotonicMs();
  }

  update(progress: Progress): void {
    this.recordsBefore ??= progress.records;
    this.last = progress;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.drawnMs < (this.stream.isTTY ? redrawMs : plainLineMs)) return;
    this.drawnMs = nowMs;
    this.draw(progress, false);
  }

  /** Draws where it ended, when there was anything to draw. */
  finish(): void {
    if (this.last !== undefined) this.draw(this.last, true);
  }

  private draw(progress: Progress, last: boolean): void {
    const text = describeProgress(progress, this.clock.monotonicMs() - this.startedMs, this.recordsBefore ?? 0);
    if (!this.stream.isTTY) {
      this.stream.write(`${this.label}: ${text.trim()}\n`);
      return;
    }
    const filled = Math.round(
      barWidth * (progress.totalRecords === 0 ? 1 : Math.min(1, progress.records / progress.totalRecords)),
    );
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
    const line = `${this.label}  ${bar} ${text}`;
    this.stream.write(`\r\u001b[K${line.slice(0, Math.max(20, this.stream.columns - 1))}${last ? '\n' : ''}`);
  }
}
