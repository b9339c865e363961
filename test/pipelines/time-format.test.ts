import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkTimeFormat, parseTime, parseTimeAs } from '../../pipelines/time-format.ts';

const now = Date.UTC(2026, 10, 22, 10, 0, 0);
const anyTime = fc.integer({ min: Date.UTC(1971, 0, 1), max: Date.UTC(2400, 0, 1) });
const pad = (value: number, width = 2) => String(value).padStart(width, '0');

describe('recognised times', () => {
  it('reads back what Date writes, with any zone', () => {
    fc.assert(
      fc.property(anyTime, fc.integer({ min: -14 * 60, max: 14 * 60 }), (timeMs, zone) => {
        const local = new Date(timeMs + zone * 60_000).toISOString().slice(0, -1);
        const sign = zone < 0 ? '-' : '+';
        const offset = `${pad(Math.floor(Math.abs(zone) / 60))}:${pad(Math.abs(zone) % 60)}`;
        expect(parseTime(`${local}${sign}${offset}`, 0)).toBe(timeMs);
        expect(parseTime(`${local.replace('T', ' ').replace('.', ',')} ${sign}${offset.replace(':', '')}`, 0)).toBe(
          timeMs,
        );
        expect(parseTime(new Date(timeMs).toISOString(), 0)).toBe(timeMs);
      }),
    );
  });

  it.each([
    ['2026-11-22T10:00:00Z', now],
    ['2026-11-22 10:00:00', now],
    ['2026-11-22T10:00:00.123456789Z', now + 123],
    ['2026-11-22T11:00:00+01', now],
    ['2026/11/22 10:00:00', now],
    ['22/Nov/2026:11:00:00 +0100', now],
    ['2026-11-22', Date.UTC(2026, 10, 22)],
    ['Nov 22 10:00:00', now],
    ['Nov  2 10:00:00', Date.UTC(2026, 10, 2, 10)],
    [now / 1000, now],
    [String(now), now],
    [now * 1000, now],
    [`${now}000000`, now],
    ['1795341600.5', 1795341600500],
  ])('%s', (text, expected) => {
    expect(parseTime(text, now)).toBe(expected);
  });

  it.each([
    'yesterday',
    '',
    '2026-13-01T00:00:00Z',
    '2026-02-30 10:00:00',
    '2026-11-22T25:00:00Z',
    '22/Foo/2026:11:00:00 +0100',
    true,
    {},
    -5,
    NaN,
  ])('knows no time in %s', (value) => {
    expect(parseTime(value, now)).toBeUndefined();
  });

  it('gives a time without a year the one nearest to the record', () => {
    expect(parseTime('Dec 31 23:59:59', Date.UTC(2027, 0, 1))).toBe(Date.UTC(2026, 11, 31, 23, 59, 59));
    expect(parseTime('Jan 01 00:00:01', Date.UTC(2026, 11, 31, 23))).toBe(Date.UTC(2027, 0, 1, 0, 0, 1));
  });
});

describe('formats', () => {
  it('reads back what was written with them', () => {
    fc.assert(
      fc.property(anyTime, (any) => {
        const date = new Date(any - (any % 1000) + 42);
        const text = `[${date.getUTCFullYear()}|${pad(date.getUTCMonth() + 1)}|${date.getUTCDate()}] ${pad(date.getUTCHours())}.${pad(date.getUTCMinutes())}.${pad(date.getUTCSeconds())},042`;
        expect(parseTimeAs('[%Y|%m|%d] %H.%M.%S,%f', text, 0)).toBe(date.getTime());
      }),
    );
  });

  it('takes seconds and milliseconds since 1970 as told', () => {
    expect(parseTimeAs('unix', '1795341600', 0)).toBe(1795341600000);
    expect(parseTimeAs('unix', 1.5, 0)).toBe(1500);
    expect(parseTimeAs('unix_ms', 1795341600000, 0)).toBe(1795341600000);
    expect(parseTimeAs('%s', '17', 0)).toBe(17_000);
    expect(parseTimeAs('unix', 'x', 0)).toBeUndefined();
    expect(parseTimeAs('iso', 17, 0)).toBeUndefined();
  });

  it('refuses a format that is none', () => {
    expect(checkTimeFormat('%Y-%m-%d')).toBeUndefined();
    expect(checkTimeFormat('iso')).toBeUndefined();
    expect(checkTimeFormat('%Q')).toMatch(/^"%Q" is no part of a time format; there are %Y %m/);
    expect(checkTimeFormat('YYYY')).toMatch(/^"YYYY" is not a time format/);
  });
});
