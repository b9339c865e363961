// What a tail agent tells about itself: lines committed in this run and by all runs, and what people must know.
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { AgentLedger } from '../agent.ts';
import type { Flight } from '../shipper.ts';
import type { LongLinePolicy } from './lines.ts';

/** Messages kept for the ledger; the log has them all. */
const warningsLimit = 100;
const keysLimit = 10_000;

/** The code of an error that says that a path leads to another file than it did a moment ago. */
export const replacedCode = 'ESTALE';
/** What happens to files that are rotated while they are looked at. */
const passingCodes: readonly unknown[] = ['ENOENT', replacedCode];

export class Account {
  private readonly logger: Logger;
  private readonly committedLines: Record<string, number> = {};
  private committedBytes = 0;
  private destroyedBytes = 0;
  private totalLines: Record<string, number> = {};
  private readonly warnings: string[] = [];
  private readonly said = new Set<string>();
  private readonly long = new Map<string, number>();

  constructor(logger: Logger) {
    this.logger = logger;
  }

  /** A session has read back what all earlier ones committed. */
  recovered(totalLines: Record<string, number>): void {
    this.totalLines = totalLines;
  }

  committed(topic: string, { records, bytes }: Flight): void {
    this.committedLines[topic] = (this.committedLines[topic] ?? 0) + records;
    this.totalLines[topic] = (this.totalLines[topic] ?? 0) + records;
    this.committedBytes += bytes;
  }

  /** Says something once for each key. */
  warn(key: string, message: string): void {
    if (this.said.has(key)) return;
    if (this.said.size >= keysLimit) this.said.clear();
    this.said.add(key);
    this.logger.warn(message);
    if (this.warnings.length < warningsLimit) this.warnings.push(message);
  }

  /** Says once that a file cannot be read; one that has just gone or been replaced needs no word. */
  cannotRead(path: string, error: unknown): void {
    if (!(error instanceof Error && 'code' in error) || passingCodes.includes(error.code)) return;
    const message = error instanceof TailraceError ? error.message : `Cannot read ${path}: ${messageOf(error)}`;
    this.warn(`open:${path}`, message);
  }

  /** Says once that files are packed in a form that is not read. */
  passedOver(path: string): void {
    this.warn(
      'compressed',
      `${path} is compressed, neither as gzip nor as zstd: it is taken for a rotated copy and not read`,
    );
  }

  /** The bytes [from, to) of the file at `path` were seen and are lost for good: somebody has `what` it. */
  destroyed(path: string, from: number, to: number, what: 'deleted' | 'truncated'): void {
    this.destroyedBytes += to - from;
    const message = `${path} was ${what} before its bytes ${from} to ${to} could be read`;
    this.logger.warn(message, { path, fromByte: from, toByte: to });
    if (this.warnings.length < warningsLimit) this.warnings.push(message);
  }

  /** A file is gone that could not be kept open among so many. */
  goneUnopened(path: string): void {
    const message = `${path} is gone, and was not open: more files are followed than may be open at once. What was written to it after the last look is lost; raise the limit of open files (ulimit -n)`;
    this.warn(`unopened:${path}`, message);
  }

  /** Says once that a file has zeros where a line should begin. */
  passedZeros(path: string): void {
    const message =
      `${path} has zero bytes where a line should begin; they are passed over. Its writer did not open it to append, so that it goes on behind a hole ` +
      'after copytruncate (or power was lost): have it append (>>), or let the rotator rename';
    this.warn(`zeros:${path}`, message);
  }

  longLines(count: number, path: string, policy: LongLinePolicy): void {
    const before = this.long.get(policy) ?? 0;
    this.long.set(policy, before + count);
    if (before === 0) this.logger.warn('a line is longer than max_line', { path, long_line: policy });
  }

  ledger(): Omit<AgentLedger, 'problem'> {
    const longLines = [...this.long].map(
      ([policy, count]) => `${count} lines longer than max_line (long_line: ${policy})`,
    );
    return {
      committedLines: { ...this.committedLines },
      committedBytes: this.committedBytes,
      destroyedBytes: this.destroyedBytes,
      totalLines: { ...this.totalLines },
      warnings: [...this.warnings, ...longLines],
    };
  }
}
