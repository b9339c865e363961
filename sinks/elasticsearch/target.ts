// What is made sure of about the indices before records go there: an index template (`setup: true`), and that a name is not that of a data stream or of an
// alias over several indices. In those an id is unique per backing index only, so a record that is sent again after a roll-over would be there twice.
import { createHash } from 'node:crypto';
import { TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { BulkStore } from './sender.ts';
import type { IndexTemplate } from './index-name.ts';

const maxKnownNames = 10_000;
/** How the stores number the indices behind an alias that rolls over. */
const rolledOver = /-\d{6}$/;
const keyword = { type: 'keyword', ignore_above: 1024 };

export class IndexTargets {
  private readonly store: BulkStore;
  private readonly index: IndexTemplate;
  private readonly logger: Logger;
  private readonly known = new Set<string>();

  constructor(store: BulkStore, index: IndexTemplate, logger: Logger) {
    this.store = store;
    this.index = index;
    this.logger = logger;
  }

  /**
   * Looks at names until they are there: before the first records go to one, and after, because a template may have made it a data stream. Throws
   * TailraceError TLR_SINK; not retriable when records could be doubled there.
   */
  async check(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) {
      if (this.known.has(name) || !(await this.isThere(name, signal))) continue;
      if (this.known.size >= maxKnownNames) this.known.clear();
      this.known.add(name);
      await this.warnOfLazySync(name, signal);
    }
  }

  /**
   * Installs the index template unless there is one of its name, which may have been changed by hand. Throws TailraceError TLR_SINK, retriable, when the store
   * does not take it.
   */
  async setUp(signal: AbortSignal): Promise<void> {
    const path = `/_index_template/${this.templateName()}`;
    const there = await this.store.request({ method: 'GET', path: `${path}?filter_path=index_templates.name` }, signal);
    if (there.status === 200) return;
    const body = Buffer.from(JSON.stringify(this.template()));
    const answer = await this.store.request({ method: 'PUT', path, body, kind: 'json' }, signal);
    if (answer.status === 200) return;
    const message = `${this.store.name} does not take the index template: ${JSON.stringify(answer.body).slice(0, 500)}`;
    throw new TailraceError('TLR_SINK', message, { retriable: true });
  }

  private async isThere(name: string, signal: AbortSignal): Promise<boolean> {
    const path = `/_resolve/index/${encodeURIComponent(name)}?expand_wildcards=all`;
    const { status, body } = await this.store.request({ method: 'GET', path }, signal);
    if (status === 404) return false;
    if (status === 429 || status >= 500)
      throw new TailraceError('TLR_SINK', `${this.store.name} does not tell about ${name}: status ${status}`, {
        retriable: true,
      });
    // Without the right to look, or on stores without this request, writing must tell.
    if (status !== 200 || typeof body !== 'object' || body === null) return true;
    const listed = (kind: string): unknown[] => {
      const list: unknown = kind in body ? body[kind as keyof typeof body] : undefined;
      return Array.isArray(list) ? list : [];
    };
    if (listed('data_streams').length > 0) throw this.misfit(name, 'is a data stream');
    const aliases = listed('aliases') as { indices?: unknown }[];
    const indices = aliases.flatMap(({ indices: behind }) => (Array.isArray(behind) ? (behind as unknown[]) : []));
    if (indices.length > 1) throw this.misfit(name, `is an alias of ${indices.length} indices`);
    if (indices.some((index) => rolledOver.test(String(index))))
      throw this.misfit(name, `is an alias that rolls over (${indices.join()})`);
    return aliases.length > 0 || listed('indices').length > 0;
  }

  /** Such an index answers before its documents are on disk: a power failure there loses what we were told is stored. */
  private async warnOfLazySync(name: string, signal: AbortSignal): Promise<void> {
    const path = `/${encodeURIComponent(name)}/_settings/index.translog.durability?flat_settings=true`;
    const { status, body } = await this.store.request({ method: 'GET', path }, signal);
    if (status !== 200 || !JSON.stringify(body).includes('"index.translog.durability":"async"')) return;
    const problem =
      'index.translog.durability is async: a power failure of the store can lose documents it has acknowledged';
    this.logger.warn('the store does not sync', { index: name, problem });
  }

  private misfit(name: string, what: string): TailraceError {
    const message = `${this.store.name}: ${name} ${what}, where ids are not unique and records could be doubled; write to an index of its own, named by time, such as ${name}-%Y.%m.%d`;
    return new TailraceError('TLR_SINK', message);
  }

  private templateName(): string {
    const readable = this.index.pattern
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[-_.]+|[-_.]+$/g, '')
      .slice(0, 100);
    return `tailrace-${readable}-${createHash('sha256').update(this.index.pattern).digest('hex').slice(0, 6)}`;
  }

  /** Texts are keywords, so that Kibana can filter and count by them, but for `message`, which is searched in. The longer pattern wins over the shorter. */
  private template() {
    const { pattern } = this.index;
    return {
      index_patterns: [pattern],
      priority: 200 + pattern.replaceAll('*', '').length,
      template: {
        mappings: {
          dynamic_templates: [{ texts: { match_mapping_type: 'string', mapping: keyword } }],
          properties: {
            '@timestamp': { type: 'date' },
            message: { type: 'text' },
            host: { properties: { name: keyword } },
            log: { properties: { file: { properties: { path: keyword } }, offset: { type: 'long' }, level: keyword } },
          },
        },
      },
      _meta: { managed_by: 'tailrace', description: `Indices that Tailrace writes as ${this.index.text}` },
    };
  }
}
