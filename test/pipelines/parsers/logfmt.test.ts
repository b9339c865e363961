import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLogfmt } from '../../../pipelines/parsers/logfmt.ts';

/** Writes what parseLogfmt reads. */
function write(fields: Record<string, string | true>): string {
  return Object.entries(fields)
    .map(([name, value]) => {
      if (value === true) return name;
      return `${name}=${/^[^\s"=\\]+$/.test(value) && !/[\u0000-\u0020]/.test(value) ? value : JSON.stringify(value)}`;
    })
    .join(' ');
}

describe('logfmt', () => {
  it('reads back what was written', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 8, unit: 'grapheme' })
      .filter((text) => !/[\s\u0000-\u0020"=]/.test(text));
    const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(true as const));
    fc.assert(
      fc.property(fc.dictionary(name, value, { minKeys: 1 }), (fields) => {
        fc.pre(Object.values(fields).some((item) => item !== true));
        expect(parseLogfmt(write(fields))).toEqual({ ...fields });
      }),
    );
  });

  it.each([
    ['level=info msg="hello \\"you\\"" done', { level: 'info', msg: 'hello "you"', done: true }],
    ['  a=1   b=  c="" ', { a: '1', b: '', c: '' }],
    ['url=http://x/?a=b', { url: 'http://x/?a=b' }],
    ['t="tab\\there" u="\\u00e9"', { t: 'tab\there', u: 'é' }],
    ['a=1 a=2', { a: '2' }],
  ])('%s', (line, fields) => {
    expect(parseLogfmt(line)).toEqual(fields);
  });

  it.each(['just some words', '', 'a="open', 'a="x"y', '=b', 'a"b=c'])('is not logfmt: %s', (line) => {
    expect(parseLogfmt(line)).toBeUndefined();
  });

  it('cannot be made to touch prototypes', () => {
    const fields = parseLogfmt('__proto__=x constructor=y')!;
    expect(Object.keys(fields)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
  });
});
