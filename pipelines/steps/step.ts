// The step contract and the event steps work on. Steps are pure functions of the record (no clock, no randomness: sampling hashes the
// coordinates), so that a retry and a replay give the same result. A new step is one file beside this one and a line in ./index.ts.

/** Where the record came from: `meta` in expressions and templates. */
export interface EventMeta {
  topic: string;
  partition: number;
  offset: number;
  /** From the tail agent's header and the file registry; undefined for other records. */
  path: string | undefined;
  host: string | undefined;
  /** Byte position of the line's start in its file. */
  position: number | undefined;
}

export type Fields = Record<string, unknown>;

/**
 * One record on its way through the steps. Bytes stay bytes until something asks for `fields`; a record whose fields were never changed goes
 * out as its bytes. One Event may be reused for the next record: nothing keeps it.
 */
export interface Event {
  /** The record's value as it was read. */
  readonly raw: Buffer;
  /** Record time in milliseconds; steps that know better (timestamp, nginx_combined) set it. */
  timestampMs: number;
  readonly meta: EventMeta;
  /** 0, or which piece of a split record this is (pipelines/origin.ts). */
  readonly ordinal: number;
  /** Where it is on the way to, as under `to` in the YAML ("search", "topic:clean"); undefined where that is not known (replays). */
  readonly target: string | undefined;
  /** The raw line as text; invalid UTF-8 becomes U+FFFD here, never in what passes through untouched. */
  readonly message: string;
  /** The fields: `{ message }` before a parser ran. Reading does not change the record; assign to it, or call markChanged after changing in place. */
  fields: Fields;
  /** True when the record is to be written as JSON of its fields rather than as its bytes. */
  readonly changed: boolean;
  markChanged(): void;
  /** True while nothing has made fields of the line and nothing was changed: `fields` is `{ message }`. */
  readonly isLine: boolean;
  /** Gives fields that are the line itself, only read (JSON): unlike an assignment to `fields` this is no change. */
  readAs(fields: Fields): void;
  /** The value at a dotted path in the fields, or under `meta.`; undefined when absent. Whole numbers too long for a number are their digits. */
  get(path: string): unknown;
}

/**
 * What a step says: go on with the record, drop it by rule (counted in the ledger), or go on with several records instead of it, each with these fields.
 * One piece that a later step refuses makes the whole record a dead letter; nothing of it goes out.
 */
export type StepResult = 'keep' | 'drop' | readonly Fields[];

export interface Step {
  /** Throws StepError when the record cannot be handled (`on_error` decides what becomes of it). */
  apply(event: Event): StepResult;
}

/** A record a step cannot handle. The message goes into the dead letter as the reason. */
export class StepError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StepError';
  }
}
