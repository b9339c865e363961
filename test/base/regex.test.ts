import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../base/regex.ts';

function durationMs(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

describe("V8's linear engine", () => {
  it('is there: without it every pattern would fall to the slow engine', () => {
    expect(new RegExp('a+', 'l').flags).toBe('l');
    expect(() => new RegExp('(?=a)', 'l')).toThrow(/linear time/);
    expect(compilePattern('^(?<ip>\\S+) .* "(?<agent>[^"]*)"$').engine).toBe('native');
  });

  it('takes over where backtracking would take for ever', () => {
    for (const source of ['^(a+)+$', '(a|aa)+$', '(x+x+)+y', '^(?:.*?,){9}P', '(?:a?){16}a{16}$']) {
      const pattern = compilePattern(source);
      const text = `${'a'.repeat(3000)}${'x'.repeat(3000)},!`;
      expect(
        durationMs(() => pattern.test(text)),
        `${source} on ${pattern.engine}`,
      ).toBeLessThan(2000);
      expect(
        durationMs(() => pattern.replace(text, () => '')),
        `${source} replacing`,
      ).toBeLessThan(2000);
    }
  });
});

describe('patterns', () => {
  it('find the groups of any pattern by name', () => {
    const pattern = compilePattern(String.raw`([(])(?<a>[\\(?<x>]*)\(\?<y>(?:(?P<b>\d)|(?<c>z))(-)(?<d>.)`);
    expect([pattern.engine, pattern.groupNames]).toEqual(['native', ['a', 'b', 'c', 'd']]);
    const groups = pattern.match('(?x(?<y>7-!')!;
    expect(pattern.groupNames.map((name) => groups[pattern.groupNumber(name)])).toEqual(['?x', '7', undefined, '!']);
  });

  it('refuses what cannot run in linear time, and what is no pattern, saying why', () => {
    expect(() => compilePattern('a(?=b)')).toThrow('look-around and back-references are refused');
    expect(() => compilePattern('(a)\\1')).toThrow('look-around and back-references are refused');
    expect(() => compilePattern('(')).toThrow('this is not a regular expression: missing closing )');
    expect(() => compilePattern('[a')).toThrow('this is not a regular expression: missing closing ]');
  });

  it.each([
    ['(?i)ERROR', 're2js', 'an error', 'error'],
    ['a{20}', 're2js', 'a'.repeat(20), 'a'.repeat(20)],
    ['\\p{Greek}+', 're2js', 'x αβγ', 'αβγ'],
    ['[[:digit:]]+', 're2js', 'x 12', '12'],
    ['\\d{1,3}', 'native', 'x 12', '12'],
  ])('%s runs on %s', (source, engine, text, found) => {
    const pattern = compilePattern(source);
    expect(pattern.engine).toBe(engine);
    expect(pattern.match(text)?.[0]).toBe(found);
    expect(pattern.replace(text, (part) => `<${part}>`)).toBe(text.replace(found, `<${found}>`));
  });

  it('names groups in both spellings, on both engines', () => {
    for (const flags of ['', '(?i)']) {
      const pattern = compilePattern(`${flags}(x)?(?P<first>[a-z]+)-(?:y|(?<second>\\d+))(?<third>[(<]?)`);
      expect(pattern.groupNames).toEqual(['first', 'second', 'third']);
      const groups = pattern.match('abc-12')!;
      expect(pattern.groupNames.map((name) => groups[pattern.groupNumber(name)])).toEqual(['abc', '12', '']);
      expect(pattern.match('abc-y')![pattern.groupNumber('second')]).toBeUndefined();
    }
  });

  it('means the same on both engines', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      '.',
      '[ab]',
      '(a|b)',
      '(?:ab)',
      '(a?)',
      'a*',
      'b+',
      '(b*?)',
      'a{1,3}',
      '\\d',
      '\\w',
      '\\b',
    );
    const source = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' '), maxLength: 12 });
    fc.assert(
      fc.property(source, text, (pattern, line) => {
        const matcher = RE2JS.compile(pattern).matcher(line);
        const expected = matcher.find()
          ? Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined)
          : undefined;
        const found = compilePattern(pattern).match(line);
        expect(found === undefined ? undefined : found[0]).toBe(expected?.[0]);
      }),
    );
  });
});
