import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile, runLine, TestEvent, through } from '../../support/planning.ts';

const access = '127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"';

describe('parse', () => {
  it('json leaves the record as it is until another step changes it', async () => {
    const line = '{ "b": 1, "a": 12345678901234567890 }';
    expect(await through('- parse: json', line)).toBe(line);
    expect(await through('- parse: json\n- drop: b > 5', line)).toBe(line);
    expect(await through('- parse: json\n- drop: b == 1', line)).toBe('dropped');
    expect(await through('- parse: json\n- set: { c: b + 1 }', '{"b":1}')).toBe('{"b":1,"c":2}');
  });

  it('json keeps the digits of whole numbers that JavaScript cannot hold', async () => {
    const line = '{"id":12345678901234567890,"list":[{"n":-99999999999999999}],"f":1.5}';
    expect(await through('- parse: json\n- rename: { f: g }\n- redact: [email, credit_card]', line)).toBe(
      '{"id":12345678901234567890,"list":[{"n":-99999999999999999}],"g":1.5}',
    );
    expect(
      await through(
        '- parse: json\n- set: { copy: fields.id, text: string(id), n: id > 5 && id == fields.id }\n- remove: [id, list]',
        line,
      ),
    ).toBe('{"f":1.5,"copy":12345678901234567890,"text":"12345678901234567890","n":true}');
    expect(await through('- parse: json\n- keep: list.exists(x, x.n < -5) && id / 10 > 7', line)).toBe(line);
  });

  it('json keeps fields, order and values of any object', async () => {
    const steps = await compile('- parse: json\n- set: { last: 1 }');
    const name = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => text !== 'last' && !text.startsWith('last.'));
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue()), (fields) => {
        const line = JSON.stringify(fields);
        expect(runLine(steps, new TestEvent(line))).toBe(JSON.stringify({ ...(JSON.parse(line) as object), last: 1 }));
      }),
    );
  });

  it('logfmt, nginx_combined, regex and grok give the fields instead of the line', async () => {
    expect(await through('- parse: logfmt', 'level=info took=5')).toBe('{"level":"info","took":"5"}');
    expect(await through('- parse: nginx_combined\n- remove: [time_local, protocol]', access)).toBe(
      '{"remote_addr":"127.0.0.1","method":"GET","path":"/a","status":200,"body_bytes_sent":12,"http_user_agent":"curl/8"}',
    );
    expect(await through("- parse: { regex: '^(?<a>\\w+) (?<b>\\d+)?' }", 'x 5')).toBe('{"a":"x","b":"5"}');
    expect(await through("- parse: { regex: '^(?<a>\\w+) (?<b>\\d+)?' }", 'x y')).toBe('{"a":"x"}');
    expect(await through("- parse: { grok: '%{WORD:a} %{INT:b:int}' }", 'x 5')).toBe('{"a":"x","b":5}');
    expect(await through("- parse: 'grok:%{WORD:a} %{INT:b:int}'", 'x 5')).toBe('{"a":"x","b":5}');
    expect(await through("- parse: 'regex:(?<a>.)'", 'x 5')).toBe('{"a":"x"}');
  });

  it('takes the first of a list that fits', async () => {
    const steps = "- parse: { grok: ['^a %{WORD:a}', '^b %{OWN:b}'], patterns: { OWN: '[0-9]+x' } }";
    expect(await through(steps, 'b 12x')).toBe('{"b":"12x"}');
    await expect(through(steps, 'c 12x')).rejects.toThrow('the line matches none of the 2 grok patterns');
  });

  it('nginx_combined sets the time of the record', async () => {
    const event = new TestEvent(access, 0);
    runLine(await compile('- parse: nginx_combined'), event);
    expect(event.timestampMs).toBe(Date.UTC(2026, 10, 22, 10));
  });

  it('parses a field, and into a field', async () => {
    const line = '{"log":"a=1","x":2}';
    expect(await through('- parse: json\n- parse: { format: logfmt, from: log }', line)).toBe(
      '{"log":"a=1","x":2,"a":"1"}',
    );
    expect(await through('- parse: json\n- parse: { format: logfmt, from: log, into: sub }', line)).toBe(
      '{"log":"a=1","x":2,"sub":{"a":"1"}}',
    );
    expect(await through('- parse: { format: json, into: sub }', '{"a":1}')).toBe('{"sub":{"a":1}}');
    expect(await through('- parse: json\n- parse: json', '{"message":"{\\"a\\":1}","b":2}')).toBe('{"b":2,"a":1}');
  });

  it.each([
    ['- parse: json', 'no json', 'the line is not JSON'],
    ['- parse: json', '[1]', 'the line is JSON, but a list, not an object'],
    ['- parse: json', 'null', 'the line is JSON, but null, not an object'],
    ['- parse: json', '5', 'the line is JSON, but a number, not an object'],
    ['- parse: logfmt', 'words only', 'the line is not logfmt'],
    ['- parse: nginx_combined', 'words only', 'the line is not a line of the combined access log'],
    ["- parse: { regex: '(?<a>\\d)' }", 'words only', 'the line does not match the regular expression'],
    ['- parse: { format: json, from: log }', 'x', 'there is no field log to parse'],
    ['- parse: json\n- parse: { format: json, from: a }', '{"a":1}', 'the field a is not a text'],
    ['- parse: json\n- parse: { format: json, from: a }', '{"a":"x"}', 'a is not JSON'],
  ])('%s on %s fails: the reason says why', async (steps, line, reason) => {
    await expect(through(steps, line)).rejects.toThrow(reason);
  });

  it('leaves the record untouched when it fails', async () => {
    expect(await through('- parse: json\n  on_error: keep', 'no json')).toBe('no json');
  });

  it('never writes through a prototype', async () => {
    expect(await through('- parse: json\n- set: { x: 1 }', '{"__proto__":{"polluted":1}}')).toBe(
      '{"__proto__":{"polluted":1},"x":1}',
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
