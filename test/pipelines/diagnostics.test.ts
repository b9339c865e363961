import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest, renderDiagnostics, sortDiagnostics } from '../../pipelines/diagnostics.ts';

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 7 });

describe('edit distance', () => {
  it('is zero for the same word only, symmetric, and never more than the longer word', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  it('counts one for a letter added, removed, changed, or two neighbours swapped', () => {
    expect(editDistance('paths', 'pathss')).toBe(1);
    expect(editDistance('paths', 'path')).toBe(1);
    expect(editDistance('paths', 'pains')).toBe(2);
    expect(editDistance('paths', 'paths')).toBe(0);
    expect(editDistance('paths', 'pahts')).toBe(1);
  });

  it('finds what was meant, and nothing when nothing is near', () => {
    const candidates = ['paths', 'exclude', 'from', 'to'];
    expect(nearest('path', candidates)).toBe('paths');
    expect(nearest('EXCLUDE', candidates)).toBe('exclude');
    expect(nearest('exlcude', candidates)).toBe('exclude');
    expect(nearest('colour', candidates)).toBeUndefined();
    expect(nearest('xy', candidates)).toBeUndefined();
  });
});

describe('rendering', () => {
  const place = { file: 'a.yaml', line: 3, column: 5, length: 4, text: 'key: valu' };

  it('shows the line with a caret under the spot', () => {
    expect(renderDiagnostics([{ severity: 'error', message: 'is wrong', place: { ...place, column: 6 } }])).toBe(
      ['a.yaml:3:6: error: is wrong', ' 3 | key: valu', '   |      ^^^^'].join('\n'),
    );
  });

  it('cuts a long line around the spot', () => {
    const text = `${'a'.repeat(300)}WRONG${'b'.repeat(300)}`;
    const shown = renderDiagnostics([
      { severity: 'error', message: 'x', place: { ...place, column: 301, length: 5, text } },
    ]);
    const [, excerpt = '', caret = ''] = shown.split('\n');
    expect(excerpt.length).toBeLessThan(130);
    expect(excerpt.slice(caret.indexOf('^'), caret.lastIndexOf('^') + 1)).toBe('WRONG');
  });

  it('sorts by file, line and column, and says the same only once', () => {
    const problem = (file: string, line: number, column: number, message = 'm') =>
      ({ severity: 'error', message, place: { ...place, file, line, column } }) as const;
    const sorted = sortDiagnostics(
      [problem('b', 1, 1), problem('a', 2, 1), problem('a', 1, 9), problem('a', 1, 2), problem('a', 1, 2)],
      ['b', 'a'],
    );
    expect(sorted.map(({ place }) => `${place?.file ?? ''}${place?.line ?? ''}:${place?.column ?? ''}`)).toEqual([
      'b1:1',
      'a1:2',
      'a1:9',
      'a2:1',
    ]);
  });
});
