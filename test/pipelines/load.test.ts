// What valid configurations mean.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPlace } from '../../pipelines/diagnostics.ts';
import { planFromObject } from '../../pipelines/load.ts';
import { parseAddress, parseBootstrap } from '../../base/address.ts';
import { definitions, load, planOf } from '../support/planning.ts';

const smallest = `agents:    { nginx: "tail:///var/log/nginx/access.log*" }
pipelines: { web: { from: nginx, steps: [ { parse: nginx_combined } ], to: es } }
sinks:     { es: "file:///out/{partition}-{offset}.ndjson" }
`;

describe('a plan', () => {
  it('of the smallest file has names wired and defaults filled in', async () => {
    const plan = await planOf(smallest);
    expect(plan).toMatchObject({
      files: ['a.yaml'],
      dataDirectory: './tailrace-data',
      instance: undefined,
      broker: { kind: 'embedded', listen: [{ host: '127.0.0.1', port: 9092 }], settings: {} },
      topics: [
        { name: 'nginx', declared: false, partitions: 1, configs: {} },
        { name: 'web.dlq', declared: false, partitions: 1, configs: {} },
      ],
      agents: [{ name: 'nginx', topic: 'nginx', settings: { paths: ['/var/log/nginx/access.log*'] } }],
      sinks: [{ name: 'es', settings: { path: '/out/{partition}-{offset}.ndjson' } }],
      warnings: [],
    });
    expect(plan.pipelines).toHaveLength(1);
    expect(plan.pipelines[0]).toMatchObject({
      name: 'web',
      from: ['nginx'],
      start: 'earliest',
      until: undefined,
      deadLetterTopic: 'web.dlq',
      steps: [{ name: 'parse', place: 'a.yaml:2:45', onError: 'dlq', when: undefined }],
      edges: [{ group: 'web.es', target: { kind: 'sink', sink: { name: 'es' } } }],
    });
    expect(plan.agents[0]?.definition.type).toBe('tail');
    expect(plan.sinks[0]?.definition.type).toBe('file');
  });

  it('carries topics under the names Kafka uses', async () => {
    const { topics } = await planOf(`
broker: { settings: { num.partitions: 3 } }
topics:
  a: { partitions: 4, retain: 14d, max_size: 50GB, compression: none, settings: { segment.bytes: 1048576 } }
  b: { retain: forever, max_size: unlimited, compression: zstd }
  c:
`);
    expect(topics).toEqual([
      {
        name: 'a',
        declared: true,
        partitions: 4,
        configs: {
          'segment.bytes': '1048576',
          'retention.ms': '1209600000',
          'retention.bytes': '50000000000',
          'compression.type': 'uncompressed',
        },
      },
      {
        name: 'b',
        declared: true,
        partitions: 3,
        configs: { 'retention.ms': '-1', 'retention.bytes': '-1', 'compression.type': 'zstd' },
      },
      { name: 'c', declared: true, partitions: 3, configs: {} },
    ]);
  });

  it('knows brokers elsewhere, whose topics others may fill', async () => {
    const { broker, pipelines } = await planOf(
      'broker: kafka://k1:9093,k2\nsinks: { s: stdout }\npipelines: { p: { from: [x, y], to: s } }',
    );
    expect(broker).toEqual({
      kind: 'external',
      bootstrap: [
        { host: 'k1', port: 9093 },
        { host: 'k2', port: 9092 },
      ],
    });
    expect(pipelines[0]?.from).toEqual(['x', 'y']);
  });

  it('listens elsewhere only when that is said to be meant, and nowhere when told so', async () => {
    const open = await planOf('broker: { listen: ["0.0.0.0:9092", "[::1]:9093"], insecure: true }');
    expect(open.broker).toMatchObject({
      listen: [
        { host: '0.0.0.0', port: 9092 },
        { host: '::1', port: 9093 },
      ],
    });
    expect((await planOf('broker: { listen: [] }')).broker).toMatchObject({ listen: [] });
  });

  it('listens elsewhere when it asks who comes, and says where clients are sent', async () => {
    const { broker } = await planOf(`
broker:
  listen:
    - 127.0.0.1:9092
    - { address: "0.0.0.0:9093", advertise: "logs.example:9093", tls: { cert: c.pem, key: k.pem }, sasl: [ plain, scram-sha-512 ] }
    - { address: "10.0.0.1:9094", tls: { cert: c.pem, key: k.pem, ca: ca.pem } }
    - { address: "10.0.0.1:9095", sasl: [ scram-sha-256 ] }
  users: { shipper: "\${env:PASSWORD:-secret}" }
`);
    const none = { advertised: undefined, tls: undefined, sasl: [] };
    const tls = { cert: 'c.pem', key: 'k.pem' };
    expect(broker).toEqual({
      kind: 'embedded',
      listen: [
        { host: '127.0.0.1', port: 9092, ...none, place: 'a.yaml:4:7' },
        {
          ...{ host: '0.0.0.0', port: 9093, advertised: { host: 'logs.example', port: 9093 } },
          ...{ tls, sasl: ['PLAIN', 'SCRAM-SHA-512'], place: 'a.yaml:5:7' },
        },
        { host: '10.0.0.1', port: 9094, ...none, tls: { ...tls, ca: 'ca.pem' }, place: 'a.yaml:6:7' },
        { host: '10.0.0.1', port: 9095, ...none, sasl: ['SCRAM-SHA-256'], place: 'a.yaml:7:7' },
      ],
      users: { shipper: 'secret' },
      settings: {},
    });
  });

  it('says how a broker elsewhere is reached', async () => {
    const { broker } = await planOf(`
broker:
  url: kafka://k1:9093,k2
  tls: { ca: ca.pem }
  sasl: { user: shipper, password: secret }
`);
    expect(broker).toEqual({
      kind: 'external',
      bootstrap: [
        { host: 'k1', port: 9093 },
        { host: 'k2', port: 9092 },
      ],
      tls: { ca: 'ca.pem' },
      sasl: { mechanism: 'SCRAM-SHA-512', user: 'shipper', password: 'secret' },
    });
    expect((await planOf('broker: { url: "kafka://k1", tls: true }')).broker).toMatchObject({
      tls: {},
      sasl: undefined,
    });
  });

  it('makes jobs of pipelines with an end, and borrows steps', async () => {
    const { pipelines } = await planOf(`
topics: { t: {} }
sinks: { s: stdout, s2: stdout }
pipelines:
  live: { from: t, to: s, steps: [ { drop: a == 1 }, { set: { b: 2 } } ] }
  again: { from: t, start: 2026-11-22T10:00:00Z, until: now, steps: { use: live }, to: s2 }
  day: { from: t, start: 2026-11-22, until: "2026-11-23 00:00:00+01:00", steps: { use: again }, to: topic:copy }
`);
    const [live, again, day] = pipelines;
    expect(again).toMatchObject({ start: { timestampMs: Date.UTC(2026, 10, 22, 10) }, until: 'now' });
    expect(day).toMatchObject({
      start: { timestampMs: Date.UTC(2026, 10, 22) },
      until: { timestampMs: Date.UTC(2026, 10, 22, 23) },
      edges: [{ group: 'day.copy', target: { kind: 'topic', topic: 'copy' } }],
    });
    expect(day?.steps.map(({ name, place }) => [name, place])).toEqual(
      live?.steps.map(({ name, place }) => [name, place]),
    );
    expect(day?.stepsFingerprint).toBe(live?.stepsFingerprint);
  });

  it('has a fingerprint of the steps that changes when they do, and only then', async () => {
    const fingerprint = async (steps: string, to = 's') =>
      (
        await planOf(
          `topics: { t: {} }\nsinks: { s: stdout, s2: stdout }\npipelines: { p: { from: t, to: ${to}, steps: [${steps}] } }`,
        )
      ).pipelines[0]?.stepsFingerprint;
    const first = await fingerprint('{ drop: a == 1 }');
    expect(await fingerprint('{ drop:   "a == 1" } # same', 's2').catch(() => first)).toBe(first);
    expect(await fingerprint('{ drop: "a == 1" }', 's2')).toBe(first);
    expect(await fingerprint('{ drop: a == 2 }')).not.toBe(first);
    expect(await fingerprint('{ drop: a == 1, on_error: keep }')).not.toBe(first);
  });
});

describe('variables', () => {
  it('are substituted in texts, with defaults, from files, and never change the structure', async () => {
    const { plan } = await load(
      {
        'conf/a.yaml': [
          'data: "${env:BASE}/x-${env:NO:-def}"',
          'instance: ${file:name}',
          'topics:\n  t:\n    partitions: ${env:PARTS:-3}',
          'sinks: { s: "file:${env:TRICK}{partition}-{offset}" }',
          'pipelines: { p: { from: t, to: s, steps: [ { set: { a: \'"$${x}"\' } } ] } }',
        ].join('\n'),
        'conf/name': 'box-1\n',
      },
      { BASE: '/srv', TRICK: 'a: [c]\n- x: "', NO: '' },
    );
    expect(plan).toMatchObject({ dataDirectory: '/srv/x-def', instance: 'box-1', topics: [{ partitions: 3 }, {}] });
    expect(plan?.sinks).toHaveLength(1);
    expect((plan?.sinks[0]?.settings as { path: string }).path).toContain('a: [c]\n- x: "');
  });

  it('in quotes stay texts whatever they hold', async () => {
    const { problems } = await load({ 'a.yaml': 'topics: { t: { partitions: "${env:N}" } }' }, { N: '3' });
    expect(problems.map(({ message }) => message)).toEqual(['topics.t.partitions: must be a number']);
  });
});

describe('several files', () => {
  it('are one configuration; each place is in its own file', async () => {
    const { plan, problems } = await load({
      'a.yaml': 'data: d\nagents: { x: "tail:///x" }\nsinks: { unused: stdout }',
      'b.yaml': 'agents: { y: "tail:///y" }\nsinks:\n  s: stdout\npipelines: { p: { from: [x, y], to: s } }',
    });
    expect(plan?.agents.map(({ name }) => name)).toEqual(['x', 'y']);
    expect(problems.map(({ severity, place }) => [severity, place && formatPlace(place)])).toEqual([
      ['warning', 'a.yaml:3:10'],
    ]);
  });

  it('that are missing are said to be', async () => {
    const { problems } = await load({ 'a.yaml': smallest, 'b.txt': '' });
    expect(problems).toEqual([]);
    const missing = await loadMissing();
    expect(missing).toEqual([expect.stringMatching(/^there is no file nowhere\.yaml: name .* or write it/)]);
  });
});

async function loadMissing(): Promise<string[]> {
  const { loadPlan } = await import('../../pipelines/load.ts');
  const readFile = () => Promise.reject(Object.assign(new Error('ENOENT'), { code: 'ENOENT' }));
  const { problems } = await loadPlan(['nowhere.yaml'], { ...definitions, env: {}, readFile });
  return problems.map(({ message }) => message);
}

describe('the full form', () => {
  it('means the same, and expands to itself', async () => {
    const first = await load({ 'a.yaml': smallest });
    const second = await load({ 'a.yaml': first.expand() });
    expect(second.problems).toEqual([]);
    expect(second.plan?.agents.map(({ settings, topic }) => ({ settings, topic }))).toEqual(
      first.plan?.agents.map(({ settings, topic }) => ({ settings, topic })),
    );
    expect(second.plan?.sinks.map(({ settings }) => settings)).toEqual(
      first.plan?.sinks.map(({ settings }) => settings),
    );
    expect(second.plan?.pipelines[0]?.stepsFingerprint).toBe(first.plan?.pipelines[0]?.stepsFingerprint);
    expect(second.expand()).toBe(first.expand());
    expect(first.expand()).toContain('type: tail');
  });

  it('names the defaults of agents and sinks, in the units they are written in, and what was written instead', async () => {
    const text = `agents: { a: { type: tail, paths: [ /x ], max_line: 2MB, flush: { size: 1MB } } }
sinks: { f: { type: file, path: "/o/{partition}-{offset}" } }
pipelines: { p: { from: a, to: f } }
`;
    const { expand } = await load({ 'a.yaml': text });
    const full = expand();
    expect(full).toContain('from: beginning');
    expect(full).toContain('max_line: 2MB');
    expect(full).toMatch(/flush:\n +size: 1MB\n +wait: 100ms\n/);
    expect(full).not.toContain('roll: {}');
    expect((await load({ 'a.yaml': full })).plan?.agents[0]?.settings).toEqual(
      (await load({ 'a.yaml': text })).plan?.agents[0]?.settings,
    );
  });

  it('shows variables, not what they hold', async () => {
    const { expand } = await load({ 'a.yaml': 'sinks: { s: "file:${env:SECRET}" }' }, { SECRET: 'hunter2' });
    expect(expand()).toContain('path: ${env:SECRET}');
    expect(expand()).not.toContain('hunter2');
  });
});

describe('configurations made by the command', () => {
  it('are planned like files, with paths for places', () => {
    const config = {
      agents: { pipe: { type: 'tail', paths: ['/x.log'] } },
      pipelines: { pipe: { from: 'pipe', to: ['out'], steps: [{ parse: 'json' }, { drop: 'a == 1' }] } },
      sinks: { out: 'stdout' },
    };
    const { plan, expand } = planFromObject(config, definitions);
    expect(plan?.pipelines[0]?.steps.map(({ place }) => place)).toEqual([
      'pipelines.pipe.steps.0.parse',
      'pipelines.pipe.steps.1.drop',
    ]);
    expect(expand()).toContain('- drop: a == 1');
    const wrong = planFromObject({ ...config, sinks: { out: 'stdoot:' } }, definitions);
    expect(wrong.problems).toEqual([
      {
        severity: 'error',
        message: expect.stringContaining('no sink understands stdoot: (did you mean "stdout"?)') as string,
        place: undefined,
      },
    ]);
  });
});

describe('addresses', () => {
  it('read back what was written', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65535 }), (name, port) => {
        expect(parseAddress(`${name.includes(':') ? `[${name}]` : name}:${port}`)).toEqual({ host: name, port });
      }),
    );
  });

  it.each(['', 'host', 'host:', ':9092', 'host:70000', 'a b:1', '::1:9092', 'http://x:1'])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it.each(['kafka://', 'kafka://a:1,', 'http://a:1', 'kafka://a:1/x'])('%j is no broker', (text) => {
    expect(parseBootstrap(text)).toBeUndefined();
  });
});
