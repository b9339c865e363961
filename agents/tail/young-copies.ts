// Copies that an agent sees in the very look that finds their logs, before these are truncated: log and copy are new, and whole, both. A copy waits for
// the next look then, which compares the two byte by byte.
import { basename } from 'node:path';
import type { OpenFile } from '../../base/files.ts';
import { copyWaitMs } from './copies.ts';
import type { FoundFile } from './discovery.ts';
import { familyName, hasRotatedName } from './families.ts';
import { readRange } from './identity.ts';
import { UnpackedFile } from './packing.ts';

/** So few bytes that they stand in the smallest of copies, and so many that logs seldom share them. */
const beginningBytes = 16;

/** Whether any of these, all new, may be a copy of another of them: then they cannot all be followed unseen. */
export function mayBeCopies(newcomers: readonly FoundFile[], nowMs: number): boolean {
  const names = new Set(newcomers.map(({ path }) => basename(path)));
  return newcomers.some((found) => isYoung(found, nowMs) && names.has(familyName(basename(found.path))));
}

/** The new logs of one look. */
export class YoungCopies {
  private readonly lastNames: ReadonlySet<string>;
  private readonly nowMs: number;
  /** What logs begin with, alone and with the name of the log. */
  private readonly beginnings = new Set<string>();

  /** `last` are decided about when everything else is. */
  constructor(last: readonly FoundFile[], nowMs: number) {
    this.lastNames = new Set(last.map(({ path }) => basename(path)));
    this.nowMs = nowMs;
  }

  /** Notes a file that is new, and is not packed; `head` is what it begins with. */
  add({ path }: FoundFile, head: Buffer): void {
    const beginning = beginningOf(head);
    this.beginnings.add(beginning);
    if (!hasRotatedName(path)) this.beginnings.add(`${basename(path)}/${beginning}`);
  }

  /** Whether `found` may have been copied, to whatever folder, from a log that is new, too: this moment, or packed. */
  async mayHave(found: FoundFile, handle: OpenFile, head: Buffer): Promise<boolean> {
    if (handle instanceof UnpackedFile) {
      return this.beginnings.has(beginningOf(await readRange(handle, 0, beginningBytes)));
    }
    if (!isYoung(found, this.nowMs)) return false;
    const log = familyName(basename(found.path));
    return this.lastNames.has(log) || this.beginnings.has(`${log}/${beginningOf(head)}`);
  }
}

/** So young that the log it was copied from may not be truncated yet. */
function isYoung({ path, stat }: FoundFile, nowMs: number): boolean {
  return hasRotatedName(path) && Math.abs(nowMs - stat.modifiedMs) < copyWaitMs;
}

function beginningOf(head: Buffer): string {
  return head.toString('latin1', 0, beginningBytes);
}
