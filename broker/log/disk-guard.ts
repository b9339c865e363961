// Refusing clients before the disk is full, so that transaction markers, group offsets and checkpoints still fit. The room is asked for now and then:
// after some megabytes were written and, while writes are refused, at most once a second; so intake goes on by itself when space returns. It is said
// once when it begins, rarely while it lasts, and once when it ends.
import type { Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import { formatBytes, formatDuration } from '../../base/units.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';

const recheckMs = 1000;
const reminderMs = 600_000;
/** On a small file system the reserve is this share of it. */
const reserveShare = 0.1;

export class DiskGuard {
  private readonly files: Files;
  private readonly directory: string;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly wantedReserveBytes: number;
  private reserveBytes: number;
  private reason: TailraceError | undefined;
  private overLimit: TailraceError | undefined;
  private writtenBytes = 0;
  /** Room when it was last asked for; what has been taken since and was not written yet then must still go into it. */
  private freeBytes = Infinity;
  private takenBytes = 0;
  private underWayBytes = 0;
  private checkedMs = 0;
  private checking: Promise<void> | undefined;
  /** When refusing began and when it was last told; undefined while writes are taken. */
  private told: { sinceMs: number; lastMs: number } | undefined;

  constructor(files: Files, directory: string, clock: Clock, logger: Logger, reserveBytes: number) {
    this.files = files;
    this.directory = directory;
    this.clock = clock;
    this.logger = logger;
    this.wantedReserveBytes = reserveBytes;
    this.reserveBytes = reserveBytes;
  }

  /**
   * Why a client's append of `bytes` is refused now: KAFKA_STORAGE_ERROR, whose cause has the code TLR_DISK_FULL. Undefined takes the room: the bytes
   * are counted at once, or many appends between two looks at the disk would fill it.
   */
  refusal(bytes: number): KafkaError | undefined {
    const reason = this.overLimit ?? this.reason ?? this.tooMuch(bytes);
    if (reason !== undefined) {
      if (this.clock.monotonicMs() - this.checkedMs >= recheckMs) void this.check();
      return new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, reason.message, { cause: reason });
    }
    this.takenBytes += bytes;
    this.underWayBytes += bytes;
    return undefined;
  }

  /** Bytes went to the disk. */
  wrote(bytes: number): void {
    this.writtenBytes += bytes;
    this.underWayBytes = Math.max(0, this.underWayBytes - bytes);
    if (this.writtenBytes >= this.reserveBytes / 4) void this.check();
  }

  /** A write met a full disk, whatever space() says. */
  full(reason: TailraceError): void {
    this.reason = reason;
    this.underWayBytes = 0;
    this.checkedMs = this.clock.monotonicMs();
    this.tell();
  }

  /** Refuses because of `max_disk`; undefined when that is over. */
  limit(reason: TailraceError | undefined): void {
    this.overLimit = reason;
    this.tell();
  }

  /** Asks for the room now. */
  check(): Promise<void> {
    this.checking ??= this.ask().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async ask(): Promise<void> {
    this.writtenBytes = 0;
    this.takenBytes = this.underWayBytes;
    this.checkedMs = this.clock.monotonicMs();
    const { freeBytes, totalBytes } = await this.files.space(this.directory);
    this.freeBytes = freeBytes;
    this.reserveBytes = Math.min(this.wantedReserveBytes, Math.floor(totalBytes * reserveShare));
    this.reason = freeBytes >= this.reserveBytes ? undefined : this.shortage(freeBytes);
    this.tell();
  }

  /** What the last look at the disk left would not hold `bytes` more. */
  private tooMuch(bytes: number): TailraceError | undefined {
    const leftBytes = this.freeBytes - this.takenBytes;
    return leftBytes - bytes >= this.reserveBytes ? undefined : this.shortage(Math.max(0, leftBytes));
  }

  private shortage(leftBytes: number): TailraceError {
    return new TailraceError(
      'TLR_DISK_FULL',
      `${formatBytes(leftBytes)} are left for ${this.directory}; the last ${formatBytes(this.reserveBytes)} are kept for bookkeeping`,
      { retriable: true },
    );
  }

  private tell(): void {
    const nowMs = this.clock.monotonicMs();
    const reason = this.overLimit ?? this.reason;
    if (reason === undefined) {
      if (this.told === undefined) return;
      this.logger.info('there is room again: intake goes on', { after: formatDuration(nowMs - this.told.sinceMs) });
      this.told = undefined;
    } else if (this.told === undefined || nowMs - this.told.lastMs >= reminderMs) {
      this.told = { sinceMs: this.told?.sinceMs ?? nowMs, lastMs: nowMs };
      const what = this.overLimit === undefined ? 'the disk is full' : 'max_disk is reached';
      this.logger.warn(`intake waits: ${what}`, { reason: reason.message });
    }
  }
}
