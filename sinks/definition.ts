// How a sink is declared: one file in four parts (settings, defaults, the sink, `export const x = defineSink(...)`), named once more in
// ./index.ts. Also the settings that every sink writes alike: sizes and durations with units.
import { z } from 'zod';
import { parseDurationMs, parseSizeBytes } from '../base/units.ts';
import type { SinkDefinition } from './sink.ts';

/** Checks a definition against its settings and hands it on. */
export function defineSink<Settings>(definition: SinkDefinition<Settings>): SinkDefinition<Settings> {
  return definition;
}

/** A size such as "256MB"; the parsed value is in bytes. */
export function sizeSetting() {
  return z.string().transform((text, context) => {
    const bytes = parseSizeBytes(text);
    if (bytes !== undefined && bytes > 0) return bytes;
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a size; write a number with a unit, such as 256MB`,
    });
    return z.NEVER;
  });
}

/** A duration such as "15m"; the parsed value is in milliseconds. */
export function durationSetting() {
  return z.string().transform((text, context) => {
    const durationMs = parseDurationMs(text);
    if (durationMs !== undefined && durationMs > 0) return durationMs;
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a duration; write a number with a unit, such as 15m`,
    });
    return z.NEVER;
  });
}
