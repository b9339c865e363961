// Looks whether published files still hold what manifests say: length and checksum, of appended files those of each piece.
import type { Files } from '../../base/files.ts';
import type { FoundPart, Manifest, SinkAuditor } from '../sink.ts';
import { checksumOf, type FileEntry, readManifest } from './publication.ts';

export class FileAuditor implements SinkAuditor {
  readonly fieldPaths = [];
  private readonly files: Files;

  constructor(files: Files) {
    this.files = files;
  }

  async published(manifest: Manifest): Promise<FoundPart[]> {
    const parts: FoundPart[] = [];
    for (const entry of readManifest(manifest).files) {
      const { final, length, lines } = entry;
      parts.push({ name: final, lines, bytes: length, problem: await this.problem(entry) });
    }
    return parts;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async problem({ temporary, final, length, checksum, at }: FileEntry): Promise<string | undefined> {
    if ((await this.files.stat(temporary)) !== undefined)
      return 'is decided and not published yet, which the next start of its pipeline does';
    const found = await this.files.stat(final);
    if (found === undefined) return 'is missing';
    const from = at ?? 0;
    if (at === undefined && found.sizeBytes !== length)
      return `has ${found.sizeBytes} bytes where ${length} were written`;
    if (found.sizeBytes < from + length)
      return `has ${found.sizeBytes} bytes, and lacks some of ${from} to ${from + length}; was it rotated or cut?`;
    if ((await checksumOf(this.files, final, from, from + length)) === checksum) return undefined;
    return at === undefined
      ? 'has other content than was written'
      : `has other content than was written from ${from} to ${from + length}; was it rotated?`;
  }
}
