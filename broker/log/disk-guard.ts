// Refusing clients before the disk is full, so that transaction markers, group offsets and checkpoints still fit. The room is asked for now and then:
// after some megabytes were written and, while writes are refused, at most once a second; so intake goes on by itself when space returns.
import { type Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { type Files } from '../../base/files.ts';
import { formatBytes } from '../../base/units.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';

const recheckMs = 1000;

export class DiskGuard {
  private readonly files: Files;
  private readonly directory: string;
  private readonly clock: Clock;
  private readonly reserveBytes: number;
  private reason: TailraceError | undefined;
  private overLimit: TailraceError | undefined;
  private writtenBytes = 0;
  private checkedMs = 0;
  private checking: Promise<void> | undefined;

  constructor(files: Files, directory: string, clock: Clock, reserveBytes: number) {
    this.files = files;
    this.directory = directory;
    this.clock = clock;
    this.reserveBytes = reserveBytes;
  }

  /** Why client appends are refused now: KAFKA_STORAGE_ERROR, whose cause has the code TLR_DISK_FULL. */
  refusal(): KafkaError | undefined {
    const reason = this.overLimit ?? this.reason;
    if (reason === undefined) return undefined;
    if (this.clock.monotonicMs() - this.checkedMs >= recheckMs) void this.check();
    return new KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, reason.message, { cause: reason });
  }

  /** Bytes went to the disk. */
  wrote(bytes: number): void {
    this.writtenBytes += bytes;
    if (this.writtenBytes >= this.reserveBytes / 4) void this.check();
  }

  /** A write met a full disk, whatever space() says. */
  full(reason: TailraceError): void {
    this.reason = reason;
    this.checkedMs = this.clock.monotonicMs();
  }

  /** Refuses because of `max_disk`; undefined when that is over. */
  limit(reason: TailraceError | undefined): void {
    this.overLimit = reason;
  }

  /** Asks for the room now. */
  check(): Promise<void> {
    this.checking ??= this.ask().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async ask(): Promise<void> {
    this.writtenBytes = 0;
    this.checkedMs = this.clock.monotonicMs();
    const { freeBytes } = await this.files.space(this.directory);
    this.reason =
      freeBytes >= this.reserveBytes
        ? undefined
        : new TailraceError(
            'TLR_DISK_FULL',
            `${formatBytes(freeBytes)} are left for ${this.directory}; the last ${formatBytes(this.reserveBytes)} are kept for bookkeeping`,
            { retriable: true },
          );
  }
}
