// Decides whether bytes are one JSON object, without making anything of them (base/json-scanner.ts); nesting deeper than the stores take counts as text.
// It notes what a bulk line needs to know: line breaks between the tokens, and top-level names that Tailrace would add itself.
import { isUtf8 } from 'node:buffer';
import { JsonScanner } from '../../base/json-scanner.ts';

/** Returned when the bytes are not a JSON object in UTF-8. */
export const notAnObject = -1;
/** Bits of the answer for an object. Line breaks before it do not count. */
export const jsonObject = { isEmpty: 1, hasLineBreak: 2, hasTimestamp: 4, hasLog: 8, hasHost: 16 } as const;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const quote = 0x22;
const backslash = 0x5c;
/** As the names begin that are looked for, or with an escape. */
const watched = new Uint8Array(256);
for (const character of '@lh\\') watched[character.charCodeAt(0)] = 1;
const scanner = new JsonScanner(watched);

/** The bits of `jsonObject` when `buffer[start..end)` is a JSON object, else `notAnObject`. */
export function scanJsonObject(buffer: Buffer, start: number, end: number): number {
  const open = buffer[start] === openBrace ? start : scanner.skipSpace(buffer, start, end);
  if (open >= end || buffer[open] !== openBrace) return notAnObject;
  const close = scanner.scan(buffer, open, end);
  if (close < 0 || (close < end && scanner.skipSpace(buffer, close, end) < end)) return notAnObject;
  if (scanner.sawHighByte && !isUtf8(buffer.subarray(start, end))) return notAnObject;
  let found = scanner.spansLines ? jsonObject.hasLineBreak : 0;
  if (buffer[open + 1] !== quote && buffer[scanner.skipSpace(buffer, open + 1, end)] === closeBrace)
    found |= jsonObject.isEmpty;
  const { names } = scanner;
  for (let index = 0; index < names.length; index += 2) found |= nameBits(buffer, names[index]!, names[index + 1]!);
  return found;
}

/** Which of the names this one is: "@timestamp"; "log" and "host", also as the beginning of a dotted name. */
function nameBits(buffer: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (buffer[at] === backslash) return bitsOf(String(JSON.parse(`"${buffer.toString('utf8', start, end)}"`)));
  }
  // Of names that only begin like ours no text is made.
  const second = buffer[start + 1];
  return second === 0x74 || second === 0x6f ? bitsOf(buffer.toString('utf8', start, end)) : 0;
}

function bitsOf(name: string): number {
  if (name === '@timestamp') return jsonObject.hasTimestamp;
  if (name === 'log' || name.startsWith('log.')) return jsonObject.hasLog;
  return name === 'host' || name.startsWith('host.') ? jsonObject.hasHost : 0;
}
