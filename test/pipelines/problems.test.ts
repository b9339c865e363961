// Every way a configuration can be wrong, with the exact words and place.
import { describe, expect, it } from 'vitest';
import { load, problemsOf } from '../support/planning.ts';

const ok = 'agents: { a: "tail:///x.log" }\nsinks: { s: stdout }\n';
const pipeline = (rest: string) => `${ok}pipelines:\n  p: { from: a, to: s, ${rest} }`;
const step = (text: string) => `${ok}pipelines:\n  p:\n    from: a\n    to: s\n    steps:\n      - ${text}`;

/** The headlines alone. */
async function headlines(text: string): Promise<string[]> {
  return (await problemsOf(text)).split('\n').filter((line) => !line.startsWith(' '));
}

describe('problems', () => {
  it('show the line and the spot', async () => {
    expect(await problemsOf(step('dorp: level == "debug"'))).toBe(
      [
        'a.yaml:8:9: error: there is no step "dorp" (did you mean "drop"?)',
        ' 8 |       - dorp: level == "debug"',
        '   |         ^^^^',
      ].join('\n'),
    );
  });

  it.each([
    // The file itself.
    ['', '1:1: error: the file is empty; the smallest one names agents, pipelines and sinks'],
    ['just text', '1:1: error: a configuration is a map of topics, agents, pipelines and sinks'],
    ['sinks: { s: stdout }\nsinks: {}', '2:1: error: the key "sinks" stands here twice'],
    ['sinks:\n\ts: stdout', '2:1: error: indent with spaces, not with a tab'],
    ['data: "x', '1:9: error: this is not YAML: Missing closing "quote (a text with special characters needs quotes)'],
    [
      'data: x\n---\ndata: y',
      '2:1: error: one file holds one configuration: give several files instead of several documents',
    ],
    ['data: *x', '1:7: error: there is no anchor &x'],
    // Keys and kinds.
    ['sink: {}', '1:1: error: unknown key "sink" (did you mean "sinks"?)'],
    [
      'colour: red',
      '1:1: error: unknown key "colour"; there are data, instance, max_disk, monitor, broker, topics, agents, pipelines, sinks, tests',
    ],
    ['monitor: here', '1:10: error: an address is written host:port, as 127.0.0.1:9080'],
    [
      'monitor: { listen: "10.0.0.1:9080" }',
      '1:20: error: everybody who reaches 10.0.0.1 could read the metrics: listen on 127.0.0.1, or write { listen: "10.0.0.1:9080", insecure: true }',
    ],
    ['data: 5', '1:7: error: data: must be a text'],
    ['topics: [x]', '1:9: error: topics: must be a map of names'],
    [
      'topics: { "a b": {} }',
      '1:11: error: the name "a b" cannot be used: a topic name is made of letters, digits, ".", "_" and "-"',
    ],
    ['topics: { __x: {} }', '1:11: error: the name "__x" cannot be used: names beginning with "__" are taken'],
    ['topics: { t: { partitions: 0 } }', '1:28: error: topics.t.partitions: must be at least 1'],
    [
      'topics: { t: { retain: 7 } }',
      '1:24: error: topics.t.retain: write a number with a unit, such as 14d, or forever',
    ],
    [
      'topics: { t: { max_size: 5 parsecs } }',
      '1:26: error: topics.t.max_size: write a number with a unit, such as 50GB, or unlimited',
    ],
    [
      'topics: { t: { compression: zst } }',
      '1:29: error: topics.t.compression: must be none, gzip, snappy, lz4, zstd or producer (did you mean "zstd"?)',
    ],
    // The broker.
    ['broker: kafka//x', '1:9: error: a broker elsewhere is written kafka://host:port,host:port'],
    [
      'broker: { listen: 9092 }',
      '1:19: error: broker.listen: must be an address such as 127.0.0.1:9092, a map with one, or a list of these',
    ],
    ['broker: { listen: localhost }', '1:19: error: an address is written host:port, as 127.0.0.1:9092'],
    [
      'broker: { listen: ["127.0.0.1:1", "[::]:2"] }',
      '1:35: error: everybody who reaches :: could read and write: listen on 127.0.0.1, set sasl, or say insecure: true beside it',
    ],
    [
      'broker: { listen: { address: "10.0.0.1:9092", sasl: [plain] }, users: { a: b } }',
      '1:53: error: passwords would cross the network as they are: set tls, leave plain out, or say insecure: true',
    ],
    [
      'broker: { listen: { address: "127.0.0.1:9092", sasl: [plain] } }',
      '1:54: error: nobody could come in: name users and their passwords under broker: users',
    ],
    [
      'broker: { listen: { address: "127.0.0.1:9092", advertise: logs } }',
      '1:59: error: an address is written host:port, as 127.0.0.1:9092',
    ],
    [
      'broker: { listen: { address: "127.0.0.1:9092", sasl: [scram] } }',
      '1:55: error: broker.listen.sasl[0]: must be plain, scram-sha-256 or scram-sha-512',
    ],
    [
      'broker: { tls: true }',
      '1:16: error: tls beside url is for a broker elsewhere; a listener has its own, under listen',
    ],
    [
      'broker: { url: "kafka://x", settings: { num.partitions: 1 } }',
      '1:39: error: settings is for the broker of this process: leave out url or settings',
    ],
    ['broker: { url: "x:9092" }', '1:16: error: a broker elsewhere is written kafka://host:port,host:port'],
    // Agents and sinks.
    [
      'data: "~/tailrace"',
      '1:7: error: data: "~/tailrace" begins with ~, which the shell alone understands: write the whole path, such as /home/you/…',
    ],
    [
      'agents: { a: "tail://~/x.log" }',
      '1:14: error: paths[0]: "~/x.log" begins with ~, which the shell alone understands: write the whole path, such as /home/you/…',
    ],
    [
      'agents: { a: { type: tail, paths: [ "tail:///x.log" ] } }',
      '1:37: error: paths[0]: "tail:///x.log" is a URL; a path is expected: /x.log',
    ],
    [
      'agents: { a: "tail://logs/x.log" }',
      '1:14: error: paths[0]: "tail://logs/x.log" names no path: write tail:///logs/x.log from the root, or tail:logs/x.log from the folder that Tailrace is started in',
    ],
    [
      'sinks: { s: "file:~/x.log" }',
      '1:13: error: path: "~/x.log" begins with ~, which the shell alone understands: write the whole path, such as /home/you/…',
    ],
    [
      'sinks: { s: "elasticsearch://es1:9200" }',
      '1:13: error: index: index "": it is empty; in a URL it stands behind the host: elasticsearch://es1:9200/app-%Y.%m.%d',
    ],
    [
      'sinks: { s: "elasticsearch:es1" }',
      '1:13: error: elasticsearch does not understand this URL; there are elasticsearch, file, hdfs, stdout',
    ],
    ['agents: { a: { paths: [x] } }', '1:11: error: "type" is missing in agents.a'],
    [
      'agents: { a: { type: tial, paths: [x] } }',
      '1:22: error: there is no agent of type "tial" (did you mean "tail"?)',
    ],
    ['agents: { a: { type: tail, path: [x] } }', '1:28: error: unknown key "path" (did you mean "paths"?)'],
    [
      'agents: { a: { type: tail, paths: [x], to: "a b" } }',
      '1:44: error: to: a topic name is made of letters, digits, ".", "_" and "-"',
    ],
    [
      'agents: { a: "tial:///x" }',
      '1:14: error: no agent understands tial: (did you mean "tail"?); there are tail, http',
    ],
    ['agents: { a: /var/log/x }', '1:14: error: this is no URL of an agent; there are tail, http'],
    [
      'agents: { a.b: "tail:///x" }',
      '1:11: error: the name "a.b" cannot be used: a name is made of letters, digits, "_" and "-"',
    ],
    // Pipelines.
    [`${ok}pipelines: { p: { to: s } }`, '3:14: error: "from" is missing in pipelines.p'],
    [
      `${ok}pipelines: { p: { from: b, to: s } }`,
      '3:25: error: nothing here writes to the topic "b" (did you mean "a"?)',
    ],
    [
      `${ok}pipelines: { p: { from: elsewhere, to: s } }`,
      '3:25: error: nothing here writes to the topic "elsewhere"; declare it under topics if other programs do',
    ],
    [`${ok}pipelines: { p: { from: s, to: s } }`, '3:25: error: s is a sink; pipelines read topics'],
    [`${ok}pipelines: { p: { from: a, to: t } }`, '3:32: error: there is no sink "t" (did you mean "s"?)'],
    [`${ok}pipelines: { p: { from: a, to: a } }`, '3:32: error: there is no sink "a"; for the topic write topic:a'],
    [
      `${ok}pipelines: { p: { from: a, to: "file:///x" } }`,
      '3:32: error: a URL needs a name: put it under sinks, and the name here',
    ],
    [`${ok}pipelines: { p: { from: a, to: [s, s] } }`, '3:36: error: s stands here twice'],
    [
      `${ok}pipelines: { p: { from: a, to: [s, topic:s] } }`,
      '3:36: error: the sink and the topic s would share the consumer group p.s: rename one',
    ],
    [
      pipeline('start: yesterday'),
      '4:31: error: pipelines.p.start: must be earliest, latest, or a time such as 2026-11-22T10:00:00Z',
    ],
    [
      pipeline('start: latest, until: now'),
      '4:31: error: a job from latest to its end has nothing to read; leave one of them out',
    ],
    [pipeline('steps: { use: q }'), '4:38: error: there is no pipeline "q" (did you mean "p"?)'],
    [pipeline('steps: { use: p }'), '4:38: error: the steps are borrowed in a circle: p → p'],
    [pipeline('rate: 5'), '4:24: error: unknown key "rate" in pipelines.p; there are from, start, until, steps, to'],
  ])('%j', async (text, expected) => {
    expect(await headlines(text)).toContain(`a.yaml:${expected}`);
  });

  it.each([
    ['drop: level = "debug"', '8:21: error: unexpected character: = (equality is written ==)'],
    ['drop: siez(a) > 1', '8:15: error: there is no function siez() (did you mean "size"?)'],
    ['drop: "\'text\'"', '8:16: error: a condition must be true or false, this is a text'],
    ['drop: 5', '8:15: error: drop: must be a text'],
    [
      '{ parse: json, drop: a }',
      '8:24: error: one step each: parse and drop stand in the same one; begin the second with "- "',
    ],
    [
      '{ when: a }',
      '8:9: error: a step is missing here; there are parse, drop, keep, set, add, rename, remove, timestamp, redact, sample, split, lookup, route',
    ],
    ['{ drop: a, on_error: ignore }', '8:30: error: on_error: must be dlq, drop, keep or stop'],
    ['{ drop: a, when: "(" }', '8:28: error: unexpected end of the expression'],
    [
      'parse: jsn',
      '8:16: error: parse: must be json, logfmt, kv, nginx_combined, apache_combined, apache_common, syslog, cri, docker, { regex: … }, { grok: … }, { dissect: … }, { csv: … } or { kv: … } (did you mean "json"?)',
    ],
    ['parse: { regx: "(?<a>.)" }', '8:18: error: unknown key "regx" (did you mean "regex"?)'],
    [
      'parse: { regex: "(?<a>.", from: x }',
      '8:25: error: this is not a regular expression: missing closing ): `(?<a>.`',
    ],
    ['parse: { regex: "\\\\d+" }', '8:25: error: the pattern names no field; name its groups: (?<status>\\d+)'],
    ['parse: { grok: "x %{IPV5:a}" }', '8:27: error: there is no grok pattern IPV5 (did you mean "IPV4"?)'],
    ['parse: { from: x }', '8:16: error: name one of format, regex, grok, dissect, csv and kv'],
    [
      'set: { env: prod }',
      '8:21: error: a text is an expression here: write \'"prod"\' for the text, or fields.prod to copy the field',
    ],
    ['set: { a: 1 + }', '8:22: error: unexpected end of the expression'],
    [
      'timestamp: { field: t, format: "%Q" }',
      '8:40: error: "%Q" is no part of a time format; there are %Y %m %b %d %e %H %M %S %f %z %s, or iso, unix, unix_ms',
    ],
    [
      'redact: [email, phone]',
      '8:25: error: redact: [1]: must be email, credit_card, ipv4, ipv6, or { name, pattern }',
    ],
  ])('of steps: %j', async (text, expected) => {
    expect(await headlines(step(text))).toEqual([`a.yaml:${expected}`]);
  });

  it('come all at once, in order, and a variable that is not set hides what follows from it', async () => {
    const text = `${ok}pipelines:\n  p: { from: b, to: s, start: never, steps: [ { drop: "\${env:NO}" }, { kep: x } ] }\nsnks: {}`;
    expect((await headlines(text)).map((line) => line.split(':').slice(1, 3).join(':'))).toEqual([
      '4:14',
      '4:31',
      '4:55',
      '4:72',
      '5:1',
    ]);
  });

  it('of variables: not set, not readable, not known, not closed', async () => {
    const text = 'data: "${env:NOPE}"\ninstance: ${file:secret}\nsinks: { a: "x${env:", b: "${HOME}" }';
    expect(await headlines(text)).toEqual([
      'a.yaml:1:7: error: the environment variable NOPE is not set; set it, or give a default: ${env:NOPE:-default}',
      "a.yaml:2:11: error: cannot read secret: ENOENT: no such file or directory, open 'secret'",
      'a.yaml:3:13: error: a variable is not closed: the } is missing',
      'a.yaml:3:27: error: variables are ${env:NAME}, ${env:NAME:-default} and ${file:path}; a plain ${ is written $${',
    ]);
  });

  it('never show what a variable holds', async () => {
    const text =
      'broker: "${env:SECRET}"\nagents: { a: "${env:SECRET}" }\ntopics: { t: { compression: "${env:SECRET}", retain: "${env:SECRET}" } }';
    const shown = await problemsOf(text, { SECRET: 'hunter2://hunter2' });
    expect(shown.split('\n')).toHaveLength(12);
    expect(shown).not.toContain('hunter2://');
  });

  it('of rounds between topics, dead letters included', async () => {
    const round = (pipelines: string) => `topics: { x: {} }\npipelines:\n${pipelines}`;
    expect(await headlines(round('  p: { from: x, to: topic:y }\n  q: { from: y, to: topic:x }'))).toEqual([
      'a.yaml:4:21: error: records would go round without end: x → (p) → y → (q) → x',
    ]);
    expect(await headlines(round('  p: { from: x, to: topic:x }'))).toEqual([
      'a.yaml:3:21: error: records would go round without end: x → (p) → x',
    ]);
    expect(await headlines(round('  p: { from: x, to: topic:y }\n  again: { from: p.dlq, to: topic:x }'))).toEqual([
      'a.yaml:4:29: error: records would go round without end: x → (p) → p.dlq → (again) → x',
    ]);
  });

  it('of several files: at the second place, naming the first', async () => {
    const { problems, plan } = await load({
      'a.yaml': 'data: x\ntopics: { t: {} }',
      'b.yaml': 'topics:\n  t: {}\ndata: y',
    });
    expect(plan).toBeUndefined();
    expect(problems.map(({ message, place }) => `${place?.file ?? ''}:${place?.line ?? ''} ${message}`)).toEqual([
      'b.yaml:2 topics.t is there already, in a.yaml:2',
      'b.yaml:3 data is there already, in a.yaml:1',
    ]);
  });

  it('of a file that is no text, or has very many', async () => {
    const notText = (line: number) =>
      `error: a.yaml is not YAML text: in line ${line} are bytes that text in UTF-8 does not have (it is packed, in another encoding, or another file was meant)`;
    expect(await problemsOf('\u001f\ufffd\b\u0000{{{')).toBe(notText(1));
    expect(await problemsOf('data: x # gr\ufffd\ufffde\n')).toBe(notText(1));
    expect(await problemsOf('data: x\nd\0a')).toBe(notText(2));
    const many = await headlines('a: [ @\n'.repeat(500));
    expect(many).toHaveLength(11);
    expect(many[0]).toMatch(/^error: [\d,]+ more problems with the YAML of a\.yaml are not shown$/);
  });

  it('of a variable without quotes in a map on one line: once, with what to do', async () => {
    const text = 'sinks:\n  f: { type: file, path: ${env:X}, roll: { size: ${env:Y:-1MB} } }\n';
    expect(await headlines(text)).toEqual(['a.yaml:2:27: error: in { } and [ ] a variable needs quotes: "${…}"']);
  });

  it('of aliases that blow up', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) =>
        `  l${level}: &l${level} [${
          level === 0
            ? 'x'
            : Array(9)
                .fill(`*l${level - 1}`)
                .join(', ')
        }]`,
    );
    expect(await headlines(`topics:\n${levels.join('\n')}`)).toEqual([
      'a.yaml:1:1: error: the file is too large or too deep, or its aliases make it so',
    ]);
  });
});

describe('warnings', () => {
  it('tell of sinks that nothing leads to, and of topics that look like a slip', async () => {
    const { plan } = await load({ 'a.yaml': `${ok}topics: { aa: {}, lonely: {} }\npipelines: {}` });
    expect(plan?.warnings.map((warning) => warning.split('\n')[0])).toEqual([
      'a.yaml:2:10: warning: no pipeline leads to the sink s',
      'a.yaml:3:11: warning: nothing here writes to the topic aa or reads it (did you mean "a"?)',
    ]);
  });
});
