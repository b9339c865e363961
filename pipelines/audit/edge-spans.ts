// The ranges of one partition as an edge decided on them: those of the ledger, and between and behind them those that a kill left without a record.
import { type Account, emptyAccount } from '../account.ts';
import type { LedgerPart, LedgerRecord } from '../ledger-record.ts';
import type { OffsetRange, Problem } from './findings.ts';

/** A range that was decided at once. */
export interface Span extends OffsetRange {
  topicId: string;
  /** Undefined when the ledger does not have it. */
  account: Account | undefined;
  record: LedgerRecord | undefined;
  /** Filled while the topic is read: records that are there. */
  found: number;
  /** Where the steps were run again: what became of the records. */
  redone: Account;
  /** Those that the target lacks: runs of neighbours. */
  missing: { from: number; to: number; count: number; names: string[] }[];
  /** Number of the record that was looked at last and is there, to tell runs apart. */
  lastSeen: 'there' | 'missing';
}

function span(place: OffsetRange & { topicId: string }, account?: Account, record?: LedgerRecord): Span {
  return { ...place, account, record, found: 0, redone: emptyAccount(), missing: [], lastSeen: 'there' };
}

/**
 * The spans of a partition from its records in the ledger (in the order of the ledger), up to the committed offset. `begins`: where the edge began, if
 * that is known.
 */
export function spansOf(
  edge: string,
  place: { topic: string; topicId: string; partition: number },
  parts: readonly { part: LedgerPart; record: LedgerRecord }[],
  begins: number | undefined,
  committed: number,
): { spans: Span[]; problems: Problem[] } {
  const { topic, topicId, partition } = place;
  const spans: Span[] = [];
  const problems: Problem[] = [];
  const sorted = [...parts].sort(
    (one, other) => one.part.from - other.part.from || one.record.atMs - other.record.atMs,
  );
  let reached = begins ?? sorted[0]?.part.from ?? committed;
  for (const { part, record } of sorted) {
    const { from, to, account } = part;
    if (from > reached) spans.push(span({ topic, topicId, partition, from: reached, to: from }));
    if (from < reached && spans.length > 0) {
      const ranges = [{ topic, partition, from, to: Math.min(reached, to) }];
      const what = 'was decided twice: what it published may be there twice';
      problems.push({ who: edge, kind: 'offsets', ranges, where: undefined, what, remedy: resetHint });
    }
    spans.push(span({ topic, topicId, partition, from, to }, account, record));
    reached = Math.max(reached, to);
  }
  if (committed > reached) spans.push(span({ topic, topicId, partition, from: reached, to: committed }));
  return { spans, problems };
}

const resetHint = 'right after `tailrace groups reset`, which makes an edge read again; else a bug to be reported';

/** Notes that a record is there, or not. */
export function note(spans: Span, offset: number, missingName: string | undefined): void {
  if (missingName === undefined) {
    spans.lastSeen = 'there';
    return;
  }
  const run = spans.missing.at(-1);
  if (run === undefined || spans.lastSeen === 'there')
    spans.missing.push({ from: offset, to: offset + 1, count: 1, names: [missingName] });
  else {
    run.to = offset + 1;
    run.count++;
    if (run.names.length < 3 && !run.names.includes(missingName)) run.names.push(missingName);
  }
  spans.lastSeen = 'missing';
}
