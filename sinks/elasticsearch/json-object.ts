// Decides whether bytes are one JSON object (RFC 8259), without making anything of them: one pass, no recursion, no object. It is exact: what it
// accepts, JSON.parse accepts and gives an object for, and the other way round, but for nesting deeper than the stores take (1,000 levels), which
// counts as text. On the way it notes what a bulk line needs to know: line breaks between the tokens, and top-level names that Tailrace would add itself.
import { isUtf8 } from 'node:buffer';

/** Returned when the bytes are not a JSON object in UTF-8. */
export const notAnObject = -1;
/** Bits of the answer for an object. */
export const jsonObject = { isEmpty: 1, hasLineBreak: 2, hasTimestamp: 4, hasLog: 8, hasHost: 16 } as const;

const maxDepth = 1000;
/** Of each open level: 1 an object, 0 an array. */
const levels = new Uint8Array(maxDepth + 1);

const quote = 0x22;
const backslash = 0x5c;

/** Of each byte within a string: 0 goes on, 1 ends the fast loop. */
const isSpecial = new Uint8Array(256).map((_, byte) =>
  byte < 0x20 || byte === quote || byte === backslash || byte >= 0x80 ? 1 : 0,
);
const isDigit = new Uint8Array(256).map((_, byte) => (byte >= 0x30 && byte <= 0x39 ? 1 : 0));
const isHex = new Uint8Array(256).map((_, byte) => (/[0-9a-f]/i.test(String.fromCharCode(byte)) ? 1 : 0));
/** `"` `\` `/` b f n r t */
const isEscape = new Uint8Array(256).map((_, byte) => ('"\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0));

/** What the scan has seen so far: variables of the module, because an object for each line would cost more than the scan. */
let seen = 0;
const hasHighByte = 1 << 30;
let sawEscape = false;

/** What may come next within an object or array. */
const next = { itemOrEnd: 0, item: 1, commaOrEnd: 2 } as const;

/** The bits of `jsonObject` when `buffer[start..end)` is a JSON object, else `notAnObject`. */
export function scanJsonObject(buffer: Buffer, start: number, end: number): number {
  seen = 0;
  let at = afterSpaces(buffer, start, end);
  if (at >= end || buffer[at++] !== 0x7b) return notAnObject;
  let depth = 1;
  levels[1] = 1;
  let expected: number = next.itemOrEnd;
  while (depth > 0) {
    at = afterSpaces(buffer, at, end);
    if (at >= end) return notAnObject;
    const byte = buffer[at]!;
    if ((byte === 0x7d || byte === 0x5d) && expected !== next.item) {
      if (levels[depth] !== (byte === 0x7d ? 1 : 0)) return notAnObject;
      if (depth === 1 && expected === next.itemOrEnd) seen |= jsonObject.isEmpty;
      depth--;
      at++;
      expected = next.commaOrEnd;
    } else if (expected === next.commaOrEnd) {
      if (byte !== 0x2c) return notAnObject;
      at++;
      expected = next.item;
    } else {
      if (levels[depth] === 1 && (at = afterName(buffer, at, end, depth === 1)) < 0) return notAnObject;
      const first = at < end ? buffer[at]! : 0;
      if (first === 0x7b || first === 0x5b) {
        if (depth === maxDepth) return notAnObject;
        levels[++depth] = first === 0x7b ? 1 : 0;
        at++;
        expected = next.itemOrEnd;
      } else {
        if ((at = afterScalar(buffer, at, end)) < 0) return notAnObject;
        expected = next.commaOrEnd;
      }
    }
  }
  if (afterSpaces(buffer, at, end) < end || ((seen & hasHighByte) !== 0 && !isUtf8(buffer.subarray(start, end))))
    return notAnObject;
  return seen & ~hasHighByte;
}

function afterSpaces(buffer: Buffer, start: number, end: number): number {
  let at = start;
  for (; at < end; at++) {
    const byte = buffer[at]!;
    if (byte === 0x0a) seen |= jsonObject.hasLineBreak;
    else if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) break;
  }
  return at;
}

/** The position where the value of a name begins, or -1. */
function afterName(buffer: Buffer, start: number, end: number, isTopLevel: boolean): number {
  if (buffer[start] !== quote) return -1;
  sawEscape = false;
  let at = afterString(buffer, start + 1, end);
  if (at < 0) return -1;
  if (isTopLevel) seen |= nameBits(buffer, start + 1, at - 1);
  at = afterSpaces(buffer, at, end);
  return at < end && buffer[at] === 0x3a ? afterSpaces(buffer, at + 1, end) : -1;
}

/** The position behind the closing quote, or -1. `start` is behind the opening one. */
function afterString(buffer: Buffer, start: number, end: number): number {
  let at = start;
  for (;;) {
    while (at < end && isSpecial[buffer[at]!] === 0) at++;
    if (at >= end) return -1;
    const byte = buffer[at++]!;
    if (byte === quote) return at;
    if (byte >= 0x80) seen |= hasHighByte;
    else if (byte !== backslash || at >= end) return -1;
    else {
      sawEscape = true;
      const escape = buffer[at++]!;
      if (escape === 0x75) {
        if (at + 4 > end) return -1;
        for (const last = at + 4; at < last; at++) if (isHex[buffer[at]!] === 0) return -1;
      } else if (isEscape[escape] === 0) return -1;
    }
  }
}

/** The position behind a string, number, true, false or null, or -1. */
function afterScalar(buffer: Buffer, at: number, end: number): number {
  if (at >= end) return -1;
  switch (buffer[at]!) {
    case quote:
      return afterString(buffer, at + 1, end);
    case 0x74:
      return afterWord(buffer, at, end, 'true');
    case 0x66:
      return afterWord(buffer, at, end, 'false');
    case 0x6e:
      return afterWord(buffer, at, end, 'null');
    default:
      return afterNumber(buffer, at, end);
  }
}

function afterWord(buffer: Buffer, at: number, end: number, word: string): number {
  if (at + word.length > end) return -1;
  for (let index = 1; index < word.length; index++) if (buffer[at + index] !== word.charCodeAt(index)) return -1;
  return at + word.length;
}

/** -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
function afterNumber(buffer: Buffer, start: number, end: number): number {
  let at = start;
  if (buffer[at] === 0x2d) at++;
  if (at < end && buffer[at] === 0x30) at++;
  else if ((at = afterDigits(buffer, at, end)) < 0) return -1;
  if (at < end && buffer[at] === 0x2e && (at = afterDigits(buffer, at + 1, end)) < 0) return -1;
  if (at < end && (buffer[at] === 0x65 || buffer[at] === 0x45)) {
    at++;
    if (at < end && (buffer[at] === 0x2b || buffer[at] === 0x2d)) at++;
    at = afterDigits(buffer, at, end);
  }
  return at;
}

/** One digit or more. */
function afterDigits(buffer: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isDigit[buffer[at]!] === 1) at++;
  return at === start ? -1 : at;
}

/** Which of the watched names this top-level one is: "@timestamp"; "log" and "host", also as the beginning of a dotted name. */
function nameBits(buffer: Buffer, start: number, end: number): number {
  if (sawEscape) return bitsOf(String(JSON.parse(`"${buffer.toString('utf8', start, end)}"`)));
  const first = buffer[start]!;
  if (first !== 0x40 && first !== 0x6c && first !== 0x68) return 0;
  return bitsOf(buffer.toString('latin1', start, Math.min(end, start + 11)));
}

function bitsOf(name: string): number {
  if (name === '@timestamp') return jsonObject.hasTimestamp;
  if (name === 'log' || name.startsWith('log.')) return jsonObject.hasLog;
  return name === 'host' || name.startsWith('host.') ? jsonObject.hasHost : 0;
}
