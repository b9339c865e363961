// Every message in every version: what is written is read back, and damaged input is an error of its own kind.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import { apis } from '../../../broker/wire/apis.ts';
import * as consumerGroupRecords from '../../../broker/wire/messages/consumer-group-records.ts';
import * as coordinatorRecords from '../../../broker/wire/messages/coordinator-records.ts';
import { Reader } from '../../../broker/wire/reader.ts';
import type { Message } from '../../../broker/wire/schema.ts';
import { Writer } from '../../../broker/wire/writer.ts';
import { structValues } from './schema-values.ts';

const messages: Message<unknown>[] = [
  ...Object.values(apis).flatMap((api) => [api.request as Message<unknown>, api.response as Message<unknown>]),
  ...Object.values({ ...coordinatorRecords, ...consumerGroupRecords }).filter(
    (value): value is Message<never> & Message<unknown> => typeof value === 'object',
  ),
];

function encode(message: Message<unknown>, version: number, value: unknown): Buffer {
  const writer = new Writer(16);
  message.write(writer, version, value);
  const { sizeBytes } = writer;
  const encoded = writer.toBuffer();
  expect(encoded.length).toBe(sizeBytes);
  return encoded;
}

function* versionsOf(message: Message<unknown>): Generator<number> {
  for (let version = message.versions[0]; version <= message.versions[1]; version++) yield version;
}

describe.each(messages.map((message) => [message.name, message] as const))('%s', (_name, message) => {
  it('reads back what it wrote, in every version', () => {
    for (const version of versionsOf(message)) {
      const property = fc.property(structValues(message.fields, version), (partial) => {
        const value = message.create(partial);
        const reader = new Reader(encode(message, version, value));
        expect(message.read(reader, version)).toEqual(value);
        expect(reader.remaining).toBe(0);
      });
      fc.assert(property, { numRuns: 12, seed: version });
    }
  });

  it('answers input that is cut short with TLR_PROTOCOL', () => {
    for (const version of versionsOf(message)) {
      const [partial] = fc.sample(structValues(message.fields, version), { numRuns: 1, seed: 7 });
      const encoded = encode(message, version, message.create(partial));
      const step = Math.max(1, Math.floor(encoded.length / 40));
      for (let length = 0; length < encoded.length; length += step) {
        expect(codeOf(() => message.read(new Reader(encoded, 0, length), version))).toBe('TLR_PROTOCOL');
      }
    }
  });

  it('takes arbitrary bytes without anything worse than TLR_PROTOCOL', () => {
    const bytes = fc.uint8Array({ maxLength: 120 }).map((array) => Buffer.from(array));
    for (const version of versionsOf(message)) {
      const property = fc.property(bytes, (input) => {
        const reader = new Reader(input);
        expect([undefined, 'TLR_PROTOCOL']).toContain(codeOf(() => message.read(reader, version)));
        expect(reader.position).toBeLessThanOrEqual(input.length);
      });
      fc.assert(property, { numRuns: 12, seed: version });
    }
  });
});

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError) return error.code;
    throw error;
  }
}

it('refuses versions outside the range', () => {
  expect(() => apis.Fetch.request.read(new Reader(Buffer.alloc(100)), 3)).toThrow(/only versions 4 to 18/);
  expect(() => apis.Fetch.request.write(new Writer(), 19, apis.Fetch.request.create())).toThrow(
    /only versions 4 to 18/,
  );
});

it('gives every API the key and versions of its messages', () => {
  for (const [name, api] of Object.entries(apis)) {
    expect(api.name).toBe(name);
    expect([api.request.name, api.response.name]).toEqual([`${name}Request`, `${name}Response`]);
    expect([api.response.key, api.response.versions]).toEqual([api.key, api.versions]);
    expect(api.response.flexible).toBe(api.request.flexible);
  }
});
