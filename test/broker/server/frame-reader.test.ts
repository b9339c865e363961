// Frames come out whole and in order however the bytes were cut on their way; what is no frame is refused before memory is taken.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader } from '../../../broker/server/frame-reader.ts';

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length);
  frame.writeInt32BE(body.length, 0);
  frame.set(body, 4);
  return frame;
}

test('any cutting of the stream gives the same frames', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map(framed));
        const reader = new FrameReader(1000);
        const out: Buffer[] = [];
        for (let position = 0, cut = 0; position < stream.length; cut++) {
          const end = position + cuts[cut % cuts.length]!;
          reader.push(stream.subarray(position, end));
          position = end;
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) out.push(Buffer.from(frame));
        }
        expect(out.map((frame) => [...frame])).toEqual(bodies.map((body) => [...body]));
        expect(reader.bufferedBytes).toBe(0);
      },
    ),
  );
});

test('memory goes back to the system when nothing in it is needed any more', () => {
  const alone = (bytes: Buffer) => Buffer.from(new Uint8Array(bytes).buffer);
  const reader = new FrameReader(1000);
  const two = alone(Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two'))]));
  const [begun, ended] = [framed(Buffer.from('three')).subarray(0, 6), framed(Buffer.from('three')).subarray(6)].map(
    alone,
  );
  for (const chunk of [two, begun!]) reader.push(chunk);
  expect(reader.next()?.toString()).toBe('one');
  expect(reader.next()?.toString()).toBe('two');
  expect(two.length).toBeGreaterThan(0);
  expect(reader.next()).toBeUndefined();
  expect([two.length, begun!.length]).toEqual([0, 6]);
  reader.push(ended!);
  expect(reader.next()?.toString()).toBe('three');
  expect([begun!.length, ended!.length, reader.pieces, reader.bufferedBytes]).toEqual([0, 0, 0, 0]);
});

test('memory that others use too is left alone', () => {
  const shared = Buffer.concat([framed(Buffer.from('one')), Buffer.from('theirs')]);
  const reader = new FrameReader(1000);
  reader.push(shared.subarray(0, 7));
  expect(reader.next()?.toString()).toBe('one');
  expect(reader.next()).toBeUndefined();
  expect(shared.toString('latin1', 7)).toBe('theirs');
});

test('a size above the limit is refused by its four bytes alone', () => {
  const reader = new FrameReader(100);
  reader.push(Buffer.from([0, 0, 0, 101]));
  expect(() => reader.next()).toThrow('claims 101 bytes; at most 100 are taken');
});

test('a negative size is refused', () => {
  const reader = new FrameReader(100);
  reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  expect(() => reader.next()).toThrow('claims -1 bytes');
});

test('an HTTP request is named as one', () => {
  const limited = new FrameReader(104857600);
  limited.push(Buffer.from('GET / HTTP/1.1\r\n'));
  expect(() => limited.next()).toThrow('An HTTP request came to the Kafka port');
});
