// Tells of reads of the log that failed: the client hears no more than KAFKA_STORAGE_ERROR, and asks again and again. Once in a while for each partition.
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { PartitionLog } from '../log/contract.ts';

const silenceMs = 60_000;

export class FailedReads {
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** By partition: when it was told last, and what has been kept back since. */
  private readonly told = new Map<string, { atMs: number; untold: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
  }

  tell({ topic, partition, directory }: PartitionLog, offset: number, error: unknown): void {
    const nowMs = this.clock.monotonicMs();
    const key = `${topic}-${partition}`;
    const last = this.told.get(key);
    if (last !== undefined && nowMs - last.atMs < silenceMs) {
      last.untold++;
      return;
    }
    this.told.set(key, { atMs: nowMs, untold: 0 });
    const since = last === undefined || last.untold === 0 ? {} : { failedSince: last.untold };
    this.logger.error(
      `topic ${topic}, partition ${partition} in ${directory}: a read failed, and its reader was told KAFKA_STORAGE_ERROR`,
      {
        ...{ topic, partition, offset, error: messageOf(error) },
        ...since,
      },
    );
  }
}
