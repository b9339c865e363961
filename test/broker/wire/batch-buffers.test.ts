import { expect, it } from 'vitest';
import { giveBatchBuffer, holdBatchBuffer, takeBatchBuffer } from '../../../broker/wire/batch-buffers.ts';

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
