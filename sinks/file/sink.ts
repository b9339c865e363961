// The sink `file`: exactly once into files. A path with {offset} gives rolled files that appear whole under their final name; one without
// gives files that are appended to, at decided lengths. Compressed by file name (.gz, .zst) unless `compression` says otherwise.
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { DurableFolders } from '../../base/durable-folders.ts';
import { TailraceError } from '../../base/errors.ts';
import { homePathProblem } from '../../base/home-path.ts';
import { defineSink } from '../definition.ts';
import { type Compression, compressionOf } from '../rolled/compression.ts';
import { PathTemplate, TopicCheck } from '../rolled/path-template.ts';
import { compressionSetting, pathSetting, type RollLimits, rollLimits, rollSetting } from '../rolled/settings.ts';
import { isLeftOver, readTemporaryName, scopeTag } from '../rolled/temporary-names.ts';
import type { Manifest, SinkContext, TwoPhaseSink, TwoPhaseWriter, WriterScope } from '../sink.ts';
import { FileAuditor } from './audit.ts';
import { type FileManifest, Publisher, readManifest } from './publication.ts';
import { FileWriter } from './writer.ts';

function readPath(text: string): void {
  const problem = homePathProblem(text);
  if (problem !== undefined) throw new TailraceError('TLR_CONFIG', problem);
  new PathTemplate(text);
}

const settings = z.strictObject({
  path: pathSetting(readPath).describe(
    'File path with places to fill in; with {offset} files are rolled, without it they are appended to',
  ),
  roll: rollSetting(),
  compression: compressionSetting(),
  mode: modeSetting().describe(
    'Permissions of the files in octal digits, less what the umask takes away. The default lets the group read; 0600 nobody, 0644 everybody. Folders can be entered by who may read.',
  ),
});
/** YAML reads 0640 as the number 640: the digits count either way. */
function modeSetting() {
  return z
    .union([z.string(), z.number()])
    .prefault('0640')
    .transform((mode, context) => {
      if (/^0?[0-7]{3}$/.test(String(mode))) return Number.parseInt(String(mode), 8) | 0o600;
      context.addIssue({ code: 'custom', message: `${mode} is not a mode; write octal digits, such as 0640` });
      return z.NEVER;
    });
}

type FileSettings = z.infer<typeof settings>;

const rolledLimits: RollLimits = { sizeBytes: 256e6, ageMs: 15 * 60_000, idleMs: 2 * 60_000 };
/** Appended files are extended at least this often. */
const appendedLimits: RollLimits = { sizeBytes: 32e6, ageMs: 1000, idleMs: 500 };
/** Compressed ones less often: each time ends a frame. */
const compressedLimits: RollLimits = { sizeBytes: 32e6, ageMs: 10_000, idleMs: 5000 };

export class FileSink implements TwoPhaseSink {
  readonly guarantee = 'two-phase';
  readonly fieldPaths: readonly string[];
  readonly scope: 'partition' | 'edge';
  readonly appends: boolean;
  private readonly context: SinkContext;
  private readonly template: PathTemplate;
  private readonly topics: TopicCheck;
  private readonly compression: Compression;
  private readonly limits: RollLimits;
  private readonly folders: DurableFolders;
  private readonly publisher: Publisher;
  private readonly permissions: number;
  private readonly writers: FileWriter[] = [];

  constructor(options: FileSettings, context: SinkContext) {
    this.context = context;
    this.template = new PathTemplate(options.path);
    this.fieldPaths = this.template.fieldPaths;
    this.appends = !this.template.hasOffset;
    this.topics = new TopicCheck(this.template);
    this.scope = this.template.hasPartition ? 'partition' : 'edge';
    this.compression = options.compression ?? compressionOf(options.path);
    const appended = this.compression === 'none' ? appendedLimits : compressedLimits;
    this.limits = rollLimits(options.roll, this.template.hasOffset ? rolledLimits : appended);
    this.permissions = options.mode;
    // Folders can be entered by whoever may read in them.
    const folderPermissions = options.mode | ((options.mode & 0o444) >> 2);
    this.folders = new DurableFolders(context.files, resolve(this.template.baseDirectory), folderPermissions);
    this.publisher = new Publisher(context.files, context.logger, this.folders, options.mode);
  }

  /** Paths are absolute, so whatever the path is now, what was decided for another one is published there. */
  accept(lastDecided: Manifest): Promise<void> {
    return new Promise((resolve) => {
      readManifest(lastDecided);
      resolve();
    });
  }

  async recover(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void> {
    this.topics.check(scope);
    if (lastDecided !== undefined) {
      const manifest = readManifest(lastDecided);
      await this.lookForOthersFiles(manifest);
      await this.publisher.publish(manifest, true);
    }
    const folder = resolve(this.template.baseDirectory);
    if ((await this.context.files.stat(folder)) === undefined) return;
    const tag = scopeTag(this.context.edge, scope);
    for (const name of await this.context.files.list(folder)) {
      const temporary = readTemporaryName(name);
      if (temporary !== undefined && isLeftOver(temporary, this.context, tag))
        await this.context.files.remove(`${folder}/${name}`);
    }
  }

  /**
   * What another process decided must be here, under its temporary or its final name. Where it is not, somebody has moved it since, or the processes do
   * not write into the same folder: then what was not published yet stays on the other machine, and nobody but a person can know.
   */
  private async lookForOthersFiles({ files: entries }: FileManifest): Promise<void> {
    const { files, instance, logger } = this.context;
    const others = entries.filter(({ temporary }) => readTemporaryName(basename(temporary))?.isOf(instance) === false);
    for (const { temporary, final } of others) {
      if ((await files.stat(temporary)) !== undefined || (await files.stat(final)) !== undefined) continue;
      logger.warn(
        'a file that another process has decided on is not here: do all processes write to the same folder?',
        {
          file: final,
        },
      );
    }
  }

  openWriter(scope: WriterScope): Promise<TwoPhaseWriter> {
    const { template, compression, limits, folders, publisher, permissions } = this;
    const writer = new FileWriter(this.context, {
      template,
      compression,
      limits,
      folders,
      publisher,
      permissions,
      scope: scopeTag(this.context.edge, scope),
    });
    this.writers.push(writer);
    return Promise.resolve(writer);
  }

  async close(): Promise<void> {
    for (const writer of this.writers.splice(0)) await writer.abandon();
  }
}

/** `file:///dir/x` is absolute; `file:dir/x` is relative to the working directory, and so is what people mean by `file://dir/x`. */
function pathOfUrl(url: string): string | undefined {
  return /^file:(?:\/\/)?(.+)$/su.exec(url)?.[1];
}

export const fileSink = defineSink({
  type: 'file',
  summary: 'files: rolled ones that appear whole, or appended ones; plain, gzip or zstd',
  settings,
  describe: (options) => options.path,
  describeGuarantee: ({ path }) => {
    const { hasOffset, hasPartition } = new PathTemplate(path);
    if (hasOffset)
      return 'exactly once: files get their names only after the transaction that holds the offsets has decided on them, whole and synced';
    const shared = hasPartition ? '' : '; partitions share it, so one process writes all of them';
    return `exactly once: the file grows only by bytes that the transaction that holds the offsets has decided on${shared}`;
  },
  fromUrl: (url) => {
    const path = pathOfUrl(url);
    return path === undefined ? undefined : { path };
  },
  open: (options, context) => Promise.resolve(new FileSink(options, context)),
  audit: ({ path }, context) => Promise.resolve(new FileAuditor(context.files, new PathTemplate(path))),
});
