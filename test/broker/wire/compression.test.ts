// The five codecs: both ways, the forms that other clients write, and limits on what comes out.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync as compressSnappyBlock, uncompressSync as decompressSnappyBlock } from 'snappy';
import { describe, expect, it } from 'vitest';
import { compress, compressionNames, decompress, decompressBriefly } from '../../../broker/wire/compression.ts';
import { KafkaError } from '../../../broker/wire/errors.ts';

const noLimit = 2 ** 28;
const codecs = compressionNames.filter((name) => name !== 'none');

describe.each(codecs)('%s', (codec) => {
  it('gives back what went in', () => {
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
      fc
        .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.nat(30_000))
        .map(([text, times]) => Buffer.from(text.repeat(times))),
    );
    const property = fc.property(inputs, (input) => {
      expect(decompress(codec, compress(codec, input), noLimit).equals(input)).toBe(true);
    });
    fc.assert(property, { numRuns: 60, seed: 8 });
  });

  it('makes repetitive input smaller', () => {
    const input = Buffer.from('the same line again\n'.repeat(10_000));
    expect(compress(codec, input).length).toBeLessThan(input.length / 5);
  });

  it('stops at the limit, however small the input', () => {
    const bomb = compress(codec, Buffer.alloc(8 * 1024 * 1024));
    expect(decompress(codec, bomb, 8 * 1024 * 1024)).toHaveLength(8 * 1024 * 1024);
    expect(() => decompress(codec, bomb, 1024 * 1024)).toThrow(KafkaError);
  });

  it('refuses what it cannot read', () => {
    const whole = compress(codec, Buffer.from('some line or other\n'.repeat(100)));
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
      fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
      fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([position, byte]) => {
        const damaged = Buffer.from(whole);
        damaged[position] = byte;
        return damaged;
      }),
    );
    const property = fc.property(inputs, (input) => {
      try {
        decompress(codec, input, 1024 * 1024);
      } catch (error) {
        expect(error).toBeInstanceOf(KafkaError);
      }
    });
    fc.assert(property, { numRuns: 400, seed: 9 });
    expect(() => decompress(codec, Buffer.from('nonsense'), noLimit)).toThrow(/CORRUPT_MESSAGE/);
  });
});

describe('forms that other clients write', () => {
  const input = Buffer.from('one line of a log\n'.repeat(20_000));

  it('snappy without framing', () => {
    expect(decompress('snappy', compressSnappyBlock(input), noLimit).equals(input)).toBe(true);
  });

  it('snappy with the framing of Java is what we write', () => {
    const framed = compress('snappy', input);
    expect(framed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
  });

  it('snappy with a block length that is a lie', () => {
    const framed = compress('snappy', input);
    framed.writeInt32BE(0x7fffffff, 16);
    expect(() => decompress('snappy', framed, noLimit)).toThrow(/snappy block of/);
  });

  it('lz4 with checksums of blocks and content', () => {
    const frame = compressFrameSync(input, { contentChecksum: true, blockChecksums: true });
    expect(decompress('lz4', frame, noLimit).equals(input)).toBe(true);
  });

  it('lz4 whose blocks refer to those before them', () => {
    // 65,612 letters and " end", from the lz4 command (-BD -B4).
    const parts = [
      '04224d1844405e0b0100001f610100',
      'ff'.repeat(256),
      'e75061616161610a0000000f040038506120656e64000000000ef386c9',
    ];
    const content = decompress('lz4', Buffer.from(parts.join(''), 'hex'), noLimit);
    expect(content.toString()).toBe(`${'a'.repeat(65_536 + 76)} end`);
  });

  it('several gzip members and zstd with a content size', () => {
    const members = Buffer.concat([gzipSync(input), gzipSync(input)]);
    expect(decompress('gzip', members, noLimit)).toHaveLength(2 * input.length);
    expect(decompress('zstd', zstdCompressSync(input), noLimit).equals(input)).toBe(true);
  });
});

it('leaves uncompressed records alone', () => {
  const input = Buffer.from('x');
  expect(compress('none', input)).toBe(input);
  expect(decompress('none', input, 0)).toBe(input);
});

describe('lz4 and snappy, undone by our own code', () => {
  /** What repeats near and far, and what does not: lengths and distances of every kind. */
  const contents = fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
        fc
          .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(3000))
          .map(([unit, times]) => Buffer.alloc(unit.length * times, unit)),
      ),
      { maxLength: 12 },
    )
    .map((parts) => Buffer.concat([...parts, ...parts.toReversed()]));

  it('give what the packages give', () => {
    const property = fc.property(contents, fc.boolean(), (input, checks) => {
      const frame = compressFrameSync(input, { contentChecksum: checks, blockChecksums: checks });
      expect(decompress('lz4', frame, noLimit).equals(input)).toBe(true);
      expect(decompress('snappy', compressSnappyBlock(input), noLimit).equals(input)).toBe(true);
    });
    fc.assert(property, { numRuns: 200, seed: 10 });
  });

  it('take nothing that the packages refuse, and give the same for what is changed', () => {
    const property = fc.property(contents, fc.nat(), fc.nat(255), (input, at, byte) => {
      const forms = [
        { codec: 'lz4', whole: compressFrameSync(input), undo: (damaged: Buffer) => decompressFrameSync(damaged) },
        {
          codec: 'snappy',
          whole: compressSnappyBlock(input),
          undo: (damaged: Buffer) => decompressSnappyBlock(damaged, { asBuffer: true }),
        },
      ] as const;
      for (const { codec, whole, undo } of forms) {
        const damaged = Buffer.from(whole);
        damaged[at % damaged.length] = byte;
        let ours: Buffer;
        try {
          ours = decompress(codec, damaged, noLimit);
        } catch (error) {
          expect(error).toBeInstanceOf(KafkaError);
          continue;
        }
        expect(ours.equals(undo(damaged) as Buffer)).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 500, seed: 11 });
  });

  it('keep what decompress gave when the next batch is undone, which decompressBriefly need not', () => {
    for (const codec of ['lz4', 'snappy'] as const) {
      const kept = decompress(codec, compress(codec, Buffer.from('first')), noLimit);
      const brief = decompressBriefly(codec, compress(codec, Buffer.from('second')), noLimit);
      expect([kept.toString(), brief.toString()]).toEqual(['first', 'second']);
    }
  });

  it('take a batch beyond the memory that is kept', () => {
    const input = Buffer.concat(Array.from({ length: 300 }, (_, index) => Buffer.alloc(64 * 1024, `${index} `)));
    for (const codec of ['lz4', 'snappy'] as const) {
      expect(decompress(codec, compress(codec, input), noLimit).equals(input)).toBe(true);
    }
  });
});
