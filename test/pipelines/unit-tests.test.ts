// The `tests:` of a configuration: what passes, and what is shown where something is not as expected.
import { describe, expect, it } from 'vitest';
import { renderTestResults, runUnitTest, type TestResult } from '../../pipelines/unit-tests.ts';
import { planOf, problemsOf } from '../support/planning.ts';

const config = (tests: string) => `topics: { app: {}, raw: {} }
sinks: { search: stdout, alarms: stdout }
pipelines:
  web:
    from: app
    to: [search, alarms, topic:rest]
    steps:
      - parse: json
      - drop: level == "debug"
      - timestamp: time
        when: has(time)
      - set: { file: meta.path, host: meta.host, slow: took > 5 }
      - route:
          - { when: level == "error", to: [search, alarms] }
          - { when: level == "info", to: search }
  plain: { from: raw, to: search, steps: [ { drop: message == "" } ] }
  pieces: { from: raw, to: search, steps: [ { parse: json }, { split: items } ] }
  strict: { from: raw, to: search, steps: [ { parse: json, on_error: stop } ] }
tests:
${tests}
`;

async function run(test: string): Promise<TestResult> {
  return runUnitTest((await planOf(config(`  - ${test}`))).tests[0]!);
}

const differences = async (test: string) =>
  (await run(test)).differences.map(({ what, expected, actual }) => `${what}: ${expected} / ${actual}`);

describe('tests that pass', () => {
  it.each([
    `{ pipeline: web, in: '{"level":"debug"}', out: dropped }`,
    `{ pipeline: web, in: { level: info, took: 9 }, out: { level: info, slow: true } }`,
    `{ pipeline: web, in: { level: info, took: 9 }, out: { level: info, took: 9, slow: true }, exact: true }`,
    `{ pipeline: web, in: { user: { id: 12345678901234567890, tags: [a] } }, out: { user.tags: [a], level: null } }`,
    `{ pipeline: web, in: '{"id":12345678901234567890}', out: { id: "12345678901234567890" } }`,
    `{ pipeline: web, in: { level: error }, to: [alarms, search] }`,
    `{ pipeline: web, in: { level: other }, to: topic:rest }`,
    `{ pipeline: web, in: { time: "2026-11-22T10:00:00Z" }, time: 2026-11-22T10:00:00Z }`,
    `{ pipeline: web, in: { x: 1 }, at: 2026-01-02, time: 2026-01-02 }`,
    `{ pipeline: web, in: { x: 1 }, meta: { path: /var/log/x, host: web1 }, out: { file: /var/log/x, host: web1 } }`,
    `{ pipeline: web, in: no json, fails: is not JSON }`,
    `{ pipeline: strict, in: no json, fails: stops at record }`,
    `{ pipeline: plain, in: "just a line", out: "just a line" }`,
    `{ pipeline: plain, in: "just a line", out: { message: "just a line" } }`,
    `{ pipeline: plain, in: [a, "", b], out: [a, b] }`,
    `{ pipeline: pieces, in: { items: [1, 2] }, out: [ { items: 1 }, '{"items":2}' ] }`,
  ])('%s', async (test) => {
    const result = await run(test);
    expect(result.differences).toEqual([]);
    expect(result.passed).toBe(true);
  });
});

describe('differences', () => {
  it.each([
    [`{ pipeline: web, in: { level: debug }, out: { a: 1 } }`, ['out: 1 record / dropped']],
    [
      `{ pipeline: web, in: { level: info }, out: dropped }`,
      ['out: dropped / 1 record: {"level":"info","slow":false}'],
    ],
    [
      `{ pipeline: web, in: { took: 1, a: [1] }, out: { slow: true, b: x, a: [2] } }`,
      ['slow: true / false', 'b: "x" / nothing', 'a: [2] / [1]'],
    ],
    [`{ pipeline: web, in: { a: 1, b: 2 }, out: { a: 1 }, exact: true }`, ['b: nothing / 2', 'slow: nothing / false']],
    [`{ pipeline: web, in: { a: 1 }, out: { a: null } }`, ['a: nothing / 1']],
    [`{ pipeline: web, in: { a: { b: 1, c: 2 } }, out: { a: { b: 1 } } }`, ['a: {"b":1} / {"b":1,"c":2}']],
    [`{ pipeline: web, in: no json, out: dropped }`, ['fails: no dead letter / "the line is not JSON"']],
    [`{ pipeline: web, in: no json, fails: is not XML }`, ['fails: "is not XML" / "the line is not JSON"']],
    [
      `{ pipeline: web, in: { a: 1 }, fails: JSON }`,
      ['out: nothing / {"a":1,"slow":false}', 'fails: "JSON" / no dead letter'],
    ],
    [`{ pipeline: web, in: { level: info }, to: alarms }`, ['to: alarms / search']],
    [`{ pipeline: web, in: { level: debug }, to: alarms }`, ['to: alarms / nowhere']],
    [
      `{ pipeline: web, in: { a: 1 }, time: 2026-11-22 }`,
      ['time: 2026-11-22T00:00:00.000Z / 2026-01-01T00:00:00.000Z'],
    ],
    [`{ pipeline: plain, in: one, out: two }`, ['out: two / one']],
    [`{ pipeline: pieces, in: { items: [1, 2] }, out: [ { items: 1 }, { items: 3 } ] }`, ['out[1].items: 3 / 2']],
  ])('%s', async (test, expected) => {
    expect(await differences(test)).toEqual(expected);
  });

  it('are shown below each other, after the name and the place of the test', async () => {
    const text =
      '  - { name: slow requests, pipeline: web, in: { took: 1 }, out: { slow: true } }\n  - { pipeline: plain, in: a, out: a }';
    const { tests } = await planOf(config(text));
    const results = await Promise.all(tests.map(runUnitTest));
    expect(renderTestResults(results)).toBe(
      [
        'FAILED slow requests (a.yaml:20:5)',
        '  slow  expected true',
        '             got false',
        '',
        '1 of 2 tests passed',
      ].join('\n'),
    );
    expect(renderTestResults(results.slice(1))).toBe('1 of 1 test passed');
  });
});

describe('tests that are wrong', () => {
  it.each([
    ['{ pipeline: wib, in: a, out: a }', 'there is no pipeline "wib" (did you mean "web"?)'],
    ['{ pipeline: web, in: a }', 'a test says what it expects: out, fails, to or time'],
    ['{ pipeline: web, in: a, out: a, fails: b }', 'what becomes a dead letter does not go out'],
    [
      '{ pipeline: web, in: a, to: serch }',
      '"serch" is not among the targets of web, search, alarms, topic:rest (did you mean "search"?)',
    ],
    ['{ pipeline: web, out: a }', '"in" is missing'],
    ['{ pipeline: web, in: a, ouput: a }', 'unknown key "ouput"'],
    ['{ pipeline: web, in: a, time: soon }', 'is no time'],
  ])('%s', async (test, message) => {
    expect(await problemsOf(config(`  - ${test}`))).toContain(message);
  });
});
