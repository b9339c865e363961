// CRC-32C and murmur2 against published vectors and those of the Java client; Kafka's error table.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailraceError } from '../../../base/errors.ts';
import { crc32c } from '../../../broker/wire/crc32c.ts';
import { ErrorCode, errorCodeOf, errorName, KafkaError, kafkaErrors } from '../../../broker/wire/errors.ts';
import { murmur2, partitionForKey } from '../../../broker/wire/murmur2.ts';

describe('crc32c', () => {
  it('gives the values of RFC 3720', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index)))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('is the same in native code and from the table', () => {
    // The checksum of a message followed by its own checksum (little-endian) is a constant, which joins both ways of reckoning.
    const residue = 0x48674bc7;
    const property = fc.property(fc.uint8Array({ minLength: 200, maxLength: 300 }), (array) => {
      const content = Buffer.from(array);
      const sealed = Buffer.alloc(content.length + 4);
      content.copy(sealed);
      sealed.writeUInt32LE(crc32c(content), content.length);
      expect(crc32c(sealed)).toBe(residue);
    });
    fc.assert(property, { seed: 4 });
  });
});

describe('murmur2', () => {
  // Made with org.apache.kafka.common.utils.Utils.murmur2, kafka-clients 4.3.1; the last number is the partition among 12.
  it.each([
    ['', 275646681, 9],
    ['2', 648968168, 8],
    ['21', -973932308, 0],
    ['foobar', -790332482, 6],
    ['a-little-bit-long-string', -985981536, 8],
    ['a-little-bit-longer-string', -1486304829, 11],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971, 5],
    ['größe 日本', 1779867576, 0],
  ])('puts %j where the Java client puts it', (key, hash, partition) => {
    expect(murmur2(Buffer.from(key))).toBe(hash);
    expect(partitionForKey(Buffer.from(key), 12)).toBe(partition);
  });

  it('takes bytes above 127 for what they are', () => {
    expect(murmur2(Buffer.from([0xff, 0x80, 0x81]))).toBe(1120456546);
  });
});

describe('errors', () => {
  it('have one name for each code', () => {
    const codes = Object.values(ErrorCode);
    expect(new Set(codes).size).toBe(codes.length);
    for (const [name, entry] of Object.entries(kafkaErrors)) expect(errorName(entry.code)).toBe(name);
    expect(errorName(9999)).toBe('UNKNOWN_SERVER_ERROR');
  });

  it('say what, where and what it means', () => {
    const error = new KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER, 'topic app, partition 3');
    expect(error).toBeInstanceOf(TailraceError);
    expect(error.message).toBe(
      'topic app, partition 3: this broker does not hold the partition (NOT_LEADER_OR_FOLLOWER)',
    );
    expect([error.code, error.retriable, error.errorName]).toEqual(['TLR_KAFKA', true, 'NOT_LEADER_OR_FOLLOWER']);
    expect(new KafkaError(ErrorCode.INVALID_RECORD).retriable).toBe(false);
  });

  it('become a code for an answer', () => {
    expect(errorCodeOf(new KafkaError(ErrorCode.INVALID_RECORD))).toBe(87);
    expect(errorCodeOf(new Error('surprise'))).toBe(-1);
  });
});
