// The formats that need no settings, by the names they have in `parse: NAME`.
import { parseExactJson } from '../exact-integer.ts';
import { type Fields, StepError } from '../steps/step.ts';
import { parseAccessLog } from './access-log.ts';
import { parseCri, parseDocker } from './containers.ts';
import { keyValueDefaults, keyValueParser } from './key-value.ts';
import { parseLogfmt } from './logfmt.ts';
import type { Parsed, Parser } from './parser.ts';
import { parseSyslog } from './syslog.ts';

export const formats = {
  json: parseJson,
  logfmt: parseLogfmtLine,
  kv: keyValueParser(keyValueDefaults),
  nginx_combined: accessLog('combined access log', () => true),
  apache_combined: accessLog('combined access log', isCombined),
  apache_common: accessLog('common access log', (text) => !isCombined(text)),
  syslog: parseSyslog,
  cri: parseCri,
  docker: parseDocker,
} as const satisfies Record<string, Parser>;

export type FormatName = keyof typeof formats;
export const formatNames = Object.keys(formats) as [FormatName, ...FormatName[]];

function parseJson(text: string): Parsed {
  let value: unknown;
  try {
    value = parseExactJson(text);
  } catch {
    throw new StepError('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new StepError(
      `is JSON, but ${Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`}, not an object`,
    );
  return { fields: value as Fields, same: true };
}

function parseLogfmtLine(text: string): Parsed {
  const fields = parseLogfmt(text);
  if (fields === undefined) throw new StepError('is not logfmt');
  return { fields };
}

/** The combined format is the common one with two quoted texts more. */
function isCombined(text: string): boolean {
  return text.endsWith('"') && text.split('"').length >= 7;
}

function accessLog(name: string, fits: (text: string) => boolean): Parser {
  return (text) => {
    const parsed = fits(text) ? parseAccessLog(text) : undefined;
    if (parsed === undefined) throw new StepError(`is not a line of the ${name}`);
    return parsed;
  };
}
