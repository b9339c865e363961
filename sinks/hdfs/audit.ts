// Looks whether published files still are in HDFS as manifests say: by length, and by HDFS's own checksum where the cluster makes one.
import type { PathTemplate } from '../rolled/path-template.ts';
import type { Coordinates, Delivery, FoundPart, Manifest, SinkAuditor } from '../sink.ts';
import { type HdfsEntry, readManifest } from './publication.ts';
import type { WebHdfs } from './webhdfs.ts';

/** Files looked at at the same time. */
const parallel = 8;
const missing = 'is missing';

export class HdfsAuditor implements SinkAuditor {
  readonly fieldPaths: readonly string[];
  private readonly hdfs: WebHdfs;
  private readonly template: PathTemplate;
  private readonly onClose: () => void;

  constructor(hdfs: WebHdfs, template: PathTemplate, onClose: () => void) {
    this.hdfs = hdfs;
    this.template = template;
    this.fieldPaths = template.fieldPaths;
    this.onClose = onClose;
  }

  async published(manifest: Manifest): Promise<FoundPart[]> {
    const entries = readManifest(manifest).files;
    const parts: FoundPart[] = [];
    for (let from = 0; from < entries.length; from += parallel) {
      const some = entries.slice(from, from + parallel);
      parts.push(...(await Promise.all(some.map((entry) => this.look(entry)))));
    }
    return parts;
  }

  firstOffsetIn(name: string, coordinates: Coordinates, delivery: Delivery): number | undefined {
    return this.template.firstOffsetIn(this.template.key(coordinates, delivery), name);
  }

  close(): Promise<void> {
    this.onClose();
    return Promise.resolve();
  }

  private async look(entry: HdfsEntry): Promise<FoundPart> {
    const { temporary, final, lines, length } = entry;
    const problem = await this.problem(entry);
    const waits = problem === missing && (await this.hdfs.status(temporary)) !== undefined;
    return { name: final, lines, bytes: length, problem: waits ? 'is decided and not published yet' : problem, waits };
  }

  private async problem({ final, length, checksum }: HdfsEntry): Promise<string | undefined> {
    const found = await this.hdfs.status(final);
    if (found === undefined) return missing;
    if (found.kind !== 'file') return `is a ${found.kind}`;
    if (found.length !== length) return `has ${found.length} bytes where ${length} were written`;
    if (checksum === undefined) return undefined;
    const now = await this.hdfs.checksum(final);
    return now === undefined || now === checksum ? undefined : 'has other content than was written';
  }
}
