// Who a data directory is: the cluster's id in the metadata, and Kafka's `meta.properties` ("version=1", cluster.id, node.id, directory.id) beside the topics. Both are drawn once,
// and must agree ever after: a file of another version, or another cluster, is that of another broker.
import { join } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { identityFile, type MetadataLog } from './metadata-log.ts';

/** Draws and writes what is missing; durable when it resolves. Throws TLR_DATA_VERSION or TLR_CORRUPT when what is there is not ours. */
export async function writeIdentity(
  files: Files,
  directory: string,
  metadata: MetadataLog,
  random: Random,
): Promise<void> {
  const draw = () => randomUuid(random).toString('base64url');
  if (metadata.state.clusterId === undefined) await metadata.append({ kind: 'cluster', clusterId: draw() });
  const path = join(directory, identityFile);
  if ((await files.stat(path)) !== undefined) {
    checkIdentity(path, String(await files.readFile(path)), metadata.state.clusterId!);
    return;
  }
  const lines = ['version=1', `cluster.id=${metadata.state.clusterId!}`, 'node.id=1', `directory.id=${draw()}`];
  await replaceFile(files, path, `${lines.join('\n')}\n`);
}

/** Kafka itself has written version 0 (before KRaft) and 1. */
function checkIdentity(path: string, text: string, clusterId: string): void {
  const valueOf = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim();
  const version = valueOf('version');
  if (version === undefined)
    throw new TailraceError('TLR_CORRUPT', `${path} is not what was written there; without it, it is written anew`);
  if (version !== '0' && version !== '1')
    throw new TailraceError('TLR_DATA_VERSION', `${path} has version ${version}, not 1`);
  const owner = valueOf('cluster\\.id') ?? clusterId;
  if (owner === clusterId) return;
  throw new TailraceError(
    'TLR_CORRUPT',
    `${path} names the cluster ${owner}, the metadata beside it ${clusterId}: they are of two data directories`,
  );
}
