import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dissectParser } from '../../../pipelines/parsers/dissect.ts';
import { through } from '../../support/planning.ts';

describe('dissect', () => {
  it.each([
    ['%{a} %{b}', 'x y z', { a: 'x', b: 'y z' }],
    ['[%{level}] %{text}', '[info] all fine', { level: 'info', text: 'all fine' }],
    [
      '%{date} %{+date} - %{host.name}:%{port:int}',
      '2026-11-22 10:00 - web:80',
      { date: '2026-11-22 10:00', host: { name: 'web' }, port: 80 },
    ],
    ['%{} %{?skipped} %{kept}', 'a b c', { kept: 'c' }],
    ['%{level->} %{text}', 'INFO    hello', { level: 'INFO', text: 'hello' }],
    ['<%{a}>', '<x>', { a: 'x' }],
    ['%{a}, %{b}', ', ', { a: '', b: '' }],
  ])('%s on %j', (pattern, text, expected) => {
    expect(dissectParser(pattern)(text, 0).fields).toEqual(expected);
  });

  it.each([
    ['[%{a}]', 'x'],
    ['[%{a}]', '[x'],
    ['[%{a}]', '[x] and more'],
    ['%{a} - %{b}', 'no dash'],
  ])('%s does not fit %j', (pattern, text) => {
    expect(() => dissectParser(pattern)(text, 0)).toThrow('does not fit the dissect pattern');
  });

  it('gives back what was put between the fixed texts', () => {
    const word = fc.string().filter((text) => !text.includes(' | '));
    fc.assert(
      fc.property(word, word, fc.string(), (a, b, rest) => {
        fc.pre(!`${a} | `.slice(0, -1).includes(' | ') && !`${b} | `.slice(0, -1).includes(' | '));
        expect(dissectParser('%{a} | %{b} | %{rest}')(`${a} | ${b} | ${rest}`, 0).fields).toEqual({ a, b, rest });
      }),
    );
  });

  it('works as a step, also with a list, and points at what is wrong in the pattern', async () => {
    const steps = "- parse: { dissect: ['%{a}=%{b}', '%{a}:%{b}'] }";
    expect(await through(steps, 'x:y')).toBe('{"a":"x","b":"y"}');
    await expect(through(steps, 'x')).rejects.toThrow('the line fits none of the 2 dissect patterns');
    expect(await through("- parse: 'dissect:%{a} %{b}'", 'x y')).toBe('{"a":"x","b":"y"}');
    await expect(through("- parse: { dissect: '%{a}%{b}' }", 'x')).rejects.toThrow(
      /8:32: error: two fields need a text between them/,
    );
    await expect(through("- parse: 'dissect:%{a} %{b:date}'", 'x')).rejects.toThrow(/8:30: error: "date" is no type/);
    await expect(through("- parse: { dissect: '%{a' }", 'x')).rejects.toThrow('the } of this field is missing');
    await expect(through("- parse: { dissect: 'plain' }", 'x')).rejects.toThrow('the pattern names no field');
    await expect(through("- parse: { dissect: '%{&a}' }", 'x')).rejects.toThrow('only %{name}');
  });
});
