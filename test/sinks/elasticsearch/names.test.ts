import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DocumentIds } from '../../../sinks/elasticsearch/document-id.ts';
import { IndexTemplate } from '../../../sinks/elasticsearch/index-name.ts';
import { settingsOfUrl, storeUrlProblem } from '../../../sinks/elasticsearch/url.ts';
import type { Coordinates, Delivery } from '../../../sinks/sink.ts';
import { testPartition } from '../../support/deliveries.ts';

function idOf(pipeline: string, coordinates: Coordinates, offset: number, ordinal: number): string {
  const ids = new DocumentIds(pipeline);
  ids.open(coordinates);
  const target = Buffer.alloc(ids.maxLength + 2);
  return target.toString('latin1', 1, ids.write(target, 1, offset, ordinal));
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))];
}

describe('ids', () => {
  it('are what the format says, in base64url', () => {
    const numbers = fc.record({
      partition: fc.nat(),
      offset: fc.maxSafeNat(),
      ordinal: fc.nat(),
      pipeline: fc.string(),
    });
    fc.assert(
      fc.property(numbers, fc.uint8Array({ minLength: 16, maxLength: 16 }), (numbers, topicId) => {
        const { partition, offset, ordinal, pipeline } = numbers;
        const bytes = [
          ...topicId.subarray(0, 8),
          ...[...varint(partition), ...varint(offset), ...varint(ordinal)],
          ...Buffer.from(pipeline),
        ];
        const coordinates = { topic: 'logs', topicId: Buffer.from(topicId), partition };
        expect(idOf(pipeline, coordinates, offset, ordinal)).toBe(Buffer.from(bytes).toString('base64url'));
      }),
    );
  });

  it('stay the same for all time', () => {
    expect(idOf('web', testPartition, 300, 0)).toBe('BwcHBwcHBwcArAIAd2Vi');
    expect(idOf('', { ...testPartition, partition: 7 }, 0, 1)).toBe('BwcHBwcHBwcHAAE');
  });

  it('fit the 512 bytes that are allowed, with the longest name of a pipeline', () => {
    expect(idOf('x'.repeat(245), testPartition, Number.MAX_SAFE_INTEGER, 2 ** 31).length).toBeLessThanOrEqual(512);
  });
});

function nameOf(template: string, timestampMs: number, fields: Record<string, unknown> = {}): string {
  const delivery: Delivery = {
    ...{ offset: 0, ordinal: 0, timestampMs, buffer: Buffer.alloc(0), start: 0, end: 0, untouched: true },
    key: () => null,
    field: (path) => fields[path],
  };
  return new IndexTemplate(template).name({ ...testPartition, topic: 'Shop.Orders' }, delivery);
}

describe('names of indices', () => {
  const time = Date.UTC(2026, 0, 31, 23, 59, 59, 999);

  it("follow the record's time in UTC", () => {
    expect(nameOf('nginx-%Y.%m.%d', time)).toBe('nginx-2026.01.31');
    expect(nameOf('nginx-%Y.%m.%d-%H-%M', time + 1)).toBe('nginx-2026.02.01-00-00');
    expect(nameOf('x-%Y', -1)).toBe('x-1970');
    expect(nameOf('x-%Y', Infinity)).toBe('x-9999');
  });

  it('are fit for a store whatever is filled in', () => {
    expect(nameOf('{topic}-%Y', time)).toBe('shop.orders-2026');
    expect(nameOf('app-{service}', time, { service: 'Check Out/Ä*' })).toBe('app-check_out_ä_');
    expect(nameOf('app-{service}', time)).toBe('app-unknown');
    expect(nameOf('{service}', time, { service: '_-.x' })).toBe('x');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (service) => {
        const name = nameOf('{service}-{service}-{service}', time, { service });
        expect(name).toBe(name.toLowerCase());
        expect(name).not.toMatch(/^[-_+.]|[\s"*\\<|,>/?#:]/);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(name.isWellFormed()).toBe(true);
      }),
    );
  });

  it.each([
    ['app-%Y.%m.%d', 'app-*', 86_400_000],
    ['app-%Y.%m.%d-%H', 'app-*-*', 3_600_000],
    ['app', 'app', Infinity],
    ['app-{service}-v1', 'app-*-v1', undefined],
  ])('%s matches %s', (text, pattern, periodMs) => {
    expect(new IndexTemplate(text)).toMatchObject({ pattern, periodMs });
  });

  it.each([
    ['App', 'index "App": names of indices are in lower case'],
    ['', 'index "": it is empty'],
    ['a b', 'index "a b": " " is not allowed in the name of an index'],
    ['-a', 'index "-a": the name of an index must not begin with -, _ or +'],
    ['a-%y', 'index "a-%y": %y is not known; there are %Y %m %d %H %M'],
    ['a-{b c}', 'index "a-{b c}": {b c} is not the name of a field'],
    ['a-{b', 'index "a-{b": "{" is not allowed in the name of an index'],
    ['x'.repeat(151), `index "${'x'.repeat(151)}": it is too long; 150 bytes beside what is filled in are allowed`],
  ])('refuses %j', (text, message) => {
    expect(() => new IndexTemplate(text)).toThrow(message);
  });
});

describe('addresses', () => {
  it.each([
    ['elasticsearch://es1/app-%Y.%m.%d', { urls: ['http://es1:9200'], index: 'app-%Y.%m.%d' }],
    ['opensearch://os1:9201,os2/x', { urls: ['http://os1:9201', 'http://os2:9200'], index: 'x' }],
    ['elasticsearch+https://es1/x', { urls: ['https://es1:9200'], index: 'x' }],
    ['https://es1.example.com/x', { urls: ['https://es1.example.com'], index: 'x' }],
    ['http://[::1]:9200/prefix/x', { urls: ['http://[::1]:9200/prefix'], index: 'x' }],
    [
      'elasticsearch://me:p%40ss%3A@es1/x',
      { urls: ['http://es1:9200'], index: 'x', auth: { basic: { user: 'me', password: 'p@ss:' } } },
    ],
    ['elasticsearch://es1', { urls: ['http://es1:9200'], index: '' }],
    ['elasticsearch://es1/', { urls: ['http://es1:9200'], index: '' }],
    ['https://es1', undefined],
    ['https+http://es1/x', undefined],
    ['file:///x', undefined],
  ])('%s', (url, expected) => {
    expect(settingsOfUrl(url)).toEqual(expected);
  });

  it('of nodes are addresses alone, and a password is never repeated', () => {
    expect(storeUrlProblem('https://es1:9200/prefix')).toBeUndefined();
    expect(storeUrlProblem('es1:9200')).toBe('"es1:9200" is not an address such as https://es1:9200');
    expect(storeUrlProblem('https://a:secret@es1')).not.toContain('secret');
    expect(storeUrlProblem('ftp://a:secret@es1')).not.toContain('secret');
    expect(storeUrlProblem('https://es1/?q=1')).toContain('has more than an address');
  });
});
