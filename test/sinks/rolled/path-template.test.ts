import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathTemplate, safeValue } from '../../../sinks/rolled/path-template.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';

function pathOf(template: string, fields: Record<string, unknown> = {}, timestampMs = 0, offset = 42): string {
  const path = new PathTemplate(template);
  let result = '';
  deliveryBatch([{ offset, text: '', timestampMs, fields }]).forEach((delivery) => {
    result = path.pathOf(path.key(testPartition, delivery), delivery.offset);
  });
  return result;
}

describe('path templates', () => {
  it('fill in time in UTC, topic, partition, offset and fields', () => {
    const timeMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    expect(pathOf('a/%Y/%m/%d/%H-%M-100%%', {}, timeMs)).toBe('a/2026/01/02/03-04-100%');
    expect(pathOf('{topic}-{partition}-{offset}.gz')).toBe('logs-0-00000000000000000042.gz');
    expect(pathOf('x/{user.name}/{n}.log', { 'user.name': 'ann', n: 7 })).toBe('x/ann/7.log');
    expect(pathOf('x/{gone}.log')).toBe('x/unknown.log');
  });

  it('take times that no calendar has', () => {
    expect(pathOf('%Y', {}, -1)).toBe('1970');
    expect(pathOf('%Y', {}, Number.MAX_SAFE_INTEGER)).toBe('9999');
  });

  it('say within which time all records share a file', () => {
    expect(new PathTemplate('a.log').periodMs).toBe(Infinity);
    expect(new PathTemplate('%Y-%m-%d.log').periodMs).toBe(86_400_000);
    expect(new PathTemplate('%d/%M.log').periodMs).toBe(60_000);
    expect(new PathTemplate('%Y/{service}.log').periodMs).toBeUndefined();
  });

  it('know the folder that is the same for all', () => {
    expect(new PathTemplate('/srv/out/%Y/x.log').baseDirectory).toBe('/srv/out');
    expect(new PathTemplate('out/app-{partition}.log').baseDirectory).toBe('out');
    expect(new PathTemplate('/{topic}.log').baseDirectory).toBe('/');
    expect(new PathTemplate('{topic}/x.log').baseDirectory).toBe('.');
  });

  it.each([
    ['out/%S.log', 'path "out/%S.log": %S is not known; there are %Y %m %d %H %M and %%'],
    ['out/100%', 'path "out/100%": % is not known; there are %Y %m %d %H %M and %%'],
    ['out/', 'path "out/": it names a folder; add a file name such as {partition}-{offset}.ndjson'],
    ['out/{}', 'path "out/{}": {} is not the name of a field'],
    ['out/{a b}', 'path "out/{a b}": {a b} is not the name of a field'],
    [
      'out/{offset}.log',
      'path "out/{offset}.log": {offset} needs {partition} beside it, or partitions would take each other\'s names',
    ],
    ['out/.{topic}', 'path "out/.{topic}": names that begin with a dot are those of unpublished files'],
    ['.x', 'path ".x": names that begin with a dot are those of unpublished files'],
  ])('refuse %s', (template, message) => {
    expect(() => new PathTemplate(template)).toThrow(message);
  });

  it('never let a value leave its folder', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.anything()), (value) => {
        const safe = safeValue(value);
        expect(safe).not.toBe('');
        expect(safe).not.toMatch(/[/\0\n]|\.\.|^\./);
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(120);
        expect(Buffer.from(safe).toString()).toBe(safe);
      }),
    );
    expect(safeValue('../../etc/passwd')).toBe('____etc_passwd');
    expect(safeValue('')).toBe('unknown');
    expect(safeValue({ a: 1 })).toBe('unknown');
    expect(safeValue(false)).toBe('false');
  });
});
