import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, parseDurationMs, parseSizeBytes } from '../../base/units.ts';

describe('sizes', () => {
  it('are a number and a unit, in any case, with or without a blank', () => {
    const units = {
      B: 1,
      kB: 1e3,
      MB: 1e6,
      GB: 1e9,
      TB: 1e12,
      KiB: 1024,
      MiB: 1024 ** 2,
      GiB: 1024 ** 3,
      TiB: 1024 ** 4,
    };
    fc.assert(
      fc.property(
        fc.nat(9999),
        fc.constantFrom(...Object.entries(units)),
        fc.constantFrom('', ' '),
        (count, [unit, factor], blank) => {
          expect(parseSizeBytes(`${count}${blank}${unit}`)).toBe(count * factor);
          expect(parseSizeBytes(`${count}${blank}${unit.toLowerCase()}`)).toBe(count * factor);
        },
      ),
    );
    expect(parseSizeBytes('1.5kB')).toBe(1500);
    expect(parseSizeBytes('0')).toBe(0);
  });

  it.each(['', '5', 'MB', '5 parsecs', '-5MB', '5MB MB', '1e3MB', '5m5'])('%j is none', (text) => {
    expect(parseSizeBytes(text)).toBeUndefined();
  });

  it('are shown short, within a twentieth of the truth', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (bytes) => {
        const shown = formatBytes(bytes);
        expect(shown.length).toBeLessThanOrEqual(9);
        expect(Math.abs(parseSizeBytes(shown)! - bytes)).toBeLessThanOrEqual(bytes / 20);
      }),
    );
  });
});

describe('durations', () => {
  it('are a number and a unit', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
    fc.assert(
      fc.property(fc.nat(9999), fc.constantFrom(...Object.entries(units)), (count, [unit, factor]) => {
        expect(parseDurationMs(`${count}${unit}`)).toBe(count * factor);
      }),
    );
  });

  it.each(['', '5', '5 years', '1h30m', '-1s'])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [61_000, '1m 1s'],
    [3_660_000, '1h 1m'],
    [90_000_000, '1d 1h'],
  ])('%d is shown as %s', (durationMs, shown) => {
    expect(formatDuration(durationMs)).toBe(shown);
  });

  it('counts have thousands apart', () => {
    expect(formatCount(1234567)).toBe('1,234,567');
  });
});
