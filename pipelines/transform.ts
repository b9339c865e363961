// Runs the steps over fetched records once and keeps what came out: the records to deliver, those dropped by a rule, the dead letters. Changed records
// are compact JSON of their fields; all others are slices of what was fetched. Steps are pure, so doing it again gives the same.
import { messageOf, TailraceError } from '../base/errors.ts';
import type { FetchedBatches } from '../broker/client/contract.ts';
import { RecordCursor } from '../broker/wire/record-batch.ts';
import type { Coordinates } from '../sinks/sink.ts';
import type { DeadLetter } from './dead-letter.ts';
import { type FileNames, RecordEvent } from './event.ts';
import { pieceOrdinal } from './origin.ts';
import type { CompiledStep } from './plan.ts';
import { forEachRecord, headersAt, type RecordHeader, type SourceBatch, type SourceDelivery } from './source-batch.ts';
import type { Fields } from './steps/step.ts';

class KeptRecord implements SourceDelivery {
  readonly offset: number;
  readonly ordinal: number;
  readonly timestampMs: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly untouched: boolean;
  private readonly asked: ReadonlyMap<string, unknown> | undefined;
  private readonly keyBytes: Buffer | null;
  private readonly fetched: Buffer;
  private readonly valueStart: number;
  private readonly valueEnd: number;
  private readonly headersStart: number;
  private readonly headerCount: number;

  constructor(event: RecordEvent, cursor: RecordCursor, asked: ReadonlyMap<string, unknown> | undefined) {
    this.offset = cursor.offset;
    this.ordinal = event.ordinal;
    this.timestampMs = event.timestampMs;
    this.fetched = cursor.buffer;
    this.keyBytes = cursor.key();
    this.valueStart = Math.max(cursor.valueStart, 0);
    this.valueEnd = Math.max(cursor.valueEnd, 0);
    this.headersStart = cursor.headersStart;
    this.headerCount = cursor.headerCount;
    this.untouched = !event.changed;
    this.buffer = event.changed ? Buffer.from(JSON.stringify(event.fields)) : cursor.buffer;
    this.start = event.changed ? 0 : this.valueStart;
    this.end = event.changed ? this.buffer.length : this.valueEnd;
    this.asked = asked;
  }

  field(path: string): unknown {
    return this.asked?.get(path);
  }

  key(): Buffer | null {
    return this.keyBytes;
  }

  headers(): RecordHeader[] {
    return headersAt(this.fetched, this.headersStart, this.headerCount);
  }

  source(): Buffer {
    return this.fetched.subarray(this.valueStart, this.valueEnd);
  }
}

class KeptBatch implements SourceBatch {
  readonly coordinates: Coordinates;
  readonly records: KeptRecord[] = [];
  sizeBytes = 0;

  constructor(coordinates: Coordinates) {
    this.coordinates = coordinates;
  }

  get count(): number {
    return this.records.length;
  }

  forEach(visit: (delivery: SourceDelivery) => unknown, from = 0): void {
    for (let index = from; index < this.records.length; index++) if (visit(this.records[index]!) === false) return;
  }
}

/** What became of a fetch. */
export interface Transformed {
  batch: SourceBatch;
  /** Records read: kept, dropped and dead. */
  readCount: number;
  droppedCount: number;
  /** Records more than were read, made by splitting. */
  splitCount: number;
  deadLetters: DeadLetter[];
  /** `on_error: stop`: the record at `offset` is where the edge must stop; those before it are in here. */
  stopped: { offset: number; error: TailraceError } | undefined;
}

export interface TransformOptions {
  steps: readonly CompiledStep[];
  names: FileNames | undefined;
  /** Where the records go, as under `to` in the YAML. */
  target?: string;
  /** The field paths the sink will ask for, looked up while the record is at hand. */
  askedPaths: readonly string[];
}

export class Transformer {
  private readonly options: TransformOptions;
  private readonly cursor = new RecordCursor();
  private readonly event: RecordEvent;
  /** Of the record at hand: what is kept of it, and what was dropped. */
  private kept: KeptRecord[] = [];
  private droppedPieces = 0;

  constructor(options: TransformOptions) {
    this.options = options;
    this.event = new RecordEvent(this.cursor, options.names, options.target);
  }

  /** Handles the records of a fetch below `endOffset`. */
  async run(fetched: FetchedBatches, endOffset: number): Promise<Transformed> {
    for (;;) {
      const result = this.attempt(fetched, endOffset);
      if (typeof result !== 'string') return result;
      if ((await this.options.names?.resolve(result)) === undefined) this.event.nameless.add(result);
    }
  }

  /** All records at once, or the file id that must be resolved first. Files are few, so beginning anew is rare. */
  private attempt(fetched: FetchedBatches, endOffset: number): Transformed | string {
    const { topic, topicId, partition } = fetched;
    const batch = new KeptBatch({ topic, topicId, partition });
    const result: Transformed = {
      batch,
      readCount: 0,
      droppedCount: 0,
      splitCount: 0,
      deadLetters: [],
      stopped: undefined,
    };
    let unresolved: string | undefined;
    forEachRecord(fetched, endOffset, this.cursor, () => {
      if (result.stopped !== undefined || unresolved !== undefined) return;
      this.handle(batch, result);
      unresolved = this.event.unresolvedFile;
    });
    return unresolved ?? result;
  }

  private handle(batch: KeptBatch, result: Transformed): void {
    const { event } = this;
    event.reset(batch.coordinates);
    this.kept.length = 0;
    this.droppedPieces = 0;
    if (!this.advance(0, batch, result)) return;
    result.readCount++;
    result.droppedCount += this.droppedPieces;
    result.splitCount += this.kept.length + this.droppedPieces - 1;
    for (const record of this.kept) {
      batch.records.push(record);
      batch.sizeBytes += record.end - record.start;
    }
  }

  /** Takes the event through the steps from `index` on; false when the record was refused as a whole. */
  private advance(index: number, batch: KeptBatch, result: Transformed): boolean {
    const { event } = this;
    const { steps, askedPaths } = this.options;
    for (let at = index; at < steps.length; at++) {
      const step = steps[at]!;
      try {
        if (step.when !== undefined && !step.when(event)) continue;
        const outcome = step.step.apply(event);
        if (outcome === 'keep') continue;
        if (outcome !== 'drop') return this.advancePieces(outcome, at + 1, batch, result);
      } catch (error) {
        if (step.onError === 'keep' || event.unresolvedFile !== undefined) continue;
        if (step.onError !== 'drop') {
          this.refuse(step, error, batch.coordinates, result);
          return false;
        }
      }
      this.droppedPieces++;
      return true;
    }
    const asked = askedPaths.length === 0 ? undefined : new Map(askedPaths.map((path) => [path, event.get(path)]));
    this.kept.push(new KeptRecord(event, this.cursor, asked));
    return true;
  }

  private advancePieces(pieces: readonly Fields[], index: number, batch: KeptBatch, result: Transformed): boolean {
    const { ordinal, timestampMs } = this.event;
    if (pieces.length === 0) this.droppedPieces++;
    pieceOrdinal(ordinal, pieces.length); // Throws before anything of it is kept.
    for (const [position, fields] of pieces.entries()) {
      this.event.becomePiece(fields, pieceOrdinal(ordinal, position + 1), timestampMs);
      if (!this.advance(index, batch, result)) return false;
    }
    return true;
  }

  private refuse(step: CompiledStep, error: unknown, coordinates: Coordinates, result: Transformed): void {
    const { cursor, event } = this;
    const reason = messageOf(error);
    const where = `${step.name} at ${step.place}`;
    if (step.onError === 'stop') {
      const at = `${coordinates.topic}/${coordinates.partition}/${cursor.offset}`;
      const stop = new TailraceError('TLR_SINK', `step ${where} stops at record ${at}: ${reason}`, { cause: error });
      result.stopped = { offset: cursor.offset, error: stop };
      return;
    }
    result.readCount++;
    result.deadLetters.push({
      ...{ reason, refusedBy: { step: where }, coordinates, timestampMs: cursor.timestampMs },
      // The record as a whole: what pieces there are is only known when all of them have come through.
      ...{ offset: cursor.offset, ordinal: 0 },
      ...{
        key: copy(cursor.key()),
        value: copy(event.raw) ?? Buffer.alloc(0),
        headers: headersAt(cursor.buffer, cursor.headersStart, cursor.headerCount),
      },
    });
  }
}

/** Dead letters wait for the next decision and must not hold the fetched megabytes. */
function copy(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
