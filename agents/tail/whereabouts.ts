// Where a followed file is that was not found under a name that matches: under its name of old, or wherever rotators put things.
import type { Files } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';
import type { Siblings } from './siblings.ts';
import type { TailedFile } from './tailed-file.ts';

/** The file with this identity under `path`; undefined when another one is there, or none. */
export async function fileAt(
  files: Pick<Files, 'stat'>,
  path: string,
  identity: string,
): Promise<FoundFile | undefined> {
  const stat = await files.stat(path).catch(() => undefined);
  return stat?.identity === identity ? { path, stat } : undefined;
}

/** Undefined when it is nowhere; one that was missing before is looked for under its name only. */
export async function whereabouts(file: TailedFile, files: Files, siblings: Siblings): Promise<FoundFile | undefined> {
  const { path, realPath, identity } = file;
  const isIt = (found: FoundFile | undefined) => found !== undefined && !file.isOther(found.stat);
  let found = await fileAt(files, path, identity);
  if (isIt(found) || file.isMissing) return isIt(found) ? found : undefined;
  if (realPath === undefined) found = undefined;
  else found = (await fileAt(files, realPath, identity)) ?? (await siblings.find(realPath, identity));
  found ??= await siblings.find(path, identity);
  return isIt(found) ? found : undefined;
}
