// logfmt: `level=info msg="with \"blanks\"" done` as Heroku and Go's loggers write it. Pairs are apart by blanks; a value with blanks, quotes
// or = stands in double quotes, with JSON's escapes; a name alone is true. All other values stay texts. A name that stands twice keeps
// its last value.
import { define } from '../steps/fields.ts';
import type { Fields } from '../steps/step.ts';

/** The pairs of a line; undefined when it is not logfmt: no pair at all, an open quote, or a value after a quote without a blank. */
export function parseLogfmt(line: string): Fields | undefined {
  const fields: Fields = {};
  let position = 0;
  let pairs = 0;
  for (;;) {
    while (position < line.length && line.charCodeAt(position) <= 0x20) position++;
    if (position >= line.length) return pairs > 0 ? fields : undefined;
    const nameStart = position;
    while (position < line.length && isNamePart(line.charCodeAt(position))) position++;
    if (position === nameStart) return undefined;
    const name = line.slice(nameStart, position);
    if (line[position] !== '=') {
      if (position < line.length && line.charCodeAt(position) > 0x20) return undefined;
      define(fields, name, true);
      continue;
    }
    position++;
    pairs++;
    if (line[position] !== '"') {
      const start = position;
      while (position < line.length && line.charCodeAt(position) > 0x20) position++;
      define(fields, name, line.slice(start, position));
      continue;
    }
    const end = endOfQuoted(line, position);
    if (end === undefined || (end < line.length && line.charCodeAt(end) > 0x20)) return undefined;
    define(fields, name, unquote(line.slice(position + 1, end - 1)));
    position = end;
  }
}

function isNamePart(code: number): boolean {
  return code > 0x20 && code !== 0x3d && code !== 0x22;
}

/** The position after the closing quote; undefined when there is none. */
function endOfQuoted(line: string, start: number): number | undefined {
  for (let position = start + 1; position < line.length; position++) {
    if (line[position] === '\\') position++;
    else if (line[position] === '"') return position + 1;
  }
  return undefined;
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

function unquote(inner: string): string {
  if (!inner.includes('\\')) return inner;
  return inner.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/gs, (_, code: string | undefined, letter: string | undefined) =>
    code === undefined ? (escapes[letter!] ?? letter!) : String.fromCharCode(parseInt(code, 16)),
  );
}
