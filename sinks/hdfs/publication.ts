// Manifests of the HDFS sink, and making what they name visible. A manifest is
//   { "v": 1, "sink": "hdfs", "at"?: [ ORIGIN… ], "files": [ { "temporary", "final", "length", "lines"?, "checksum"? } ] }
// with the servers that the sink asks, absolute paths in HDFS, length in bytes, lines and HDFS's own checksum ("algorithm:hex") of the temporary file, which was complete and closed when the
// decision was prepared. Publishing is RENAME, which HDFS does as a whole or not at all, and which never replaces. What if it stops here?
//   - before RENAME: it is done again.
//   - after, the answer lost or not: the temporary name is gone, and RENAME says false. A missing temporary file therefore means "done", also when somebody
//     has moved or changed the published file since; the first time it is looked at, and the log tells when it is not what was written.
// RENAME also says false when the folder is missing or the name is taken, and into a *folder* of the final name it moves the file, so names are looked at first.
import { dirname } from 'node:path/posix';
import { z } from 'zod';
import { crashPoint } from '../../base/crash-point.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { manifestSchema, parseManifest } from '../rolled/manifest.ts';
import type { Manifest } from '../sink.ts';
import { HdfsFailure } from './failure.ts';
import type { HdfsStatus, WebHdfs } from './webhdfs.ts';

const entrySchema = z.object({
  temporary: z.string(),
  final: z.string(),
  length: z.int().nonnegative(),
  lines: z.int().nonnegative().optional(),
  checksum: z.string().optional(),
});
const schema = manifestSchema('hdfs', entrySchema).extend({ at: z.array(z.string()).optional() });

export interface HdfsEntry {
  temporary: string;
  final: string;
  length: number;
  lines?: number | undefined;
  checksum?: string | undefined;
}
export type HdfsManifest = z.infer<typeof schema>;

/** Renames under way at the same time. */
const parallel = 8;
/** How often a rename that said false for no visible reason is made again. */
const rounds = 3;
/** Folders that are known to be there, at most. */
const foldersLimit = 10_000;

/** Throws as parseManifest() does. */
export function readManifest(manifest: Manifest): HdfsManifest {
  return parseManifest('hdfs', schema, manifest);
}

export class HdfsPublisher {
  private readonly hdfs: WebHdfs;
  private readonly logger: Logger;
  private readonly folders = new Set<string>();

  constructor(hdfs: WebHdfs, logger: Logger) {
    this.hdfs = hdfs;
    this.logger = logger;
  }

  /** Harmless when repeated; `again` says that it may be. Throws TailraceError TLR_SINK, not retriable when a final name is taken by other content. */
  async publish(manifest: HdfsManifest, again: boolean): Promise<void> {
    const entries = [...manifest.files];
    const work = async () => {
      for (let entry = entries.shift(); entry !== undefined; entry = entries.shift()) await this.show(entry, again);
    };
    await Promise.all(Array.from({ length: Math.min(parallel, entries.length) }, work));
  }

  private async show(entry: HdfsEntry, again: boolean): Promise<void> {
    const { temporary, final, length } = entry;
    for (let round = 0; round < rounds; round++) {
      await this.ensureFolder(dirname(final), round > 0);
      const taken = await this.hdfs.status(final);
      if (taken === undefined && (await this.hdfs.rename(temporary, final))) {
        crashPoint('hdfs.renamed');
        return;
      }
      const source = await this.hdfs.status(temporary);
      if (source === undefined) return again ? undefined : this.tellWhenMissing(entry);
      if (source.length !== length) throw this.changed(entry, source);
      if (taken === undefined) continue;
      if (!(await this.isSame(entry, taken))) throw conflict(final);
      return this.hdfs.remove(temporary);
    }
    throw new HdfsFailure('later', `HDFS does not rename ${temporary} to ${final}, and gives no reason`);
  }

  private async ensureFolder(folder: string, surely: boolean): Promise<void> {
    if (this.folders.has(folder) && !surely) return;
    await this.hdfs.makeDirectory(folder);
    if (this.folders.size >= foldersLimit) this.folders.clear();
    this.folders.add(folder);
  }

  /** Whether the final file has what the entry is to show: RENAME was done and its answer lost, or the same was published before. */
  private async isSame({ temporary, final, length, checksum }: HdfsEntry, found: HdfsStatus): Promise<boolean> {
    if (found.kind !== 'file' || found.length !== length) return false;
    const known = checksum ?? (await this.hdfs.checksum(temporary));
    return known !== undefined && known === (await this.hdfs.checksum(final));
  }

  /** Our own rename is the likely reason; if not, somebody should know. */
  private async tellWhenMissing(entry: HdfsEntry): Promise<void> {
    const found = await this.hdfs.status(entry.final);
    if (found?.kind === 'file' && found.length === entry.length) {
      if (entry.checksum === undefined || entry.checksum === (await this.hdfs.checksum(entry.final))) return;
    }
    this.logger.error('an unpublished file was removed by somebody else; its records are still in the topic', {
      file: entry.final,
    });
  }

  private changed(entry: HdfsEntry, source: HdfsStatus): TailraceError {
    const sizes = `has ${source.length} bytes where ${entry.length} were written`;
    return new TailraceError('TLR_SINK', `${entry.temporary} ${sizes}: somebody else changed it; look at it by hand`);
  }
}

function conflict(final: string): TailraceError {
  return new TailraceError(
    'TLR_SINK',
    `${final} exists in HDFS with other content and is not overwritten; move it away, or give the sink another path`,
  );
}
