import { expect, it } from 'vitest';
import { copyBatch, giveBatchBuffer, holdBatchBuffer, takeBatchBuffer } from '../../../broker/wire/batch-buffers.ts';

const size = 300_000;

it('a buffer is used again when its last holder has given it back, and not before', () => {
  const first = takeBatchBuffer(size);
  expect(first.length).toBeGreaterThanOrEqual(size);
  const view = first.subarray(10, 20);
  holdBatchBuffer(view);
  giveBatchBuffer(first);
  expect(takeBatchBuffer(size).buffer).not.toBe(first.buffer);
  giveBatchBuffer(view);
  expect(takeBatchBuffer(size).buffer).toBe(first.buffer);
});

it('what was not taken here is left alone', () => {
  const other = Buffer.allocUnsafeSlow(size);
  holdBatchBuffer(other);
  giveBatchBuffer(other);
  giveBatchBuffer(other);
  expect(takeBatchBuffer(size).buffer).not.toBe(other.buffer);
});

it('giving back twice does not lend it twice', () => {
  const first = takeBatchBuffer(size);
  giveBatchBuffer(first);
  giveBatchBuffer(first);
  const taken = [takeBatchBuffer(size), takeBatchBuffer(size)];
  expect(taken[0]!.buffer).not.toBe(taken[1]!.buffer);
});

it('small copies share a slab, which is used again when all of them were given back', () => {
  const bytes = Buffer.alloc(200_000, 'x');
  const copies = Array.from({ length: 20 }, (_, index) => copyBatch(bytes.fill(index)));
  copies.forEach((copy, index) => expect(copy.equals(Buffer.alloc(bytes.length, index))).toBe(true));
  const slabs = new Set(copies.map(({ buffer }) => buffer));
  expect(slabs.size).toBeLessThan(6);
  const [first] = slabs;
  const inFirst = copies.filter(({ buffer }) => buffer === first);
  for (const copy of inFirst.slice(1)) giveBatchBuffer(copy);
  expect(takeBatchBuffer(first!.byteLength).buffer).not.toBe(first);
  giveBatchBuffer(inFirst[0]!);
  expect(takeBatchBuffer(first!.byteLength).buffer).toBe(first);
});

it('a large copy has a buffer of its own', () => {
  const bytes = Buffer.alloc(900_000, 'y');
  const copy = copyBatch(bytes);
  expect(copy.equals(bytes)).toBe(true);
  giveBatchBuffer(copy);
  expect(takeBatchBuffer(bytes.length).buffer).toBe(copy.buffer);
});
