// Positions as people write them: earliest, latest, an offset, a time, or a time ago ("-2h").
import { TailraceError } from '../base/errors.ts';
import { parseDurationMs } from '../base/units.ts';

export type Position = 'earliest' | 'latest' | { offset: number } | { timestampMs: number };

/** Throws TLR_USAGE with what is allowed. */
export function parseStart(text: string): Position {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) return { offset: Number(text) };
  const agoMs = text.startsWith('-') ? parseDurationMs(text.slice(1)) : undefined;
  if (agoMs !== undefined) return { timestampMs: Date.now() - agoMs };
  const timestampMs = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timestampMs)) return { timestampMs };
  throw new TailraceError(
    'TLR_USAGE',
    `${text}: expected earliest, latest, an offset, a time (2026-11-22T10:00:00Z) or a time ago (-2h)`,
  );
}
