// Dead letters: records a step or sink refused for good, in the ordinary topic `<pipeline>.dlq`. The value and key are the original bytes; the original
// headers stay, and these are added:
//   reason  why, in words          step or sink  who refused it ("parse at web.yaml:7:9", "sink search")
//   time    the record's own time (ISO 8601)     origin  topic/partition/offset for people      o  the same for machines (origin.ts)
import type { OutgoingRecord } from '../broker/client/contract.ts';
import type { Coordinates } from '../sinks/sink.ts';
import { encodeOrigin, originHeader } from './origin.ts';
import type { RecordHeader } from './source-batch.ts';

export interface DeadLetter {
  reason: string;
  refusedBy: { step: string } | { sink: string };
  coordinates: Coordinates;
  offset: number;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer;
  headers: readonly RecordHeader[];
}

const added = new Set(['reason', 'step', 'sink', 'time', 'origin']);
const maxReasonCharacters = 2000;

/** About what it takes in memory and on the way. */
export function sizeOf(letter: DeadLetter): number {
  return letter.value.length + letter.reason.length + 400;
}

/** The record for the dead-letter topic; `nowMs` is its time there (its age decides about retention). */
export function deadLetterRecord(topic: string, letter: DeadLetter, nowMs: number): OutgoingRecord {
  const { coordinates, offset } = letter;
  const text = (key: string, value: string) => ({ key, value: Buffer.from(value) });
  const headers: RecordHeader[] = letter.headers.filter(({ key }) => !added.has(key));
  if (!headers.some(({ key }) => key === originHeader)) {
    const { topicId, partition } = coordinates;
    headers.push({ key: originHeader, value: encodeOrigin({ topicId, partition, offset, ordinal: 0 }) });
  }
  headers.push(text('reason', letter.reason.slice(0, maxReasonCharacters)));
  headers.push('step' in letter.refusedBy ? text('step', letter.refusedBy.step) : text('sink', letter.refusedBy.sink));
  headers.push(text('time', new Date(Math.min(Math.max(letter.timestampMs, 0), 8.64e15)).toISOString()));
  headers.push(text('origin', `${coordinates.topic}/${coordinates.partition}/${offset}`));
  return { topic, key: letter.key, value: letter.value, headers, timestampMs: nowMs };
}
