// Looks whether published files still hold what manifests say: length and checksum, of appended files those of each piece.
import { resolve } from 'node:path';
import type { Files } from '../../base/files.ts';
import type { PathTemplate } from '../rolled/path-template.ts';
import type { Coordinates, Delivery, FoundPart, Manifest, SinkAuditor } from '../sink.ts';
import { checksumOf, type FileEntry, readManifest } from './publication.ts';

export class FileAuditor implements SinkAuditor {
  readonly fieldPaths: readonly string[];
  private readonly files: Files;
  private readonly template: PathTemplate;

  constructor(files: Files, template: PathTemplate) {
    this.files = files;
    this.template = template;
    this.fieldPaths = template.fieldPaths;
  }

  async published(manifest: Manifest): Promise<FoundPart[]> {
    const parts: FoundPart[] = [];
    for (const entry of readManifest(manifest).files) {
      const { temporary, final, length, lines } = entry;
      const waits = (await this.files.stat(temporary)) !== undefined;
      const problem = waits ? 'is decided and not published yet' : await this.problem(entry);
      parts.push({ name: final, lines, bytes: length, problem, waits });
    }
    return parts;
  }

  firstOffsetIn(name: string, coordinates: Coordinates, delivery: Delivery): number | undefined {
    return this.template.firstOffsetIn(resolve(this.template.key(coordinates, delivery)), name);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async problem({ final, length, checksum, at }: FileEntry): Promise<string | undefined> {
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
