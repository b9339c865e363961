// Manifests of the file sink, and making what they name visible. A manifest is
//   { "v": 1, "sink": "file", "files": [ { "temporary", "final", "length", "checksum", "lines"?, "at"? } ] }
// with absolute paths, length in bytes, CRC-32C and lines of the temporary file. Without `at` the file gets its final name by a hard link, which never
// replaces; with `at` (appended files) its bytes are written into the final file at this position, which was its length when the
// decision was prepared. What if it stops here?
//   - before the temporary file is removed: everything is done again; a link that is there is the same file, bytes at `at` are the same bytes.
//   - after: the entry was published in full and synced, for removal comes last. A missing temporary file therefore means "done", also
//     when somebody has moved or changed the published file since.
import { dirname } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { z } from 'zod';
import { crashPoint } from '../../base/crash-point.ts';
import type { DurableFolders } from '../../base/durable-folders.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import { manifestSchema, parseManifest } from '../rolled/manifest.ts';
import type { Manifest } from '../sink.ts';

const entrySchema = z.object({
  temporary: z.string(),
  final: z.string(),
  length: z.int().nonnegative(),
  checksum: z.int().nonnegative(),
  lines: z.int().nonnegative().optional(),
  at: z.int().nonnegative().optional(),
});
const schema = manifestSchema('file', entrySchema);

export type FileEntry = z.infer<typeof entrySchema>;
export type FileManifest = z.infer<typeof schema>;

const copyBytes = 1024 * 1024;

/** Throws as parseManifest() does. */
export function readManifest(manifest: Manifest): FileManifest {
  return parseManifest('file', schema, manifest);
}

export class Publisher {
  private readonly files: Files;
  private readonly logger: Logger;
  private readonly folders: DurableFolders;
  private readonly permissions: number;

  /** `permissions`: of the files it makes, less the umask. */
  constructor(files: Files, logger: Logger, folders: DurableFolders, permissions: number) {
    this.files = files;
    this.logger = logger;
    this.folders = folders;
    this.permissions = permissions;
  }

  /** Harmless when repeated. Throws TailraceError TLR_SINK when a final name is taken by other content. */
  async publish(manifest: FileManifest, again: boolean): Promise<void> {
    const pending: FileEntry[] = [];
    for (const entry of manifest.files) {
      if ((await this.files.stat(entry.temporary)) !== undefined) pending.push(entry);
      else if (!again && (await this.files.stat(entry.final)) === undefined) {
        this.logger.error('an unpublished file was removed by somebody else; its records are still in the topic', {
          file: entry.final,
        });
      }
    }
    const folders = new Set<string>();
    for (const entry of pending) {
      const folder = dirname(entry.final);
      await this.folders.ensure(folder);
      if (entry.at === undefined) await this.link(entry);
      else await this.append(entry, entry.at, again);
      crashPoint('file.named');
      folders.add(folder);
    }
    for (const folder of folders) await this.files.syncDirectory(folder);
    crashPoint('file.name-synced');
    for (const entry of pending) await this.files.remove(entry.temporary);
  }

  private async link(entry: FileEntry): Promise<void> {
    try {
      await this.files.link(entry.temporary, entry.final);
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'EEXIST' && code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS')
        throw error;
    }
    const final = await this.files.stat(entry.final);
    // A file system without hard links: rename replaces, but the look just before and the single writer per scope make it safe.
    if (final === undefined) return this.files.rename(entry.temporary, entry.final);
    const temporary = await this.files.stat(entry.temporary);
    if (temporary?.identity === final.identity) return;
    if (final.sizeBytes === entry.length && (await checksumOf(this.files, entry.final)) === entry.checksum) return;
    throw new TailraceError(
      'TLR_SINK',
      `${entry.final} exists with other content and is not overwritten; move it away, or give the sink another path`,
    );
  }

  private async append(entry: FileEntry, at: number, again: boolean): Promise<void> {
    await using resources = new AsyncDisposableStack();
    const source = resources.adopt(await this.files.open(entry.temporary, 'read'), (file) => file.close());
    const target = resources.adopt(await this.files.open(entry.final, 'create', this.permissions), (file) =>
      file.close(),
    );
    const sizeBytes = await target.size();
    // Somebody rotated the file away since: begin the new one. Otherwise only our own earlier try can have made it longer.
    const position = sizeBytes === 0 ? 0 : at;
    if (sizeBytes < position || sizeBytes > position + (again ? entry.length : 0)) {
      throw new TailraceError(
        'TLR_SINK',
        `${entry.final} has ${sizeBytes} bytes where ${position} were expected: somebody else writes to it; move it away, or give the sink another path`,
      );
    }
    await copy(source, target, position);
    await target.sync();
  }
}

/** CRC-32C of the bytes of a file from `from` on, before `end`. */
export async function checksumOf(files: Files, path: string, from = 0, end = Infinity): Promise<number> {
  await using resources = new AsyncDisposableStack();
  const file = resources.adopt(await files.open(path, 'read'), (open) => open.close());
  const chunk = Buffer.allocUnsafe(copyBytes);
  let checksum = 0;
  for (let position = from; position < end;) {
    const length = await file.read(chunk.subarray(0, Math.min(chunk.length, end - position)), position);
    if (length === 0) break;
    checksum = crc32c(chunk.subarray(0, length), checksum);
    position += length;
  }
  return checksum;
}

async function copy(source: OpenFile, target: OpenFile, at: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(copyBytes);
  for (let position = 0; ;) {
    const length = await source.read(chunk, position);
    if (length === 0) return;
    await target.write([chunk.subarray(0, length)], at + position);
    position += length;
  }
}
