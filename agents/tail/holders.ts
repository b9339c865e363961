// Who holds each log's name. When the holder of a name has changed since the last look there may have been others between the two, which came and
// went unseen: then what a rotator put aside since belongs to the log (newcomers.ts looks for it). So may lines of the same holder, when it was empty
// and is not any more: nothing tells whether it only grew.
import { basename } from 'node:path';
import { isLogName } from './families.ts';

/** A name that has another holder than before, or none, or one that was empty before. */
export interface Departure {
  path: string;
  /** It was as before until then at least. */
  sinceMs: number;
  /** What an earlier run knew of it until then is told by records; later than `sinceMs`, which is when that run began to follow the log. */
  knownMs: number;
}

/** That of a log which was looked at then. */
export function departureFrom(path: string, ms: number): Departure {
  return { path, sinceMs: ms, knownMs: ms };
}

interface Holder {
  /** Undefined when nobody had the name at the last look. */
  identity: string | undefined;
  isEmpty: boolean;
  seenMs: number;
  knownMs: number;
}

export class Holders {
  private readonly byPath = new Map<string, Holder>();
  private readonly followedSince = new Map<string, number>();
  /** Names that a rotator has given: nobody writes under them first. */
  private readonly passedOver = new Set<string>();
  /** All names are accounted for until then, except these: something around them is not decided yet. */
  private lookMs: number | undefined;
  private readonly unaccounted = new Map<string, number>();

  /** An earlier run has followed the log of this name since then, and knew it then. What it knew of is told by its records, the rest by looking around. */
  recover(path: string, sinceMs: number, knownMs: number): void {
    if (!this.isLog(path)) return;
    const earlierMs = Math.min(sinceMs, this.followedSince.get(path) ?? Infinity);
    this.followedSince.set(path, earlierMs);
    const lastMs = Math.max(knownMs, this.byPath.get(path)?.knownMs ?? 0);
    this.unaccounted.set(path, lastMs);
    // Whoever has the name now: the look that comes shall count as a change.
    this.byPath.set(path, { identity: '', isEmpty: false, seenMs: earlierMs, knownMs: lastMs });
  }

  /** In an earlier run a file of this name ended then: whoever takes the name now may not be the first. */
  recoverEnded(path: string, endedMs: number): void {
    const holder = this.byPath.get(path);
    if (!this.isLog(path) || holder?.identity !== undefined || (holder?.seenMs ?? 0) >= endedMs) return;
    this.byPath.set(path, { identity: undefined, isEmpty: false, seenMs: endedMs, knownMs: endedMs });
    this.unaccounted.set(path, endedMs);
  }

  /** A look at `nowMs` was decided about, but for what is around these. */
  account(nowMs: number, undecided: readonly Departure[]): void {
    const known = new Map(undecided.map(({ path, knownMs }) => [path, knownMs]));
    for (const path of this.unaccounted.keys()) if (!known.has(path)) this.unaccounted.delete(path);
    for (const [path, knownMs] of known) if (!this.unaccounted.has(path)) this.unaccounted.set(path, knownMs);
    this.lookMs = nowMs;
  }

  /** Until when everything that was made of the log of this name is followed, or was; undefined before the first look. */
  accountedMs(path: string): number | undefined {
    const accountedMs = this.unaccounted.get(path) ?? this.lookMs;
    return accountedMs === undefined ? undefined : Math.floor(accountedMs);
  }

  /** Since when the log of this name is followed: from now on, when it was not. */
  since(path: string, nowMs: number): number {
    const sinceMs = this.followedSince.get(path) ?? nowMs;
    if (this.isLog(path)) this.followedSince.set(path, sinceMs);
    return sinceMs;
  }

  private isLog(path: string): boolean {
    if (this.passedOver.has(path)) return false;
    if (this.byPath.has(path) || isLogName(basename(path))) return true;
    this.passedOver.add(path);
    return false;
  }

  /** Takes what a sweep has found, and tells which names changed hands. */
  look(found: Iterable<{ path: string; stat: { identity: string; sizeBytes: number } }>, nowMs: number): Departure[] {
    const departures: Departure[] = [];
    const seen = new Set<string>();
    for (const { path, stat } of found) {
      if (!this.isLog(path)) continue;
      seen.add(path);
      const holder = this.byPath.get(path);
      const isEmpty = stat.sizeBytes === 0;
      if (holder !== undefined && (holder.identity !== stat.identity || (holder.isEmpty && !isEmpty)))
        departures.push({ path, sinceMs: holder.seenMs, knownMs: holder.knownMs });
      this.byPath.set(path, { identity: stat.identity, isEmpty, seenMs: nowMs, knownMs: nowMs });
    }
    for (const [path, holder] of this.byPath) {
      if (seen.has(path) || holder.identity === undefined) continue;
      departures.push({ path, sinceMs: holder.seenMs, knownMs: holder.knownMs });
      // Until somebody takes the name everything since this moment may belong to it.
      holder.identity = undefined;
    }
    return departures;
  }
}
