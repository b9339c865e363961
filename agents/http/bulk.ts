// Elasticsearch's _bulk: pairs of lines, what to do and a document. Documents of `index` and `create` are taken as they are, byte for byte; everything
// else gets its own answer among the items, as the original does, and so does a document that is no JSON object.
import { assertUtf8 } from './formats.ts';
import { JsonScanner } from '../../base/json-scanner.ts';
import type { Part } from './load.ts';
import { HttpProblem } from './problem.ts';

const newline = 0x0a;
const idLimitBytes = 512;
const actions = ['index', 'create', 'update', 'delete'] as const;
type Action = (typeof actions)[number];

interface Item {
  action: Action;
  index: string;
  id: string | undefined;
  status: number;
  error: { type: string; reason: string } | undefined;
}

export interface BulkOptions {
  /** From the path `/INDEX/_bulk`. */
  index: string | undefined;
  topicOf(index: string): string;
  recordLimitBytes(topic: string): number;
}

export interface Bulk {
  items: readonly Item[];
  parts: readonly Part[];
}

interface Collected {
  topic: string;
  source: Buffer;
  spans: number[];
  keys: (Buffer | null)[];
}

/** Takes a body apart. Throws HttpProblem 400 when a line that should say what to do does not: then the rest cannot be understood either. */
export function readBulk(source: Buffer, options: BulkOptions): Bulk {
  assertUtf8(source);
  return new BulkReader(source, options).read();
}

class BulkReader {
  private readonly source: Buffer;
  private readonly options: BulkOptions;
  private readonly scanner = new JsonScanner();
  private readonly items: Item[] = [];
  private readonly parts = new Map<string, Collected>();
  private at = 0;
  private line = 0;
  private lineStart = 0;
  private lineEnd = 0;

  constructor(source: Buffer, options: BulkOptions) {
    this.source = source;
    this.options = options;
  }

  read(): Bulk {
    while (this.nextLine()) {
      if (this.scanner.skipSpace(this.source, this.lineStart, this.lineEnd) === this.lineEnd) continue;
      const item = this.action();
      this.items.push(item);
      if (item.action === 'delete') continue;
      if (!this.nextLine()) this.malformed('a document should follow');
      this.document(item);
    }
    if (this.items.length === 0) throw new HttpProblem(400, 'the request holds no actions');
    return { items: this.items, parts: [...this.parts.values()] };
  }

  private nextLine(): boolean {
    const { source } = this;
    if (this.at >= source.length) return false;
    const found = source.indexOf(newline, this.at);
    this.lineStart = this.at;
    this.lineEnd = found < 0 ? source.length : found;
    this.at = this.lineEnd + 1;
    this.line++;
    return true;
  }

  private action(): Item {
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.source.toString('utf8', this.lineStart, this.lineEnd));
    } catch {
      return this.malformed('it is not JSON');
    }
    const entries = isRecord(parsed) ? Object.entries(parsed) : [];
    const [name, details] = entries[0] ?? [];
    const action = actions.find((each) => each === name);
    if (entries.length !== 1 || action === undefined || !isRecord(details))
      return this.malformed('it should be {"index": {…}} or {"create": {…}}');
    const { _index: index = this.options.index ?? '', _id: id } = details;
    if (
      typeof index !== 'string' ||
      (id !== undefined && id !== null && typeof id !== 'string' && typeof id !== 'number')
    )
      return this.malformed('_index and _id are texts');
    const item: Item = {
      action,
      index,
      id: id === undefined || id === null ? undefined : String(id),
      status: 201,
      error: undefined,
    };
    if (action === 'update' || action === 'delete')
      refuse(item, 'illegal_argument_exception', `${action} is not possible: lines are kept as they came`);
    else if (item.id !== undefined && (item.id === '' || Buffer.byteLength(item.id) > idLimitBytes))
      refuse(item, 'illegal_argument_exception', `_id must have 1 to ${idLimitBytes} bytes`);
    return item;
  }

  private document(item: Item): void {
    if (item.error !== undefined) return;
    const { source, scanner, lineEnd } = this;
    const from = scanner.skipSpace(source, this.lineStart, lineEnd);
    if (source[from] !== 0x7b || from >= lineEnd) {
      this.broken(item, 'a JSON object should stand here');
      return;
    }
    const to = scanner.scan(source, from, lineEnd);
    if (to < 0) {
      this.broken(item, scanner.reason);
      return;
    }
    if (scanner.skipSpace(source, to, lineEnd) < lineEnd) {
      this.broken(item, 'something stands behind the object');
      return;
    }
    const topic = this.options.topicOf(item.index);
    const limitBytes = this.options.recordLimitBytes(topic);
    if (to - from > limitBytes) {
      const what = `line ${this.line}: a document of ${to - from} bytes is more than the ${limitBytes} of topic ${topic}`;
      refuse(item, 'illegal_argument_exception', what);
      return;
    }
    let part = this.parts.get(topic);
    if (part === undefined) {
      part = { topic, source, spans: [], keys: [] };
      this.parts.set(topic, part);
    }
    part.spans.push(from, to);
    part.keys.push(item.id === undefined ? null : Buffer.from(item.id));
  }

  private broken(item: Item, reason: string): void {
    refuse(item, 'document_parsing_exception', `line ${this.line}: ${reason}`);
  }

  private malformed(reason: string): never {
    const { line } = this;
    const message = `Malformed action/metadata line [${line}]: ${reason}; nothing of this request was stored`;
    throw new HttpProblem(400, message, { line });
  }
}

function refuse(item: Item, type: string, reason: string): void {
  item.status = 400;
  item.error = { type, reason };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The answer, as Elasticsearch gives it. The same request always gets the same items. */
export function bulkAnswer({ items }: Bulk, tookMs: number): string {
  const names = new Map<string, string>();
  const quoted = (text: string) => {
    let name = names.get(text);
    if (name === undefined) names.set(text, (name = JSON.stringify(text)));
    return name;
  };
  const texts = items.map(({ action, index, id, status, error }) => {
    const document = `"_index":${quoted(index)}${id === undefined ? '' : `,"_id":${JSON.stringify(id)}`}`;
    return error === undefined
      ? `{"${action}":{${document},"_version":1,"result":"created","status":${status}}}`
      : `{"${action}":{${document},"status":${status},"error":${JSON.stringify(error)}}}`;
  });
  const errors = items.some(({ error }) => error !== undefined);
  return `{"took":${Math.round(tookMs)},"errors":${errors},"items":[${texts.join(',')}]}`;
}
