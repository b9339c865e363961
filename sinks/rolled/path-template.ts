// Paths with places to fill in: `%Y %m %d %H %M` (the record's time in UTC, never the wall clock, so that a retry after midnight names the same
// file; `%%` is a percent sign), {topic}, {partition}, {offset} (of the first record in the file, 20 digits so that names sort), and
// {field.path} of the record. What is filled in never leaves its folder: no '/', no '..', no leading dot, no control characters; empty or
// missing values are "unknown".
import { TailraceError } from '../../base/errors.ts';
import { placePeriodMs, type TimeLetter, timeLetters, timePart } from '../time-places.ts';
import type { Coordinates, Delivery, WriterScope } from '../sink.ts';

type Part =
  | { kind: 'text'; text: string }
  | { kind: 'time'; letter: TimeLetter }
  | { kind: 'topic' }
  | { kind: 'partition' }
  | { kind: 'offset' }
  | { kind: 'field'; path: string };

/** Stands for the offset in a key; filled-in values have no control characters, so it is unique. */
const offsetMark = '\u0000';
const offsetDigits = 20;
const maxValueBytes = 120;

/** Makes a value harmless as part of a file name; what `forbidden` matches is not to be in it either. */
export function safeValue(value: unknown, forbidden?: RegExp): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint')
    return 'unknown';
  let text = String(value)
    .replace(/[/\\\u0000-\u001f\u007f]/g, '_')
    .replace(/\.\.+/g, '_')
    .replace(/^\./, '_');
  if (forbidden !== undefined) text = text.replace(forbidden, '_');
  while (Buffer.byteLength(text) > maxValueBytes) text = text.slice(0, -1);
  return text.isWellFormed() ? text || 'unknown' : text.toWellFormed();
}

function fail(template: string, problem: string): never {
  throw new TailraceError('TLR_CONFIG', `path "${template}": ${problem}`);
}

function parse(template: string): Part[] {
  const parts: Part[] = [];
  const pattern = /%(.?)|\{([^{}]*)\}|[^%{]+|./gsu;
  for (const [token, letter, name] of template.matchAll(pattern)) {
    if (token === '%%') parts.push({ kind: 'text', text: '%' });
    else if (letter !== undefined) {
      const known = timeLetters.find((candidate) => candidate === letter);
      if (known === undefined) fail(template, `${token} is not known; there are %Y %m %d %H %M and %%`);
      parts.push({ kind: 'time', letter: known });
    } else if (name === 'topic' || name === 'partition' || name === 'offset') parts.push({ kind: name });
    else if (name !== undefined) {
      if (!/^[\p{L}\p{N}_@-]+(\.[\p{L}\p{N}_@-]+)*$/u.test(name))
        fail(template, `{${name}} is not the name of a field`);
      parts.push({ kind: 'field', path: name });
    } else parts.push({ kind: 'text', text: token });
  }
  return parts;
}

export class PathTemplate {
  readonly text: string;
  /** A path with {offset} names a new file each time; one without is appended to. */
  readonly hasOffset: boolean;
  readonly hasPartition: boolean;
  readonly hasTopic: boolean;
  /** The fields that are filled in. */
  readonly fieldPaths: readonly string[];
  /** The length of time within which all records get the same path; undefined when the path depends on fields. Infinity without time. */
  readonly periodMs: number | undefined;
  /** The folder before the first place to fill in. Temporary files stand here, where recovery can find them all. */
  readonly baseDirectory: string;
  private readonly parts: readonly Part[];
  private readonly forbidden: RegExp | undefined;

  /**
   * `forbidden` (with flag g) matches characters that the store does not take in names; in values each becomes '_'.
   * Throws TailraceError TLR_CONFIG with what is wrong.
   */
  constructor(text: string, forbidden?: RegExp) {
    this.text = text;
    this.forbidden = forbidden;
    this.parts = parse(text);
    const has = (kind: Part['kind']) => this.parts.some((part) => part.kind === kind);
    this.hasOffset = has('offset');
    this.hasPartition = has('partition');
    this.hasTopic = has('topic');
    this.fieldPaths = this.parts.flatMap((part) => (part.kind === 'field' ? [part.path] : []));
    const periods = this.parts.map((part) => (part.kind === 'time' ? placePeriodMs[part.letter] : Infinity));
    this.periodMs = has('field') ? undefined : Math.min(...periods);
    const fixed = this.parts[0]?.kind === 'text' ? this.parts[0].text : '';
    const slash = fixed.lastIndexOf('/');
    this.baseDirectory = slash < 0 ? '.' : slash === 0 ? '/' : fixed.slice(0, slash);
    this.check(has);
  }

  /** The path of a record but for its offset: records of equal keys share a file. */
  key(coordinates: Coordinates, delivery: Pick<Delivery, 'timestampMs' | 'field'>): string {
    let key = '';
    for (const part of this.parts) {
      if (part.kind === 'text') key += part.text;
      else if (part.kind === 'time') key += timePart(part.letter, delivery.timestampMs);
      else if (part.kind === 'topic') key += safeValue(coordinates.topic, this.forbidden);
      else if (part.kind === 'partition') key += String(coordinates.partition);
      else if (part.kind === 'offset') key += offsetMark;
      else key += safeValue(delivery.field(part.path), this.forbidden);
    }
    return key;
  }

  /** The final path of the file whose first record has this offset. */
  pathOf(key: string, firstOffset: number): string {
    return key.replaceAll(offsetMark, String(firstOffset).padStart(offsetDigits, '0'));
  }

  /** The other way round: the offset in a path that was made of this key, 0 without {offset}; undefined for a path of another key. */
  firstOffsetIn(key: string, path: string): number | undefined {
    const at = key.indexOf(offsetMark);
    const offset = at < 0 ? 0 : Number(path.slice(at, at + offsetDigits));
    return this.pathOf(key, offset) === path ? offset : undefined;
  }

  private check(has: (kind: Part['kind']) => boolean): void {
    if (this.text.endsWith('/') || this.text === '')
      fail(this.text, 'it names a folder; add a file name such as {partition}-{offset}.ndjson');
    if (has('offset') && !has('partition'))
      fail(this.text, "{offset} needs {partition} beside it, or partitions would take each other's names");
    const folderEnd = this.parts.findLastIndex((part) => part.kind === 'text' && part.text.includes('/'));
    const first = this.parts[Math.max(folderEnd, 0)];
    if (first?.kind === 'text' && first.text.slice(first.text.lastIndexOf('/') + 1).startsWith('.')) {
      fail(this.text, 'names that begin with a dot are those of unpublished files');
    }
  }
}

/** Offsets are counted in each topic: files of two topics need {topic} in their path. */
export class TopicCheck {
  private readonly template: PathTemplate;
  private topic: string | undefined;

  constructor(template: PathTemplate) {
    this.template = template;
  }

  /** Throws TailraceError TLR_CONFIG at the second topic when the path does not tell them apart. */
  check(scope: WriterScope): void {
    if (scope.kind === 'edge' || this.template.hasTopic) return;
    this.topic ??= scope.coordinates.topic;
    if (this.topic === scope.coordinates.topic) return;
    fail(
      this.template.text,
      `{topic} is missing; ${this.topic} and ${scope.coordinates.topic} would take each other's file names`,
    );
  }
}
