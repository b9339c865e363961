// Names of indices with places to fill in: `%Y %m %d %H %M` (the record's time in UTC, never the wall clock: a retry after midnight must name the same
// index, or an id could be created twice), {topic}, and {field.path} of the record. Filled-in values are made fit for an index name: lower case, no
// characters that the stores refuse; missing ones are "unknown".
import { TailraceError } from '../../base/errors.ts';
import type { Coordinates, Delivery } from '../sink.ts';
import { placePeriodMs, type TimeLetter, timeLetters, timePart } from '../time-places.ts';

type Part =
  | { kind: 'text'; text: string }
  | { kind: 'time'; letter: TimeLetter }
  | { kind: 'topic' }
  | { kind: 'field'; path: string };

const maxNameBytes = 255;

function fail(template: string, problem: string): never {
  throw new TailraceError('TLR_CONFIG', `index "${template}": ${problem}`);
}

/** Makes a value fit to be part of an index name. */
function safeValue(value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint')
    return 'unknown';
  const text = String(value)
    .toLowerCase()
    .replace(/[\s"*\\<|,>/?#:\p{Cc}\p{Cs}]/gu, '_')
    .replace(/^[-_+.]+/, '')
    .slice(0, 80);
  return text.isWellFormed() ? text || 'unknown' : text.slice(0, -1);
}

function parse(template: string): Part[] {
  const parts: Part[] = [];
  for (const [token, letter, name] of template.matchAll(/%(.?)|\{([^{}]*)\}|[^%{]+|./gsu)) {
    if (letter !== undefined) {
      const known = timeLetters.find((candidate) => candidate === letter);
      if (known === undefined) fail(template, `${token} is not known; there are %Y %m %d %H %M`);
      parts.push({ kind: 'time', letter: known });
    } else if (name === 'topic') parts.push({ kind: 'topic' });
    else if (name !== undefined) {
      if (!/^[\p{L}\p{N}_@-]+(\.[\p{L}\p{N}_@-]+)*$/u.test(name))
        fail(template, `{${name}} is not the name of a field`);
      parts.push({ kind: 'field', path: name });
    } else parts.push({ kind: 'text', text: token });
  }
  return parts;
}

export class IndexTemplate {
  readonly text: string;
  readonly fieldPaths: readonly string[];
  /** What all its names match: `app-%Y.%m.%d` gives `app-*`. */
  readonly pattern: string;
  /** The length of time within which all records of a topic go to the same index; undefined when it depends on fields. Infinity without time. */
  readonly periodMs: number | undefined;
  private readonly parts: readonly Part[];

  /** Throws TailraceError TLR_CONFIG with what is wrong. */
  constructor(text: string) {
    this.text = text;
    this.parts = parse(text);
    this.fieldPaths = this.parts.flatMap((part) => (part.kind === 'field' ? [part.path] : []));
    this.pattern = this.parts
      .map((part) => (part.kind === 'text' ? part.text : '*'))
      .join('')
      .replace(/\*[*.]*(?:\*|$)/g, '*');
    const lengths = this.parts.map((part) => (part.kind === 'time' ? placePeriodMs[part.letter] : Infinity));
    this.periodMs = this.fieldPaths.length > 0 ? undefined : Math.min(...lengths);
    this.check();
  }

  /** The index of a record. */
  name(coordinates: Coordinates, delivery: Delivery): string {
    let name = '';
    for (const part of this.parts) {
      if (part.kind === 'text') name += part.text;
      else if (part.kind === 'time') name += timePart(part.letter, delivery.timestampMs);
      else if (part.kind === 'topic') name += safeValue(coordinates.topic);
      else name += safeValue(delivery.field(part.path));
    }
    return Buffer.byteLength(name) <= maxNameBytes
      ? name
      : Buffer.from(name).subarray(0, 200).toString().toWellFormed();
  }

  private check(): void {
    if (this.text === '')
      fail(this.text, 'it is empty; in a URL it stands behind the host: elasticsearch://es1:9200/app-%Y.%m.%d');
    for (const part of this.parts) {
      if (part.kind !== 'text') continue;
      const bad = /[\s"*\\<|,>/?#:{}]/u.exec(part.text)?.[0];
      if (bad !== undefined) fail(this.text, `"${bad}" is not allowed in the name of an index`);
      if (part.text !== part.text.toLowerCase()) fail(this.text, 'names of indices are in lower case');
    }
    const first = this.parts[0];
    if (first?.kind === 'text' && /^[-_+]|^\.\.?$/.test(first.text))
      fail(this.text, 'the name of an index must not begin with -, _ or +');
    const fixedBytes = this.parts.reduce(
      (sum, part) => sum + (part.kind === 'text' ? Buffer.byteLength(part.text) : 0),
      0,
    );
    if (fixedBytes > 150) fail(this.text, 'it is too long; 150 bytes beside what is filled in are allowed');
  }
}
