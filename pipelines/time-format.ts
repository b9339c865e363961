// Times in logs, as texts or numbers, to milliseconds since 1970-01-01 UTC. A time without a zone is UTC; one without a year is the one
// nearest to the record's own time, so that the result depends on the record alone.
//   %Y year  %m month 01-12  %b month name (Jan)  %d or %e day  %H hour  %M minute  %S second  %f fraction of a second  %z zone (+0100, Z)
//   %s seconds since 1970   %% a percent sign.  A blank stands for any run of blanks.

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const parts: Record<string, string> = {
  Y: '(\\d{4})',
  m: '(\\d{1,2})',
  b: '([A-Za-z]{3})[a-z]*',
  d: '(\\d{1,2})',
  e: '\\s?(\\d{1,2})',
  H: '(\\d{1,2})',
  M: '(\\d{2})',
  S: '(\\d{2})',
  f: '(\\d{1,9})',
  z: '(Z|[+-]\\d{2}:?\\d{2})',
  s: '(\\d{1,11})',
};

interface TimeFormat {
  pattern: RegExp;
  /** The number of the group of each part; 0 where the format does not have it. */
  groups: Readonly<Record<'Y' | 'm' | 'b' | 'd' | 'H' | 'M' | 'S' | 'f' | 'z' | 's', number>>;
}

const compiled = new Map<string, TimeFormat>();

/** What is wrong with a format; undefined when nothing is. "iso", "unix" and "unix_ms" are formats too. */
export function checkTimeFormat(format: string): string | undefined {
  if (['iso', 'unix', 'unix_ms'].includes(format)) return undefined;
  const unknown = [...format.matchAll(/%(.?)/gs)].find(([, letter = '']) => letter !== '%' && !(letter in parts));
  if (unknown !== undefined)
    return `"${unknown[0]}" is no part of a time format; there are ${Object.keys(parts)
      .map((letter) => `%${letter}`)
      .join(' ')}, or iso, unix, unix_ms`;
  return format.includes('%')
    ? undefined
    : `"${format}" is not a time format: write iso, unix, unix_ms, or one such as %Y-%m-%d %H:%M:%S`;
}

/** The time a value says under a format that checkTimeFormat accepts; undefined when it does not fit. */
export function parseTimeAs(format: string, value: unknown, nearMs: number): number | undefined {
  if (format === 'unix' || format === 'unix_ms') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
    return inRange(Math.round(format === 'unix' ? number * 1000 : number));
  }
  if (typeof value !== 'string') return undefined;
  return format === 'iso' ? parseIso(value) : parseFormatted(compileFormat(format), value, nearMs);
}

/** "T" or a blank between date and time, any number of decimals after "." or ",", zone optional. */
const isoFormats = ['%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y/%m/%d %H:%M:%S'];
const otherFormats = ['%d/%b/%Y:%H:%M:%S %z', '%b %e %H:%M:%S', '%d %b %Y %H:%M:%S', '%Y-%m-%d'];

/** Recognises RFC 3339 and its relatives, access-log and syslog times, and seconds, milli-, micro- or nanoseconds since 1970 by their size. */
export function parseTime(value: unknown, nearMs: number): number | undefined {
  if (typeof value === 'number') return parseEpoch(value);
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^\d{9,19}(?:\.\d{1,9})?$/.test(text)) return parseEpoch(Number(text));
  const iso = parseIso(text);
  if (iso !== undefined) return iso;
  for (const format of otherFormats) {
    const time = parseFormatted(compileFormat(format), text, nearMs);
    if (time !== undefined) return time;
  }
  return undefined;
}

const isoParts =
  /^(\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d{1,2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?\s?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

function parseIso(text: string): number | undefined {
  const [, head, fraction, zone] = isoParts.exec(text.trim()) ?? [];
  if (head === undefined) return undefined;
  for (const format of isoFormats) {
    const time = parseFormatted(compileFormat(format), head, 0);
    if (time !== undefined) return time + fractionMs(fraction) - zoneMs(zone);
  }
  return undefined;
}

function parseEpoch(value: number): number | undefined {
  if (!Number.isFinite(value) || value < 0) return undefined;
  const divisor = value >= 1e17 ? 1e6 : value >= 1e14 ? 1e3 : value >= 1e11 ? 1 : 1e-3;
  return inRange(Math.floor(value / divisor));
}

function inRange(timeMs: number): number | undefined {
  return Math.abs(timeMs) <= 8.64e15 ? timeMs : undefined;
}

function compileFormat(format: string): TimeFormat {
  const known = compiled.get(format);
  if (known !== undefined) return known;
  const letters: string[] = [];
  const source = format.replace(/%(.)|\s+|[.*+?^${}()|[\]\\/]/g, (found, letter: string | undefined) => {
    if (letter === undefined) return found.trim() === '' ? '\\s+' : `\\${found}`;
    if (letter === '%') return '%';
    letters.push(letter);
    return parts[letter]!;
  });
  const group = (letter: string) => letters.lastIndexOf(letter) + 1;
  const groups = {
    ...{ Y: group('Y'), m: group('m'), b: group('b'), d: group('d') || group('e'), H: group('H') },
    ...{ M: group('M'), S: group('S'), f: group('f'), z: group('z'), s: group('s') },
  };
  const made = { pattern: new RegExp(`^${source}$`), groups };
  compiled.set(format, made);
  return made;
}

function parseFormatted({ pattern, groups }: TimeFormat, text: string, nearMs: number): number | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const number = (group: number, absent: number) => (group === 0 ? absent : Number(match[group]));
  const more = groups.f === 0 ? 0 : fractionMs(match[groups.f]);
  if (groups.s > 0) return number(groups.s, 0) * 1000 + more;
  const named = groups.b === 0 ? 0 : months.indexOf(match[groups.b]!.toLowerCase()) + 1;
  if (groups.b > 0 && named === 0) return undefined;
  const month = number(groups.m, named || 1);
  const day = number(groups.d, 1);
  const time: [number, number, number] = [number(groups.H, 0), number(groups.M, 0), number(groups.S, 0)];
  if (month < 1 || month > 12 || day < 1 || day > 31 || time[0] > 23 || time[1] > 59 || time[2] > 60) return undefined;
  const shiftMs = more - (groups.z === 0 ? 0 : zoneMs(match[groups.z]));
  if (groups.Y === 0) return nearestYear((year) => utc(year, month, day, time) + shiftMs, nearMs);
  const year = number(groups.Y, 0);
  return validDay(utc(year, month, day, time) + shiftMs, year, month, day);
}

/** Date.UTC takes years below 100 for those of the last century. */
function utc(year: number, month: number, day: number, [hour, minute, second]: [number, number, number]): number {
  if (year >= 100) return Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}

function validDay(timeMs: number, year: number, month: number, day: number): number | undefined {
  return day <= 28 || new Date(utc(year, month, day, [0, 0, 0])).getUTCDate() === day ? timeMs : undefined;
}

function nearestYear(at: (year: number) => number, nearMs: number): number {
  const year = new Date(nearMs).getUTCFullYear();
  const candidates = [year - 1, year, year + 1].map(at);
  return candidates.reduce((best, time) => (Math.abs(time - nearMs) < Math.abs(best - nearMs) ? time : best));
}

function fractionMs(digits: string | undefined): number {
  return digits === undefined ? 0 : Math.floor(Number(digits.padEnd(3, '0').slice(0, 3)));
}

function zoneMs(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000;
}
