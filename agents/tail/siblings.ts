// Files beside a followed one: where rotators put what they rename or copy, whether the patterns match it or not.
import { basename, dirname, join } from 'node:path';
import type { Files } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';

/** How many names beside a file are looked at. */
const siblingsLimit = 1_000;

/** The files in the folder of `path`, names that begin alike first. What cannot be looked at is left out. */
export async function* siblingsOf(files: Files, path: string): AsyncGenerator<FoundFile> {
  const folder = dirname(path);
  const names = await files.list(folder).catch(() => []);
  const stem = /^.[^.\-_]*/.exec(basename(path))?.[0] ?? '';
  const likely = names.filter((name) => name.startsWith(stem));
  const others = names.filter((name) => !name.startsWith(stem));
  for (const name of [...likely, ...others].slice(0, siblingsLimit)) {
    const sibling = join(folder, name);
    const stat = await files.stat(sibling).catch(() => undefined);
    if (stat?.kind === 'file') yield { path: sibling, stat };
  }
}
