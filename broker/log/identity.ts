// Who a data directory is: the cluster's id in the metadata, and Kafka's `meta.properties` ("version=1", cluster.id, node.id, directory.id) beside the topics. Both are drawn once.
import { join } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import type { Files } from '../../base/files.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { identityFile, type MetadataLog } from './metadata-log.ts';

/** Draws and writes what is missing; durable when it resolves. */
export async function writeIdentity(
  files: Files,
  directory: string,
  metadata: MetadataLog,
  random: Random,
): Promise<void> {
  const draw = () => randomUuid(random).toString('base64url');
  if (metadata.state.clusterId === undefined) await metadata.append({ kind: 'cluster', clusterId: draw() });
  const path = join(directory, identityFile);
  if ((await files.stat(path)) !== undefined) return;
  const lines = ['version=1', `cluster.id=${metadata.state.clusterId!}`, 'node.id=1', `directory.id=${draw()}`];
  await replaceFile(files, path, `${lines.join('\n')}\n`);
}
