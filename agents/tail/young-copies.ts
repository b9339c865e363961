// Copies that an agent sees in the very look that finds their logs, before these are truncated: log and copy are new, and whole, both. A copy waits for
// the next look then, which compares the two byte by byte.
import { basename } from 'node:path';
import { copyWaitMs } from './copies.ts';
import type { FoundFile } from './discovery.ts';
import { familyName, hasRotatedName } from './families.ts';

/** So few bytes that they stand in the smallest of copies, and so many that logs seldom share them. */
const beginningBytes = 16;

/** Whether any of these, all new, may be a copy of another of them: then they cannot all be followed unseen. */
export function mayBeCopies(newcomers: readonly FoundFile[], nowMs: number): boolean {
  const names = new Set(newcomers.map(({ path }) => basename(path)));
  return newcomers.some((found) => isYoung(found, nowMs) && names.has(familyName(basename(found.path))));
}

/** The new files of one look. */
export class YoungCopies {
  private readonly lastNames: ReadonlySet<string>;
  private readonly nowMs: number;
  /** Names of logs, each with the bytes that it begins with. */
  private readonly beginnings = new Set<string>();

  /** `last` are decided about when everything else is. */
  constructor(last: readonly FoundFile[], nowMs: number) {
    this.lastNames = new Set(last.map(({ path }) => basename(path)));
    this.nowMs = nowMs;
  }

  /** Notes a file that is new; `head` is what it begins with. */
  add({ path }: FoundFile, head: Buffer): void {
    if (!hasRotatedName(path)) this.beginnings.add(beginning(path, head));
  }

  /** Whether it may have been copied this moment, to whatever folder, from a log that is new, too. */
  has(found: FoundFile, head: Buffer): boolean {
    if (!isYoung(found, this.nowMs)) return false;
    return this.lastNames.has(familyName(basename(found.path))) || this.beginnings.has(beginning(found.path, head));
  }
}

/** So young that the log it was copied from may not be truncated yet. */
function isYoung({ path, stat }: FoundFile, nowMs: number): boolean {
  return hasRotatedName(path) && Math.abs(nowMs - stat.modifiedMs) < copyWaitMs;
}

function beginning(path: string, head: Buffer): string {
  return `${familyName(basename(path))}/${head.toString('latin1', 0, beginningBytes)}`;
}
