// The identity of this instance: a name that the transactional ids of its agents and edges carry. It lives in `<data>/instance`, so that
// a second copy on the same data fences the first, and the same YAML on another machine does not.
import { join } from 'node:path';
import { replaceFile } from '../base/atomic-file.ts';
import { TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import type { Random } from '../base/random.ts';

const nameBytes = 9;

/** Reads the identity of a data directory, or makes one that is durable before it is used. `fixed` (`instance:` in the YAML) wins. */
export async function instanceOf(
  dataDirectory: string,
  fixed: string | undefined,
  files: Files,
  random: Random,
): Promise<string> {
  if (fixed !== undefined) return fixed;
  const path = join(dataDirectory, 'instance');
  if ((await files.stat(path)) === undefined) {
    const name = random.bytes(nameBytes).toString('base64url');
    await replaceFile(files, path, Buffer.from(name + '\n'));
    return name;
  }
  const name = (await files.readFile(path)).toString('utf8').trim();
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new TailraceError('TLR_CORRUPT', `${path} does not hold an instance name`);
  }
  return name;
}
