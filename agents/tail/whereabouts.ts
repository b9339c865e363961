// Where a followed file is that was not found under a name that matches: under its name of old, or wherever rotators put things.
import type { Files } from '../../base/files.ts';
import type { FoundFile } from './discovery.ts';
import type { Siblings } from './siblings.ts';
import type { TailedFile } from './tailed-file.ts';

/** Undefined when it is nowhere; one that was missing before is looked for under its name only. */
export async function whereabouts(file: TailedFile, files: Files, siblings: Siblings): Promise<FoundFile | undefined> {
  const { path, realPath, identity } = file;
  const at = async (known: string): Promise<FoundFile | undefined> => {
    const stat = await files.stat(known).catch(() => undefined);
    return stat?.identity === identity ? { path: known, stat } : undefined;
  };
  const isIt = (found: FoundFile | undefined) => found !== undefined && !file.isOther(found.stat);
  let found = await at(path);
  if (isIt(found) || file.isMissing) return isIt(found) ? found : undefined;
  found = realPath === undefined ? undefined : ((await at(realPath)) ?? (await siblings.find(realPath, identity)));
  found ??= await siblings.find(path, identity);
  return isIt(found) ? found : undefined;
}
