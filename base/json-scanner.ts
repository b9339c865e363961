// Checks JSON (RFC 8259) byte by byte, strictly and without making an object, a string or a number of it: what it lets through, JSON.parse takes,
// and the other way round. UTF-8 is the caller's to check (node:buffer isUtf8) where `sawHighByte`. Values may be nested 1,000 deep, as in Elasticsearch.
// Both ways of JSON, in over HTTP and out to Elasticsearch, go through this loop: white space, which is rare, is looked for before it is skipped.

/** How deep arrays and objects may be nested. */
export const nestingLimit = 1_000;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** What may stand behind a backslash, `u` apart. */
const escapes = new Uint8Array(256);
for (const character of '"\\/bfnrt') escapes[character.charCodeAt(0)] = 1;
const hexDigits = new Uint8Array(256);
for (const character of '0123456789abcdefABCDEF') hexDigits[character.charCodeAt(0)] = 1;
const words = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), word]));

export function isJsonSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

export class JsonScanner {
  /** After a scan that failed: where, and why. */
  errorAt = 0;
  reason = '';
  /** Whether a line ends inside the value that was scanned last, between its tokens. */
  spansLines = false;
  /** Whether a string of the value that was scanned last holds a byte above ASCII. */
  sawHighByte = false;
  /** Where the watched top-level names of the value that was scanned last begin and end, without their quotes, one after the other. */
  readonly names: number[] = [];
  /** By depth: whether it is an object. */
  private readonly objects = new Uint8Array(nestingLimit);
  private readonly watched: Uint8Array;

  /** `watched`: of each byte 1 when `names` is to have the top-level names that begin with it. */
  constructor(watched = new Uint8Array(256)) {
    this.watched = watched;
  }

  /**
   * Scans the value that begins at `start`, a byte that is no white space, and returns the position behind it; -1 when it is none, then
   * errorAt and reason say more.
   */
  scan(source: Buffer, start: number, end: number): number {
    const { objects } = this;
    let at = start;
    let depth = 0;
    this.spansLines = false;
    this.sawHighByte = false;
    if (this.names.length > 0) this.names.length = 0;
    for (;;) {
      // A value is due.
      const first = at < end ? source[at]! : -1;
      if (first === openBrace || first === openBracket) {
        if (depth === nestingLimit) return this.fail(at, `it is nested deeper than ${nestingLimit} levels`);
        const isObject = first === openBrace;
        objects[depth++] = isObject ? 1 : 0;
        at = this.past(source, at + 1, end);
        if (at < end && source[at] === (isObject ? closeBrace : closeBracket)) {
          at++;
          depth--;
        } else {
          if (isObject && (at = this.key(source, at, end, depth)) < 0) return -1;
          continue;
        }
      } else {
        at = first === quote ? this.string(source, at + 1, end) : this.scalar(source, at, end);
        if (at < 0) return -1;
      }
      // A value has ended: what goes on, and what ends with it?
      for (;;) {
        if (depth === 0) return at;
        at = this.past(source, at, end);
        const next = at < end ? source[at]! : -1;
        const isObject = objects[depth - 1] === 1;
        if (next === comma) {
          at = this.past(source, at + 1, end);
          if (isObject && (at = this.key(source, at, end, depth)) < 0) return -1;
          break;
        }
        if (next !== (isObject ? closeBrace : closeBracket))
          return this.unexpected(source, at, end, isObject ? 'a comma or }' : 'a comma or ]');
        at++;
        depth--;
      }
    }
  }

  /** The position of the next byte that is no white space, or `end`. */
  skipSpace(source: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const byte = source[at]!;
      if (byte > 0x20 || !isJsonSpace(byte)) break;
      if (byte === 0x0a || byte === 0x0d) this.spansLines = true;
      at++;
    }
    return at;
  }

  /** As skipSpace, for where there is hardly ever any: small enough to be made part of its callers. */
  private past(source: Buffer, at: number, end: number): number {
    return at < end && source[at]! <= 0x20 ? this.skipSpace(source, at, end) : at;
  }

  /** A key with its colon; returns where the value begins. */
  private key(source: Buffer, start: number, end: number, depth: number): number {
    if (start >= end || source[start] !== quote) return this.unexpected(source, start, end, 'a key in quotes');
    let at = this.string(source, start + 1, end);
    if (at < 0) return -1;
    if (depth === 1 && this.watched[source[start + 1]!] === 1) this.names.push(start + 1, at - 1);
    at = this.past(source, at, end);
    if (at >= end || source[at] !== colon) return this.unexpected(source, at, end, 'a colon');
    return this.past(source, at + 1, end);
  }

  /** The rest of a string, from behind its quote. */
  private string(source: Buffer, start: number, end: number): number {
    let at = start;
    let seen = 0;
    while (at < end) {
      const byte = source[at++]!;
      seen |= byte;
      if (byte === quote) {
        if (seen >= 0x80) this.sawHighByte = true;
        return at;
      }
      if (byte === backslash) {
        const escaped = at < end ? source[at]! : 0;
        if (escaped === 0x75) {
          for (let digit = 1; digit <= 4; digit++) {
            if (at + digit >= end || hexDigits[source[at + digit]!] === 0)
              return this.unexpected(source, at + digit, end, 'four hexadecimal digits behind \\u');
          }
          at += 5;
        } else if (escapes[escaped] === 1) at++;
        else return this.unexpected(source, at, end, 'one of "\\/bfnrtu behind a backslash');
      } else if (byte < 0x20) {
        return this.fail(at - 1, `a control character (0x${byte.toString(16).padStart(2, '0')}) stands in a string`);
      }
    }
    return this.fail(end, 'it ends inside a string');
  }

  /** A number, true, false or null. */
  private scalar(source: Buffer, start: number, end: number): number {
    const first = start < end ? source[start]! : -1;
    const word = words.get(first);
    if (word !== undefined) return this.word(source, start, end, word);
    let at = first === 0x2d ? start + 1 : start;
    if (at >= end || !isDigit(source[at])) return this.unexpected(source, at, end, at > start ? 'a digit' : 'a value');
    if (source[at] === 0x30) at++;
    else while (at < end && isDigit(source[at])) at++;
    if (at < end && source[at] === 0x2e) {
      if (at + 1 >= end || !isDigit(source[at + 1])) return this.unexpected(source, at + 1, end, 'a digit');
      for (at += 2; at < end && isDigit(source[at]);) at++;
    }
    return at < end && (source[at]! | 0x20) === 0x65 ? this.exponent(source, at + 1, end) : at;
  }

  private exponent(source: Buffer, start: number, end: number): number {
    let at = start;
    if (at < end && (source[at] === 0x2b || source[at] === 0x2d)) at++;
    if (at >= end || !isDigit(source[at])) return this.unexpected(source, at, end, 'a digit');
    while (at < end && isDigit(source[at])) at++;
    return at;
  }

  private word(source: Buffer, start: number, end: number, word: string): number {
    for (let index = 1; index < word.length; index++) {
      if (start + index >= end || source[start + index] !== word.charCodeAt(index))
        return this.unexpected(source, start + index, end, word);
    }
    return start + word.length;
  }

  private unexpected(source: Buffer, at: number, end: number, wanted: string): number {
    if (at >= end) return this.fail(end, `it ends where ${wanted} should follow`);
    const byte = source[at]!;
    const shown =
      byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `0x${byte.toString(16).padStart(2, '0')}`;
    return this.fail(at, `${shown} stands where ${wanted} should`);
  }

  private fail(at: number, reason: string): number {
    this.errorAt = at;
    this.reason = reason;
    return -1;
  }
}

/** Takes white space outside strings out of the value `source[start, end)`, in place; returns its new end. */
export function compactInPlace(source: Buffer, start: number, end: number): number {
  let target = start;
  let inString = false;
  for (let at = start; at < end; at++) {
    const byte = source[at]!;
    if (inString) {
      source[target++] = byte;
      if (byte === backslash) source[target++] = source[++at]!;
      else if (byte === quote) inString = false;
    } else if (!isJsonSpace(byte)) {
      source[target++] = byte;
      inString = byte === quote;
    }
  }
  return target;
}
