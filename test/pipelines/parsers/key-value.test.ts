import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyValueDefaults, keyValueParser } from '../../../pipelines/parsers/key-value.ts';
import { through } from '../../support/planning.ts';

const parse = keyValueParser(keyValueDefaults);

describe('kv', () => {
  it.each([
    ['login ok: user=bob ip=10.0.0.1', { user: 'bob', ip: '10.0.0.1' }],
    [`cmd="ls -l /" who='a b' done=`, { cmd: 'ls -l /', who: 'a b', done: '' }],
    ['a=1  a=2', { a: '2' }],
    ['url=http://x/?q=1 z=', { url: 'http://x/?q=1', z: '' }],
    ['open="no end here', { open: '"no' }],
    ['=x a=b', { a: 'b' }],
  ])('%s', (text, expected) => {
    expect(parse(text, 0).fields).toEqual(expected);
  });

  it('takes other signs between', async () => {
    expect(await through("- parse: { kv: { between: ';', separator: ':' } }", 'a: 1 ; b:"x;y" ; junk; c:3')).toBe(
      '{"a":"1","b":"x;y","c":"3"}',
    );
    expect(await through('- parse: kv', 'noise a=1')).toBe('{"a":"1"}');
  });

  it('takes time in proportion to the length of the text', () => {
    const start = performance.now();
    for (const text of [`${'word '.repeat(200_000)}a=1`, 'a='.repeat(200_000), `a='${'b="'.repeat(100_000)}`])
      expect(Object.keys(parse(text, 0).fields).length).toBeGreaterThan(0);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('fails without any pair, and ends on every text', () => {
    expect(() => parse('nothing here', 0)).toThrow('has no pair of a name, "=" and a value');
    const between = fc.constantFrom(' ', ';', '&&');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '=', '"', "'", ' ', ';', '&') }), between, (text, sign) => {
        try {
          keyValueParser({ between: sign, separator: '=' })(text, 0);
        } catch (error) {
          expect((error as Error).name).toBe('StepError');
        }
      }),
    );
  });
});
