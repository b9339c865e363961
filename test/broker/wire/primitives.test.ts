// Reader, Writer and varints: values survive the round trip, sizes are told right, damaged input is refused without harm.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInt64, writeInt64 } from '../../../broker/wire/int64.ts';
import { Reader } from '../../../broker/wire/reader.ts';
import { unsignedVarintBytes, varintBytes, varlongBytes } from '../../../broker/wire/varint.ts';
import { Writer } from '../../../broker/wire/writer.ts';

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer(1);
  write(writer);
  return writer.toBuffer();
}

const hex = (write: (writer: Writer) => void) => written(write).toString('hex');
const varlongs = fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 });

describe('varints', () => {
  it('are those of Protocol Buffers', () => {
    expect(hex((writer) => writer.unsignedVarint(300))).toBe('ac02');
    expect(hex((writer) => writer.unsignedVarint(0xffffffff))).toBe('ffffffff0f');
    expect([0, -1, 1, -2].map((value) => hex((writer) => writer.varint(value)))).toEqual(['00', '01', '02', '03']);
    expect(hex((writer) => writer.varint(-2147483648))).toBe('ffffffff0f');
    expect(hex((writer) => writer.varlong(-(2 ** 40)))).toBe('ffffffffff3f');
  });

  it('are read back and as long as predicted', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer(), varlongs, (unsigned, signed, long) => {
        const unsignedBytes = written((writer) => writer.unsignedVarint(unsigned));
        const signedBytes = written((writer) => writer.varint(signed));
        const longBytes = written((writer) => writer.varlong(long));
        expect(new Reader(unsignedBytes).unsignedVarint()).toBe(unsigned);
        expect(new Reader(signedBytes).varint()).toBe(signed);
        expect(new Reader(longBytes).varlong() + 0).toBe(long + 0);
        expect(unsignedBytes).toHaveLength(unsignedVarintBytes(unsigned));
        expect(signedBytes).toHaveLength(varintBytes(signed));
        expect(longBytes).toHaveLength(varlongBytes(long));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('are refused when they are too long or cut short', () => {
    for (const bytes of ['ffffffff1f', 'ffffffffff01', 'ff', '']) {
      expect(() => new Reader(Buffer.from(bytes, 'hex')).unsignedVarint()).toThrow(/Malformed/);
    }
    expect(() => new Reader(Buffer.alloc(10, 0xff)).varlong()).toThrow(/longer than 64 bits/);
    expect(() => new Reader(Buffer.from('ffffffffffffffff7f', 'hex')).varlong()).toThrow(/beyond 2\^52/);
  });
});

describe('64-bit integers', () => {
  it('agree with BigInt', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const buffer = Buffer.alloc(8);
        writeInt64(buffer, value, 0);
        expect(buffer.readBigInt64BE(0)).toBe(BigInt(value));
        expect(readInt64(buffer, 0)).toBe(value);
      }),
      { seed: 2 },
    );
  });

  it('are refused beyond 2^53 rather than rounded', () => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64BE(2n ** 53n);
    expect(() => readInt64(buffer, 0)).toThrow(/beyond 2\^53/);
    expect(() => writeInt64(buffer, 2 ** 53, 0)).toThrow(/cannot be written/);
    expect(() => writeInt64(buffer, 0.5, 0)).toThrow(/cannot be written/);
  });
});

describe('Writer and Reader', () => {
  it('keep a mixed sequence, whatever the chunks', () => {
    const blocks = fc.array(fc.nat(4000), { maxLength: 8 });
    const property = fc.property(blocks, fc.string({ unit: 'grapheme' }), fc.integer(), (sizes, text, number) => {
      const writer = new Writer(3);
      for (const size of sizes) {
        writer.raw(Buffer.alloc(size, size));
        writer.int32(number);
        writer.string(text);
        writer.compactString(text);
        writer.boolean(true);
        writer.int8(-1);
        writer.int16(-300);
      }
      const { sizeBytes } = writer;
      const reader = new Reader(writer.toBuffer());
      expect(reader.end).toBe(sizeBytes);
      for (const size of sizes) {
        expect(reader.raw(size)).toEqual(Buffer.alloc(size, size));
        expect(reader.int32()).toBe(number);
        expect(reader.utf8(reader.shortLength())).toBe(text);
        expect(reader.utf8(reader.compactLength())).toBe(text);
        expect([reader.boolean(), reader.int8(), reader.int16()]).toEqual([true, -1, -300]);
      }
      expect(reader.remaining).toBe(0);
    });
    fc.assert(property, { seed: 3 });
  });

  it('link large byte fields instead of copying them', () => {
    const records = Buffer.alloc(100_000);
    const writer = new Writer();
    writer.int32(1);
    writer.raw(records);
    writer.int32(2);
    const chunks = writer.chunks();
    expect(chunks.map((chunk) => chunk.length)).toEqual([4, 100_000, 4]);
    expect(chunks[1]).toBe(records);
  });

  it('refuse lengths that the input cannot hold, before anything is allocated', () => {
    const hostile = Buffer.from('7fffffff00', 'hex');
    expect(() => new Reader(hostile).length()).toThrow(/more than what follows/);
    expect(() => new Reader(hostile).shortLength()).toThrow(/more than what follows/);
    expect(() => new Reader(Buffer.from('fffffffe', 'hex')).length()).toThrow(/a length of -2/);
    expect(() => new Reader(Buffer.from('ffffffff0f', 'hex')).compactLength()).toThrow(/more than what follows/);
  });

  it('never read past their part of a buffer', () => {
    const reader = new Reader(Buffer.alloc(100), 10, 13);
    expect(() => reader.int32()).toThrow(/Malformed bytes at 10 of 13/);
    reader.int16();
    expect(reader.remaining).toBe(1);
  });

  it('refuse strings beyond 32767 bytes', () => {
    expect(() => new Writer().string('é'.repeat(16384))).toThrow(/32767/);
    expect(() => new Writer().compactString('x'.repeat(32768))).toThrow(/32767/);
  });
});
