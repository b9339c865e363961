// Bodies of bulk requests (NDJSON): per record an action line and a document line.
//
//   {"create":{"_index":"nginx-2026.01.31","_id":"AAECAwQFBgcAAAB3ZWI"}}      "index" with on_conflict: replace
//   {"@timestamp":"2026-01-31T10:00:00.000Z","message":"GET / 200"}
//
// A record that is a JSON object goes as its own bytes, which are looked at (json-object.ts) but never parsed; line breaks between its tokens become
// spaces. Anything else becomes `message`, with U+FFFD where it is not UTF-8. `@timestamp` and, when asked for, host and file (ECS names) are spliced
// in at the front unless the line has a field of that name itself. A bulk knows where its items are, so that some of them can be sent again.
import { isUtf8 } from 'node:buffer';
import type { Coordinates, Delivery, DeliveryBatch } from '../sink.ts';
import { DocumentIds } from './document-id.ts';
import { clampTimeMs } from '../time-places.ts';
import type { IndexTemplate } from './index-name.ts';
import { jsonObject, notAnObject, scanJsonObject } from './json-object.ts';

/** `create` refuses an id that is there, `index` overwrites it. */
export type BulkOperation = 'create' | 'index';

/** Items that are sent in one request. */
export interface Bulk {
  readonly body: Buffer;
  /** Where each item ends in `body`; it begins where the one before ends. */
  readonly ends: readonly number[];
  /** Each item's place among the records of the batch. */
  readonly places: readonly number[];
  /** Names of the indices that its items go to; there may be some among them that none goes to. */
  readonly indices: readonly string[];
  /** What `body` is the beginning of, for giveBack(); parts of a bulk have none. */
  readonly memory?: Buffer;
}

export interface BulkLimits {
  /** A bulk is closed before it gets longer, unless it would be empty. */
  bytes: number;
  count: number;
}

export interface BulkWriterOptions {
  index: IndexTemplate;
  operation: BulkOperation;
  pipeline: string;
  /** What ids are made of. Records without a key, or with one that is not text, always get one of their coordinates. */
  ids: 'coordinates' | 'key';
  /** Splice in where the record was read, from meta.path, meta.host, meta.position. */
  ecs: boolean;
}

/** The field paths that ECS metadata is made of. */
export const ecsFieldPaths: readonly string[] = ['meta.path', 'meta.host', 'meta.position'];

const newline = 0x0a;
const quote = 0x22;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const messageName = Buffer.from('"message":"');
/** What stands between an id and a line's own fields; its own `@timestamp` takes the place of the second half. */
const seam = Buffer.from('"}}\n{"@timestamp":"2026-01-31T10:00:00.000Z",');
const seamBytes = { id: 5, timestamp: seam.length, time: 19, millisecond: 39 } as const;
const maxCachedNames = 1000;
/** Bodies that are kept for later bulks. */
const maxSpare = 4;
/** What an item takes beside its line, about. */
const addedBytes = 160;

/** Of each byte of a text: 0 is copied, else how it is written: the letter behind a backslash, 1 as \u00XX, 2 for bytes above ASCII (copied, once checked). */
const escapes = new Uint8Array(256).map((_, byte) => {
  const short = { 8: 'b', 9: 't', 10: 'n', 12: 'f', 13: 'r', 34: '"', 92: '\\' }[byte];
  return short === undefined ? (byte < 0x20 ? 1 : byte >= 0x80 ? 2 : 0) : short.charCodeAt(0);
});
const hexDigits = Buffer.from('0123456789abcdef');

export class BulkWriter {
  private readonly options: BulkWriterOptions;
  private readonly ids: DocumentIds;
  private body: Buffer = Buffer.alloc(0);
  private used = 0;
  private coordinates: Coordinates | undefined;
  /** The action line up to the id, for the period that `actionPeriod` numbers. */
  private action: Buffer = Buffer.alloc(0);
  private actionPeriod = NaN;
  /** An item up to its own fields, as the last record had it: `headAction`, the id, and from `seamAt` on the seam. The next one differs in a few bytes. */
  private head: Buffer = Buffer.alloc(0);
  private headAction: Buffer | undefined;
  /** Names of the indices in the bulk that is being written. */
  private readonly indices = new Set<string>();
  private seamAt = 0;
  private readonly actions = new Map<string, Buffer>();
  private names: string[] = [];
  private timestampMs = NaN;
  private readonly metadata = new Map<string, Buffer>();
  private readonly spare: Buffer[] = [];

  constructor(options: BulkWriterOptions) {
    this.options = options;
    this.ids = new DocumentIds(options.pipeline);
  }

  /** The bulk of the batch's records from the `from`th on, as many as the limits allow: undefined when there are none. `names`: indices not met before. */
  write(batch: DeliveryBatch, from: number, limits: BulkLimits): { bulk: Bulk | undefined; names: string[] } {
    this.coordinates = batch.coordinates;
    this.ids.open(batch.coordinates);
    this.actionPeriod = NaN;
    this.headAction = undefined;
    this.names = [];
    this.indices.clear();
    const ends: number[] = [];
    const places: number[] = [];
    let end = 0;
    // About what the bulk will take; it grows when that was too little.
    const itemBytes = Math.ceil(batch.sizeBytes / Math.max(1, batch.count)) + addedBytes;
    this.begin(Math.min(limits.bytes, itemBytes * Math.min(batch.count - from, limits.count)));
    batch.forEach((delivery) => {
      if (places.length >= limits.count) return false;
      this.writeItem(delivery);
      if (places.length > 0 && this.used > limits.bytes) return false;
      ends.push((end = this.used));
      places.push(from + places.length);
      return true;
    }, from);
    const memory = this.body;
    this.body = Buffer.alloc(0);
    const { names } = this;
    if (places.length === 0) return { bulk: undefined, names };
    return { bulk: { body: memory.subarray(0, end), ends, places, indices: [...this.indices], memory }, names };
  }

  /** Takes the memory of a bulk that nobody looks at any more for another one: new memory costs page faults and collections. */
  giveBack({ memory }: Bulk): void {
    if (memory !== undefined && this.spare.length < maxSpare) this.spare.push(memory);
  }

  /** Forgets memory that was given back. */
  rest(): void {
    this.spare.length = 0;
  }

  private begin(bytes: number): void {
    const spare = this.spare.pop();
    this.body = spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(bytes + 4096);
    this.used = 0;
  }

  /** Makes room for `bytes` more. */
  private reserve(bytes: number): void {
    const needed = this.used + bytes;
    if (needed <= this.body.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.body.length * 2));
    this.body.copy(grown, 0, 0, this.used);
    this.body = grown;
  }

  private put(bytes: Buffer): void {
    bytes.copy(this.body, this.used);
    this.used += bytes.length;
  }

  private writeItem(delivery: Delivery): void {
    const { buffer, start, end } = delivery;
    const found = scanJsonObject(buffer, start, end);
    this.setHead(delivery);
    this.reserve(this.head.length + end - start + 200);
    const before =
      (found & jsonObject.hasTimestamp) !== 0 && found !== notAnObject ? seamBytes.id : seamBytes.timestamp;
    if (this.options.ids === 'key' && this.writeKeyed(delivery)) this.putHead(this.seamAt, this.seamAt + before);
    else this.putHead(0, this.seamAt + before);
    if (this.options.ecs) this.writeEcs(delivery, found === notAnObject ? 0 : found);
    if (found === notAnObject) {
      this.writeMessage(buffer, start, end);
      this.body[this.used++] = closeBrace;
    } else this.writeFields(delivery, found);
    this.body[this.used++] = newline;
  }

  /** Makes the head that of this record. */
  private setHead(delivery: Delivery): void {
    const { ids } = this;
    const action = this.actionFor(delivery);
    const isAnother = action !== this.headAction;
    if (isAnother) {
      this.head = Buffer.concat([action, Buffer.allocUnsafe(ids.maxLength + seam.length)]);
      this.headAction = action;
      this.seamAt = 0;
    }
    const seamAt = ids.write(this.head, action.length, delivery.offset, delivery.ordinal, !isAnother);
    if (seamAt !== this.seamAt) {
      this.seamAt = seamAt;
      seam.copy(this.head, seamAt);
      this.timestampMs = NaN;
    }
    this.setTimestamp(clampTimeMs(delivery.timestampMs));
  }

  private putHead(start: number, end: number): void {
    this.head.copy(this.body, this.used, start, end);
    this.used += end - start;
  }

  /** The action line with the key as id. A key is the id of one document: the pieces of a split record cannot share it. */
  private writeKeyed(delivery: Delivery): boolean {
    const key = delivery.ordinal === 0 ? delivery.key() : null;
    if (key === null || key.length === 0 || !isUtf8(key)) return false;
    this.putHead(0, this.headAction!.length);
    this.reserve(key.length + 16);
    this.writeEscaped(key, 0, key.length);
    this.reserve(this.head.length + delivery.end - delivery.start + 200);
    return true;
  }

  /** The object's own fields and its closing brace. */
  private writeFields(delivery: Delivery, found: number): void {
    const { buffer, start, end } = delivery;
    const open = buffer[start] === openBrace ? start : buffer.indexOf(openBrace, start);
    // No field follows the comma of those that were added.
    if ((found & jsonObject.isEmpty) !== 0) this.used--;
    this.reserve(end - open + 2);
    const from = this.used;
    buffer.copy(this.body, from, open + 1, end);
    this.used += end - open - 1;
    if ((found & jsonObject.hasLineBreak) === 0) return;
    for (let at = from; at < this.used; at++) if (this.body[at] === newline) this.body[at] = 0x20;
  }

  private writeEcs(delivery: Delivery, found: number): void {
    const host = delivery.field('meta.host');
    if (typeof host === 'string' && (found & jsonObject.hasHost) === 0)
      this.putReserved(this.metadataFor(`h${host}`, () => `"host":{"name":${JSON.stringify(host)}},`));
    const path = delivery.field('meta.path');
    if (typeof path !== 'string' || (found & jsonObject.hasLog) !== 0) return;
    const position = delivery.field('meta.position');
    const tail = typeof position === 'number' ? `,"offset":${position}},` : '},';
    this.putReserved(this.metadataFor(`p${path}`, () => `"log":{"file":{"path":${JSON.stringify(path)}}`));
    this.reserve(delivery.end - delivery.start + 200);
    this.used += this.body.write(tail, this.used, 'latin1');
  }

  private putReserved(bytes: Buffer): void {
    this.reserve(bytes.length + 200);
    this.put(bytes);
  }

  private metadataFor(key: string, make: () => string): Buffer {
    let bytes = this.metadata.get(key);
    if (bytes !== undefined) return bytes;
    if (this.metadata.size >= maxCachedNames) this.metadata.clear();
    this.metadata.set(key, (bytes = Buffer.from(make())));
    return bytes;
  }

  private writeMessage(buffer: Buffer, start: number, end: number): void {
    this.reserve(messageName.length + end - start + 16);
    this.put(messageName);
    const from = this.used;
    if (!this.writeEscaped(buffer, start, end)) {
      const text = Buffer.from(buffer.toString('utf8', start, end));
      this.used = from;
      this.reserve(text.length + 16);
      this.writeEscaped(text, 0, text.length);
    }
    this.body[this.used++] = quote;
  }

  /** Writes text as the inside of a JSON string; false, half done, when it is not UTF-8. Room for it unescaped, and 16 bytes, is there. */
  private writeEscaped(source: Buffer, start: number, end: number): boolean {
    let { body, used } = this;
    let checked = false;
    for (let at = start; at < end; at++) {
      const byte = source[at]!;
      const escape = escapes[byte]!;
      if (escape === 0) body[used++] = byte;
      else if (escape === 2) {
        if (!checked && !isUtf8(source.subarray(at, end))) return false;
        checked = true;
        body[used++] = byte;
      } else {
        this.used = used;
        this.reserve(end - at + 5 + 16);
        body = this.body;
        body[used++] = 0x5c;
        if (escape !== 1) body[used++] = escape;
        else {
          used += body.write('u00', used, 'latin1');
          body[used++] = hexDigits[byte >> 4]!;
          body[used++] = hexDigits[byte & 15]!;
        }
      }
    }
    this.used = used;
    return true;
  }

  /** In the head. Within the same second only the milliseconds are written. */
  private setTimestamp(timestampMs: number): void {
    if (timestampMs === this.timestampMs) return;
    const { head, seamAt } = this;
    const millisecond = timestampMs % 1000;
    if (timestampMs - millisecond === this.timestampMs - (this.timestampMs % 1000)) {
      const at = seamAt + seamBytes.millisecond;
      head[at] = 0x30 + Math.floor(millisecond / 100);
      head[at + 1] = 0x30 + (Math.floor(millisecond / 10) % 10);
      head[at + 2] = 0x30 + (millisecond % 10);
    } else head.write(new Date(timestampMs).toISOString(), seamAt + seamBytes.time, 'latin1');
    this.timestampMs = timestampMs;
  }

  private actionFor(delivery: Delivery): Buffer {
    const { periodMs } = this.options.index;
    if (periodMs === undefined) return this.actionNamed(delivery);
    const period = periodMs === Infinity ? 0 : Math.floor(clampTimeMs(delivery.timestampMs) / periodMs);
    if (period !== this.actionPeriod) {
      this.action = this.actionNamed(delivery);
      this.actionPeriod = period;
    }
    return this.action;
  }

  private actionNamed(delivery: Delivery): Buffer {
    const name = this.options.index.name(this.coordinates!, delivery);
    this.indices.add(name);
    let action = this.actions.get(name);
    if (action !== undefined) return action;
    if (this.actions.size >= maxCachedNames) this.actions.clear();
    action = Buffer.from(`{"${this.options.operation}":{"_index":${JSON.stringify(name)},"_id":"`);
    this.actions.set(name, action);
    this.names.push(name);
    return action;
  }
}

/** The items of a bulk for which `chosen` holds, copied: undefined when there are none. `chosen` is asked by number within the bulk. */
export function someOf(bulk: Bulk, chosen: (item: number) => boolean): Bulk | undefined {
  const pieces: Buffer[] = [];
  const ends: number[] = [];
  const places: number[] = [];
  let bytes = 0;
  for (let item = 0; item < bulk.places.length; item++) {
    if (!chosen(item)) continue;
    const piece = bulk.body.subarray(item === 0 ? 0 : bulk.ends[item - 1]!, bulk.ends[item]);
    pieces.push(piece);
    ends.push((bytes += piece.length));
    places.push(bulk.places[item]!);
  }
  return places.length === 0 ? undefined : { body: Buffer.concat(pieces, bytes), ends, places, indices: bulk.indices };
}

/** The bulk in pieces that keep the limits, without copying. */
export function splitBulk(bulk: Bulk, limits: BulkLimits): Bulk[] {
  const pieces: Bulk[] = [];
  let first = 0;
  for (let item = 1; item <= bulk.places.length; item++) {
    const start = first === 0 ? 0 : bulk.ends[first - 1]!;
    const isFull =
      item < bulk.places.length && (bulk.ends[item]! - start > limits.bytes || item - first >= limits.count);
    if (!isFull && item < bulk.places.length) continue;
    pieces.push({
      body: bulk.body.subarray(start, bulk.ends[item - 1]),
      ends: bulk.ends.slice(first, item).map((end) => end - start),
      places: bulk.places.slice(first, item),
      indices: bulk.indices,
    });
    first = item;
  }
  return pieces;
}

/** Where an item goes: the name of its index, and its id. */
export function placeOf(bulk: Bulk, item: number): { index: string; id: string } {
  const start = item === 0 ? 0 : bulk.ends[item - 1]!;
  const line = bulk.body.toString('utf8', start, bulk.body.indexOf(newline, start));
  const action = JSON.parse(line) as Partial<Record<BulkOperation, { _index: string; _id: string }>>;
  const { _index: index = '', _id: id = '' } = action.create ?? action.index ?? {};
  return { index, id };
}
