// The event that steps see: a view of the record under the cursor, with everything made on demand. One is reused for all records of an edge.
import { decodeFileReference, fileReferenceHeader } from '../broker/client/positions-record.ts';
import type { RecordCursor } from '../broker/wire/record-batch.ts';
import type { Coordinates } from '../sinks/sink.ts';
import { ExactInteger } from './exact-integer.ts';
import { getField } from './steps/fields.ts';
import type { Event, EventMeta, Fields } from './steps/step.ts';

/** What is known of the files that agents read (broker/client/file-registry.ts). */
export interface FileNames {
  /** What is known here already. */
  peek(file: string): FileName | undefined;
  /** Looks it up; undefined when there is no record of it. */
  resolve(file: string): Promise<FileName | undefined>;
}

export interface FileName {
  readonly path: string;
  readonly host: string;
}

class RecordMeta implements EventMeta {
  topic = '';
  partition = 0;
  offset = -1;
  private readonly event: RecordEvent;

  constructor(event: RecordEvent) {
    this.event = event;
  }

  get path(): string | undefined {
    return this.event.fileName()?.path;
  }

  get host(): string | undefined {
    return this.event.fileName()?.host;
  }

  get position(): number | undefined {
    return this.event.fileReference()?.position;
  }
}

export class RecordEvent implements Event {
  timestampMs = -1;
  ordinal = 0;
  readonly target: string | undefined;
  readonly meta: RecordMeta;
  /** Set when a path or host was asked for that is not known yet: resolve it and handle the record again. */
  unresolvedFile: string | undefined;
  /** Files that nothing is known of, although they were looked up. */
  readonly nameless = new Set<string>();
  private readonly cursor: RecordCursor;
  private readonly names: FileNames | undefined;
  private rawBytes: Buffer | undefined;
  private text: string | undefined;
  private currentFields: Fields | undefined;
  private lineFields: Fields | undefined;
  private isChanged = false;

  constructor(cursor: RecordCursor, names: FileNames | undefined, target?: string) {
    this.cursor = cursor;
    this.target = target;
    this.names = names;
    this.meta = new RecordMeta(this);
  }

  /** Begins with the record the cursor stands on. */
  reset(coordinates: Coordinates): void {
    this.timestampMs = this.cursor.timestampMs;
    this.ordinal = 0;
    this.meta.topic = coordinates.topic;
    this.meta.partition = coordinates.partition;
    this.meta.offset = this.cursor.offset;
    this.unresolvedFile = undefined;
    this.rawBytes = undefined;
    this.text = undefined;
    this.currentFields = this.lineFields = undefined;
    this.isChanged = false;
  }

  /** Becomes a piece of the record. */
  becomePiece(fields: Fields, ordinal: number, timestampMs: number): void {
    this.fields = fields;
    this.ordinal = ordinal;
    this.timestampMs = timestampMs;
  }

  get raw(): Buffer {
    return (this.rawBytes ??= this.cursor.value() ?? Buffer.alloc(0));
  }

  get message(): string {
    return (this.text ??= this.raw.toString('utf8'));
  }

  get fields(): Fields {
    return (this.currentFields ??= this.lineFields = { message: this.message });
  }

  set fields(fields: Fields) {
    this.currentFields = fields;
    this.isChanged = true;
  }

  get changed(): boolean {
    return this.isChanged;
  }

  get isLine(): boolean {
    return !this.isChanged && this.currentFields === this.lineFields;
  }

  readAs(fields: Fields): void {
    this.currentFields = fields;
  }

  markChanged(): void {
    this.isChanged = true;
  }

  get(path: string): unknown {
    if (!path.startsWith('meta.')) {
      if (path === 'message' && this.currentFields === undefined) return this.message;
      const value = getField(this.fields, path);
      return value instanceof ExactInteger ? value.digits : value;
    }
    switch (path.slice(5)) {
      case 'topic':
        return this.meta.topic;
      case 'partition':
        return this.meta.partition;
      case 'offset':
        return this.meta.offset;
      case 'time':
        return this.timestampMs;
      case 'path':
        return this.meta.path;
      case 'host':
        return this.meta.host;
      case 'position':
        return this.meta.position;
      default:
        return undefined;
    }
  }

  fileReference(): { file: string; position: number } | undefined {
    const value = this.cursor.header(fileReferenceHeader);
    if (value === undefined) return undefined;
    try {
      return decodeFileReference(value);
    } catch {
      return undefined; // Another producer's header of the same name.
    }
  }

  fileName(): FileName | undefined {
    const file = this.names === undefined ? undefined : this.fileReference()?.file;
    if (file === undefined) return undefined;
    const name = this.names?.peek(file);
    if (name === undefined && !this.nameless.has(file)) this.unresolvedFile = file;
    return name;
  }
}
