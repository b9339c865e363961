import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passesLuhn } from '../../../pipelines/steps/redact.ts';
import { compile, runLine, TestEvent, through } from '../../support/planning.ts';

const parsed = (steps: string) => `- parse: json\n${steps}`;

describe('drop, keep and when', () => {
  it.each([
    ['- drop: level == "debug"', '{"level":"debug"}', 'dropped'],
    ['- drop: level == "debug"', '{"level":"info"}', '{"level":"info"}'],
    ['- drop: level == "debug"', '{}', '{}'],
    ['- keep: status >= 500', '{"status":503}', '{"status":503}'],
    ['- keep: status >= 500', '{"status":200}', 'dropped'],
    ['- keep: status >= 500', '{}', 'dropped'],
    ['- drop: "true"\n  when: has(a)', '{"a":1}', 'dropped'],
    ['- drop: "true"\n  when: has(a)', '{"b":1}', '{"b":1}'],
  ])('%s of %s', async (steps, line, expected) => {
    expect(await through(parsed(steps), line)).toBe(expected);
  });

  it('works on lines that nobody parsed', async () => {
    expect(await through('- drop: message.contains("noise")', 'just noise')).toBe('dropped');
    expect(await through('- drop: message.contains("noise")', 'a signal')).toBe('a signal');
  });

  it('keeps the plan of what happens on errors, and where the step stands', async () => {
    const steps = await compile('- drop: a > 1\n- keep: a > 1\n  on_error: stop\n- parse: json\n  on_error: drop');
    expect(steps.map(({ name, onError, place }) => [name, onError, place])).toEqual([
      ['drop', 'dlq', 'a.yaml:8:9'],
      ['keep', 'stop', 'a.yaml:9:9'],
      ['parse', 'drop', 'a.yaml:11:9'],
    ]);
  });
});

describe('set, rename and remove', () => {
  it.each([
    ['- set: { a: 1, b: a + 1, c: null, d: true, e: \'"text"\' }', '{}', '{"a":1,"b":2,"c":null,"d":true,"e":"text"}'],
    ['- set: { a: fields.absent }', '{}', '{}'],
    ['- set: { user.name: \'"x"\' }', '{"user":{"id":1}}', '{"user":{"id":1,"name":"x"}}'],
    ['- set: { user.name: \'"x"\' }', '{"user.name":1}', '{"user.name":"x"}'],
    ['- set: { user.name: \'"x"\' }', '{"user":5}', '{"user":{"name":"x"}}'],
    ['- set: { where: meta.path, at: meta.position }', '{}', '{"where":"/var/log/x","at":42}'],
    ['- rename: { a: b, x: y }', '{"a":1,"c":2}', '{"c":2,"b":1}'],
    ['- rename: { a: b.c }', '{"a":1}', '{"b":{"c":1}}'],
    ['- remove: a', '{"a":1,"b":2}', '{"b":2}'],
    ['- remove: [a.b, c, absent]', '{"a":{"b":1,"d":2},"c":3}', '{"a":{"d":2}}'],
  ])('%s on %s', async (steps, line, expected) => {
    expect(await through(parsed(steps), line)).toBe(expected);
  });

  it('what finds nothing to do leaves the bytes alone', async () => {
    const line = '{ "a" : 1 }';
    expect(
      await through(parsed('- rename: { x: y }\n- remove: [z]\n- set: { q: fields.absent }\n- redact: [email]'), line),
    ).toBe(line);
  });
});

describe('timestamp', () => {
  it.each([
    ['- timestamp: time', '{"time":"2026-11-22T10:00:00.5Z"}', Date.UTC(2026, 10, 22, 10, 0, 0, 500)],
    ['- timestamp: { field: t.at, format: unix }', '{"t":{"at":1795341600}}', 1795341600000],
    [
      "- timestamp: { field: time, format: '%d.%m.%Y %H:%M:%S' }",
      '{"time":"22.11.2026 10:00:00"}',
      Date.UTC(2026, 10, 22, 10),
    ],
  ])('%s', async (steps, line, expected) => {
    const event = new TestEvent(line, 0);
    expect(runLine(await compile(parsed(steps)), event)).toBe(line);
    expect(event.timestampMs).toBe(expected);
  });

  it('fails where there is no time', async () => {
    await expect(through(parsed('- timestamp: time'), '{}')).rejects.toThrow('there is no field time');
    await expect(through(parsed('- timestamp: time'), '{"time":"soon"}')).rejects.toThrow('time is not a time');
    await expect(through(parsed('- timestamp: { field: time, format: "%Y" }'), '{"time":"soon"}')).rejects.toThrow(
      'time is not a time of the format %Y',
    );
  });
});

describe('redact', () => {
  it.each([
    ['email', 'mail bob.o-x+1@mail.example.co.uk, and a@b', 'mail [email], and a@b'],
    [
      'credit_card',
      'card 4111 1111 1111 1111, order 4111 1111 1111 1112',
      'card [credit_card], order 4111 1111 1111 1112',
    ],
    ['credit_card', '378282246310005 6011-1111-1111-1117', '[credit_card] [credit_card]'],
    ['ipv4', 'from 10.0.0.1:80 and 256.1.1.1 v1.2.3.4.5', 'from [ipv4]:80 and 256.1.1.1 v1.2.3.4.5'],
    ['ipv6', 'from 2001:db8::1 and [::1] at 10:20:30', 'from [ipv6] and [[ipv6]] at 10:20:30'],
    ['ipv6', 'mapped ::ffff:10.0.0.1, mac 00:1a:2b:3c:4d:5e', 'mapped [ipv6], mac 00:1a:2b:3c:4d:5e'],
    ["{ name: ssn, pattern: '\\b\\d{3}-\\d{2}-\\d{4}\\b' }", 'ssn 123-45-6789', 'ssn [ssn]'],
  ])('%s: %s', async (kind, line, expected) => {
    const out = await through(`- redact: [${kind}]`, line);
    expect(out === line ? out : (JSON.parse(out) as { message: string }).message).toBe(expected);
  });

  it('looks into all texts at any depth, or into the named fields only', async () => {
    const line = '{"a":"x@y.zz","b":{"c":["x@y.zz",1]},"x@y.zz":1}';
    expect(await through(parsed('- redact: email'), line)).toBe('{"a":"[email]","b":{"c":["[email]",1]},"x@y.zz":1}');
    expect(await through(parsed('- redact: { kinds: [email], fields: [b.c] }'), line)).toBe(
      '{"a":"x@y.zz","b":{"c":["[email]",1]},"x@y.zz":1}',
    );
  });

  it('leaves nothing of any card number that passes the check', async () => {
    const steps = await compile('- redact: [credit_card]');
    const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 18 });
    fc.assert(
      fc.property(digits, (start) => {
        const number = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((last) => [...start, last].join('')).find(passesLuhn)!;
        expect(runLine(steps, new TestEvent(`pay ${number} now`))).toBe('{"message":"pay [credit_card] now"}');
      }),
    );
  });

  it('is linear in the length of hostile lines', async () => {
    const steps = await compile('- redact: [email, credit_card, ipv4, ipv6]');
    const start = performance.now();
    for (const text of ['a', 'a.', '1', '1.', ':', '1-', 'a@', '@a.'])
      runLine(steps, new TestEvent(text.repeat(50_000)));
    expect(performance.now() - start).toBeLessThan(4000);
  });
});
