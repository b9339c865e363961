// The files that a newcomer may be a copy of, found by name and by beginning instead of one by one: thousands of logs may be rotated at once.
import { type EndedFiles, headKey, keyOf } from './ended-files.ts';
import { familyOf } from './families.ts';
import type { TailedFile } from './tailed-file.ts';

/** Heads are looked up by so many bytes; shorter ones by all they have. */
const keyBytes = 64;
/** With one beginning in common, so many beside those of the same family are compared. */
const othersLimit = 8;

export interface Scene {
  live: ReadonlyMap<string, TailedFile>;
  /** Known to hold other content now, before the newcomers were listed. */
  replaced: ReadonlySet<TailedFile>;
  /** No path leads to them any more, since this sweep. */
  vanished: ReadonlySet<TailedFile>;
  /** True in the first sweep: what happened while nobody looked is not known. */
  recovering: boolean;
  ended: EndedFiles;
}

export class Originals {
  readonly scene: Scene;
  private readonly byFamily = new Map<string, TailedFile[]>();
  private readonly byHead = new Map<string, TailedFile[]>();
  private readonly unverified = new Map<string, TailedFile[]>();

  constructor(scene: Scene) {
    this.scene = scene;
    const files = new Set([...scene.replaced, ...scene.vanished, ...scene.live.values()]);
    for (const file of files) {
      const families = new Set([familyOf(file.path), familyOf(file.origin.firstPath)]);
      for (const family of families) add(this.byFamily, family, file);
      if (file.position === 0) continue;
      if (file.unverified === undefined) add(this.byHead, file.imprint.head.toString('latin1', 0, keyBytes), file);
      else add(this.unverified, keyOf(file.unverified.headBytes, file.unverified.headHash), file);
    }
  }

  /** Nothing will come any more of this one, as far as its names tell: what continues it is elsewhere. */
  hasEnded(file: TailedFile): boolean {
    return this.scene.replaced.has(file) || this.scene.vanished.has(file);
  }

  /** Those that a file with this path and head should be compared with, each once. */
  candidates(path: string, head: Buffer): Set<TailedFile> {
    const found = new Set(this.byFamily.get(familyOf(path)));
    const others = this.byHead.get(head.toString('latin1', 0, keyBytes)) ?? [];
    for (const file of others.slice(0, othersLimit)) found.add(file);
    if (this.unverified.size > 0)
      for (const file of (this.unverified.get(headKey(head)) ?? []).slice(0, othersLimit)) found.add(file);
    return found;
  }
}

function add(index: Map<string, TailedFile[]>, key: string, file: TailedFile): void {
  const files = index.get(key);
  if (files === undefined) index.set(key, [file]);
  else files.push(file);
}
