// Dead letters: records a step or sink refused for good, in the ordinary topic `<pipeline>.dlq`. The value and key are the original bytes; the original
// headers stay, and these are added:
//   reason  why, in words          step or sink  who refused it ("parse at web.yaml:7:9", "sink search")
//   time    the record's own time (ISO 8601)     origin  topic/partition/offset for people      o  the same for machines (origin.ts), where the record
//   did not come with its own      edge  `<pipeline>.<sink>`: who was delivering it             at  where that edge read it, and which piece of the
//   record it is when it was split (origin.ts): with these two a letter can be tried again as the record that it was (letter-source.ts).
import type { OutgoingRecord } from '../broker/client/contract.ts';
import type { Coordinates } from '../sinks/sink.ts';
import { decodeOrigin, encodeOrigin, type Origin, originHeader } from './origin.ts';
import type { RecordHeader } from './source-batch.ts';

export interface DeadLetter {
  reason: string;
  refusedBy: { step: string } | { sink: string };
  coordinates: Coordinates;
  offset: number;
  /** 0, or the piece of the record that was refused. */
  ordinal: number;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer;
  headers: readonly RecordHeader[];
}

/** A dead letter as it is found in its topic. */
export interface FoundLetter {
  /** Of the record that it was, as in DeadLetter. */
  reason: string;
  /** "step parse at web.yaml:7:9" or "sink search". */
  refusedBy: string;
  /** Undefined in letters that were not written by an edge. */
  edge: string | undefined;
  at: Origin | undefined;
  /** topic/partition/offset. */
  origin: string;
  timestampMs: number;
  /** The headers the record had. */
  headers: readonly RecordHeader[];
}

const edgeHeader = 'edge';
const placeHeader = 'at';
const added = new Set(['reason', 'step', 'sink', 'time', 'origin', edgeHeader, placeHeader]);
const maxReasonCharacters = 2000;

/** About what it takes in memory and on the way. */
export function sizeOf(letter: DeadLetter): number {
  return letter.value.length + letter.reason.length + 400;
}

/** The record for the dead-letter topic; `nowMs` is its time there (its age decides about retention). */
export function deadLetterRecord(topic: string, edge: string, letter: DeadLetter, nowMs: number): OutgoingRecord {
  const { coordinates, offset, ordinal } = letter;
  const { topicId, partition } = coordinates;
  const text = (key: string, value: string) => ({ key, value: Buffer.from(value) });
  const headers: RecordHeader[] = letter.headers.filter(({ key }) => !added.has(key));
  if (!headers.some(({ key }) => key === originHeader))
    headers.push({ key: originHeader, value: encodeOrigin({ topicId, partition, offset, ordinal: 0 }) });
  headers.push({ key: placeHeader, value: encodeOrigin({ topicId, partition, offset, ordinal }) });
  headers.push(text(edgeHeader, edge), text('reason', letter.reason.slice(0, maxReasonCharacters)));
  headers.push('step' in letter.refusedBy ? text('step', letter.refusedBy.step) : text('sink', letter.refusedBy.sink));
  headers.push(text('time', new Date(Math.min(Math.max(letter.timestampMs, 0), 8.64e15)).toISOString()));
  headers.push(text('origin', `${coordinates.topic}/${partition}/${offset}`));
  return { topic, key: letter.key, value: letter.value, headers, timestampMs: nowMs };
}

/** Reads the headers of a record in a dead-letter topic. `timestampMs` is its time there. */
export function readLetter(headers: readonly RecordHeader[], timestampMs: number): FoundLetter {
  const values = new Map(headers.map(({ key, value }) => [key, value]));
  const text = (key: string) => values.get(key)?.toString('utf8');
  const at = decodeOrigin(values.get(placeHeader) ?? Buffer.alloc(0));
  const timeMs = Date.parse(text('time') ?? '');
  const step = text('step');
  return {
    reason: text('reason') ?? 'no reason was given',
    refusedBy: step === undefined ? `sink ${text('sink') ?? '?'}` : `step ${step}`,
    edge: text(edgeHeader),
    at,
    origin: text('origin') ?? '?',
    timestampMs: Number.isNaN(timeMs) ? timestampMs : timeMs,
    headers: headers.filter(({ key, value }) => !added.has(key) && !isAddedOrigin(key, value, at)),
  };
}

/** An origin that says where the edge read the record was added with the letter; the record's own speaks of another topic. */
function isAddedOrigin(key: string, value: Buffer | null, at: Origin | undefined): boolean {
  return key === originHeader && at !== undefined && value?.equals(encodeOrigin({ ...at, ordinal: 0 })) === true;
}
