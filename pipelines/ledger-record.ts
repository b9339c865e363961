// The topic `__tailrace_ledger` (one partition, kept for 30 days or 256 MiB): what each edge did with each range of offsets, written in the transactions that
// commit them, so that `tailrace audit` can compare it with what is in topics, files and stores long after.
//   key    the edge
//   value  JSON object with "v": 1:
//     steps     fingerprint of the steps that were run
//     parts     [[topic, topic id in hex, partition, from, to, in, out, dropped, dead, there, split], …]: the range and, as in account.ts, what became of it
//     manifest  what a two-phase sink published of these ranges
// Every manifest has its record. Where there is none (sinks that send, topics, records that were dropped) ranges are gathered for some seconds; a kill in
// between leaves a range without record, which the audit checks without the numbers.
import type { Clock } from '../base/clock.ts';
import type { Admin, FetchedBatches, KafkaClient, OutgoingRecord } from '../broker/client/contract.ts';
import { largeRecordConfigs } from '../broker/client/own-topics.ts';
import type { Manifest } from '../sinks/sink.ts';
import { type Account, emptyAccount } from './account.ts';
import type { PartitionProgress } from './progress.ts';
import { readRanges } from './range-reader.ts';
import { PassThroughBatch } from './source-batch.ts';

export const ledgerTopic = '__tailrace_ledger';

const configs = {
  'cleanup.policy': 'delete',
  'retention.ms': String(30 * 86_400_000),
  'retention.bytes': String(256 * 1024 * 1024),
  'segment.bytes': String(16 * 1024 * 1024),
  ...largeRecordConfigs,
};
/** How long ranges without a manifest are gathered. */
const gatherMs = 5000;

/** What became of one range of offsets. */
export interface LedgerPart {
  topic: string;
  /** In hex. */
  topicId: string;
  partition: number;
  from: number;
  /** Behind the last. */
  to: number;
  account: Account;
}

export interface LedgerRecord {
  edge: string;
  /** When it was decided. */
  atMs: number;
  steps: string;
  parts: LedgerPart[];
  manifest: Manifest | undefined;
}

/** Makes the topic when it is missing. */
export async function createLedgerTopic(admin: Admin): Promise<void> {
  await admin.createTopic({ name: ledgerTopic, partitions: 1, configs }, { ifMissing: true });
}

type PartRow = [string, string, number, number, number, number, number, number, number, number, number];

function encode(record: LedgerRecord): OutgoingRecord {
  const { edge, atMs, steps, manifest } = record;
  const parts = record.parts.map(({ topic, topicId, partition, from, to, account }): PartRow => {
    const { in: read, out, dropped, dead, alreadyThere, split } = account;
    return [topic, topicId, partition, from, to, read, out, dropped, dead, alreadyThere, split];
  });
  const value = Buffer.from(JSON.stringify({ v: 1, steps, parts, manifest }));
  return { topic: ledgerTopic, partition: 0, key: Buffer.from(edge), value, timestampMs: atMs };
}

/** Undefined when a newer Tailrace wrote it. */
function decode(edge: string, atMs: number, text: string): LedgerRecord | undefined {
  const value = JSON.parse(text) as { v: number; steps: string; parts: PartRow[]; manifest?: Manifest };
  if (value.v !== 1) return undefined;
  const parts = value.parts.map(
    ([topic, topicId, partition, from, to, read, out, dropped, dead, alreadyThere, split]): LedgerPart => ({
      ...{ topic, topicId, partition, from, to },
      account: { in: read, out, dropped, dead, alreadyThere, split },
    }),
  );
  return { edge, atMs, steps: value.steps, parts, manifest: value.manifest };
}

/** Writes the records of one edge's session. */
export class LedgerKeeper {
  private readonly edge: string;
  private readonly steps: string;
  private readonly clock: Clock;
  private lastMs: number;

  constructor(edge: string, steps: string, clock: Clock) {
    this.edge = edge;
    this.steps = steps;
    this.clock = clock;
    this.lastMs = clock.monotonicMs();
  }

  /** Whether ranges have been gathered long enough. */
  get isDue(): boolean {
    return this.clock.monotonicMs() - this.lastMs >= gatherMs;
  }

  /** The record of what is decided of a scope now; `manifest` is what its sink publishes. */
  record(members: readonly PartitionProgress[], manifest: Manifest | undefined): OutgoingRecord {
    const parts = members.filter(({ hasUnrecorded }) => hasUnrecorded).map((progress) => progress.unrecorded());
    return encode({ edge: this.edge, atMs: this.clock.now(), steps: this.steps, parts, manifest });
  }

  /** What was gathered is written. */
  written(): void {
    this.lastMs = this.clock.monotonicMs();
  }
}

/** The records that are committed, in order. Empty when nothing was ever recorded. */
export async function readLedger(
  client: KafkaClient,
  visit: (record: LedgerRecord) => void,
  signal?: AbortSignal,
): Promise<void> {
  const admin = client.admin();
  if ((await admin.topics([ledgerTopic])).length === 0) return;
  const [from, to] = [await admin.offsets(ledgerTopic, 'earliest'), await admin.offsets(ledgerTopic, 'latest')];
  const range = { topic: ledgerTopic, partition: 0, from: from.get(0) ?? 0, to: to.get(0) ?? 0 };
  const take = (fetched: FetchedBatches) => {
    new PassThroughBatch(fetched, range.to).forEach((delivery) => {
      const { timestampMs, buffer, start, end } = delivery;
      const edge = delivery.key()?.toString() ?? '';
      const record = decode(edge, timestampMs, buffer.toString('utf8', start, end));
      if (record !== undefined) visit(record);
    });
    return true;
  };
  await readRanges(client, [range], take, signal === undefined ? {} : { signal });
}

/** `after` less `before`. */
export function accountSince(after: Account, before: Account): Account {
  const difference = emptyAccount();
  for (const key of Object.keys(difference) as (keyof Account)[]) difference[key] = after[key] - before[key];
  return difference;
}
