// How a sink is declared: one file in four parts (settings, defaults, the sink, `export const x = defineSink(...)`), named once more in
// ./index.ts. Also the settings that every sink writes alike: sizes and durations with units.
import { z } from 'zod';
import { asDurationMs, asSizeBytes } from '../base/unit-settings.ts';
import type { SinkDefinition } from './sink.ts';

/** Checks a definition against its settings and hands it on. */
export function defineSink<Settings>(definition: SinkDefinition<Settings>): SinkDefinition<Settings> {
  return definition;
}

/** A size such as "256MB"; the parsed value is in bytes. */
export function sizeSetting() {
  return z.string().transform(asSizeBytes('256MB'));
}

/** A duration such as "15m"; the parsed value is in milliseconds. */
export function durationSetting() {
  return z.string().transform(asDurationMs('15m'));
}
