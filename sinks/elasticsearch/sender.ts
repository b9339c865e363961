// Brings the records of one batch to their outcomes: sends bulks side by side, sends again only what failed and may succeed later, splits what is too
// large, slows down when the store is overloaded. What it holds is bounded: a window of bodies is written, sent and forgotten before the next is made.
// In data streams and behind aliases items of an uncertain fate are looked up first (in-doubt.ts).
//
// It is patient for a while only. A store that lets nothing through for `patienceMs`, or that says somebody must change something, ends the delivery with
// an error: the edge pauses with an alarm and tries again. What was stored before that is stored; sent again, it is found to be there under its id.
import { Backoff } from '../../base/backoff.ts';
import { type Clock, sleep } from '../../base/clock.ts';
import { crashPoint } from '../../base/crash-point.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import type { DeliveryBatch, Outcome } from '../sink.ts';
import { type Bulk, type BulkOperation, type BulkWriter, placeOf, someOf, splitBulk } from './bulk.ts';
import type { Doubt } from './in-doubt.ts';
import type { StoreAnswer, StoreRequest } from './node.ts';
import { type RequestVerdict, type Verdict, verdictOfAnswer } from './outcome.ts';
import type { Pace } from './pace.ts';

/** The part of a cluster that bulks need. */
export interface BulkStore {
  readonly name: string;
  /** Throws TailraceError TLR_SINK, retriable, when there is no answer; rejects with the signal's reason when that ends it. */
  request(request: StoreRequest, signal: AbortSignal): Promise<StoreAnswer>;
}

/** Looks at indices before and after they are first written to. */
export interface TargetCheck {
  check(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Which of the ids `index` has, where an id may be there although `create` does not see it; none where that cannot be. */
  findStored(index: string, ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
}

export interface SenderOptions {
  store: BulkStore;
  writer: BulkWriter;
  pace: Pace;
  targets: TargetCheck;
  doubt: Doubt;
  operation: BulkOperation;
  /** Greatest number of items in a bulk. */
  bulkCount: number;
  clock: Clock;
  random: Random;
  /** How long nothing may get through before the delivery fails. */
  patienceMs: number;
}

/** Bodies that are held at once. */
const windowBytes = 16 * 1024 * 1024;
const backoff = { firstMs: 100, maxMs: 5000 };
/** Only what is needed of the answer: it is as long as the request otherwise. */
const bulkPath = '/_bulk?filter_path=errors,items.*.status,items.*.error';

/** `inDoubt`: its items may be there already. */
interface Waiting {
  bulk: Bulk;
  inDoubt: boolean;
}

/** What is to be sent again. */
interface Again extends Waiting {
  waits: boolean;
  reason: string;
}

const stored: Outcome = { kind: 'stored' };
const alreadyThere: Outcome = { kind: 'already-there' };

/** One delivery; used once. */
export class Sender {
  private readonly options: SenderOptions;
  private readonly batch: DeliveryBatch;
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly backoff: Backoff;
  private readonly waiting: Waiting[] = [];
  /** Undefined while all are stored. */
  private outcomes: Outcome[] | undefined;
  private failingSinceMs: number | undefined;
  /** Items of this window that were there before they were sent. */
  private foundStored = 0;

  constructor(batch: DeliveryBatch, signal: AbortSignal, options: SenderOptions) {
    this.batch = batch;
    this.options = options;
    this.signal = AbortSignal.any([signal, this.stop.signal]);
    this.backoff = new Backoff(backoff, options.random);
  }

  /** The outcomes in order of the batch; undefined when all were stored. */
  async run(): Promise<readonly Outcome[] | undefined> {
    const { writer, pace, bulkCount, targets, doubt } = this.options;
    const { coordinates } = this.batch;
    for (let next = 0; next < this.batch.count;) {
      this.signal.throwIfAborted();
      const bytes = this.bulkBytes();
      const window = writer.write(this.batch, next, { bytes, count: bulkCount }, windowBytes);
      if (window.next === next) break;
      next = window.next;
      const inDoubt = doubt.isOn(coordinates);
      this.foundStored = 0;
      this.waiting.push(...window.bulks.map((bulk) => ({ bulk, inDoubt })));
      await targets.check(window.names, this.signal);
      await this.sendAll(pace);
      if (inDoubt) doubt.lookedUp(coordinates, sizeOf(window.bulks), this.foundStored);
      await targets.check(window.names, this.signal);
    }
    return this.outcomes;
  }

  /** Small enough for all requests that may be on their way to have something to do. */
  private bulkBytes(): number {
    const { pace } = this.options;
    return Math.min(pace.bulkBytes, Math.max(256 * 1024, Math.ceil((this.batch.sizeBytes * 1.2) / pace.concurrency)));
  }

  /** Sends what waits until nothing does. The first error stops all. */
  private async sendAll(pace: Pace): Promise<void> {
    const running = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    while (failure === undefined && (this.waiting.length > 0 || running.size > 0)) {
      while (this.waiting.length > 0 && running.size < pace.concurrency) {
        const sent: Promise<void> = this.send(this.waiting.shift()!).then(
          () => void running.delete(sent),
          (error: unknown) => {
            running.delete(sent);
            failure ??= { error };
          },
        );
        running.add(sent);
      }
      await Promise.race(running);
    }
    if (failure === undefined) return;
    this.stop.abort(failure.error);
    this.waiting.length = 0;
    await Promise.all(running);
    throw failure.error;
  }

  /** Sends one bulk; what must be sent again is put back to wait, after a pause. */
  private async send(waiting: Waiting): Promise<void> {
    const { pace, clock, bulkCount } = this.options;
    const again = await this.attempt(waiting);
    if (again === undefined) return;
    const { inDoubt } = again;
    const pieces = splitBulk(again.bulk, { bytes: pace.bulkBytes, count: bulkCount });
    this.waiting.push(...pieces.map((bulk) => ({ bulk, inDoubt })));
    if (!again.waits) return;
    pace.overloaded(clock.monotonicMs());
    this.checkPatience(again.reason);
    await sleep(clock, this.backoff.nextMs(), this.signal);
  }

  private async attempt({ bulk, inDoubt }: Waiting): Promise<Again | undefined> {
    try {
      const rest = inDoubt ? await this.withoutStored(bulk) : bulk;
      if (rest === undefined) return undefined;
      const verdict = await this.ask(rest);
      crashPoint('search.bulk-answered');
      return this.settle(rest, verdict);
    } catch (error) {
      this.signal.throwIfAborted();
      if (!(error instanceof LookupFailure)) throw error;
      return { bulk, inDoubt: true, waits: true, reason: error.message };
    }
  }

  /** What is left of a bulk of which some may be there already. */
  private async withoutStored(bulk: Bulk): Promise<Bulk | undefined> {
    const ids = new Map<string, string[]>();
    const places = bulk.places.map((_, item) => placeOf(bulk, item));
    for (const { index, id } of places) {
      const known = ids.get(index);
      if (known === undefined) ids.set(index, [id]);
      else known.push(id);
    }
    const found = new Map<string, ReadonlySet<string>>();
    for (const [index, wanted] of ids) found.set(index, await this.lookUp(index, wanted));
    const isThere = (item: number) => found.get(places[item]!.index)?.has(places[item]!.id) === true;
    let count = 0;
    for (const [item, place] of bulk.places.entries()) {
      if (!isThere(item)) continue;
      this.keep(place, alreadyThere);
      count++;
    }
    if (count === 0) return bulk;
    this.foundStored += count;
    this.progress();
    return someOf(bulk, (item) => !isThere(item));
  }

  private async lookUp(index: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
    try {
      return await this.options.targets.findStored(index, ids, this.signal);
    } catch (error) {
      if (error instanceof TailraceError && error.retriable) throw new LookupFailure(error);
      throw error;
    }
  }

  private async ask(bulk: Bulk): Promise<RequestVerdict> {
    const { store, operation } = this.options;
    try {
      const answer = await store.request(
        { method: 'POST', path: bulkPath, body: bulk.body, kind: 'ndjson' },
        this.signal,
      );
      return verdictOfAnswer(answer.status, answer.body, bulk.places.length, operation);
    } catch (error) {
      this.signal.throwIfAborted();
      if (!(error instanceof TailraceError)) throw error;
      return { kind: 'retry', reason: messageOf(error) };
    }
  }

  /** Keeps the outcomes that are final. Returns what is to be sent again; throws when somebody must change something first. */
  private settle(bulk: Bulk, verdict: RequestVerdict): Again | undefined {
    switch (verdict.kind) {
      case 'all-stored':
        this.progress();
        if (this.outcomes !== undefined) for (const place of bulk.places) this.outcomes[place] = stored;
        return undefined;
      case 'items':
        return this.settleItems(bulk, verdict.items);
      case 'retry':
        return { bulk, inDoubt: true, waits: true, reason: verdict.reason };
      case 'split':
        return this.split(bulk, verdict.reason);
      case 'blocked':
      case 'misfit':
        throw this.trouble(verdict, '');
    }
  }

  private settleItems(bulk: Bulk, items: readonly Verdict[]): Again | undefined {
    let reason = '';
    let trouble: TailraceError | undefined;
    for (const [item, verdict] of items.entries()) {
      const place = bulk.places[item]!;
      if (verdict.kind === 'retry') reason ||= verdict.reason;
      else if (verdict.kind === 'blocked' || verdict.kind === 'misfit')
        trouble ??= this.trouble(verdict, ` to index ${placeOf(bulk, item).index}`);
      else if (verdict.kind === 'stored') this.keep(place, stored);
      else if (verdict.kind === 'already-there') this.keep(place, alreadyThere);
      else this.keep(place, verdict);
    }
    if (trouble !== undefined) throw trouble;
    const again = someOf(bulk, (item) => items[item]!.kind === 'retry');
    if (again?.places.length !== bulk.places.length) this.progress();
    return again === undefined ? undefined : { bulk: again, inDoubt: true, waits: true, reason };
  }

  /** In halves; a single record that is too large is refused. */
  private split(bulk: Bulk, reason: string): undefined {
    const count = bulk.places.length;
    if (count === 1) {
      this.keep(bulk.places[0]!, { kind: 'refused', reason: `the record is too large for the store: ${reason}` });
      this.progress();
      return undefined;
    }
    const half = { bytes: Infinity, count: Math.ceil(count / 2) };
    // Too large to be read is too large to be done: nothing of it is in doubt.
    this.waiting.push(...splitBulk(bulk, half).map((piece) => ({ bulk: piece, inDoubt: false })));
    return undefined;
  }

  private keep(place: number, outcome: Outcome): void {
    if (outcome.kind === 'stored' && this.outcomes === undefined) return;
    this.outcomes ??= new Array<Outcome>(this.batch.count).fill(stored);
    this.outcomes[place] = outcome;
  }

  private progress(): void {
    this.failingSinceMs = undefined;
    this.backoff.reset();
    this.options.pace.succeeded();
  }

  private checkPatience(reason: string): void {
    const { clock, patienceMs, store } = this.options;
    const nowMs = clock.monotonicMs();
    this.failingSinceMs ??= nowMs;
    if (nowMs - this.failingSinceMs < patienceMs) return;
    const message = reason.startsWith('http') ? reason : `${store.name} takes nothing: ${reason}`;
    throw new TailraceError('TLR_SINK', message, { retriable: true });
  }

  private trouble(verdict: { kind: 'blocked' | 'misfit'; reason: string }, where: string): TailraceError {
    const { name } = this.options.store;
    if (verdict.kind === 'blocked')
      return new TailraceError('TLR_SINK', `${name} refuses to write${where}: ${verdict.reason}`, { retriable: true });
    return new TailraceError('TLR_SINK', `${name} cannot be written${where}: ${verdict.reason}`);
  }
}

/** What may be there could not be looked up; it is tried again before anything is sent. */
class LookupFailure extends Error {
  constructor(cause: TailraceError) {
    super(cause.message, { cause });
  }
}

function sizeOf(bulks: readonly Bulk[]): number {
  return bulks.reduce((sum, { body }) => sum + body.length, 0);
}
