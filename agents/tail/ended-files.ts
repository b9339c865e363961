// Files that are followed no more and may come back: compressed after they had gone, or on a folder that was mounted again. They are found by their
// family, and wherever they are by the hash of their head.
import type { OpenFile } from '../../base/files.ts';
import { type CopyEnd, cutEnd, sharesHead } from './cut-copies.ts';
import type { FoundFile } from './discovery.ts';
import { familyOf, isAkinNearby } from './families.ts';
import { hashOf, headLimitBytes, readRange, verify } from './identity.ts';
import type { UnpackedFile } from './packing.ts';
import { rememberMs } from './positions.ts';
import type { KnownFile, Remains, TailedFile } from './tailed-file.ts';

/** With less in common two files may be alike by chance. */
const leastBytes = 256;
/** Files with one head, or of one family, that are compared at most. */
const comparedLimit = 16;
/** So many of the last ones have their beginnings kept. */
const headsLimit = 1_000;

interface EndedFile extends Remains {
  endedMs: number;
}

/** One that has come back, and where it goes on. */
export interface ComeBack extends CopyEnd {
  known: KnownFile;
}

/** The key of a head: files of which nothing was added after they were read have the same. */
export function headKey(head: Buffer): string {
  return keyOf(head.length, hashOf(head));
}

export function keyOf(headBytes: number, headHash: string): string {
  return `${headBytes}:${headHash}`;
}

export class EndedFiles {
  private readonly byHead = new Map<string, EndedFile[]>();
  private readonly byFamily = new Map<string, EndedFile[]>();
  /** In the order in which they ended, by file id. */
  private readonly inOrder = new Map<string, EndedFile>();
  private readonly withHeads: EndedFile[] = [];

  /** Forgets what ended as long before as positions are remembered. */
  add(ended: EndedFile): void {
    const { known, endedMs, head } = ended;
    if (known.position === 0) return;
    for (const oldest of this.inOrder.values()) {
      if (endedMs - oldest.endedMs < rememberMs) break;
      this.delete(oldest.known);
    }
    this.inOrder.set(known.file, ended);
    if (head !== undefined && this.withHeads.push(ended) > headsLimit) this.withHeads.shift()!.head = undefined;
    addTo(this.byHead, keyOf(known.headBytes, known.headHash), ended);
    for (const family of familiesOf(known)) addTo(this.byFamily, family, ended);
  }

  delete(known: KnownFile): void {
    this.inOrder.delete(known.file);
    removeFrom(this.byHead, keyOf(known.headBytes, known.headHash), known);
    for (const family of familiesOf(known)) removeFrom(this.byFamily, family, known);
  }

  /** The one that got furthest in the bytes of `file`, among those that `isWanted` lets pass. */
  async find(
    file: OpenFile,
    { path, stat }: FoundFile,
    isWanted: (known: KnownFile) => boolean,
  ): Promise<ComeBack | undefined> {
    if (this.byHead.size === 0) return undefined;
    const head = await readRange(file, 0, headLimitBytes);
    const isAlike = ({ known, endedMs }: EndedFile) => {
      if (!isWanted(known) || head.length < Math.min(known.position, headLimitBytes)) return false;
      if (known.position >= leastBytes) return true;
      // So little is taken for the same only as a whole, where it is to be expected: packing keeps the time of the last change.
      const isExpected = isAkinNearby(path, [known.firstPath, known.path]);
      return isExpected && known.position === head.length && stat.modifiedMs <= endedMs;
    };
    let best: ComeBack | undefined;
    for (const { known } of this.some(path, head, isAlike)) {
      const imprint = await verify(file, known.position, known);
      if (imprint !== undefined) best = { known, position: known.position, imprint };
    }
    return best;
  }

  /** The one of which more was read than `archive` holds, and all of that; `live` may begin alike. Throws when it cannot be unpacked. */
  async findCut(archive: UnpackedFile, found: FoundFile, live: Iterable<TailedFile>): Promise<ComeBack | undefined> {
    if (this.byHead.size === 0) return undefined;
    const head = await readRange(archive, 0, headLimitBytes);
    for (const ended of this.some(found.path, head, ({ known }) => known.packing === undefined)) {
      const { known } = ended;
      const alike = this.byHead.get(keyOf(known.headBytes, known.headHash)) ?? [];
      const end = await cutEnd(archive, found, ended, () => alike.length > 1 || sharesHead(known, live));
      if (end !== undefined) return { known, ...end };
    }
    return undefined;
  }

  /** The last ones of its family, and with its head, that `isAlike` lets pass; the one that got furthest last. */
  private some(path: string, head: Buffer, isAlike: (file: EndedFile) => boolean): EndedFile[] {
    const some = new Set([
      ...(this.byFamily.get(familyOf(path))?.filter(isAlike).slice(-comparedLimit) ?? []),
      ...(this.byHead.get(headKey(head))?.filter(isAlike).slice(-comparedLimit) ?? []),
    ]);
    return [...some].sort((left, right) => left.known.position - right.known.position);
  }
}

function familiesOf({ firstPath, path }: KnownFile): Set<string> {
  return new Set([familyOf(firstPath), familyOf(path)]);
}

function addTo(index: Map<string, EndedFile[]>, key: string, ended: EndedFile): void {
  const files = index.get(key);
  if (files === undefined) index.set(key, [ended]);
  else files.push(ended);
}

function removeFrom(index: Map<string, EndedFile[]>, key: string, { file }: KnownFile): void {
  const rest = index.get(key)?.filter(({ known }) => known.file !== file) ?? [];
  if (rest.length === 0) index.delete(key);
  else index.set(key, rest);
}
