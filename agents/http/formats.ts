// What bodies of POST /ingest hold: NDJSON (a JSON value on each line), JSON (an array, or values one after the other, over as many lines as they
// like), or plain lines. Each is cut into records, as positions in the body's own bytes, and checked to its last byte before anything is stored.
import { isUtf8 } from 'node:buffer';
import { compactInPlace, JsonScanner } from '../../base/json-scanner.ts';
import { HttpProblem } from './problem.ts';

export type BodyFormat = 'ndjson' | 'json' | 'lines';

const formats: Record<string, BodyFormat> = {
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/x-jsonlines': 'ndjson',
  'application/json': 'json',
  'text/plain': 'lines',
};

const newline = 0x0a;

/** Throws HttpProblem 415 when it is none of ours. */
export function formatOf(contentType: string | undefined): BodyFormat {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
  const format = formats[type];
  if (format !== undefined) return format;
  const got = type === '' ? 'there is no Content-Type' : `${type} is not taken here`;
  throw new HttpProblem(415, `${got}: send application/x-ndjson, application/json or text/plain`);
}

/**
 * Start and end of each record in `source`, one after the other. Values that span lines are made to stand on one, in place. Throws HttpProblem 400
 * naming the first broken line, or 413 naming the first record above `recordLimitBytes`.
 */
export function cutRecords(format: BodyFormat, source: Buffer, recordLimitBytes: number): number[] {
  const cutter = new Cutter(source, recordLimitBytes);
  if (format === 'lines') cutter.plainLines();
  else {
    cutter.checkUtf8();
    if (format === 'ndjson') cutter.jsonLines();
    else cutter.jsonValues();
    cutter.compact();
  }
  return cutter.spans;
}

/** The number of the line that holds position `at`, from 1. */
export function lineNumberAt(source: Buffer, at: number): number {
  let line = 1;
  for (let next = source.indexOf(newline); next >= 0 && next < at; next = source.indexOf(newline, next + 1)) line++;
  return line;
}

/** Throws HttpProblem 400 naming the first line that is not UTF-8. */
export function assertUtf8(source: Buffer): void {
  if (isUtf8(source)) return;
  for (let start = 0, line = 1; start <= source.length; line++) {
    const found = source.indexOf(newline, start);
    const end = found < 0 ? source.length : found;
    if (!isUtf8(source.subarray(start, end)))
      throw new HttpProblem(400, `line ${line} is not UTF-8, as JSON must be; nothing of this request was stored`, {
        line,
      });
    start = end + 1;
  }
}

class Cutter {
  readonly spans: number[] = [];
  /** Where in `spans` the values stand that span lines. */
  private readonly toCompact: number[] = [];
  private readonly source: Buffer;
  private readonly limitBytes: number;
  private readonly scanner = new JsonScanner();

  constructor(source: Buffer, limitBytes: number) {
    this.source = source;
    this.limitBytes = limitBytes;
  }

  checkUtf8(): void {
    assertUtf8(this.source);
  }

  /** Lines as they are, empty ones too; the last one may lack its newline. */
  plainLines(): void {
    const { source } = this;
    for (let start = 0; start < source.length;) {
      const found = source.indexOf(newline, start);
      const end = found < 0 ? source.length : found;
      this.take(start, end);
      start = end + 1;
    }
  }

  jsonLines(): void {
    const { source, scanner } = this;
    for (let start = 0; start < source.length;) {
      const found = source.indexOf(newline, start);
      const end = found < 0 ? source.length : found;
      const from = scanner.skipSpace(source, start, end);
      if (from < end) {
        const to = scanner.scan(source, from, end);
        if (to < 0) this.broken(scanner.errorAt, start, scanner.reason);
        const rest = scanner.skipSpace(source, to, end);
        if (rest < end) this.broken(rest, start, 'something stands behind the value');
        this.take(from, to);
      }
      start = end + 1;
    }
  }

  /** Only now, for line numbers are counted in the bytes as they came. */
  compact(): void {
    for (const index of this.toCompact)
      this.spans[index + 1] = compactInPlace(this.source, this.spans[index]!, this.spans[index + 1]!);
  }

  /** One array, whose elements are the records; or values with white space between them. */
  jsonValues(): void {
    const { source, scanner } = this;
    const { length } = source;
    let at = scanner.skipSpace(source, 0, length);
    const isArray = source[at] === 0x5b;
    if (isArray) at = scanner.skipSpace(source, at + 1, length);
    if (isArray && source[at] === 0x5d) {
      this.nothingBehind(at + 1);
      return;
    }
    while (at < length || isArray) {
      const from = at;
      const to = scanner.scan(source, from, length);
      if (to < 0) this.brokenValue(scanner.errorAt, scanner.reason);
      if (scanner.spansLines) this.toCompact.push(this.spans.length);
      this.take(from, to);
      at = scanner.skipSpace(source, to, length);
      if (isArray) {
        if (source[at] === 0x5d) {
          this.nothingBehind(at + 1);
          return;
        }
        if (source[at] !== 0x2c) this.brokenValue(at, 'a comma or ] should follow');
        at = scanner.skipSpace(source, at + 1, length);
      } else if (at === to && at < length) this.brokenValue(at, 'something stands behind the value');
    }
  }

  private nothingBehind(at: number): void {
    const rest = this.scanner.skipSpace(this.source, at, this.source.length);
    if (rest < this.source.length) this.brokenValue(rest, 'something stands behind the array');
  }

  private take(start: number, end: number): void {
    if (end - start > this.limitBytes) {
      const line = lineNumberAt(this.source, start);
      const what = `line ${line} holds a record of ${end - start} bytes, more than the topic's ${this.limitBytes}`;
      throw new HttpProblem(413, `${what} (max.message.bytes); nothing of this request was stored`, { line });
    }
    this.spans.push(start, end);
  }

  private brokenValue(at: number, reason: string): never {
    const lineStart = at === 0 ? 0 : this.source.lastIndexOf(newline, at - 1) + 1;
    this.broken(at, lineStart, reason);
  }

  private broken(at: number, lineStart: number, reason: string): never {
    const line = lineNumberAt(this.source, at);
    const where = `line ${line}, byte ${at - lineStart + 1}`;
    throw new HttpProblem(400, `${where}: this is not JSON: ${reason}; nothing of this request was stored`, { line });
  }
}
