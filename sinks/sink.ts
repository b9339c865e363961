// The sink contract: what the runner (pipelines/runner.ts) asks of a sink and what it promises in return. A sink knows
// nothing of topics beyond coordinates. There are three ways to deliver: 'two-phase' sinks prepare under temporary
// names and publish what the broker has decided; 'idempotent' sinks send under an id made of the coordinates; 'at-least-once'
// sinks can do neither, and `tailrace check` says so. Every sink runs the suite in test/sinks/contract.ts.
import type { Clock } from '../base/clock.ts';
import type { Files } from '../base/files.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';

/** Where a record came from. Topic ids, not names, make ids: a re-created topic reuses offsets. */
export interface Coordinates {
  topic: string;
  /** 16 bytes. */
  topicId: Buffer;
  partition: number;
}

/**
 * One record on its way out. The object is reused for the next record: take what is needed during the call. `buffer[start..end)` is
 * what is to be written, without newline: the record's own bytes when no step touched it, compact JSON otherwise.
 */
export interface Delivery {
  readonly offset: number;
  /** 0, or the number of the record among those a step made of one. */
  readonly ordinal: number;
  readonly timestampMs: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** True when no step changed the record: the bytes are the line as it was read. */
  readonly untouched: boolean;
  /** The key of the record; of a document that came over `_bulk` it is the id that its sender gave it. */
  key(): Buffer | null;
  /**
   * The value at a dotted path ("service", "user.name"; "meta.path", "meta.host"); undefined when absent. Only for the paths that the sink
   * names in `fieldPaths`. Fields are those the steps made; `message` is the whole line.
   */
  field(path: string): unknown;
}

/** Untouched records that follow one another: what is to be written of them, with a newline behind each. */
export interface DeliveryBlock {
  /** Holds during the call only. */
  readonly lines: Buffer;
  /** Records: lines may hold newlines themselves. */
  readonly count: number;
  readonly firstOffset: number;
  /** Bounds of the timestamps. */
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** Records of one partition, in offset order. */
export interface DeliveryBatch {
  readonly coordinates: Coordinates;
  readonly count: number;
  /** About the sum of the lengths of what is to be written: an upper bound, unless records were fetched compressed. */
  readonly sizeBytes: number;
  /** From the `from`th record on (0 when left out), until `visit` returns false. */
  forEach(visit: (delivery: Delivery) => unknown, from?: number): void;
  /**
   * As forEach, for sinks that write lines: whole blocks are offered first, and only the records of a block that `take` refuses are shown one by one. Undefined
   * where there are no blocks.
   */
  readonly forEachBlock?:
    ((take: (block: DeliveryBlock) => boolean, visit: (delivery: Delivery) => unknown) => void) | undefined;
}

/** Everything a sink may use. */
export interface SinkContext {
  /** The edge, `<pipeline>.<sink>`: also the consumer group's name. */
  edge: string;
  /** The pipeline whose steps are run; empty for a replay without steps. Part of the ids of idempotent sinks, so that two pipelines do not hide each other. */
  pipeline: string;
  /** Identity of this instance; part of temporary names. */
  instance: string;
  /** Group generation of this writer; part of temporary names, so that a zombie cannot collide. */
  generation: number;
  /** True for a bounded job, such as a replay: its records may be in the store already, sent by others. */
  job?: boolean | undefined;
  /** A local folder (which need not be there yet) for files that only this process needs; the sink's own choice when undefined. */
  scratch?: string | undefined;
  files: Files;
  clock: Clock;
  random: Random;
  logger: Logger;
}

/** What one decision publishes: JSON, small; written into `__tailrace_sinks` in the transaction that commits the offsets. */
export type Manifest = Record<string, unknown>;

/** What a writer is responsible for: one partition, or (appended files shared by partitions) the whole edge. */
export type WriterScope = { kind: 'partition'; coordinates: Coordinates } | { kind: 'edge' };

/** Writes under temporary names. One writer per scope; calls never overlap. */
export interface TwoPhaseWriter {
  /** Takes the batch; may return before it is on disk. Back-pressure is the promise. Throws TailraceError TLR_SINK, TLR_DISK_FULL. */
  write(batch: DeliveryBatch): Promise<void>;
  /** True when size, age or idle time say that what was written should be published now; `nowMs` is the clock's monotonicMs(). Cheap: asked often. */
  isDue(nowMs: number): boolean;
  /**
   * Syncs everything written so far under temporary names and describes it. Undefined when there is nothing to publish. After
   * this the writer takes new records for the next manifest. Never called again before publish() of the last one.
   */
  prepare(): Promise<Manifest | undefined>;
  /** Makes what the manifest names visible under the final names. Harmless when repeated. Retried by the runner until it succeeds. */
  publish(manifest: Manifest): Promise<void>;
  /** Gives up what was written since the last prepare (partition revoked, shut down before a roll): removes temporary files. */
  discard(): Promise<void>;
}

export interface TwoPhaseSink {
  readonly guarantee: 'two-phase';
  /** The field paths it asks deliveries for; others are undefined there. */
  readonly fieldPaths: readonly string[];
  /** 'edge' when the path lets partitions share a file: then one member must own them all. */
  readonly scope: 'partition' | 'edge';
  /** True when files that are there already are extended: then no other edge may write them, not even one that tries dead letters again. */
  readonly appends?: boolean;
  /**
   * Throws TailraceError TLR_CONFIG when what an edge of this name decided last was for a sink of another type or place, so that this one could not finish it.
   * Changes nothing. recover() makes sure of it, too.
   */
  accept(lastDecided: Manifest): Promise<void>;
  /**
   * Before a writer is opened: publishes the last decided manifest again (harmless when already done), cuts appended files to their
   * decided length, removes attempts of this scope that no manifest names.
   */
  recover(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void>;
  openWriter(scope: WriterScope): Promise<TwoPhaseWriter>;
  close(): Promise<void>;
}

/** What became of one record of a delivered batch. */
export type Outcome =
  | { kind: 'stored' }
  /** The store had it already under its id (counted apart in the ledger). */
  | { kind: 'already-there' }
  /** Refused for good: goes to the dead letters with the reason. */
  | { kind: 'refused'; reason: string };

export interface SendingSink {
  readonly guarantee: 'idempotent' | 'at-least-once';
  /** The field paths it asks deliveries for; others are undefined there. */
  readonly fieldPaths: readonly string[];
  /** True when deliver() may be called before the last call has resolved, for records that come behind those. */
  readonly overlaps?: boolean;
  /**
   * Sends the batch; retries what may succeed later itself until `signal` ends it. Resolves when every record has its outcome, in order
   * of the batch ('stored' for all when undefined). Throws TailraceError TLR_SINK (retriable or not: then the edge pauses with an alarm).
   */
  deliver(batch: DeliveryBatch, signal: AbortSignal): Promise<readonly Outcome[] | undefined>;
  /** Called each time partitions were given to this member: records that come next may have been sent by the owner before. */
  assigned?(): void;
  close(): Promise<void>;
}

export type Sink = TwoPhaseSink | SendingSink;

/** Something that a sink published, as it is found later. */
export interface FoundPart {
  /** Its final name. */
  name: string;
  /** As they were written; undefined when that was not noted. */
  lines: number | undefined;
  bytes: number;
  /** What is not as it was published: "is missing". */
  problem: string | undefined;
  /** It is decided and waits, under its temporary name, for the next start of its pipeline to be published. */
  waits: boolean;
}

/** A record that a store should have. */
export interface SoughtRecord {
  offset: number;
  ordinal: number;
  /** Where it should be, for people: index and id. */
  name: string;
  isThere: boolean;
}

/** Looks, for `tailrace audit` and `tailrace why`, whether what was delivered is still there. Changes nothing. */
export interface SinkAuditor {
  /** The field paths it asks deliveries for. */
  readonly fieldPaths: readonly string[];
  /** Of two-phase sinks: each file that a decided manifest names. Throws TailraceError TLR_SINK when the store cannot be asked. */
  published?(manifest: Manifest): Promise<FoundPart[]>;
  /**
   * Of two-phase sinks: whether a record goes into the part of this name. The offset of the part's first record, 0 for what is appended to; undefined when it
   * does not.
   */
  firstOffsetIn?(name: string, coordinates: Coordinates, delivery: Delivery): number | undefined;
  /** Of stores that can be asked for records: each of the batch. Throws as published(). */
  seek?(batch: DeliveryBatch, signal: AbortSignal): Promise<SoughtRecord[]>;
  close(): Promise<void>;
}

/** A kind of sink: its settings (a zod object, which also gives JSON Schema and docs) and how to open it. */
export interface SinkDefinition<Settings> {
  readonly type: string;
  /** One line for people: what it writes to. */
  readonly summary: string;
  /** Where it writes, in a few words (a path, a URL without secrets): for the overview that `tailrace up` prints. */
  describe(settings: Settings): string;
  /** The guarantee of an edge into it with these settings, in words, for `tailrace check`. */
  describeGuarantee(settings: Settings): string;
  /** Parses and completes settings; the zod schema. */
  readonly settings: { parse(input: unknown): Settings };
  /** The settings that a URL such as `file:///dir/x.ndjson` stands for; undefined when the URL is not of this kind. */
  fromUrl(url: string): Record<string, unknown> | undefined;
  open(settings: Settings, context: SinkContext): Promise<Sink>;
  /** Undefined where nobody can be asked what has arrived. */
  audit?(settings: Settings, context: SinkContext): Promise<SinkAuditor>;
}
