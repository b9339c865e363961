// The checker of histories: what was written, what each reader saw, and what each sink holds, against the promises. It knows nothing of brokers or files.
// A value is a number of a source (a file, a producer): a source numbers what it writes from 0 on, without gaps. What it can find:
//
//   lost            committed, and not in the whole of a topic or sink; also a reader that passed over it
//   duplicated      twice in a topic or in a sink
//   reordered       values of one source, in one partition or one place of a sink, in another order than they were written
//   aborted-read    a value of an aborted transaction, seen by a reader of what is committed, or in a sink
//   unwritten       a value that nobody wrote (an unknown outcome counts as written)
//   changed         one offset with two values
//   torn            of one transaction some values are committed and others are not
//   non-monotonic   a reader was given an offset that is not above the one before
//
// Offsets may have gaps (markers, aborted records). A reader that begins anew (a restart, a rebalance) is another reader: give it another name.

/** What its writer was told in the end; 'unknown' when it was never told: it may be there or not, but whole, and once. */
export type Outcome = 'committed' | 'aborted' | 'unknown';

export type ViolationKind =
  'lost' | 'duplicated' | 'reordered' | 'aborted-read' | 'unwritten' | 'changed' | 'torn' | 'non-monotonic';

export interface Violation {
  kind: ViolationKind;
  /** Who saw what, where. */
  detail: string;
}

/** A value: the `number`-th of its source, from 0 on. */
export interface Value {
  source: string;
  number: number;
}

interface Written {
  outcome: Outcome;
  transaction: string | undefined;
}

/** Values of no transaction share these: there are millions of them. */
const alone: Record<Outcome, Written> = {
  committed: { outcome: 'committed', transaction: undefined },
  aborted: { outcome: 'aborted', transaction: undefined },
  unknown: { outcome: 'unknown', transaction: undefined },
};
/** Violations of one kind that are told in detail; the others are counted. */
const detailsPerKind = 10;

export class History {
  private readonly written = new Map<string, (Written | undefined)[]>();
  private readonly violations: Violation[] = [];
  private readonly counts = new Map<ViolationKind, number>();
  /** What each offset of a partition holds, as far as anybody has seen it. */
  private readonly offsets = new Map<string, (Value | undefined)[]>();
  /** By reader and partition: the offsets it was given, in order. */
  private readonly readers = new Map<string, { partition: string; first: number; last: number; seen: boolean[] }>();

  /** Notes what was written. A value may be noted again with its outcome when that becomes known. */
  wrote(value: Value, outcome: Outcome, transaction?: string): void {
    const numbers = this.written.get(value.source) ?? [];
    this.written.set(value.source, numbers);
    numbers[value.number] = transaction === undefined ? alone[outcome] : { outcome, transaction };
  }

  /** Notes that `reader`, one of what is committed, was given `value` at this offset. In the order in which it was given. */
  read(reader: string, partition: string, offset: number, value: Value): void {
    const key = `${reader} of ${partition}`;
    this.checkWritten(value, key);
    const known = this.offsets.get(partition) ?? [];
    this.offsets.set(partition, known);
    const before = known[offset];
    if (before !== undefined && !isSame(before, value))
      this.tell('changed', `${partition}@${offset}: ${nameOf(before)}, and for ${key} ${nameOf(value)}`);
    known[offset] = before ?? value;
    const reading = this.readers.get(key) ?? { partition, first: offset, last: -1, seen: [] };
    this.readers.set(key, reading);
    if (offset <= reading.last) this.tell('non-monotonic', `${key}: ${offset} after ${reading.last}`);
    reading.last = Math.max(reading.last, offset);
    reading.seen[offset] = true;
  }

  /**
   * What a topic (all its partitions) or a sink holds in the end, in order within each place: a partition, a file. Everything committed must be there.
   * `isOrdered` is false for stores that have no order; `only` says which of the values are to be there.
   */
  holds(
    holder: string,
    content: Iterable<Value & { place: string }>,
    { isOrdered = true, only = () => true }: { isOrdered?: boolean; only?: (value: Value) => boolean } = {},
  ): void {
    const times = new Map<string, Uint8Array>();
    const last = new Map<string, number>();
    for (const value of content) {
      const numbers = times.get(value.source) ?? new Uint8Array(this.written.get(value.source)?.length ?? 0);
      times.set(value.source, numbers);
      if (!this.checkWritten(value, holder)) continue;
      if (++numbers[value.number]! === 2) this.tell('duplicated', `${nameOf(value)} in ${holder}`);
      const lane = `${value.place} ${value.source}`;
      const before = last.get(lane) ?? -1;
      if (isOrdered && value.number < before)
        this.tell('reordered', `${nameOf(value)} after ${before} in ${value.place} of ${holder}`);
      last.set(lane, value.number);
    }
    this.checkWhole(holder, times, only);
  }

  /** What was found, readers that passed over something included; told in detail as far as it is not too much. */
  verdict(): { violations: readonly Violation[]; counts: Partial<Record<ViolationKind, number>> } {
    for (const [key, { partition, first, last, seen }] of this.readers) {
      const known = this.offsets.get(partition) ?? [];
      for (let offset = first + 1; offset < last; offset++) {
        const value = known[offset];
        if (value !== undefined && seen[offset] !== true)
          this.tell('lost', `${key} passed over ${nameOf(value)} at ${offset}`);
      }
    }
    this.readers.clear();
    return { violations: this.violations, counts: Object.fromEntries(this.counts) };
  }

  /** Throws, naming them, when there is any. */
  assertSound(): void {
    const { violations, counts } = this.verdict();
    if (violations.length === 0) return;
    const list = violations.map(({ kind, detail }) => `  ${kind}: ${detail}`).join('\n');
    throw new Error(`the history is not sound: ${JSON.stringify(counts)}\n${list}`);
  }

  /** Whether the value may be seen at all. */
  private checkWritten(value: Value, where: string): boolean {
    const written = this.written.get(value.source)?.[value.number];
    if (written === undefined) this.tell('unwritten', `${nameOf(value)} in ${where}`);
    else if (written.outcome === 'aborted') this.tell('aborted-read', `${nameOf(value)} in ${where}`);
    return written !== undefined;
  }

  private checkWhole(holder: string, times: ReadonlyMap<string, Uint8Array>, only: (value: Value) => boolean): void {
    const transactions = new Map<string, boolean>();
    for (const [source, numbers] of this.written) {
      let lastLost = -1;
      for (const [number, written] of numbers.entries()) {
        if (written === undefined || !only({ source, number })) continue;
        const isThere = (times.get(source)?.[number] ?? 0) > 0;
        if (!isThere && written.outcome === 'committed') {
          // One of a run is told in detail, the others are counted.
          const detail = `${nameOf({ source, number })} is not in ${holder}`;
          this.tell('lost', lastLost === number - 1 && lastLost >= 0 ? undefined : detail);
          lastLost = number;
        }
        if (written.transaction === undefined) continue;
        const others = transactions.get(written.transaction);
        if (others !== undefined && others !== isThere)
          this.tell('torn', `${nameOf({ source, number })} of ${written.transaction} in ${holder}`);
        transactions.set(written.transaction, isThere);
      }
    }
  }

  private tell(kind: ViolationKind, detail: string | undefined): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (detail === undefined || this.violations.filter((each) => each.kind === kind).length >= detailsPerKind) return;
    this.violations.push({ kind, detail });
  }
}

function isSame(left: Value, right: Value): boolean {
  return left.source === right.source && left.number === right.number;
}

function nameOf({ source, number }: Value): string {
  return `${source}:${number}`;
}
