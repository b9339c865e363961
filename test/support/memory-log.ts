// A log in memory for tests: a CrashFiles, a clock that stands still unless it is moved, seeded randomness.
import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { type Random, seededRandom } from '../../base/random.ts';
import type { LogDirectory } from '../../broker/log/contract.ts';
import { type LogDirectoryOptions, openLogDirectory } from '../../broker/log/log-directory.ts';
import { CrashFiles } from './crash-files.ts';

/** Draws the state in which every step has reached the disk. */
const everything: Random = { next: () => 0.2, bytes: (length) => Buffer.alloc(length) };

export class MemoryLog {
  files = new CrashFiles();
  /** A little after the time that test/support/batches.ts gives to records. */
  nowMs = 1_700_000_001_000;
  private monotonicMs = 0;
  private readonly random = seededRandom(1);

  readonly clock: Clock = {
    now: () => this.nowMs,
    monotonicMs: () => this.monotonicMs,
    schedule: (delayMs, action) => systemClock.schedule(delayMs, action),
  };

  advance(durationMs: number): void {
    this.nowMs += durationMs;
    this.monotonicMs += durationMs;
  }

  async open(options: Partial<LogDirectoryOptions> = {}): Promise<LogDirectory> {
    return openLogDirectory({
      directory: '/data',
      ...{ files: this.files, clock: this.clock, random: this.random, logger: silentLogger },
      lock: () => Promise.resolve({ release: () => Promise.resolve() }),
      ...options,
    });
  }

  /** The power fails: the files are what was safe, and what a seeded draw adds. The open log is dead. */
  powerLoss(): void {
    this.files = this.files.crash(this.files.steps, this.random);
  }

  /** The process is killed: all that was written is there. The open log must not be used any more. */
  kill(): void {
    this.files = this.files.crash(this.files.steps, everything);
  }
}
