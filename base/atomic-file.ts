// Replacing a small file as a whole: after a crash at any moment it has its old content or its new one, never a mixture, never nothing.
import { dirname } from 'node:path';
import { crashPoint } from './crash-point.ts';
import type { Files } from './files.ts';

/**
 * Writes `content` to `path` through `path.tmp`; durable when it resolves. One writer for each path at a time.
 * The file is synced before the rename (ext4 and xfs were seen to leave a renamed file of zero bytes otherwise).
 */
export async function replaceFile(files: Files, path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await files.open(temporary, 'create');
  try {
    await file.truncate(0);
    await file.write([typeof content === 'string' ? Buffer.from(content) : content], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  crashPoint('log.replacement-synced');
  await files.rename(temporary, path);
  crashPoint('log.replacement-renamed');
  await files.syncDirectory(dirname(path));
}
