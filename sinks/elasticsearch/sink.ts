// The sink `elasticsearch`: documents into Elasticsearch (8, 9) or OpenSearch (2, 3), exactly once by ids that are made of the records' coordinates
// (document-id.ts). bulk.ts writes the requests, sender.ts brings each record to its outcome, cluster.ts finds a node that answers.
import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { readPem } from '../../base/pem.ts';
import { defineSink, durationSetting, sizeSetting } from '../definition.ts';
import type { DeliveryBatch, Outcome, SendingSink, SinkContext } from '../sink.ts';
import { ElasticsearchAuditor } from './audit.ts';
import { BulkWriter, ecsFieldPaths } from './bulk.ts';
import { Cluster } from './cluster.ts';
import { Doubt } from './in-doubt.ts';
import { IndexTemplate } from './index-name.ts';
import { Pace } from './pace.ts';
import { Sender } from './sender.ts';
import { IndexTargets } from './target.ts';
import { settingsOfUrl, storeUrlProblem } from './url.ts';

const storeUrl = z.string().superRefine((text, context) => {
  const problem = storeUrlProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const settings = z.strictObject({
  urls: z
    .array(storeUrl)
    .min(1)
    .describe('Nodes of one cluster, http(s)://host:port; those that do not answer are passed over.'),
  index: z
    .string()
    .superRefine((text, context) => {
      try {
        new IndexTemplate(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: messageOf(error) });
      }
    })
    .describe("Name of the index, with %Y %m %d %H %M of the record's time in UTC, {topic} and {field.path}."),
  on_conflict: z
    .enum(['keep', 'replace'])
    .default('keep')
    .describe(
      'What to do with a record that is there already: keep it (default), or replace it, as for a replay with corrected steps.',
    ),
  id: z
    .enum(['coordinates', 'key'])
    .default('coordinates')
    .describe(
      "What a document's id is made of: where its record was read (default), or the record's key, which is the `_id` of documents that came over `_bulk`; then records of one key are one document.",
    ),
  auth: z
    .strictObject({
      api_key: z.string().min(1).optional().describe('As the store gave it: encoded, or id:key.'),
      basic: z.strictObject({ user: z.string().min(1), password: z.string() }).optional(),
    })
    .refine(({ api_key, basic }) => (api_key === undefined) !== (basic === undefined), 'one of api_key and basic')
    .optional()
    .describe('Credentials: an API key, or user and password.'),
  tls: z
    .strictObject({
      ca: z.string().min(1).describe('Certificates that are trusted: a PEM file, or the PEM text itself.'),
    })
    .optional(),
  metadata: z
    .enum(['ecs'])
    .optional()
    .describe('Adds host.name, log.file.path and log.offset, where a line does not have `host` or `log` itself.'),
  setup: z
    .boolean()
    .default(false)
    .describe('Installs an index template at the start: @timestamp a date, message a text, other texts keywords.'),
  batch: z
    .strictObject({
      bytes: sizeSetting().optional().describe('Greatest size of a bulk request. Default 4MB.'),
      count: z.number().int().min(1).max(100_000).optional().describe('Most records in a bulk request. Default 10000.'),
    })
    .prefault({}),
  parallel: z.number().int().min(1).max(32).default(4).describe('Most bulk requests on their way at once.'),
  timeout: durationSetting().optional().describe('How long to wait for an answer. Default 60s.'),
});
type ElasticsearchSettings = z.infer<typeof settings>;

const defaults = { bytes: 4e6, count: 10_000, timeoutMs: 60_000 };
/** How long a store may let nothing through before the edge is said to pause. */
const patienceMs = 10_000;

export class ElasticsearchSink implements SendingSink {
  readonly guarantee = 'idempotent';
  readonly fieldPaths: readonly string[];
  /** Records of one key must come in their order. */
  readonly overlaps: boolean;
  private readonly options: ElasticsearchSettings;
  private readonly context: SinkContext;
  private readonly cluster: Cluster;
  private readonly writer: BulkWriter;
  private readonly targets: IndexTargets;
  private readonly pace: Pace;
  private readonly doubt: Doubt;

  constructor(options: ElasticsearchSettings, context: SinkContext, ca: string | undefined) {
    const index = new IndexTemplate(options.index);
    this.options = options;
    this.context = context;
    this.overlaps = options.id === 'coordinates';
    this.fieldPaths = [...index.fieldPaths, ...(options.metadata === 'ecs' ? ecsFieldPaths : [])];
    this.cluster = clusterOf(options, context, ca);
    this.writer = writerOf(options, context, index);
    this.targets = new IndexTargets(this.cluster, index, context.logger, {
      replaces: options.on_conflict === 'replace',
      idsAreKeys: options.id === 'key',
    });
    this.doubt = new Doubt(context.job === true);
    this.pace = new Pace({ bytes: options.batch.bytes ?? defaults.bytes, parallel: options.parallel });
  }

  /** Finds out what the store is and prepares it. Throws TailraceError TLR_SINK. */
  async start(): Promise<void> {
    const store = await this.cluster.connect();
    if (this.options.setup) await this.targets.setUp(new AbortController().signal);
    this.context.logger.debug('connected', { edge: this.context.edge, store, url: this.cluster.name });
  }

  deliver(batch: DeliveryBatch, signal: AbortSignal): Promise<readonly Outcome[] | undefined> {
    const { clock, random } = this.context;
    const sender = new Sender(batch, signal, {
      ...{
        store: this.cluster,
        writer: this.writer,
        pace: this.pace,
        targets: this.targets,
        doubt: this.doubt,
        clock,
        random,
        patienceMs,
      },
      ...{ operation: operationOf(this.options), bulkCount: this.options.batch.count ?? defaults.count },
    });
    return sender.run();
  }

  assigned(): void {
    this.doubt.begin();
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}

function operationOf(options: ElasticsearchSettings): 'create' | 'index' {
  return options.on_conflict === 'keep' ? 'create' : 'index';
}

function clusterOf(options: ElasticsearchSettings, { clock }: SinkContext, ca: string | undefined): Cluster {
  const urls = options.urls.map((url) => url.replace(/\/+$/, ''));
  const timeoutMs = options.timeout ?? defaults.timeoutMs;
  return new Cluster({ urls, authorization: authorizationOf(options.auth), ca, timeoutMs, clock });
}

function writerOf(options: ElasticsearchSettings, { pipeline }: SinkContext, index: IndexTemplate): BulkWriter {
  const ecs = options.metadata === 'ecs';
  return new BulkWriter({ index, operation: operationOf(options), pipeline, ids: options.id, ecs });
}

function authorizationOf(auth: ElasticsearchSettings['auth']): string | undefined {
  if (auth?.api_key !== undefined) {
    const key = auth.api_key.includes(':') ? Buffer.from(auth.api_key).toString('base64') : auth.api_key;
    return `ApiKey ${key}`;
  }
  if (auth?.basic === undefined) return undefined;
  return `Basic ${Buffer.from(`${auth.basic.user}:${auth.basic.password}`).toString('base64')}`;
}

export const elasticsearchSink = defineSink({
  type: 'elasticsearch',
  summary: 'documents in Elasticsearch or OpenSearch',
  settings,
  describe: ({ urls, index }) => `${urls[0]!.replace(/\/+$/, '')}/${index}`,
  describeGuarantee: ({ id, on_conflict: onConflict }) => {
    const made = id === 'key' ? 'an id that is the key of its record' : 'an id made of its record';
    const then = onConflict === 'keep' ? 'is created once' : 'is replaced when it is sent again';
    const strict = onConflict === 'replace' || id === 'key';
    const streams = strict
      ? 'data streams and aliases that roll over are refused, for an id can be there several times'
      : 'in data streams and behind aliases what is in doubt is looked up before it is sent again';
    const keys = id === 'key' ? ' (records of one key are one document)' : '';
    return `exactly once: each document has ${made}${keys}, and ${then}; ${streams}`;
  },
  fromUrl: settingsOfUrl,
  open: async (options, context) => {
    const ca = await readPem(context.files, options.tls?.ca, 'tls.ca');
    const sink = new ElasticsearchSink(options, context, ca);
    try {
      await sink.start();
      return sink;
    } catch (error) {
      await sink.close();
      throw error;
    }
  },
  audit: async (options, context) => {
    const cluster = clusterOf(options, context, await readPem(context.files, options.tls?.ca, 'tls.ca'));
    try {
      await cluster.connect();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    const index = new IndexTemplate(options.index);
    return new ElasticsearchAuditor(cluster, writerOf(options, context, index), index.fieldPaths);
  },
});
