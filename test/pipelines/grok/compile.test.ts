import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGrok, GrokError } from '../../../pipelines/grok/compile.ts';
import { grokPatterns } from '../../../pipelines/grok/patterns.ts';
import { compilePattern } from '../../../base/regex.ts';

describe('the shipped patterns', () => {
  it.each(Object.keys(grokPatterns))('%s compiles and runs natively, in linear time', (name) => {
    expect(compileGrok(`^%{${name}}$`).pattern.engine).toBe('native');
  });

  it.each([
    ['IPV4', '192.168.0.255', '256.1.1.1'],
    ['IPV6', '2001:db8::1', 'xyz'],
    ['IP', '::1', '1.2.3'],
    ['HOSTNAME', 'web-1.example.com', '-x-'],
    ['NUMBER', '-12.5e3', '1.2.3'],
    ['INT', '+42', '4.2'],
    ['UUID', '123e4567-e89b-42d3-a456-426614174000', '123e4567'],
    ['TIMESTAMP_ISO8601', '2026-11-22T10:00:00.123+01:00', '22.11.2026'],
    ['HTTPDATE', '22/Nov/2026:10:00:00 +0000', '22 Nov 2026'],
    ['SYSLOGTIMESTAMP', 'Nov  2 10:00:00', 'Now 2 10:00:00'],
    ['LOGLEVEL', 'WARNING', 'LOUD'],
    ['URI', 'https://user@example.com:8080/a/b?c=d', 'no uri'],
    ['UNIXPATH', '/var/log/x.log', 'var'],
    ['QS', '"a \\" b"', '"open'],
    ['EMAILADDRESS', 'a.b+c@example.org', 'a@'],
    ['MAC', '00:1A:2b:3c:4d:5e', '00:1A'],
    ['JAVACLASS', 'org.example.Main', '9x'],
  ])('%s takes %s and not %s', (name, good, bad) => {
    const { match } = compileGrok(`^%{${name}:it}$`);
    expect(match(good)).toEqual({ it: good });
    expect(match(bad)).toBeUndefined();
  });

  it('reads a combined access log and a syslog line', () => {
    const line = '10.0.0.1 - bob [22/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"';
    expect(compileGrok('%{COMBINEDAPACHELOG}').match(line)).toEqual({
      client: '10.0.0.1',
      ident: '-',
      auth: 'bob',
      timestamp: '22/Nov/2026:10:00:00 +0000',
      method: 'GET',
      request: '/a',
      http_version: '1.1',
      status: 200,
      bytes: 12,
      referrer: '"-"',
      agent: '"curl/8"',
    });
    expect(compileGrok('%{SYSLOGLINE}').match('Nov  2 10:00:00 web-1 sshd[77]: Accepted key')).toEqual({
      timestamp: 'Nov  2 10:00:00',
      host: 'web-1',
      program: 'sshd',
      pid: 77,
      text: 'Accepted key',
    });
  });
});

describe('grok', () => {
  it('gives types, nested fields and direct groups; a text that is no number stays', () => {
    const { match } = compileGrok('%{WORD:[user][name]} %{NUMBER:took:float} %{DATA:n:int}!(?<rest>.*)');
    expect(match('bob 1.5 x!yes')).toEqual({ user: { name: 'bob' }, took: 1.5, n: 'x', rest: 'yes' });
  });

  it('takes the first of two same-named fields that matched', () => {
    expect(compileGrok('(?:a%{INT:n:int}|b%{INT:n:int})').match('b5')).toEqual({ n: 5 });
  });

  it("uses the user's patterns before its own", () => {
    expect(compileGrok('%{ID:id}', { ID: '[a-f]%{INT}' }).match('x f12')).toEqual({ id: 'f12' });
    expect(compileGrok('^%{WORD:w}$', { WORD: '.+' }).match('a b')).toEqual({ w: 'a b' });
  });

  it('with only literals and plain references it is the regular expression they spell', () => {
    const part = fc.constantFrom('a', 'b ', '\\[', '%{INT}', '%{WORD}', '.*?', '%{NOTSPACE}');
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', '[') }),
        (parts, text) => {
          const grok = compileGrok(parts.map((item, index) => item.replace('}', `:f${index}}`)).join(''));
          const plain = compilePattern(
            parts.map((item) => item.replace(/%\{(\w+)\}/, (_, name: string) => `(?:${grokPatterns[name]!})`)).join(''),
          );
          expect(grok.match(text) === undefined).toBe(!plain.test(text));
        },
      ),
    );
  });

  it.each([
    ['x %{IPV5:ip}', 'there is no grok pattern IPV5 (did you mean "IPV4"?)', 2, 10],
    ['%{WORD:w:integer}', '"integer" is no type; there are int, float and string', 0, 17],
    ['%{bad-name}', '"%{bad-name}" is not a grok reference; write %{NAME}, %{NAME:field} or %{NAME:field:int}', 0, 11],
  ])('refuses %s', (source, message, start, length) => {
    expect(() => compileGrok(source)).toThrow(message);
    try {
      compileGrok(source);
    } catch (error) {
      expect(error).toMatchObject({ start, length });
    }
  });

  it('refuses patterns that contain themselves or grow without measure', () => {
    expect(() => compileGrok('%{A}', { A: '%{B}', B: 'x%{A}' })).toThrow(GrokError);
    const own: Record<string, string> = { P0: 'x'.repeat(50) };
    for (let level = 1; level < 20; level++) own[`P${level}`] = `%{P${level - 1}}`.repeat(4);
    expect(() => compileGrok('%{P19}', own)).toThrow('grows too large');
  });
});
