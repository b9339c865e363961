// The scanner agrees with JSON.parse on every text: what it takes, and where a value ends.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactInPlace, JsonScanner, nestingLimit } from '../../base/json-scanner.ts';

const scanner = new JsonScanner();

function accepts(text: string): boolean {
  const source = Buffer.from(text);
  const from = scanner.skipSpace(source, 0, source.length);
  const to = scanner.scan(source, from, source.length);
  return to >= 0 && scanner.skipSpace(source, to, source.length) === source.length;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Texts that are nearly JSON: valid ones with a few characters taken out, put in or exchanged. */
const nearlyJson = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.array(
      fc.tuple(
        fc.nat(200),
        fc.nat(2),
        fc.constantFrom(
          ...[
            '"',
            '\\',
            '{',
            '}',
            '[',
            ']',
            ',',
            ':',
            '0',
            '1',
            '.',
            'e',
            '-',
            '+',
            'u',
            'n',
            ' ',
            '\n',
            '\t',
            '\u0001',
            'é',
          ],
        ),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([text, edits]) => {
    let edited = text;
    for (const [place, removed, put] of edits) {
      const at = place % (edited.length + 1);
      edited = edited.slice(0, at) + put + edited.slice(at + removed);
    }
    return edited;
  });

describe('the JSON scanner', () => {
  it('takes what JSON.parse takes, and nothing else', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        expect(accepts(text), text).toBe(parses(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ...['0', '-0', '01', '-', '1.', '.5', '1.5e', '1e+', '1E-7', '-1.25e+10', '+1', 'NaN', '1_0', '0x1'],
    ...['true', 'tru', 'truex', 'nul', 'null', 'false', 'undefined', '', ' ', '""', '"', '"\\', '"\\u12', '"\\u12G4"'],
    ...[
      '"\\u12ab"',
      '"\\x"',
      '"\\/"',
      '"\t"',
      '"\u007f"',
      '[',
      '[]',
      '[,]',
      '[1,]',
      '[1 2]',
      '{}',
      '{',
      '{"a"}',
      '{"a":}',
    ],
    ...[
      '{"a":1,}',
      '{"a":1 "b":2}',
      '{a:1}',
      '{"a":1}}',
      '[1]]',
      '[}',
      '{]',
      '{"a":[}',
      '\u00a0 1',
      '\ufeff1',
      '{"":{}}',
    ],
  ])('judges %j as JSON.parse does', (text) => expect(accepts(text)).toBe(parses(text)));

  it('stops where the value ends', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(' ', ',', '}', '\n{'), (text, behind) => {
        const source = Buffer.from(text + behind);
        expect(scanner.scan(source, 0, source.length)).toBe(Buffer.byteLength(text));
      }),
    );
  });

  it('names the place and the reason', () => {
    const source = Buffer.from('{"a": [1, x]}');
    expect(scanner.scan(source, 0, source.length)).toBe(-1);
    expect(scanner).toMatchObject({ errorAt: 10, reason: '"x" stands where a value should' });
  });

  it('takes 1,000 levels and not one more', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(accepts(nested(nestingLimit))).toBe(true);
    expect(accepts(nested(nestingLimit + 1))).toBe(false);
    expect(scanner.reason).toContain('1000');
  });

  it('takes white space out without touching the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('\n', '\t', '  '), (value, indent) => {
        const source = Buffer.from(JSON.stringify(value, null, indent));
        const end = compactInPlace(source, 0, source.length);
        expect(source.toString('utf8', 0, end)).toBe(JSON.stringify(value));
      }),
    );
  });
});
