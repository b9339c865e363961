// The sink `hdfs`: exactly once into HDFS, over WebHDFS or HttpFS. Two-phase: complete files stand in `<fixed folder>/.tailrace/` until the decision that names them
// has been made, and are renamed then; files are never appended to, so no lease ever has to be recovered. Readers such as Hive and Spark leave
// out names that begin with a dot. How long data survives a power loss of all DataNodes at once is the cluster's own setting (dfs.datanode.synconclose).
import { homedir, userInfo } from 'node:os';
import { join, posix } from 'node:path';
import { z } from 'zod';
import { TailraceError } from '../../base/errors.ts';
import { readPem } from '../../base/pem.ts';
import { defineSink, durationSetting, sizeSetting } from '../definition.ts';
import { type Compression, compressionOf } from '../rolled/compression.ts';
import { PathTemplate, TopicCheck } from '../rolled/path-template.ts';
import { compressionSetting, pathSetting, type RollLimits, rollLimits, rollSetting } from '../rolled/settings.ts';
import { isLeftOver, readTemporaryName, scopeTag } from '../rolled/temporary-names.ts';
import type { Manifest, SinkContext, TwoPhaseSink, TwoPhaseWriter, WriterScope } from '../sink.ts';
import { HdfsAuditor } from './audit.ts';
import { readAddress, settingsOfUrl } from './address.ts';
import { HttpCaller } from './http.ts';
import { NameNodes } from './name-nodes.ts';
import { HdfsPublisher, readManifest } from './publication.ts';
import { Uploader } from './upload.ts';
import { WebHdfs } from './webhdfs.ts';
import { HdfsWriter } from './writer.ts';

/** HDFS takes no colon in names; '%' and '+' are read in two ways by its web servers. */
const forbidden = /[:%+]/gu;

function readPath(text: string): PathTemplate {
  const template = new PathTemplate(text, forbidden);
  const fail = (problem: string): never => {
    throw new TailraceError('TLR_CONFIG', `path "${text}": ${problem}`);
  };
  if (!text.startsWith('/')) fail('it has to begin with /, for HDFS has no working directory');
  if (/(^|\/)\.{1,2}(\/|$)/u.test(text)) fail('it has . or .. as a folder');
  if (!template.hasOffset) {
    fail('{offset} is missing: HDFS files are written once; write a name such as {partition}-{offset}.gz');
  }
  if (/[:+]|%%/u.test(text)) fail('names in HDFS have no colon, and no plus or percent sign here');
  return template;
}

const settings = z.strictObject({
  url: z
    .string()
    .superRefine((text, context) => {
      try {
        readAddress(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      }
    })
    .describe('webhdfs://nn1:9870,nn2:9870, swebhdfs:// (TLS), httpfs://host:14000, or https://gateway/prefix'),
  path: pathSetting(readPath).describe('Path in HDFS with places to fill in; {partition} and {offset} are needed'),
  user: z.string().min(1).optional().describe('user.name; the user of this process unless set'),
  auth: z
    .strictObject({ username: z.string(), password: z.string() })
    .optional()
    .describe('Basic authentication, for a gateway'),
  delegation_token: z.string().optional().describe('A delegation token, for clusters with Kerberos'),
  ca: z.string().optional().describe('Certificates that are trusted: a PEM file, or the PEM text itself'),
  roll: rollSetting(),
  compression: compressionSetting(),
  replication: z.int().positive().optional().describe("Copies of each block; the cluster's default unless set"),
  block_size: sizeSetting().optional().describe("Block size; the cluster's default unless set"),
  timeout: durationSetting()
    .prefault('60s')
    .describe('A server that says nothing, or next to nothing, for this long is given up'),
  retry: durationSetting().prefault('60s').describe('How long a call is tried again before the edge pauses'),
  spool: z.string().optional().describe('Local folder of files on their way; in the data directory unless set'),
});
type HdfsSettings = z.infer<typeof settings>;

const defaultLimits: RollLimits = { sizeBytes: 512e6, ageMs: 60 * 60_000, idleMs: 10 * 60_000 };
const connectLimitMs = 5000;

async function createHttp(options: HdfsSettings, { files, clock }: SinkContext): Promise<HttpCaller> {
  const ca = await readPem(files, options.ca, 'ca');
  const connectTimeoutMs = Math.min(connectLimitMs, options.timeout);
  return new HttpCaller({ clock, connectTimeoutMs, silenceMs: options.timeout, ca });
}

function createWebHdfs(options: HdfsSettings, context: SinkContext, http: HttpCaller, signal: AbortSignal): WebHdfs {
  const address = readAddress(options.url);
  const { auth, delegation_token: delegationToken } = options;
  const isAnonymous = auth === undefined && delegationToken === undefined;
  return new WebHdfs({
    ...{ address, http, signal, delegationToken },
    nameNodes: new NameNodes({
      ...{ origins: address.origins, patienceMs: options.retry, signal },
      ...{ clock: context.clock, random: context.random },
    }),
    user: options.user ?? address.user ?? (isAnonymous ? userInfo().username : undefined),
    authorization:
      auth === undefined ? undefined : `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`,
  });
}

/** For a process without a data directory. */
function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tailrace');
}

export class HdfsSink implements TwoPhaseSink {
  readonly guarantee = 'two-phase';
  readonly fieldPaths: readonly string[];
  readonly scope = 'partition';
  private readonly context: SinkContext;
  private readonly template: PathTemplate;
  private readonly compression: Compression;
  private readonly limits: RollLimits;
  private readonly spool: string;
  private readonly temporaryFolder: string;
  private readonly http: HttpCaller;
  private readonly hdfs: WebHdfs;
  private readonly publisher: HdfsPublisher;
  private readonly uploader: Uploader;
  private readonly origins: readonly string[];
  private readonly closing = new AbortController();
  private readonly writers: HdfsWriter[] = [];
  private readonly topics: TopicCheck;

  constructor(options: HdfsSettings, context: SinkContext, http: HttpCaller) {
    const { files, clock, random, logger } = context;
    const { signal } = this.closing;
    this.context = context;
    this.template = readPath(options.path);
    this.fieldPaths = this.template.fieldPaths;
    this.topics = new TopicCheck(this.template);
    this.compression = options.compression ?? compressionOf(options.path);
    this.limits = rollLimits(options.roll, defaultLimits);
    this.spool = options.spool ?? join(context.scratch ?? cacheFolder(), 'hdfs');
    this.temporaryFolder = posix.join(this.template.baseDirectory, '.tailrace');
    this.http = http;
    this.origins = readAddress(options.url).origins;
    this.hdfs = createWebHdfs(options, context, http, signal);
    this.publisher = new HdfsPublisher(this.hdfs, logger);
    this.uploader = new Uploader({
      ...{ hdfs: this.hdfs, files, clock, random, logger, signal, patienceMs: options.retry },
      ...{ replication: options.replication, blockSizeBytes: options.block_size },
    });
  }

  /** Throws TailraceError TLR_SINK when no server can be reached. */
  reach(): Promise<void> {
    return this.hdfs.reach();
  }

  /** What was decided for servers of which none is asked any more must be here all the same: it is the same HDFS under other names then. */
  async accept(lastDecided: Manifest): Promise<void> {
    const { at, files } = readManifest(lastDecided);
    if (at === undefined || at.some((origin) => this.origins.includes(origin))) return;
    for (const { temporary, final, length } of files) {
      if ((await this.hdfs.status(final))?.length === length || (await this.hdfs.status(temporary)) !== undefined)
        continue;
      const message =
        `${final} was decided for the HDFS at ${at.join(', ')}, and is not at ${this.origins.join(', ')}: give the new place a sink name of its own, ` +
        'for its records are delivered and counted apart from those of the old one';
      throw new TailraceError('TLR_CONFIG', message);
    }
  }

  async recover(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void> {
    this.topics.check(scope);
    // A change first, so that safe mode and missing rights are met before anything is read from the topic.
    await this.hdfs.makeDirectory(this.temporaryFolder);
    if (lastDecided !== undefined) {
      await this.accept(lastDecided);
      await this.publisher.publish(readManifest(lastDecided), true);
    }
    const tag = scopeTag(this.context.edge, scope);
    for (const { name } of await this.hdfs.list(this.temporaryFolder)) {
      if (this.isLeftOver(name, tag)) await this.hdfs.remove(`${this.temporaryFolder}/${name}`);
    }
    const { files } = this.context;
    if ((await files.stat(this.spool)) === undefined) return;
    for (const name of await files.list(this.spool)) {
      if (this.isLeftOver(name, tag)) await files.remove(`${this.spool}/${name}`);
    }
  }

  openWriter(scope: WriterScope): Promise<TwoPhaseWriter> {
    const { template, compression, limits, publisher, uploader, spool, temporaryFolder, origins } = this;
    const writer = new HdfsWriter(this.context, {
      ...{ template, compression, limits, publisher, uploader, spool, temporaryFolder, origins },
      scope: scopeTag(this.context.edge, scope),
    });
    this.writers.push(writer);
    return Promise.resolve(writer);
  }

  /** Ends everything under way. */
  async close(): Promise<void> {
    const reason = new TailraceError('TLR_CLOSED', `${this.context.edge}: the sink was closed`);
    this.closing.abort(reason);
    this.http.close(reason);
    for (const writer of this.writers.splice(0)) await writer.discard().catch(() => undefined);
  }

  private isLeftOver(name: string, tag: string): boolean {
    const temporary = readTemporaryName(name);
    return temporary !== undefined && isLeftOver(temporary, this.context, tag);
  }
}

export const hdfsSink = defineSink({
  type: 'hdfs',
  summary: 'rolled files in HDFS, over WebHDFS or HttpFS; plain, gzip or zstd',
  settings,
  describe: ({ url, path }) => `${url}${path}`,
  describeGuarantee: () =>
    'exactly once: files are renamed to their names only after the transaction that holds the offsets has decided on them; how long they outlast a power failure of all DataNodes is dfs.datanode.synconclose',
  fromUrl: settingsOfUrl,
  open: async (options, context) => {
    const sink = new HdfsSink(options, context, await createHttp(options, context));
    try {
      await sink.reach();
    } catch (error) {
      await sink.close();
      throw error;
    }
    return sink;
  },
  audit: async (options, context) => {
    const http = await createHttp(options, context);
    const closing = new AbortController();
    const hdfs = createWebHdfs(options, context, http, closing.signal);
    const close = () => {
      const reason = new TailraceError('TLR_CLOSED', `${context.edge}: the audit is over`);
      closing.abort(reason);
      http.close(reason);
    };
    try {
      await hdfs.reach();
    } catch (error) {
      close();
      throw error;
    }
    return new HdfsAuditor(hdfs, readPath(options.path), close);
  },
});
