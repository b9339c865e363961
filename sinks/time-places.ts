// The places `%Y %m %d %H %M` in paths and names of indices: a record's time in UTC, never the wall clock, so that a retry after midnight names the same.

export const timeLetters = ['Y', 'm', 'd', 'H', 'M'] as const;
export type TimeLetter = (typeof timeLetters)[number];

const dayMs = 86_400_000;
/** 9999-12-31T23:59:59.999Z: beyond it a year has more than four digits. */
const latestMs = 253_402_300_799_999;

/** For how long at the most what is filled in stays the same (months and years change at the start of a day). */
export const placePeriodMs: Record<TimeLetter, number> = { Y: dayMs, m: dayMs, d: dayMs, H: 3_600_000, M: 60_000 };

/** Times before 1970 (unknown ones) and after 9999 count as the nearest allowed. */
export function clampTimeMs(timestampMs: number): number {
  return Math.min(Math.max(timestampMs, 0), latestMs);
}

/** What is filled in for a letter. */
export function timePart(letter: TimeLetter, timestampMs: number): string {
  const time = new Date(clampTimeMs(timestampMs));
  switch (letter) {
    case 'Y':
      return String(time.getUTCFullYear()).padStart(4, '0');
    case 'm':
      return twoDigits(time.getUTCMonth() + 1);
    case 'd':
      return twoDigits(time.getUTCDate());
    case 'H':
      return twoDigits(time.getUTCHours());
    case 'M':
      return twoDigits(time.getUTCMinutes());
  }
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
