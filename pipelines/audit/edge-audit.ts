// One edge under audit: what the ledger says of its ranges is set against the records in its topics, against files and stores, and against the dead letters.
import { type Clock, sleep } from '../../base/clock.ts';
import type { FetchedBatches } from '../../broker/client/contract.ts';
import type { FoundPart, SinkAuditor } from '../../sinks/sink.ts';
import { addAccount, emptyAccount, isBalanced } from '../account.ts';
import type { FileNames } from '../event.ts';
import type { LedgerRecord } from '../ledger-record.ts';
import { originAfter } from '../origin.ts';
import type { EdgePlan, PipelinePlan } from '../plan.ts';
import { PassThroughBatch, type SourceBatch } from '../source-batch.ts';
import { Transformer } from '../transform.ts';
import { note, type Span } from './edge-spans.ts';
import type { AuditedEdge, AuditedRange, OffsetRange, Problem } from './findings.ts';
import type { LetterIndex, OriginIndex } from './other-topics.ts';

/** Files that were decided a moment ago may get their names only now. */
const publishingMs = 30_000;
const secondLookMs = 1500;

export interface EdgeAuditOptions {
  pipeline: PipelinePlan;
  edge: EdgePlan;
  spans: readonly Span[];
  /** Undefined where nobody can be asked what has arrived. */
  auditor: SinkAuditor | undefined;
  origins: OriginIndex | undefined;
  letters: LetterIndex | undefined;
  /** By topic and partition ("app/0"): where it begins now. */
  starts: ReadonlyMap<string, number>;
  /** The command that delivers a range again. */
  remedy: (range: OffsetRange) => string;
  fileNames: FileNames;
  clock: Clock;
  signal: AbortSignal;
}

export class EdgeAudit {
  readonly problems: Problem[] = [];
  readonly notes = new Set<string>();
  private readonly options: EdgeAuditOptions;
  private readonly transformer: Transformer | undefined;
  private checkedCount = 0;
  private checkedLines = 0;

  constructor(options: EdgeAuditOptions) {
    this.options = options;
    const { pipeline, auditor, fileNames: names, edge } = options;
    const target = edge.target.kind === 'sink' ? edge.target.sink.name : `topic:${edge.target.topic}`;
    const askedPaths = auditor?.fieldPaths ?? [];
    const needs = pipeline.steps.length > 0 || askedPaths.some((path) => path.startsWith('meta.'));
    this.transformer = needs ? new Transformer({ steps: pipeline.steps, names, askedPaths, target }) : undefined;
  }

  get group(): string {
    return this.options.edge.group;
  }

  /** Where it wants a topic's partitions to be read from. */
  begins(topic: string): [number, number][] {
    const firsts = new Map<number, number>();
    for (const span of this.options.spans)
      if (span.topic === topic) firsts.set(span.partition, Math.min(firsts.get(span.partition) ?? Infinity, span.from));
    return [...firsts];
  }

  /** Up to where. */
  reaches(topic: string, partition: number): number {
    const own = this.options.spans.filter((span) => span.topic === topic && span.partition === partition);
    return Math.max(0, ...own.map(({ to }) => to));
  }

  /** Takes the records of a fetch; those of a partition in order. */
  async take(fetched: FetchedBatches): Promise<void> {
    for (const span of this.options.spans) {
      if (span.topic !== fetched.topic || span.partition !== fetched.partition) continue;
      if (span.to <= fetched.fromOffset || span.from >= fetched.nextOffset) continue;
      const within = { ...fetched, fromOffset: Math.max(fetched.fromOffset, span.from) };
      span.found += new PassThroughBatch(within, span.to).count;
      if (this.isLookedUp(span)) await this.lookUp(span, within);
    }
  }

  /** Sets everything against each other. */
  async finish(): Promise<AuditedEdge> {
    for (const span of this.options.spans) this.judgeSpan(span);
    const records = new Set(this.options.spans.flatMap(({ record }) => record ?? []));
    for (const record of records) await this.judgeFiles(record);
    const sum = emptyAccount();
    for (const { account, found, redone } of this.options.spans) addAccount(sum, account ?? { ...redone, in: found });
    return {
      ...{ edge: this.group, target: this.describeTarget(), ranges: this.ranges(), read: sum.in, delivered: sum.out },
      ...{ alreadyThere: sum.alreadyThere, dropped: sum.dropped, deadLetters: sum.dead, split: sum.split },
      checked: { what: this.whatIsChecked(), count: this.checkedCount, lines: this.checkedLines },
      balanced: this.problems.length === 0,
    };
  }

  /** Records are run through the steps again where the target is asked for each of them, or where nothing but they can tell what was to come of it. */
  private isLookedUp({ account, record, from }: Span): boolean {
    const { auditor, origins, pipeline } = this.options;
    if (account !== undefined && auditor?.published !== undefined) return false;
    if (auditor === undefined && origins === undefined) return false;
    if (record === undefined || record.steps === pipeline.stepsFingerprint) return true;
    this.notes.add(
      `${this.group}: records from offset ${from} on were delivered by other steps than those of the file now, so what came of each of them is not looked up`,
    );
    return false;
  }

  private async lookUp(span: Span, within: FetchedBatches): Promise<void> {
    const { auditor, origins, letters, signal } = this.options;
    const batch = await this.redo(span, within);
    const topicId = within.topicId;
    const isLetter = (offset: number, ordinal: number) =>
      letters?.has(this.group, { topicId, partition: span.partition, offset, ordinal }) === true;
    const missing = new Map<string, string>();
    if (auditor?.seek !== undefined) {
      for (const { offset, ordinal, name, isThere } of await auditor.seek(batch, signal))
        if (!isThere) missing.set(`${offset}/${ordinal}`, name);
    } else if (origins === undefined) return;
    this.checkedCount += batch.count;
    batch.forEach((delivery) => {
      const { offset, ordinal } = delivery;
      let name = missing.get(`${offset}/${ordinal}`);
      if (origins !== undefined) {
        const origin = originAfter(delivery.headers(), { topicId, partition: span.partition, offset, ordinal });
        if (origin !== undefined && !origins.has(origin)) name = origins.topic;
      }
      note(span, offset, name === undefined || isLetter(offset, ordinal) ? undefined : name);
    });
  }

  /** What the steps make of the records. */
  private async redo(span: Span, within: FetchedBatches): Promise<SourceBatch> {
    if (this.transformer === undefined) {
      const batch = new PassThroughBatch(within, span.to);
      span.redone.out += batch.count;
      return batch;
    }
    const result = await this.transformer.run(within, span.to);
    const { batch, droppedCount, splitCount, deadLetters } = result;
    const more = { in: 0, alreadyThere: 0, dropped: droppedCount, dead: deadLetters.length, split: splitCount };
    addAccount(span.redone, { ...more, out: batch.count });
    return batch;
  }

  private judgeSpan(span: Span): void {
    const { topic, partition, from, to, account } = span;
    const range = { topic, partition, from, to };
    const isKept = from >= (this.options.starts.get(`${topic}/${partition}`) ?? 0);
    for (const run of span.missing) this.addMissing(span, run);
    if (account === undefined) {
      if (this.options.auditor?.published !== undefined && span.redone.out > 0)
        this.add(
          'published',
          range,
          undefined,
          `${span.redone.out} records are committed, and no file is recorded for them`,
        );
      return;
    }
    if (!isBalanced(account)) {
      const { in: read, split, out, dropped, dead, alreadyThere } = account;
      const what = `read ${read} and made ${split} more, but delivered ${out}, found ${alreadyThere} there, dropped ${dropped} and refused ${dead}`;
      this.add('account', range, undefined, what);
    }
    if (isKept && span.found !== account.in)
      this.add('offsets', range, undefined, `has ${span.found} records, of which the edge read ${account.in}`);
    this.judgeLetters(span, account.dead);
  }

  private judgeLetters({ topic, topicId, partition, from, to }: Span, dead: number): void {
    if (dead === 0) return;
    const { letters, pipeline } = this.options;
    const found = letters?.count(this.group, topicId, partition, from, to) ?? 0;
    if (found >= dead) return;
    const what = `${dead - found} of ${dead} dead letters are not there`;
    if (letters?.isComplete === false) this.notes.add(`${this.group}: ${what}; the oldest were deleted for their age`);
    else this.add('letters', { topic, partition, from, to }, pipeline.deadLetterTopic, what);
  }

  private addMissing(span: Span, run: Span['missing'][number]): void {
    const { topic, partition } = span;
    const { from, to, count, names } = run;
    const [first] = names;
    const isOne = names.length === 1 && (count === 1 || this.options.origins !== undefined);
    const where = isOne ? first : `${names.join(', ')}${count > names.length ? ', …' : ''}`;
    const noun = this.whatIsChecked() === 'documents' ? 'document' : 'record';
    this.add(
      'missing',
      { topic, partition, from, to },
      where,
      count === 1 ? `the ${noun} is missing` : `${count} ${noun}s are missing`,
    );
  }

  /** The files that one decision published. */
  private async judgeFiles(record: LedgerRecord): Promise<void> {
    const { auditor, clock, signal } = this.options;
    if (auditor?.published === undefined) return;
    const ranges = record.parts.map(({ topic, partition, from, to }) => ({ topic, partition, from, to }));
    const delivered = record.parts.reduce((sum, { account }) => sum + account.out, 0);
    if (record.manifest === undefined) {
      if (delivered > 0)
        this.add(
          'published',
          ranges,
          undefined,
          `${delivered} records were delivered, and no file is recorded for them`,
        );
      return;
    }
    let parts = await auditor.published(record.manifest);
    if (parts.some(({ problem }) => problem !== undefined) && clock.now() - record.atMs < publishingMs) {
      await sleep(clock, secondLookMs, signal);
      parts = await auditor.published(record.manifest);
    }
    this.checkedCount += parts.length;
    const lines = parts.reduce((sum, part) => sum + (part.lines ?? 0), 0);
    this.checkedLines += lines;
    for (const part of parts) if (part.problem !== undefined) this.addFile(part, ranges);
    if (parts.every((part) => part.lines !== undefined) && lines !== delivered)
      this.add('account', ranges, undefined, `delivered ${delivered} records into files of ${lines} lines`);
  }

  private addFile({ name, lines, problem, waits }: FoundPart, ranges: readonly OffsetRange[]): void {
    const count = lines === undefined ? '' : ` (${lines} ${lines === 1 ? 'line' : 'lines'})`;
    this.add('published', ranges, name, `${problem ?? ''}${count}`);
    if (waits) this.problems.at(-1)!.remedy = 'tailrace up publishes it when it starts';
  }

  private add(
    kind: Problem['kind'],
    at: OffsetRange | readonly OffsetRange[],
    where: string | undefined,
    what: string,
  ): void {
    const ranges: readonly OffsetRange[] = Array.isArray(at) ? (at as readonly OffsetRange[]) : [at as OffsetRange];
    const { starts, remedy } = this.options;
    const kept = ranges.every(({ topic, partition, from }) => from >= (starts.get(`${topic}/${partition}`) ?? 0));
    const commands = kept
      ? ranges.map((range) => remedy(range)).join('\n')
      : 'the topic does not keep these records any more';
    this.problems.push({
      who: this.group,
      kind,
      ranges,
      where,
      what,
      remedy: kind === 'account' ? undefined : commands,
    });
  }

  private ranges(): AuditedRange[] {
    const ranges = new Map<string, AuditedRange>();
    for (const { topic, partition, from, to, found } of this.options.spans) {
      const key = `${topic}/${partition}`;
      const kept = Math.max(from, this.options.starts.get(key) ?? 0);
      const skipped = Math.max(0, to - kept - found);
      const known = ranges.get(key);
      if (known === undefined) ranges.set(key, { topic, partition, from, to, records: found, skipped });
      else {
        known.from = Math.min(known.from, from);
        known.to = Math.max(known.to, to);
        known.records += found;
        known.skipped += skipped;
      }
    }
    return [...ranges.values()];
  }

  private whatIsChecked(): AuditedEdge['checked']['what'] {
    const { auditor, origins } = this.options;
    if (auditor?.published !== undefined) return 'files';
    if (auditor?.seek !== undefined) return 'documents';
    return origins === undefined ? 'nothing' : 'records';
  }

  private describeTarget(): string {
    const { target } = this.options.edge;
    if (target.kind === 'topic') return `topic ${target.topic}`;
    return target.sink.definition.describe(target.sink.settings);
  }
}
