// What `tailrace check` promises, setting by setting.
import { expect, it } from 'vitest';
import { planFromObject } from '../../pipelines/load.ts';
import { guaranteesOf } from '../../pipelines/guarantees.ts';
import { loadOptions } from '../../cli/registries.ts';

function guarantees(config: Record<string, unknown>) {
  const { plan, problems } = planFromObject(config, loadOptions);
  if (plan === undefined) throw new Error(JSON.stringify(problems));
  return guaranteesOf(plan);
}

function edge(sink: unknown): string {
  const config = { topics: { app: {} }, pipelines: { web: { from: 'app', to: 'out' } }, sinks: { out: sink } };
  return guarantees(config).edges[0]!.guarantee;
}

const search = { type: 'elasticsearch', urls: ['http://127.0.0.1:9200'], index: 'app' };

it.each([
  ['rolled files', 'file:out/{partition}-{offset}.log', /^exactly once: files get their names only after/],
  ['an appended file', 'file:out/all.log', /^exactly once: the file grows only by .*one process writes all/],
  ['an appended file of each partition', 'file:out/{partition}.log', /^exactly once: the file grows only by [^;]*$/],
  ['standard output', 'stdout:', /^at least once: after a crash .*cannot be asked/],
  ['HDFS', 'hdfs://nn:9870/logs/{partition}-{offset}', /^exactly once: files are renamed .*synconclose/],
  ['a store', search, /^exactly once: .*an id made of its record, and is created once; in data streams .*looked up/],
  [
    'a store that replaces',
    { ...search, on_conflict: 'replace' },
    /replaced when it is sent again; data streams .*refused/,
  ],
  ['a store with keys', { ...search, id: 'key' }, /the key of its record .*one document.*data streams .*refused/],
  ['a topic', undefined, /^exactly once: the records and the offsets .*one transaction/],
])('into %s', (_, sink, expected) => {
  if (sink !== undefined) expect(edge(sink)).toMatch(expected);
  else {
    const config = { topics: { app: {}, copy: {} }, pipelines: { web: { from: 'app', to: 'topic:copy' } } };
    expect(guarantees(config).edges[0]!.guarantee).toMatch(expected);
  }
});

it.each([
  [
    'files',
    'tail:///var/log/x.log',
    /^exactly once: lines and the positions .*one transaction; only bytes that are destroyed [^;]*$/,
  ],
  ['files from their ends', { type: 'tail', paths: ['/x'], from: 'end' }, /^exactly once, from the ends/],
  [
    'files whose long lines are left out',
    { type: 'tail', paths: ['/x'], long_line: 'drop' },
    /lines longer than 1.0 MiB are left out, and counted$/,
  ],
  ['HTTP', 'http://127.0.0.1:8080', /^exactly once for requests with an Idempotency-Key, .*1d 0h.*may store it twice$/],
])('from %s', (_, agent, expected) => {
  expect(guarantees({ agents: { app: agent } }).agents[0]!.guarantee).toMatch(expected);
});

it('of dead letters', () => {
  const config = { topics: { app: {} }, pipelines: { web: { from: 'app', to: 'out' } }, sinks: { out: 'stdout:' } };
  expect(guarantees(config).deadLetters).toEqual([
    {
      pipeline: 'web',
      topic: 'web.dlq',
      guarantee: expect.stringMatching(/^exactly once: .*in the transaction/) as string,
    },
  ]);
});
