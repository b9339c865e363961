// The three ways an edge delivers, behind one face for the loop (edge-session.ts): a two-phase sink, a sending sink, a topic of the same cluster.
// Partitions that are decided together share a scope.
import { assert } from '../base/errors.ts';
import type {
  Coordinates,
  Manifest,
  Outcome,
  SendingSink,
  TwoPhaseSink,
  TwoPhaseWriter,
  WriterScope,
} from '../sinks/sink.ts';
import { scopeKey } from './manifests.ts';
import type { SourceBatch } from './source-batch.ts';

export interface Target {
  /** In the messages of dead letters. */
  readonly name: string;
  readonly fieldPaths: readonly string[];
  /** Whether decisions carry manifests, so that the last one must be known before a scope is opened. */
  readonly hasManifests: boolean;
  /** Whether take() may be called while earlier calls are under way. */
  readonly overlaps: boolean;
  /** 'edge': all partitions are one scope and must be owned together. */
  readonly scope: 'partition' | 'edge';
  /** Puts right what an earlier writer left, and makes ready to take records. */
  open(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void>;
  /** Puts right what an earlier writer left of a scope that is written to no more. */
  finish(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void>;
  /**
   * Delivers or writes. The outcomes are those of the batch's records in order; undefined: all were taken. The scope is that of the partition that
   * is read; the batch's own coordinates are others for dead letters that are tried again.
   */
  take(scope: string, batch: SourceBatch, signal: AbortSignal): Promise<readonly Outcome[] | undefined>;
  isDue(scope: string, nowMs: number): boolean;
  /** Makes durable what was taken; the manifest goes into the decision. */
  prepare(scope: string): Promise<Manifest | undefined>;
  publish(scope: string, manifest: Manifest): Promise<void>;
  /** Forgets a scope that is no longer this member's; what was not prepared is given up. */
  release(scope: string): Promise<void>;
  /** Lets go of everything without deciding anything: what is undecided is for the next recovery. */
  close(): Promise<void>;
}

/** The scope a partition belongs to. */
export function scopeOf(target: Target, coordinates: Coordinates): string {
  return target.scope === 'edge' ? 'edge' : scopeKey({ kind: 'partition', coordinates });
}

export class TwoPhaseTarget implements Target {
  readonly name: string;
  readonly hasManifests = true;
  readonly overlaps = false;
  readonly scope: 'partition' | 'edge';
  readonly fieldPaths: readonly string[];
  private readonly sink: TwoPhaseSink;
  private readonly writers = new Map<string, TwoPhaseWriter>();

  constructor(name: string, sink: TwoPhaseSink) {
    this.name = name;
    this.sink = sink;
    this.scope = sink.scope;
    this.fieldPaths = sink.fieldPaths;
  }

  async open(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void> {
    await this.sink.recover(scope, lastDecided);
    this.writers.set(scopeKey(scope), await this.sink.openWriter(scope));
  }

  finish(scope: WriterScope, lastDecided: Manifest | undefined): Promise<void> {
    return this.sink.recover(scope, lastDecided);
  }

  async take(scope: string, batch: SourceBatch): Promise<undefined> {
    await this.writer(scope).write(batch);
    return undefined;
  }

  isDue(scope: string, nowMs: number): boolean {
    return this.writer(scope).isDue(nowMs);
  }

  prepare(scope: string): Promise<Manifest | undefined> {
    return this.writer(scope).prepare();
  }

  publish(scope: string, manifest: Manifest): Promise<void> {
    return this.writer(scope).publish(manifest);
  }

  async release(scope: string): Promise<void> {
    const writer = this.writers.get(scope);
    this.writers.delete(scope);
    await writer?.discard();
  }

  close(): Promise<void> {
    return this.sink.close();
  }

  private writer(scope: string): TwoPhaseWriter {
    const writer = this.writers.get(scope);
    assert(writer !== undefined, `no writer is open for ${scope}`);
    return writer;
  }
}

/** Offsets follow what was delivered at this distance at most: the less, the less is sent again after a crash. */
const sendingCommitMs = 200;

export class SendingTarget implements Target {
  readonly name: string;
  readonly hasManifests = false;
  readonly overlaps: boolean;
  readonly scope = 'edge';
  readonly fieldPaths: readonly string[];
  private readonly sink: SendingSink;
  private readonly monotonicMs: () => number;
  private firstTakenMs: number | undefined;

  constructor(name: string, sink: SendingSink, monotonicMs: () => number) {
    this.name = name;
    this.sink = sink;
    this.fieldPaths = sink.fieldPaths;
    this.overlaps = sink.overlaps === true;
    this.monotonicMs = monotonicMs;
  }

  open(): Promise<void> {
    this.sink.assigned?.();
    return Promise.resolve();
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  async take(_scope: string, batch: SourceBatch, signal: AbortSignal): Promise<readonly Outcome[] | undefined> {
    this.firstTakenMs ??= this.monotonicMs();
    return this.sink.deliver(batch, signal);
  }

  isDue(_scope: string, nowMs: number): boolean {
    return this.firstTakenMs !== undefined && nowMs - this.firstTakenMs >= sendingCommitMs;
  }

  prepare(): Promise<undefined> {
    this.firstTakenMs = undefined;
    return Promise.resolve(undefined);
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.sink.close();
  }
}
