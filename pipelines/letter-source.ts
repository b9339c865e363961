// Dead letters as the records that they were: what an edge reads when it settles a dead-letter topic (dead-letters.ts). A letter that is tried again
// becomes a batch at its old place — topic, partition, offset, time, key, headers — so steps see what they saw the first time, ids made of coordinates
// are the same, and when it is refused again the new letter names the same origin.
import type { FetchedBatches, OutgoingRecord } from '../broker/client/contract.ts';
import { BatchBuilder, encodeHeaders } from '../broker/wire/batch-builder.ts';
import { type FoundLetter, readLetter } from './dead-letter.ts';
import type { Origin } from './origin.ts';
import { PassThroughBatch, type SourceBatch, type SourceDelivery } from './source-batch.ts';
import type { Transformed } from './transform.ts';

/** What is to happen to the letters of one edge. */
export interface LetterChoice {
  /** `<pipeline>.<sink>`; letters of other edges are passed over. */
  edge: string;
  action: 'retry' | 'drop';
  /** Letters of the edge that are not chosen are written to the end of the topic again, as they are. */
  chooses(letter: FoundLetter): boolean;
}

/** Letters of one origin partition with rising offsets, as if they had been fetched there. */
export interface LetterRun {
  fetched: FetchedBatches;
  /** Not 0: the run is one letter, which stands for this piece of what the steps split it into. */
  ordinal: number;
}

export interface SettledLetters {
  runs: LetterRun[];
  droppedCount: number;
  /** To be written again. */
  kept: OutgoingRecord[];
}

/** What a kept letter takes in memory beside its value. */
const letterOverheadBytes = 1000;

/** About the bytes of records that are written again. */
export function keptBytes(kept: readonly OutgoingRecord[]): number {
  return kept.reduce((sum, { value }) => sum + (value?.length ?? 0) + letterOverheadBytes, 0);
}

/** Sorts the letters of a fetch below `endOffset`. */
export function sortLetters(fetched: FetchedBatches, endOffset: number, choice: LetterChoice): SettledLetters {
  const settled: SettledLetters = { runs: [], droppedCount: 0, kept: [] };
  const runs = new RunBuilder(settled.runs, fetched);
  new PassThroughBatch(fetched, endOffset).forEach((delivery) => {
    const letter = readLetter(delivery.headers(), delivery.timestampMs);
    if (letter.edge !== choice.edge || letter.at === undefined) return;
    if (!choice.chooses(letter)) settled.kept.push(asItIs(fetched, delivery));
    else if (choice.action === 'drop') settled.droppedCount++;
    else runs.add(letter, letter.at, delivery);
  });
  return settled;
}

function asItIs({ topic, partition }: FetchedBatches, delivery: SourceDelivery): OutgoingRecord {
  const { timestampMs } = delivery;
  const key = delivery.key();
  const common = { topic, partition, timestampMs, headers: delivery.headers() };
  return { ...common, key: key === null ? null : Buffer.from(key), value: Buffer.from(delivery.source()) };
}

class RunBuilder {
  private readonly runs: LetterRun[];
  private readonly letters: FetchedBatches;
  private readonly builder = new BatchBuilder();
  /** By origin partition, the run that may grow. */
  private readonly open = new Map<string, LetterRun & { fetched: { batches: Buffer[] } }>();

  constructor(runs: LetterRun[], letters: FetchedBatches) {
    this.runs = runs;
    this.letters = letters;
  }

  add(letter: FoundLetter, at: Origin, delivery: SourceDelivery): void {
    const { topicId, partition, offset, ordinal } = at;
    this.builder.append(
      letter.timestampMs,
      delivery.key(),
      delivery.buffer,
      delivery.start,
      delivery.end,
      encodeHeaders(letter.headers),
    );
    const batch = this.builder.build({ baseOffset: offset });
    const key = `${topicId.toString('hex')}/${partition}`;
    const run = this.open.get(key);
    if (run !== undefined && ordinal === 0 && run.ordinal === 0 && run.fetched.nextOffset <= offset) {
      run.fetched.batches.push(batch);
      run.fetched.nextOffset = offset + 1;
      return;
    }
    const topic = letter.origin.split('/')[0]!;
    const place = { topic, topicId, partition, fromOffset: offset, nextOffset: offset + 1 };
    const begun = { fetched: { ...this.letters, ...place, batches: [batch] }, ordinal };
    this.open.set(key, begun);
    this.runs.push(begun);
  }
}

/**
 * What is left of a letter's record when it stands for one piece of it. Where changed steps do not make that piece any more, all that they make is
 * delivered: rather twice than never, and stores with ids know what they have.
 */
export function onlyPiece(result: Transformed, ordinal: number): Transformed {
  if (ordinal === 0) return result;
  const wanted = new PieceBatch(result.batch, ordinal);
  return wanted.count === 0 ? result : { ...result, batch: wanted, droppedCount: 0, splitCount: 0 };
}

class PieceBatch implements SourceBatch {
  readonly count: number;
  private readonly whole: SourceBatch;
  private readonly ordinal: number;

  constructor(whole: SourceBatch, ordinal: number) {
    this.whole = whole;
    this.ordinal = ordinal;
    let count = 0;
    this.forEach(() => count++);
    this.count = count;
  }

  get coordinates() {
    return this.whole.coordinates;
  }

  get sizeBytes(): number {
    return this.whole.sizeBytes;
  }

  forEach(visit: (delivery: SourceDelivery) => unknown, from = 0): void {
    let toSkip = from;
    this.whole.forEach((delivery) => delivery.ordinal !== this.ordinal || toSkip-- > 0 || visit(delivery));
  }
}
