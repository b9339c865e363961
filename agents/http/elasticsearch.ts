// What shippers ask an Elasticsearch before they send the first _bulk: who are you, which licence, is my template there, may I put it. The answers let them
// go on: nothing needs to be set up here, so every set-up is done already, and features that would change how they send are not available.

/** Taken for the version of the API that is spoken. */
const version = '8.19.0';

export interface Answer {
  status: number;
  body: unknown;
}

interface Rule {
  methods: readonly string[];
  path: RegExp;
  answer: (name: string) => Answer;
}

const ok = (body: unknown): Answer => ({ status: 200, body });
const done = () => ok({ acknowledged: true });
const license = {
  ...{ status: 'active', uid: '00000000-0000-0000-0000-000000000000', type: 'basic', mode: 'basic' },
  ...{ issued_to: 'tailrace', issuer: 'tailrace', issue_date_in_millis: 0 },
};
const features = { ilm: { available: false, enabled: false }, security: { available: false, enabled: false } };
const node = { name: 'tailrace', version, roles: ['data', 'ingest', 'master'] };
const about = {
  ...{ name: 'tailrace', cluster_name: 'tailrace', cluster_uuid: 'tailrace' },
  version: {
    ...{ number: version, build_flavor: 'default', build_type: 'tar', build_hash: 'tailrace' },
    ...{ build_date: '2026-01-01T00:00:00.000Z', build_snapshot: false, lucene_version: '9.12.0' },
    ...{ minimum_wire_compatibility_version: '7.17.0', minimum_index_compatibility_version: '7.0.0' },
  },
  tagline: 'You Know, for Search',
};
const health = {
  ...{ cluster_name: 'tailrace', status: 'green', timed_out: false, number_of_nodes: 1, number_of_data_nodes: 1 },
  ...{ active_primary_shards: 0, active_shards: 0, relocating_shards: 0, initializing_shards: 0, unassigned_shards: 0 },
};

/** The first one that fits counts. */
const rules: readonly Rule[] = [
  { methods: ['GET', 'HEAD'], path: /^\/$/, answer: () => ok(about) },
  { methods: ['GET', 'HEAD'], path: /^\/_license$/, answer: () => ok({ license }) },
  { methods: ['GET', 'HEAD'], path: /^\/_xpack$/, answer: () => ok({ build: {}, license, features }) },
  { methods: ['GET', 'HEAD'], path: /^\/_cluster\/health(?:\/[^/]+)?$/, answer: () => ok(health) },
  { methods: ['GET', 'HEAD'], path: /^\/_cat\/health$/, answer: () => ok('tailrace green\n') },
  // No addresses: whoever looks for further nodes keeps the one it has.
  {
    methods: ['GET'],
    path: /^\/_nodes(?:\/[^?]*)?$/,
    answer: () => ok({ cluster_name: 'tailrace', nodes: { tailrace: node } }),
  },
  {
    methods: ['GET', 'HEAD'],
    path: /^\/_index_template\/([^/]+)$/,
    answer: (name) => ok({ index_templates: [{ name, index_template: { index_patterns: [] } }] }),
  },
  {
    methods: ['GET', 'HEAD'],
    path: /^\/_component_template\/([^/]+)$/,
    answer: (name) => ok({ component_templates: [{ name, component_template: { template: {} } }] }),
  },
  {
    methods: ['GET', 'HEAD'],
    path: /^\/(?:_template|_ilm\/policy|_ingest\/pipeline|_alias)\/([^/]+)$/,
    answer: (name) => ok({ [name]: {} }),
  },
  {
    methods: ['GET', 'HEAD'],
    path: /^\/_data_stream\/([^/]+)$/,
    answer: (name) => ok({ data_streams: [{ name, timestamp_field: { name: '@timestamp' }, status: 'GREEN' }] }),
  },
  {
    methods: ['PUT', 'POST'],
    path: /^\/(?:_index_template|_component_template|_template|_ilm\/policy|_ingest\/pipeline|_data_stream)\/([^/]+)$/,
    answer: done,
  },
  { methods: ['HEAD'], path: /^\/([^_/][^/]*)$/, answer: () => ok({}) },
  {
    methods: ['PUT'],
    path: /^\/([^_/][^/]*)$/,
    answer: (index) => ok({ acknowledged: true, shards_acknowledged: true, index }),
  },
];

/** Undefined when we have no answer: 404. */
export function answerAsElasticsearch(method: string, path: string): Answer | undefined {
  for (const { methods, path: pattern, answer } of rules) {
    const match = methods.includes(method) ? pattern.exec(path) : null;
    if (match !== null) return answer(match[1] ?? '');
  }
  return undefined;
}
