// What is made sure of about the indices before records go there: an index template (`setup: true`), and whether a name is that of a data stream or of an
// alias. In those an id is unique per backing index only, so a record that is sent again after a roll-over would be there twice: what is in doubt is looked up
// first (in-doubt.ts). Where that is not enough — records that are to be replaced, ids that come again by intention — such names are refused.
import { createHash } from 'node:crypto';
import { TailraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { IndexTemplate } from './index-name.ts';
import { findIds, lookupProblem, refresh } from './lookup.ts';
import type { BulkStore } from './sender.ts';

const maxKnownNames = 10_000;
/** How the stores number the indices behind an alias that rolls over. */
const rolledOver = /-\d{6}$/;
const keyword = { type: 'keyword', ignore_above: 1024 };

/** 'index': it has an id once. 'rolling': a data stream or an alias. 'unknown': we have no right to look. */
type Kind = 'index' | 'rolling' | 'unknown';

export interface TargetUse {
  /** Documents that are there are overwritten. */
  replaces: boolean;
  /** An id comes as often as its key does. */
  idsAreKeys: boolean;
}

export class IndexTargets {
  private readonly store: BulkStore;
  private readonly index: IndexTemplate;
  private readonly logger: Logger;
  private readonly use: TargetUse;
  private readonly known = new Map<string, Kind>();
  private toldOfRights = false;

  constructor(store: BulkStore, index: IndexTemplate, logger: Logger, use: TargetUse) {
    this.store = store;
    this.index = index;
    this.logger = logger;
    this.use = use;
  }

  /**
   * Looks at names until they are there: before the first records go to one, and after, because a template may have made it a data stream. Throws
   * TailraceError TLR_SINK; not retriable when records could be doubled there.
   */
  async check(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) await this.kindOf(name, signal);
  }

  /** In data streams and behind aliases, and where we are not told what it is. Throws TailraceError TLR_SINK, retriable when that cannot be found out now. */
  async mayHide(names: readonly string[], signal: AbortSignal): Promise<boolean> {
    for (const name of names) if (((await this.kindOf(name, signal)) ?? 'index') !== 'index') return true;
    return false;
  }

  /** Looks them up in all indices behind the name. Throws TailraceError TLR_SINK, retriable when that cannot be done now. */
  async findStored(name: string, ids: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    const kind = await this.kindOf(name, signal);
    if (kind === undefined || kind === 'index') return found;
    const status = await refresh(this.store, name, signal);
    if (status === 404 || !this.mayLook(kind, name, status)) return found;
    return findIds(this.store, name, ids, signal);
  }

  /** Without rights nothing can be looked up. That is let pass where the name may well be that of an index, as it is told. */
  private mayLook(kind: Kind, name: string, status: number): boolean {
    if (status === 200) return true;
    if (kind === 'rolling' || (status !== 401 && status !== 403))
      throw lookupProblem(this.store, name, status, undefined);
    if (!this.toldOfRights) {
      this.toldOfRights = true;
      const problem =
        'without the rights view_index_metadata, read and maintenance it cannot be told whether this is a data stream or an alias, where what is sent again could be doubled';
      this.logger.warn('the store does not let us look', { index: name, problem });
    }
    return false;
  }

  /** Undefined while there is nothing of that name. */
  private async kindOf(name: string, signal: AbortSignal): Promise<Kind | undefined> {
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const kind = await this.resolve(name, signal);
    if (kind === undefined) return undefined;
    await this.lookAtSettings(name, kind, signal);
    if (this.known.size >= maxKnownNames) this.known.clear();
    this.known.set(name, kind);
    return kind;
  }

  /**
   * Installs the index template unless there is one of its name, which may have been changed by hand. Throws TailraceError TLR_SINK when the
   * store does not take it; retriable when it may do so later.
   */
  async setUp(signal: AbortSignal): Promise<void> {
    const path = `/_index_template/${this.templateName()}`;
    const there = await this.store.request({ method: 'GET', path: `${path}?filter_path=index_templates.name` }, signal);
    if (there.status === 200) return;
    const body = Buffer.from(JSON.stringify(this.template()));
    const answer = await this.store.request({ method: 'PUT', path, body, kind: 'json' }, signal);
    if (answer.status === 200) return;
    const message = `${this.store.name} does not take the index template: ${JSON.stringify(answer.body).slice(0, 500)}`;
    const retriable = answer.status === 408 || answer.status === 429 || answer.status >= 500;
    throw new TailraceError('TLR_SINK', message, { retriable });
  }

  private async resolve(name: string, signal: AbortSignal): Promise<Kind | undefined> {
    const path = `/_resolve/index/${encodeURIComponent(name)}?expand_wildcards=all`;
    const { status, body } = await this.store.request({ method: 'GET', path }, signal);
    if (status === 404) return undefined;
    if (status === 429 || status >= 500)
      throw new TailraceError('TLR_SINK', `${this.store.name} does not tell about ${name}: status ${status}`, {
        retriable: true,
      });
    // Without the right to look, or on stores without this request, writing must tell.
    if (status !== 200 || typeof body !== 'object' || body === null) return 'unknown';
    const listed = (kind: string): unknown[] => {
      const list: unknown = kind in body ? body[kind as keyof typeof body] : undefined;
      return Array.isArray(list) ? list : [];
    };
    const isStrict = this.use.replaces || this.use.idsAreKeys;
    const isStream = listed('data_streams').length > 0;
    if (isStream && isStrict) throw this.misfit(name, 'is a data stream');
    const aliases = listed('aliases') as { indices?: unknown }[];
    const indices = aliases.flatMap(({ indices: behind }) => (Array.isArray(behind) ? (behind as unknown[]) : []));
    if (indices.length > 1 && isStrict) throw this.misfit(name, `is an alias of ${indices.length} indices`);
    if (indices.some((index) => rolledOver.test(String(index))) && isStrict)
      throw this.misfit(name, `is an alias that rolls over (${indices.join()})`);
    if (isStream || aliases.length > 0) return 'rolling';
    return listed('indices').length > 0 ? 'index' : undefined;
  }

  /**
   * An index that syncs later answers before its documents are on disk: a power failure there loses what we were told is stored. Time series take no ids but
   * their own.
   */
  private async lookAtSettings(name: string, kind: Kind, signal: AbortSignal): Promise<void> {
    const path = `/${encodeURIComponent(name)}/_settings/index.translog.durability,index.mode?flat_settings=true`;
    const { status, body } = await this.store.request({ method: 'GET', path }, signal);
    if (status !== 200) return;
    const settings = JSON.stringify(body);
    if (kind === 'rolling' && settings.includes('"index.mode":"time_series"'))
      throw this.misfit(name, 'is a time series data stream, which makes ids of its own');
    if (!settings.includes('"index.translog.durability":"async"')) return;
    const problem =
      'index.translog.durability is async: a power failure of the store can lose documents it has acknowledged';
    this.logger.warn('the store does not sync', { index: name, problem });
  }

  private misfit(name: string, what: string): TailraceError {
    const settings = [this.use.replaces ? 'on_conflict: replace' : '', this.use.idsAreKeys ? 'id: key' : ''];
    const cause = settings.filter((text) => text !== '').join(' and ');
    const why = cause === '' ? '' : `, which does not go with ${cause}: an id may be there several times`;
    const message = `${this.store.name}: ${name} ${what}${why}; write to an index of its own, named by time, such as ${name}-%Y.%m.%d`;
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
