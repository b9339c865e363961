// Looks up which file a record came from: the file id of its header "t" → path, host, agent and instance, from the positions topic, which is
// read when the first question comes and followed from then on. Uncommitted records serve as well as committed ones (a file has its path
// whether the transaction lived or not), so a lookup never waits for anybody's transaction.
import type { Clock } from '../../base/clock.ts';
import type { KafkaClient } from './contract.ts';
import { PositionsLog } from './positions-log.ts';
import { decodePositionsKey, decodePositionsRecord } from './positions-record.ts';

/** Where a line was read. */
export interface FileEntry {
  /** The file's name when it was last written about: a rotation changes it. */
  readonly path: string;
  readonly host: string;
  readonly agent: string;
  readonly instance: string;
}

export class FileRegistry {
  private readonly log: PositionsLog;
  private readonly entries = new Map<string, FileEntry>();
  private reading: Promise<void> | undefined;
  private queued: Promise<void> | undefined;

  constructor(client: KafkaClient, clock: Clock) {
    this.log = new PositionsLog(client, { isolation: 'read_uncommitted', clock }, (key, value) =>
      this.take(key, value),
    );
  }

  /** What is known already of the file id (12 hexadecimal digits). */
  peek(file: string): FileEntry | undefined {
    return this.entries.get(file);
  }

  /** Reads on when the file is not known; undefined when there is no record of it (any more). */
  async resolve(file: string): Promise<FileEntry | undefined> {
    if (!this.entries.has(file)) await this.refresh();
    return this.entries.get(file);
  }

  /** Reads everything that is in the topic at the time of the call. Callers that come together share one reading. */
  refresh(): Promise<void> {
    if (this.reading === undefined) {
      this.reading = this.log.readToEnd().finally(() => (this.reading = undefined));
      return this.reading;
    }
    // The one under way may have taken its end before this call: one more, after it.
    this.queued ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.queued = undefined;
        return this.refresh();
      });
    return this.queued;
  }

  async close(): Promise<void> {
    await this.log.close();
  }

  private take(key: Buffer, value: Buffer | null): void {
    const names = decodePositionsKey(key);
    if (names === undefined || names.file === '') return;
    if (value === null) {
      this.entries.delete(names.file);
      return;
    }
    const record = decodePositionsRecord(key, value);
    if (record?.kind !== 'file') return;
    const { path, host, agent, instance } = record;
    const known = this.entries.get(names.file);
    if (known?.path === path && known.host === host) return;
    this.entries.set(names.file, { path, host, agent, instance });
  }
}
