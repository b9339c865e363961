// Decides about files that a sweep has not seen before: which are new, which go on for one that ended, which wait. Beside those that the patterns match
// it looks at what stands around a log that was just rotated: the copy with bytes that were never read, and whole generations that came and went
// while nobody looked.
import type { Files, FileStat, OpenFile } from '../../base/files.ts';
import { inParallel } from '../../base/parallel.ts';
import { type Copy, CopyJudge } from './copies.ts';
import type { FoundFile } from './discovery.ts';
import { familyOf, hasRotatedName, isPackedName } from './families.ts';
import { type Departure, departureFrom } from './holders.ts';
import { headLimitBytes, type Imprint, readRange } from './identity.ts';
import { Originals, type Scene } from './originals.ts';
import { type Breathe, type Packing, packingOf, UnpackedFile } from './packing.ts';
import { SearchAgain } from './search-again.ts';
import type { Siblings } from './siblings.ts';
import type { TailedFile } from './tailed-file.ts';
import { fileAt } from './whereabouts.ts';
import { YoungCopies } from './young-copies.ts';

/** Change times come from a clock that runs a little behind. */
const clockSlackMs = 100;

/** Newcomers that are opened beside each other. */
const openedAtOnce = 32;
/** Handles that a sweep leaves open for those who will read: so few that they cost nothing. */
const keptHandles = 256;

/** A file to be followed from now on. */
export interface Fresh {
  found: FoundFile;
  handle?: OpenFile;
  packing?: Packing | undefined;
  /** Of a generation that no pattern matches: the log that it belongs to. */
  firstPath?: string;
  start?: { position: number; imprint: Imprint };
}

/** A newcomer, open. */
export interface Opened {
  handle: OpenFile;
  packing: Packing | undefined;
  /** Its first bytes as they stand on the disk. */
  head: Buffer;
}

export interface Decision {
  copies: Map<TailedFile, Copy>;
  fresh: Fresh[];
  /** Around these logs, by path, something moved while it was looked for: the next sweep is to look again. */
  departures: Map<string, Departure>;
}

export interface Sight extends Scene {
  siblings: Siblings;
  departures: readonly Departure[];
  /** Everything that the patterns match. */
  byIdentity: ReadonlyMap<string, FoundFile>;
  nowMs: number;
}

/** A copy that is not wanted as long as it is as `stat` says and its original is there. */
interface Held {
  stat: FileStat;
  original: TailedFile | undefined;
  /** Change time of the original while nothing of it was read: it may be cut then without anybody noticing that it is not what it was. */
  unreadMs?: number;
}

/** One sweep's decisions, in the making. */
interface Course {
  originals: Originals;
  sight: Sight;
  decision: Decision;
  /** Identities of those that are not decided yet, and of those that went to another name before they could be opened. */
  waiting: Set<string>;
  moved: Set<string>;
  young: YoungCopies;
  /** Some file could not be read, so not be compared either. */
  isTroubled: boolean;
}

export interface NewcomerOptions {
  files: Files;
  /** The handle of a followed file. */
  openFollowed: (file: TailedFile) => Promise<OpenFile>;
  cannotRead: (path: string, error: unknown) => void;
  /** The file is packed in a form that is not read. */
  passedOver: (path: string) => void;
  isExcluded: (found: FoundFile) => boolean;
  breathe: Breathe;
}

/** Whether this very file is followed: one that is no more may have left its inode to another. */
function isFollowed({ stat }: FoundFile, { live, replaced, vanished }: Sight): boolean {
  const file = live.get(stat.identity);
  return file !== undefined && !replaced.has(file) && !vanished.has(file) && !file.isMissing && !file.isOther(stat);
}

export class Newcomers {
  private readonly options: NewcomerOptions;
  private readonly judge: CopyJudge;
  /** Copies whose original is still there, and what cannot be unpacked: not looked into again while nothing changes. */
  private readonly held = new Map<string, Held>();
  private isPostponed = false;
  /** Generations that are not decided yet and that no pattern matches, or soon may match, by identity. */
  private strays = new Map<string, { path: string; departure: Departure }>();
  private readonly search = new SearchAgain();

  constructor(options: NewcomerOptions) {
    this.options = options;
    this.judge = new CopyJudge(options.openFollowed, options.cannotRead);
  }

  /** Something is not decided and will be soon. */
  get isWaiting(): boolean {
    return this.judge.isWaiting || this.isPostponed || this.search.isWanted;
  }

  /** Whether it is not known yet where `file`, which was replaced or has vanished, goes on. */
  isUnsure(file: TailedFile): boolean {
    return this.search.has(file);
  }

  /** Around these logs something is not decided yet. */
  get undecided(): Departure[] {
    return [...this.strays.values()].map(({ departure }) => departure);
  }

  async decide(newcomers: readonly FoundFile[], sight: Sight): Promise<Decision> {
    const decision: Decision = { copies: new Map(), fresh: [], departures: new Map() };
    const waiting = new Set<string>();
    this.isPostponed = false;
    this.search.begin(sight.nowMs);
    const originals = new Originals(sight);
    for (const identity of this.held.keys()) if (!sight.byIdentity.has(identity)) this.held.delete(identity);
    const vanishedPaths = new Set([...sight.vanished].map(({ path }) => path));
    const wanted = newcomers.filter(({ stat }) => stat.sizeBytes > 0);
    // Logs first: what was copied from them this moment is compared with them. Archives are taken for what they are where little was read of their logs: names and
    // places tell then, which only the search knows. A file under the very name of one that vanished is most likely its successor: others may go on for that one first.
    const turnOf = ({ path }: FoundFile) =>
      vanishedPaths.has(path) ? 'last' : isPackedName(path) ? 'packed' : 'first';
    const { first = [], packed = [], last = [] } = Object.groupBy(wanted, turnOf);
    const young = new YoungCopies(last, sight.nowMs);
    const course: Course = { originals, sight, decision, waiting, moved: new Set(), young, isTroubled: false };
    first.sort((left, right) => Number(hasRotatedName(left.path)) - Number(hasRotatedName(right.path)));
    await this.decideAll(first, course);
    await this.searchAround(course);
    const goingOn = identitiesIn(decision.copies.values());
    const rest = [...packed, ...last].filter(({ stat }) => !goingOn.has(stat.identity));
    await this.decideAll(rest, course);
    await this.addStrays(sight, decision);
    await this.decideStrays(course);
    this.keepUndecided(wanted, course);
    this.judge.keepOnly(waiting);
    if (course.isTroubled) this.lookForAgain(sight, decision);
    return decision;
  }

  /** A file that could not be compared may be the one in which any of these goes on. */
  private lookForAgain({ replaced, vanished }: Sight, { copies }: Decision): void {
    for (const original of [...replaced, ...vanished]) if (!copies.has(original)) this.search.again(original);
  }

  /** One after the other, though they are opened beside each other. */
  private async decideAll(newcomers: readonly FoundFile[], course: Course, firstPaths?: ReadonlyMap<string, string>) {
    const wanted = newcomers.filter((found) => !this.isHeld(found, course.sight));
    for (let from = 0; from < wanted.length; from += openedAtOnce) {
      const some = wanted.slice(from, from + openedAtOnce);
      const opened = await Promise.all(some.map((found) => this.open(found)));
      for (const [index, found] of some.entries()) {
        const each = opened[index];
        if (each === undefined) {
          if (await this.hasMoved(found)) course.moved.add(found.stat.identity);
          continue;
        }
        const decided = this.decideOne(found, each, course, firstPaths?.get(found.path));
        // One that cannot be read does not hold up the others.
        const isKept = await decided.catch((error: unknown) => {
          if (!(error instanceof Error && 'code' in error)) throw error;
          this.options.cannotRead(found.path, error);
          course.isTroubled = true;
        });
        if (isKept !== true) await each.handle.close();
      }
    }
  }

  /** Returns whether the handle is left open for those who will read. */
  private async decideOne(
    found: FoundFile,
    { handle, packing, head }: Opened,
    course: Course,
    firstPath: string | undefined,
  ): Promise<boolean> {
    const { originals, sight, waiting, young } = course;
    const { copies, fresh } = course.decision;
    const isTaken = (original: TailedFile) => copies.has(original);
    const options = { isTaken, isStray: firstPath !== undefined, nowMs: sight.nowMs };
    const verdict = await this.judge.judge(found, handle, head, originals, options);
    if (verdict.kind === 'new' && (await young.mayHave(found, handle, head))) {
      // What is new itself cannot be compared with yet.
      this.isPostponed = true;
      waiting.add(found.stat.identity);
      return false;
    }
    // Unpacking holds more memory than a handle: it begins anew when its turn to be read comes.
    const isKept = packing === undefined && copies.size + fresh.length < keptHandles;
    const kept = isKept ? { handle, packing } : { packing };
    if (verdict.kind === 'copy') takeOver(copies, { ...verdict, found, ...kept });
    else if (verdict.kind === 'new') {
      fresh.push({ found, ...kept, ...(firstPath === undefined ? {} : { firstPath }) });
      if (packing === undefined) young.add(found, head);
    } else {
      if (verdict.kind === 'wait') waiting.add(found.stat.identity);
      else this.hold(found, verdict.original);
      return false;
    }
    return isKept;
  }

  private hold({ stat }: FoundFile, original: TailedFile | undefined): void {
    const isUnread = original?.position === 0;
    this.held.set(stat.identity, { stat, original, ...(isUnread ? { unreadMs: original.modifiedMs } : {}) });
  }

  private isHeld({ stat }: FoundFile, sight: Sight): boolean {
    const held = this.held.get(stat.identity);
    if (held === undefined) return false;
    const { original, unreadMs } = held;
    const isSame = unreadMs === undefined || original?.modifiedMs === unreadMs;
    const isThere = original === undefined || sight.live.get(original.identity) === original;
    const isGone = original !== undefined && (sight.replaced.has(original) || sight.vanished.has(original));
    if (
      isSame &&
      isThere &&
      !isGone &&
      held.stat.sizeBytes === stat.sizeBytes &&
      held.stat.modifiedMs === stat.modifiedMs
    )
      return true;
    this.held.delete(stat.identity);
    return false;
  }

  private async hasMoved({ path, stat }: FoundFile): Promise<boolean> {
    return (await fileAt(this.options.files, path, stat.identity)) === undefined;
  }

  /** The file, unpacked where it is packed; undefined when it is not to be had, or holds nothing to be read. */
  async open(found: FoundFile): Promise<Opened | undefined> {
    let raw: OpenFile | undefined;
    try {
      raw = await this.options.files.open(found.path, 'read');
      const [stat, head] = await Promise.all([raw.stat(), readRange(raw, 0, headLimitBytes)]);
      const packing = packingOf(head);
      // The name may lead to another file by now; then the next sweep knows.
      if (stat.identity === found.stat.identity && packing !== 'foreign') {
        // What was opened counts: it may have got the inode since the look.
        const { sizeBytes, modifiedMs } = found.stat;
        found.before ??= { sizeBytes, modifiedMs };
        found.stat = stat;
        const handle = packing === undefined ? raw : new UnpackedFile(raw, packing, this.options.breathe);
        return { handle, packing, head };
      }
      if (packing === 'foreign') {
        this.hold(found, undefined);
        this.options.passedOver(found.path);
      }
    } catch (error) {
      this.options.cannotRead(found.path, error);
    }
    await raw?.close();
    return undefined;
  }

  /** For files that were replaced or have vanished: what goes on for them stands beside them, under whatever name. */
  private async searchAround(course: Course): Promise<void> {
    const { sight, decision } = course;
    const { replaced, vanished } = sight;
    const taken = identitiesIn([...decision.copies.values(), ...decision.fresh]);
    const searched = [...new Set([...replaced, ...vanished])].filter(
      (original) =>
        !decision.copies.has(original) &&
        original.position > 0 &&
        // What nobody can see any more is still read through its handle.
        (original.replaced || original.handle === undefined),
    );
    // Those of one log one after the other.
    const logs = Map.groupBy(searched, ({ origin }) => familyOf(origin.firstPath));
    await inParallel([...logs.values()], openedAtOnce, async (originals) => {
      for (const original of originals) await this.searchFor(original, course, taken);
    });
  }

  private async searchFor(original: TailedFile, course: Course, taken: Set<string>): Promise<void> {
    const { sight, originals, decision } = course;
    let isSure = await sight.siblings.isSteady(original.path);
    for (const found of await this.around(original, sight)) {
      const { identity, sizeBytes } = found.stat;
      if (sizeBytes === 0 || isFollowed(found, sight) || taken.has(identity)) continue;
      if (sight.byIdentity.has(identity) && found.path === original.path) continue;
      const opened = await this.open(found);
      if (opened === undefined) {
        if (await this.hasMoved(found)) isSure = false;
        continue;
      }
      const { handle, packing } = opened;
      const copy = await this.judge.claim(found, handle, original, originals).catch(() => (isSure = false));
      const isCopy = typeof copy === 'object' && !taken.has(identity);
      const isKept = isCopy && packing === undefined && decision.copies.size < keptHandles;
      if (isCopy) {
        taken.add(identity);
        takeOver(decision.copies, { ...copy, found, ...(isKept ? { handle, packing } : { packing }) });
      }
      if (!isKept) await handle.close();
      if (isCopy) return;
    }
    if (!isSure) this.search.again(original);
  }

  private async around(original: TailedFile, { siblings }: Sight): Promise<FoundFile[]> {
    const { path, realPath, origin } = original;
    const found = await siblings.alike(realPath ?? path);
    // Its path may be that of the file which has its inode now.
    if (familyOf(origin.firstPath) === familyOf(path)) return found;
    return [...(await siblings.alike(origin.firstPath)), ...found];
  }

  /** A log that was rotated since it was last seen may have been rotated more than once: what was written to it meanwhile belongs to it too. */
  private async addStrays(sight: Sight, decision: Decision): Promise<void> {
    const taken = identitiesIn([...decision.copies.values(), ...decision.fresh]);
    await inParallel(sight.departures, openedAtOnce, async (departure) => {
      const { path, sinceMs, knownMs } = departure;
      for (const log of await this.placesOf(path)) {
        for (const found of await sight.siblings.generations(log, sinceMs - clockSlackMs, knownMs - clockSlackMs)) {
          const { identity, sizeBytes } = found.stat;
          if (sizeBytes === 0) continue;
          if (isFollowed(found, sight) || taken.has(identity) || sight.byIdentity.has(identity)) continue;
          if (this.options.isExcluded(found)) continue;
          this.strays.set(identity, { path: found.path, departure });
        }
        if (!(await sight.siblings.isSteady(log))) this.lookAgain(departure, decision);
      }
    });
  }

  /** The path of a log, and where that leads to over symbolic links: rotators put things aside there. */
  private async placesOf(path: string): Promise<Set<string>> {
    return new Set([path, await this.options.files.realPath(path).catch(() => path)]);
  }

  /** What is not decided yet may have gone to a name that no pattern matches until the next sweep. */
  private keepUndecided(newcomers: readonly FoundFile[], { sight, decision }: Course): void {
    const decided = identitiesIn([...decision.copies.values(), ...decision.fresh]);
    for (const { path, stat } of newcomers) {
      const { identity, modifiedMs } = stat;
      if (decided.has(identity) || this.held.has(identity) || isFollowed({ path, stat }, sight)) continue;
      this.strays.set(identity, { path, departure: departureFrom(path, modifiedMs) });
    }
  }

  private lookAgain(departure: Departure, { departures }: Decision): void {
    const { path, sinceMs } = departure;
    if (this.search.again(path) && sinceMs <= (departures.get(path)?.sinceMs ?? Infinity))
      departures.set(path, departure);
  }

  private async decideStrays(course: Course): Promise<void> {
    const { files } = this.options;
    const { sight, decision, waiting, moved } = course;
    const taken = identitiesIn(decision.copies.values());
    const found: FoundFile[] = [];
    const firstPaths = new Map<string, string>();
    await inParallel([...this.strays], openedAtOnce, async ([identity, { path, departure }]) => {
      const seen = sight.byIdentity.get(identity);
      // Rotators move it on with each rotation.
      const search = async () => (await fileAt(files, path, identity)) ?? (await sight.siblings.find(path, identity));
      const there = seen?.path === path ? seen : await search();
      const isElsewhere = taken.has(identity) || seen !== undefined;
      if (there !== undefined && !isElsewhere && !isFollowed(there, sight)) {
        found.push(there);
        firstPaths.set(there.path, departure.path);
        this.strays.set(identity, { path: there.path, departure });
        return;
      }
      this.strays.delete(identity);
      if (there === undefined) this.lookAgain(departure, decision);
    });
    found.sort((left, right) => left.stat.modifiedMs - right.stat.modifiedMs);
    await this.decideAll(found, course, firstPaths);
    for (const { stat } of found) {
      const { identity } = stat;
      if (waiting.has(identity)) continue;
      if (moved.has(identity)) this.lookAgain(this.strays.get(identity)!.departure, decision);
      this.strays.delete(identity);
    }
  }
}

/** Nothing more is read of the original: others may be read while the rest is decided, and its copy goes on exactly where it was. */
function takeOver(copies: Decision['copies'], copy: Copy): void {
  copy.original.hungry = false;
  copies.set(copy.original, copy);
}

function identitiesIn(items: Iterable<{ found: FoundFile }>): Set<string> {
  return new Set([...items].map(({ found }) => found.stat.identity));
}
