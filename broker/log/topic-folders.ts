// The folders of topics in a data directory: `topic-N` with Kafka's `partition.metadata` ("version: 0", "topic_id: <base64url>"), which says whose
// records they hold. A topic's folders are renamed before they are removed, so the name is free at once and a crash leaves nothing half gone
// under it.
import { join } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';

const deletedName = /^\.deleted-/;

export function partitionFolder(directory: string, topic: string, partition: number): string {
  return join(directory, `${topic}-${partition}`);
}

/**
 * Makes sure that the folder is there, durably, and belongs to `topicId`. Throws TLR_CORRUPT when it holds records of somebody else or nobody
 * knows whose.
 */
export async function claimFolder(files: Files, root: string, folder: string, topicId: string): Promise<void> {
  const path = join(folder, 'partition.metadata');
  if ((await files.stat(folder)) !== undefined) {
    const owner = await folderOwner(files, folder);
    if (owner === topicId) return;
    const logs = (await files.list(folder)).filter((name) => name.endsWith('.log'));
    for (const name of logs) {
      const size = (await files.stat(join(folder, name)))?.sizeBytes ?? 0;
      if (size > 0) {
        throw new TailraceError('TLR_CORRUPT', `${path} names the topic ${owner ?? '(none)'}, not ${topicId}`);
      }
    }
  }
  await files.makeDirectory(folder);
  await replaceFile(files, path, `version: 0\ntopic_id: ${topicId}\n`);
  await files.syncDirectory(root);
}

/** The topic id in a folder's partition.metadata; undefined when there is none. */
export async function folderOwner(files: Files, folder: string): Promise<string | undefined> {
  const path = join(folder, 'partition.metadata');
  if ((await files.stat(path)) === undefined) return undefined;
  return /^topic_id: (\S+)$/m.exec((await files.readFile(path)).toString('utf8'))?.[1];
}

/** Renames the folders of a deleted topic, durably, then removes them. Folders that are gone or belong to another topic are passed over. */
export async function removeFolders(files: Files, root: string, topic: string, topicId: string): Promise<void> {
  const pattern = new RegExp(`^${topic.replaceAll('.', '\\.')}-\\d+$`);
  for (const name of await files.list(root)) {
    if (!pattern.test(name) || (await folderOwner(files, join(root, name))) !== topicId) continue;
    await files.rename(join(root, name), join(root, `.deleted-${topicId}-${name.slice(topic.length + 1)}`));
  }
  await files.syncDirectory(root);
  await clearDeleted(files, root);
}

/** Removes folders that were renamed for removal. */
export async function clearDeleted(files: Files, root: string): Promise<void> {
  for (const name of await files.list(root)) {
    if (deletedName.test(name)) await files.removeDirectory(join(root, name));
  }
}
