// Files that are followed no more and may come back: compressed after they had gone, or on a folder that was mounted again. They are found by the hash
// of their head, whatever its length was when they ended.
import type { OpenFile } from '../../base/files.ts';
import { familyOf } from './families.ts';
import { hashOf, headLimitBytes, type Imprint, readRange, verify } from './identity.ts';
import type { KnownFile } from './tailed-file.ts';

/** With less in common two files may be alike by chance. */
const leastBytes = 256;
/** Files with one head that are compared at most. */
const comparedLimit = 16;

export function keyOf(headBytes: number, headHash: string): string {
  return `${headBytes}:${headHash}`;
}

/** The keys of a file's head under which files with such lengths of heads are found. */
export function headKeys(head: Buffer, lengths: Iterable<number>): string[] {
  const keys: string[] = [];
  for (const length of lengths) if (length <= head.length) keys.push(keyOf(length, hashOf(head.subarray(0, length))));
  return keys;
}

export class EndedFiles {
  private readonly byHead = new Map<string, KnownFile[]>();
  private readonly lengths = new Set<number>();

  add(file: KnownFile): void {
    if (file.position < leastBytes) return;
    const key = keyOf(file.headBytes, file.headHash);
    const files = this.byHead.get(key);
    if (files === undefined) this.byHead.set(key, [file]);
    else files.push(file);
    this.lengths.add(file.headBytes);
  }

  delete({ file, headBytes, headHash }: KnownFile): void {
    const key = keyOf(headBytes, headHash);
    const rest = this.byHead.get(key)?.filter((each) => each.file !== file) ?? [];
    if (rest.length === 0) this.byHead.delete(key);
    else this.byHead.set(key, rest);
  }

  /** The one that got furthest in the bytes of `file`, among those that `isWanted` lets pass. */
  async find(
    file: OpenFile,
    path: string,
    isWanted: (known: KnownFile) => boolean,
  ): Promise<{ known: KnownFile; imprint: Imprint } | undefined> {
    if (this.byHead.size === 0) return undefined;
    const head = await readRange(file, 0, headLimitBytes);
    const family = familyOf(path);
    const found = headKeys(head, this.lengths).flatMap((key) => this.byHead.get(key)?.filter(isWanted) ?? []);
    const related = found.filter((known) => familyOf(known.firstPath) === family || familyOf(known.path) === family);
    const some = [...new Set([...related.slice(-comparedLimit), ...found.slice(-comparedLimit)])];
    some.sort((left, right) => left.position - right.position);
    let best: { known: KnownFile; imprint: Imprint } | undefined;
    for (const known of some) {
      const imprint = await verify(file, known.position, known);
      if (imprint !== undefined) best = { known, imprint };
    }
    return best;
  }
}
