import { matchesGlob as nodeMatchesGlob } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExclude, compileGlob, matchesGlob, spreadBraces } from '../../../agents/tail/glob.ts';

const matches = (pattern: string, path: string) => compileGlob(pattern).some((glob) => matchesGlob(glob, path));

describe('path patterns', () => {
  it.each([
    ['/var/log/*.log', '/var/log/a.log', true],
    ['/var/log/*.log', '/var/log/x/a.log', false],
    ['/srv/*/logs/**/*.log*', '/srv/a/logs/b.log.1', true],
    ['/srv/*/logs/**/*.log*', '/srv/a/logs/x/y/b.log', true],
    ['/srv/*/logs/**/*.log*', '/srv/a/b/logs/b.log', false],
    ['/a/**', '/a/b/c', true],
    ['/a/?.log', '/a/b.log', true],
    ['/a/?.log', '/a/bb.log', false],
    ['/a/[a-c]x[!0-9]', '/a/bxy', true],
    ['/a/[a-c]x[!0-9]', '/a/bx1', false],
    ['/a/{x,y{1,2}}.log', '/a/y2.log', true],
    ['/a/{x,y{1,2}}.log', '/a/y3.log', false],
    ['/a/*', '/a/.hidden', false],
    ['/a/.*', '/a/.hidden', true],
    ['/a/**/x', '/a/.git/x', false],
    ['/a/\\*.log', '/a/*.log', true],
    ['/a/\\*.log', '/a/b.log', false],
    ['/a/x[1.log', '/a/x[1.log', true],
    ['/a/{x}.log', '/a/{x}.log', true],
  ])('%s on %s: %s', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  it('agree with those of Node on the common ground', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '1'), minLength: 1, maxLength: 4 });
    const path = fc.array(
      name.filter((part) => !part.startsWith('.')),
      { minLength: 1, maxLength: 4 },
    );
    const part = fc.oneof(
      name.filter((text) => !text.startsWith('.')),
      fc.constantFrom('**', '*', 'a*', '*.b', '?', 'a?', '[ab]*', '[!a]', '{a,b*}', '*{.a,1}'),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), path, (parts, names) => {
        // A last `**` is our own: it stands for anything below, and only files are asked about.
        if (parts.at(-1) === '**') parts.push('*');
        const pattern = '/' + parts.join('/');
        const candidate = '/' + names.join('/');
        expect(matches(pattern, candidate), `${pattern} on ${candidate}`).toBe(nodeMatchesGlob(candidate, pattern));
      }),
      { numRuns: 2000 },
    );
  });

  it('spread their braces', () => {
    expect(spreadBraces('a{b,c{d,e}}f')).toEqual(['abf', 'acdf', 'acef']);
    expect(spreadBraces('a\\{b,c}')).toEqual(['a\\{b,c}']);
  });
});

describe('exclusion', () => {
  it('is by name without a slash, by path with one', () => {
    const excluded = compileExclude(['*.tmp', '/srv/old/**']);
    expect(excluded('/x/a.tmp')).toBe(true);
    expect(excluded('/srv/old/b/c.log')).toBe(true);
    expect(excluded('/srv/new/c.log')).toBe(false);
  });
});
