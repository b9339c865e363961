// What an http agent remembers in the compacted topic `__tailrace_ingest_keys`: the Idempotency-Keys of requests that are stored, for as long as the
// setting keep_keys says, and how many records it has committed. A key's record goes into the transaction of the request's records, so
// that a repeat is recognised exactly when the first one counts.
//
// "load" names the last transaction: who was not told how one ended finds out here.
//
//   key   JSON: ["key", instance, agent, Idempotency-Key]                  value JSON: {"hash", "count", "atMs"}, or null when forgotten
//   key   JSON: ["total", instance, agent]                                 value JSON: {"lines": {topic: records}, "load"}
import type { Clock } from '../../base/clock.ts';
import { compactedTopicConfigs } from '../../broker/client/own-topics.ts';
import type { KafkaClient, OutgoingRecord } from '../../broker/client/contract.ts';
import { PositionsLog } from '../../broker/client/positions-log.ts';

export const ingestKeysTopic = '__tailrace_ingest_keys';

/** More keys than this are not remembered: the oldest go first. */
const keysLimit = 1_000_000;
/** How many outlived keys go with one new one at most. */
const forgottenAtOnce = 4;

export interface Owner {
  instance: string;
  agent: string;
}

/** A request that was stored under a key. */
export interface KeyedRequest {
  key: string;
  /** Of what was asked: topics, format and body. */
  hash: string;
  count: number;
}

interface Remembered {
  hash: string;
  count: number;
  atMs: number;
}

export class IngestKeys {
  /** Totals by topic as they were read. */
  totals: Record<string, number> = {};
  /** Name of the last load that was committed. */
  lastLoad: string | undefined;
  private readonly owner: Owner;
  private readonly clock: Clock;
  private readonly keepMs: number;
  /** Oldest first. */
  private readonly known = new Map<string, Remembered>();

  private constructor(owner: Owner, clock: Clock, keepMs: number) {
    this.owner = owner;
    this.clock = clock;
    this.keepMs = keepMs;
  }

  /** Reads what is committed, after InitProducerId: nothing of an earlier life can be added any more. Makes the topic when it is missing. */
  static async read(
    client: KafkaClient,
    owner: Owner,
    options: { clock: Clock; keepMs: number; signal: AbortSignal },
  ): Promise<IngestKeys> {
    const { clock, keepMs, signal } = options;
    await client
      .admin()
      .createTopic({ name: ingestKeysTopic, partitions: 1, configs: compactedTopicConfigs }, { ifMissing: true });
    const keys = new IngestKeys(owner, clock, keepMs);
    const log = new PositionsLog(client, { isolation: 'read_committed', clock, topic: ingestKeysTopic }, (key, value) =>
      keys.visit(key, value),
    );
    try {
      await log.readToEnd(signal);
    } finally {
      await log.close();
    }
    return keys;
  }

  /** What was stored under this key, if it still counts. */
  find(key: string): Remembered | undefined {
    const found = this.known.get(key);
    return found !== undefined && found.atMs + this.keepMs > this.clock.now() ? found : undefined;
  }

  /** The records of a transaction: new keys, totals, and the end of some keys that are too old. */
  outgoing(
    requests: readonly KeyedRequest[],
    totals: Readonly<Record<string, number>>,
    load: string,
  ): OutgoingRecord[] {
    const atMs = this.clock.now();
    const records = [this.record(['total'], { lines: totals, load }, atMs)];
    for (const { key, hash, count } of requests) records.push(this.record(['key', key], { hash, count, atMs }, atMs));
    if (requests.length > 0) {
      for (const key of this.outlived(requests)) records.push(this.record(['key', key], null, atMs));
    }
    return records;
  }

  /** The transaction that carried them is committed. */
  remember(requests: readonly KeyedRequest[]): void {
    const atMs = this.clock.now();
    if (requests.length > 0) for (const key of this.outlived(requests)) this.known.delete(key);
    for (const { key, hash, count } of requests) {
      this.known.delete(key);
      this.known.set(key, { hash, count, atMs });
    }
  }

  /** The oldest keys, those that no longer count, a few for each new one; never one of the new ones. */
  private outlived(requests: readonly KeyedRequest[]): string[] {
    const found: string[] = [];
    const arriving = new Set(requests.map(({ key }) => key));
    const most = requests.length * forgottenAtOnce;
    const excess = this.known.size + requests.length - keysLimit;
    for (const [key, { atMs }] of this.known) {
      if (found.length >= most || (found.length >= excess && atMs + this.keepMs > this.clock.now())) break;
      if (!arriving.has(key)) found.push(key);
    }
    return found;
  }

  private record([kind, ...rest]: string[], value: object | null, timestampMs: number): OutgoingRecord {
    const { instance, agent } = this.owner;
    return {
      topic: ingestKeysTopic,
      partition: 0,
      key: Buffer.from(JSON.stringify([kind, instance, agent, ...rest])),
      value: value === null ? null : Buffer.from(JSON.stringify(value)),
      timestampMs,
    };
  }

  private visit(keyBytes: Buffer, value: Buffer | null): void {
    const [kind, instance, agent, key] = JSON.parse(keyBytes.toString()) as string[];
    if (instance !== this.owner.instance || agent !== this.owner.agent) return;
    if (kind === 'total' && value !== null) {
      const { lines, load } = JSON.parse(value.toString()) as { lines: Record<string, number>; load: string };
      this.totals = lines;
      this.lastLoad = load;
    } else if (kind === 'key' && key !== undefined) {
      this.known.delete(key);
      if (value !== null) this.known.set(key, JSON.parse(value.toString()) as Remembered);
    }
  }
}
