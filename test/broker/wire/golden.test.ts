// Against bytes that Kafka's own Java code wrote (test/golden/README.md): every message in every version, and record batches.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { apis } from '../../../broker/wire/apis.ts';
import { readControlRecord } from '../../../broker/wire/control-batch.ts';
import * as consumerGroupRecords from '../../../broker/wire/messages/consumer-group-records.ts';
import * as coordinatorRecords from '../../../broker/wire/messages/coordinator-records.ts';
import { Reader } from '../../../broker/wire/reader.ts';
import { type BatchHeader, forEachBatch, RecordCursor, validateBatch } from '../../../broker/wire/record-batch.ts';
import type { Fields, Message, Shape } from '../../../broker/wire/schema.ts';
import { Writer } from '../../../broker/wire/writer.ts';

interface MessageVector {
  message: string;
  version: number;
  hex: string;
  value: Record<string, unknown>;
}

interface BatchVector {
  name: string;
  hex: string;
  count?: number;
  records?: {
    offset: number;
    timestampMs: number;
    key: string | null;
    value: string | null;
    headers: [string, string | null][];
  }[];
}

const vectorsOf = <T>(file: string): T[] =>
  readFileSync(new URL(`../../golden/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const messages = new Map<string, Message<unknown>>();
for (const api of Object.values(apis)) {
  messages.set(api.request.name, api.request);
  messages.set(api.response.name, api.response);
}
for (const exported of Object.values({ ...coordinatorRecords, ...consumerGroupRecords })) {
  if (typeof exported === 'object') messages.set(exported.name, exported);
}

const messageVectors = vectorsOf<MessageVector>('kafka-messages.jsonl');

describe('messages as Kafka writes them', () => {
  it('has a vector for every version of every message', () => {
    for (const [name, message] of messages) {
      const versions = messageVectors.filter((vector) => vector.message === name).length;
      expect([name, versions]).toEqual([name, message.versions[1] - message.versions[0] + 1]);
    }
  });

  it.each(messageVectors.map((vector) => [`${vector.message} ${vector.version}`, vector] as const))(
    '%s',
    (_n, vector) => {
      const message = messages.get(vector.message)!;
      // Kafka numbers the keys of its coordinators' records apart from their (only) version.
      const version = message.versions[0] === message.versions[1] ? message.versions[0] : vector.version;
      const bytes = Buffer.from(vector.hex, 'hex');
      const reader = new Reader(bytes);
      const value = message.read(reader, version);
      expect(reader.remaining).toBe(0);
      expect(asKafkaJson(message.fields, value as Record<string, unknown>, vector.value)).toEqual(vector.value);
      const writer = new Writer();
      message.write(writer, version, value);
      expect(writer.toBuffer().toString('hex')).toBe(vector.hex);
    },
  );
});

/** A value as Kafka's JSON converters print it; fields that they leave out (defaults, absent in the version) are left out. */
function asKafkaJson(fields: Fields, value: Record<string, unknown>, printed: Record<string, unknown>): unknown {
  const names = Object.keys(printed);
  return Object.fromEntries(names.map((name) => [name, printedForm(fields[name]!.shape, value[name], printed[name])]));
}

function printedForm(shape: Shape, value: unknown, printed: unknown): unknown {
  if (value === null) return null;
  switch (shape.kind) {
    case 'struct':
      return asKafkaJson(shape.fields, value as Record<string, unknown>, printed as Record<string, unknown>);
    case 'array':
      return (value as unknown[]).map((item, index) =>
        printedForm(shape.element.shape, item, (printed as unknown[])[index]),
      );
    case 'bigint64':
      return Number(value);
    case 'uuid':
      return (value as Buffer).toString('base64url');
    case 'bytes':
      return (value as Buffer).toString('base64');
    case 'records':
    case 'recordChunks':
      return ''; // records are not printed
    default:
      return value;
  }
}

describe('record batches as Kafka writes them', () => {
  it.each(vectorsOf<BatchVector>('kafka-batches.jsonl').map((vector) => [vector.name, vector] as const))(
    '%s',
    (_name, vector) => {
      const bytes = Buffer.from(vector.hex, 'hex');
      const headers: BatchHeader[] = [];
      forEachBatch(bytes, (header) => headers.push(header));
      expect(headers).toHaveLength(1);
      const header = validateBatch(bytes);
      expect(header).toEqual(headers[0]);
      const cursor = new RecordCursor(bytes);
      const records = [];
      while (cursor.next()) records.push(recordOf(cursor));
      if (vector.count !== undefined) {
        expect(records).toHaveLength(vector.count);
        return;
      }
      const { records: expected, ...printed } = vector;
      const expectedHeader = Object.entries(printed).filter(([name]) => name !== 'name' && name !== 'hex');
      expect(header).toMatchObject(Object.fromEntries(expectedHeader));
      expect(records).toEqual(expected);
    },
  );

  it('reads markers', () => {
    const kinds = vectorsOf<BatchVector>('kafka-batches.jsonl')
      .filter((vector) => vector.name.endsWith('marker'))
      .map((vector) => {
        const cursor = new RecordCursor(Buffer.from(vector.hex, 'hex'));
        cursor.next();
        return readControlRecord(cursor);
      });
    expect(kinds).toEqual([
      { kind: 'commit', coordinatorEpoch: 31 },
      { kind: 'abort', coordinatorEpoch: 32 },
    ]);
  });
});

function recordOf(cursor: RecordCursor) {
  const headers: [string, string | null][] = [];
  cursor.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
    const value = valueStart < 0 ? null : cursor.buffer.toString('hex', valueStart, valueEnd);
    headers.push([cursor.buffer.toString('utf8', keyStart, keyEnd), value]);
  });
  return {
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    key: cursor.key()?.toString('hex') ?? null,
    value: cursor.value()?.toString('hex') ?? null,
    headers,
  };
}
