// Brings the records of one batch to their outcomes: sends bulks side by side, sends again only what failed and may succeed later, splits what is too
// large, slows down when the store is overloaded. A bulk is written when it may be sent, while those before it are on their way, and forgotten with its
// answer: what it holds is bounded by the requests under way.
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
  /** Whether ids may be in one of the indices although `create` does not see them. */
  mayHide(names: readonly string[], signal: AbortSignal): Promise<boolean>;
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

/** What is sent under one decision on whether it is in doubt, about. */
const windowBytes = 16 * 1024 * 1024;
/** Whoever delivers less than this has caught up, and keeps no memory for more. */
const restingBytes = 256 * 1024;
const backoff = { firstMs: 100, maxMs: 5000 };
/** Only what is needed of the answer: it is as long as the request otherwise. */
const bulkPath = '/_bulk?filter_path=errors,items.*.status,items.*.error';

/** `inDoubt`: its items may be there already. */
interface Waiting {
  bulk: Bulk;
  inDoubt: boolean;
}

/** Bulks that were written under one decision on whether they are in doubt. */
interface Window {
  readonly inDoubt: boolean;
  bytes: number;
  /** Items that were there before they were sent. */
  foundStored: number;
  /** Indices not met before. */
  readonly names: string[];
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
  /** The record that is written next. */
  private next = 0;
  private window: Window = { inDoubt: false, bytes: 0, foundStored: 0, names: [] };

  constructor(batch: DeliveryBatch, signal: AbortSignal, options: SenderOptions) {
    this.batch = batch;
    this.options = options;
    this.signal = AbortSignal.any([signal, this.stop.signal]);
    this.backoff = new Backoff(backoff, options.random);
  }

  /** The outcomes in order of the batch; undefined when all were stored. */
  async run(): Promise<readonly Outcome[] | undefined> {
    const { writer, targets, doubt } = this.options;
    const { coordinates, count, sizeBytes } = this.batch;
    while (this.next < count) {
      this.signal.throwIfAborted();
      const window = { inDoubt: doubt.isOn(coordinates), bytes: 0, foundStored: 0, names: [] };
      this.window = window;
      await this.sendAll();
      if (window.inDoubt) doubt.lookedUp(coordinates, window.bytes, window.foundStored);
      await targets.check(window.names, this.signal);
      if (window.bytes === 0) break;
    }
    if (sizeBytes < restingBytes) writer.rest();
    return this.outcomes;
  }

  /** What is sent next: what waits to be sent again, or a new bulk; undefined when there is neither in this window. */
  private async take(): Promise<Waiting | undefined> {
    const again = this.waiting.shift();
    const { window, batch } = this;
    if (again !== undefined || this.next >= batch.count || window.bytes >= windowBytes) return again;
    const { writer, bulkCount, targets } = this.options;
    const { bulk, names } = writer.write(batch, this.next, { bytes: this.bulkBytes(), count: bulkCount });
    if (bulk === undefined) {
      this.next = batch.count;
      return undefined;
    }
    this.next = bulk.places.at(-1)! + 1;
    window.bytes += bulk.body.length;
    window.names.push(...names);
    await targets.check(names, this.signal);
    return { bulk, inDoubt: window.inDoubt };
  }

  /** Small enough for all requests that may be on their way to have something to do. */
  private bulkBytes(): number {
    const { pace } = this.options;
    return Math.min(pace.bulkBytes, Math.max(256 * 1024, Math.ceil((this.batch.sizeBytes * 1.2) / pace.concurrency)));
  }

  /** Sends a window. The first error stops all. */
  private async sendAll(): Promise<void> {
    const { pace } = this.options;
    const running = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    const fail = (error: unknown): undefined => {
      failure ??= { error };
    };
    while (failure === undefined) {
      // Deliveries that overlap share the places.
      if (!pace.enter()) {
        await Promise.race([pace.changed(), ...running]);
        continue;
      }
      const next = await this.take().catch(fail);
      if (next !== undefined) {
        const sent: Promise<void> = this.send(next)
          .catch(fail)
          .finally(() => {
            running.delete(sent);
            pace.leave();
          });
        running.add(sent);
        // It is on its way before the next one is written.
        await turn();
        continue;
      }
      pace.leave();
      if (running.size === 0) break;
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
      const again = this.settle(rest, verdict);
      if (verdict.kind === 'all-stored' || verdict.kind === 'items') this.options.writer.giveBack(bulk);
      return again;
    } catch (error) {
      this.signal.throwIfAborted();
      if (!(error instanceof LookupFailure)) throw error;
      return { bulk, inDoubt: true, waits: true, reason: error.message };
    }
  }

  /** What is left of a bulk of which some may be there already. */
  private async withoutStored(bulk: Bulk): Promise<Bulk | undefined> {
    const { targets } = this.options;
    if (!(await lookingUp(targets.mayHide(bulk.indices, this.signal)))) return bulk;
    const ids = new Map<string, string[]>();
    const places = bulk.places.map((_, item) => placeOf(bulk, item));
    for (const { index, id } of places) {
      const known = ids.get(index);
      if (known === undefined) ids.set(index, [id]);
      else known.push(id);
    }
    const found = new Map<string, ReadonlySet<string>>();
    for (const [index, wanted] of ids)
      found.set(index, await lookingUp(targets.findStored(index, wanted, this.signal)));
    const isThere = (item: number) => found.get(places[item]!.index)?.has(places[item]!.id) === true;
    let count = 0;
    for (const [item, place] of bulk.places.entries()) {
      if (!isThere(item)) continue;
      this.keep(place, alreadyThere);
      count++;
    }
    if (count === 0) return bulk;
    this.window.foundStored += count;
    this.progress();
    return someOf(bulk, (item) => !isThere(item));
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
        this.split(bulk, verdict.reason);
        return undefined;
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
  private split(bulk: Bulk, reason: string): void {
    const count = bulk.places.length;
    if (count === 1) {
      this.keep(bulk.places[0]!, { kind: 'refused', reason: `the record is too large for the store: ${reason}` });
      this.progress();
      return;
    }
    const half = { bytes: Infinity, count: Math.ceil(count / 2) };
    // Too large to be read is too large to be done: nothing of it is in doubt.
    this.waiting.push(...splitBulk(bulk, half).map((piece) => ({ bulk: piece, inDoubt: false })));
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
    const what = verdict.kind === 'blocked' ? 'refuses to write' : 'cannot be written';
    return new TailraceError('TLR_SINK', `${name} ${what}${where}: ${verdict.reason}`);
  }
}

/** What may be there could not be looked up; it is tried again before anything is sent. */
class LookupFailure extends Error {
  constructor(cause: TailraceError) {
    super(cause.message, { cause });
  }
}

/** Throws LookupFailure for what may pass. */
async function lookingUp<T>(found: Promise<T>): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof TailraceError && error.retriable) throw new LookupFailure(error);
    throw error;
  }
}

/** Lets everything that is ready happen first. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
